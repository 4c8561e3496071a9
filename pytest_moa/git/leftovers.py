"""Clears what a killed run left in a real repository: git lock files that it had announced, a work tree half updated.

A lock is removed only where no living process can be its owner.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_moa.errors import MoaError
from pytest_moa.git.checkouts import Checkout, finish_following
from pytest_moa.git.handle import Repository
from pytest_moa.git.owned import Intent, OwnedFolder
from pytest_moa.model.agents import ObjectId

_PROC = Path("/proc")


@contextmanager
def changing(
    folder: OwnedFolder,
    repo: Repository,
    refs: tuple[str, ...],
    checkout: Checkout | None = None,
    move: tuple[str, ObjectId, ObjectId] | None = None,
) -> Iterator[None]:
    """Announce that refs are about to move, and a work tree to follow: what to clear if this process is killed."""
    locks = [repo.common_dir / f"{ref}.lock" for ref in refs] + [repo.common_dir / "packed-refs.lock"]
    if checkout is not None:
        locks += [checkout.git_dir / "index.lock", checkout.git_dir / "HEAD.lock"]
    branch, old, new = move or (None, None, None)
    intent = Intent(
        repository=str(repo.common_dir),
        since=0,
        # A lock that is there already is somebody else's.
        locks=tuple(str(lock) for lock in locks if not lock.exists()),
        work_tree=str(checkout.path) if checkout else None,
        branch=branch,
        old=old,
        new=new,
    )
    with folder.intends(intent):
        yield


def clear_intents(folder: OwnedFolder) -> list[str]:
    """Undo or finish what a dead owner had announced; returns a sentence for each thing done or left."""
    said: list[str] = []
    for intent in folder.intents():
        said += [
            f"removed {lock}, left by a run that died"
            for lock in intent.locks
            if _removed(Path(lock), intent)
        ]
        said += _finished(intent)
    return said


def _finished(intent: Intent) -> list[str]:
    if not (intent.work_tree and intent.branch and intent.old and intent.new):
        return []
    if not Path(intent.work_tree).is_dir():
        return []
    try:
        said = finish_following(Path(intent.work_tree), intent.branch, intent.old, intent.new)
    except MoaError as error:
        said = f"the work tree {intent.work_tree} could not be brought up to date: {error}"
    return [said] if said else []


def _removed(lock: Path, intent: Intent) -> bool:
    try:
        made = lock.lstat().st_ctime
    except OSError:
        return False
    # Filesystem times are coarser than the clock.
    if made < intent.since - 0.1 or lock.suffix != ".lock":
        return False
    if _in_use(Path(intent.repository), intent.work_tree):
        return False
    with suppress(OSError):
        lock.unlink()
        return True
    return False


def _in_use(repository: Path, work_tree: str | None) -> bool:
    """Whether a git process works in the repository: then a lock may be its own. Unknown counts as yes."""
    if not (_PROC / "self/stat").exists():
        return True
    places = [str(repository), str(repository.parent), *([work_tree] if work_tree else [])]
    deadline = time.monotonic() + 2
    while any(_works_in(process, places) for process in _gits()):
        # The dead run's own git may be about to end.
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


def _gits() -> Iterator[Path]:
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if (process / "comm").read_text(encoding="utf-8", errors="replace").startswith("git"):
                    yield process


def _works_in(process: Path, places: list[str]) -> bool:
    try:
        state = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        if state in "ZX":
            return False
        folder = os.readlink(process / "cwd")  # noqa: PTH115 - the link's text; its folder may be gone
    except FileNotFoundError:
        return False
    except OSError:
        return True  # another user's git: it might be there
    return any(folder == place or folder.startswith(place + "/") for place in places)
