"""`moa reset`: what is cached and what dead runs left, listed and removed. Never a ref, never a commit, nothing in use.

Only what has the place and the name that moa gives is taken for moa's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_moa.git.owned import abandoned, in_use
from pytest_moa.git.quarantine import sweep
from pytest_moa.model.reset import Leftover, LeftoverKind, ResetReport
from pytest_moa.services.caches import cache_root
from pytest_moa.testing.made_environment import MadeEnvironment, discard

_ENVIRONMENT = re.compile(r"([0-9a-f]{32})(?:\.lock|\.moa-complete\.json)?\Z")
_PROJECT = re.compile(r"[0-9a-f]{16}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?(?:\.json)?\Z|\..+\.tmp\Z")
_TURN = re.compile(r"[0-9a-f]{24}\.lock\Z")
_NOT_OURS = "moa makes nothing of that name"
_LINK = "a link: nothing is removed through it"


@dataclass(frozen=True, slots=True)
class _Found:
    """A leftover of the cache, and how it is removed."""

    item: Leftover
    remove: Callable[[], None] | None = None


def survey(environ: Mapping[str, str]) -> ResetReport:
    """What `clear` would remove, and what it would keep and why. Changes nothing."""
    items = [*_quarantines(), *(found.item for found in _cached(cache_root(environ)))]
    return ResetReport(cache=str(cache_root(environ)), asked=False, items=tuple(items))


def clear(environ: Mapping[str, str], listed: ResetReport) -> ResetReport:
    """Removes what was listed and nobody uses by now. Killed in the middle, it goes on with the next call."""
    found = {item.path for item in listed.of("found")}
    dead = [item for item in _quarantines() if item.path in found]
    if dead:
        sweep()
    cached = [one for one in _cached(cache_root(environ)) if one.remove is None or one.item.path in found]
    items = [*map(_swept, dead), *map(_removed, cached)]
    return ResetReport(cache=str(cache_root(environ)), asked=True, items=tuple(items))


def _quarantines() -> list[Leftover]:
    found: list[Leftover] = []
    for folder in abandoned():
        found.append(Leftover(kind="quarantine", path=str(folder.path), size=_size(folder.path)))
        for intent in folder.intents():
            locks = [lock for lock in intent.locks if lock.endswith(".lock") and os.path.lexists(lock)]
            found += [Leftover(kind="git-lock", path=lock) for lock in locks]
            if intent.work_tree and intent.branch and Path(intent.work_tree).is_dir():
                found.append(Leftover(kind="work-tree", path=intent.work_tree))
    return found


def _swept(item: Leftover) -> Leftover:
    if item.kind == "work-tree":
        return replace(item, state="kept", reason="brought up to date where a landing had died on the way")
    if not os.path.lexists(item.path):
        return replace(item, state="removed")
    if item.kind == "git-lock":
        return replace(item, state="kept", reason="git may be at work there, or it is somebody else's")
    return replace(item, state="failed", reason="something in it could not be removed")


def _removed(found: _Found) -> Leftover:
    if found.remove is None:
        return found.item
    try:
        found.remove()
    except BlockingIOError as error:
        shared = error.errno == errno.ENOTEMPTY
        return replace(found.item, state="kept", reason=error.strerror or "" if shared else "in use")
    except OSError as error:
        return replace(found.item, state="failed", reason=error.strerror or str(error))
    return replace(found.item, state="removed")


def _cached(root: Path) -> Iterator[_Found]:
    """Everything below the cache folder, whose own name may be taken by something else that is called moa."""
    if (against := _against(root)) is not None:
        if os.path.lexists(root):
            yield _kept("other", root, against)
        return
    for place in _entries(root):
        look = _PLACES.get(place.name)
        against = _NOT_OURS if look is None else _against(place)
        if against is not None:
            yield _kept("other", place, against)
        elif look is not None:
            yield from look(place)


def _environments(folder: Path) -> Iterator[_Found]:
    """One for each environment, with its lock and its marker; or for what is left of one."""
    names: dict[str, None] = {}
    for entry in _entries(folder):
        match = _ENVIRONMENT.match(entry.name)
        if match is None:
            yield _kept("other", entry, _NOT_OURS)
        else:
            names[match[1]] = None
    busy = _busy()
    for name in names:
        place = folder / name
        size = 0 if place.is_symlink() else _size(place)
        item = Leftover(kind="environment", path=str(place), size=size)
        against = busy or _against(place, links=True) or _used_by(place)
        if against is not None:
            yield _Found(replace(item, state="kept", reason=against))
        else:
            yield _Found(item, lambda place=place: _discard(place))  # type: ignore[misc] # mypy: a lambda's default


def _discard(place: Path) -> None:
    lock = place.with_suffix(".lock")
    with _held(lock):
        discard(MadeEnvironment(python=place / "bin/python", key=place.name, folder=place))
        lock.unlink(missing_ok=True)


def _memories(kind: LeftoverKind, *, lent: bool) -> Callable[[Path], Iterator[_Found]]:
    """What is remembered of projects: a folder a project, in it a file or a folder a commit.

    `lent`: a run goes on using what it found there when it began.
    """

    def look(folder: Path) -> Iterator[_Found]:
        busy = _busy() if lent else None
        for entry in _entries(folder):
            if (against := _against(entry) if _PROJECT.match(entry.name) else _NOT_OURS) is not None:
                yield _kept("other", entry, against)
                continue
            item = Leftover(kind=kind, path=str(entry), size=_size(entry))
            if busy is not None:
                yield _Found(replace(item, state="kept", reason=busy))
            else:
                yield _Found(item, lambda entry=entry: _forget(entry))  # type: ignore[misc] # as above

    return look


def _forget(folder: Path) -> None:
    for entry in folder.iterdir():
        if not _COMMIT.match(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    if _entries(folder):
        raise BlockingIOError(errno.ENOTEMPTY, "it holds something that is not moa's, too")
    folder.rmdir()


def _busy() -> str | None:
    return "a run is at work, and may use it" if any(in_use()) else None


def _turns(folder: Path) -> Iterator[_Found]:
    for entry in _entries(folder):
        against = _against(entry, file=True) if _TURN.match(entry.name) else _NOT_OURS
        if against is not None:
            yield _kept("other", entry, against)
            continue
        item = Leftover(kind="queue-lock", path=str(entry))
        try:
            with _held(entry):
                pass
        except OSError:
            yield _Found(replace(item, state="kept", reason="a queue is at work"))
        else:
            yield _Found(item, lambda entry=entry: _release(entry))  # type: ignore[misc] # as above


def _release(lock: Path) -> None:
    with _held(lock):
        lock.unlink(missing_ok=True)


def _findings(folder: Path) -> Iterator[_Found]:
    """Of repositories into which a test wrote: whoever has looked takes them away, and nobody else."""
    for entry in _entries(folder):
        yield _kept("other", entry, "tells what a test wrote into a repository")


_PLACES: Mapping[str, Callable[[Path], Iterator[_Found]]] = {
    "conflicts": _memories("conflicts", lent=True),
    "environments": _environments,
    "queues": _turns,
    "touched": _findings,
    "verdicts": _memories("verdicts", lent=False),
}
"""The folders that moa makes in its cache. Whoever adds one adds it here."""


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """The lock of an environment or a queue, ours while the body runs. Raises BlockingIOError where somebody has it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _kept(kind: LeftoverKind, path: Path, reason: str) -> _Found:
    return _Found(Leftover(kind=kind, path=str(path), state="kept", reason=reason))


def _against(path: Path, *, links: bool = False, file: bool = False) -> str | None:
    """Why a path is left alone; None for a folder (or file) of this user. With `links` a link itself may go."""
    try:
        facts = path.lstat()
    except OSError as error:
        # Of an environment there may be only the lock or the marker left.
        return None if links and isinstance(error, FileNotFoundError) else error.strerror or str(error)
    if facts.st_uid != os.getuid():
        return "it belongs to another user"
    if stat.S_ISLNK(facts.st_mode):
        return None if links else _LINK
    wanted = stat.S_ISREG if file else stat.S_ISDIR
    return None if wanted(facts.st_mode) else _NOT_OURS


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where it cannot be read."""
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _used_by(folder: Path) -> str | None:
    """A process that runs an interpreter of this folder, whoever started it."""
    wanted = os.fsencode(folder) + b"/"
    with suppress(OSError):
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cmdline").read_bytes().startswith(wanted):
                    return f"process {process.name} uses it"
    return None


def _size(path: Path) -> int:
    size = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - os.walk speaks str
    return size
