"""Temporary folders that say whose they are, and what their owner was about to change: `moa-*/owner.json`.

A later run tells the dead owners' folders from the living ones' by them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

PREFIX = "moa-"
OWNER = "owner.json"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM = 512 * 1024 * 1024
_YOUNG_SECONDS = 60.0
_FORGOTTEN_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process, told apart from a later one of the same pid by its start time (clock ticks since boot)."""

    pid: int
    started: str
    boot: str
    namespace: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What an owner was about to do to a real repository: lock files that git may leave there if it is killed,
    and the work tree that was to follow the target from `old` to `new`.
    """

    repository: str
    since: float
    locks: tuple[str, ...] = ()
    work_tree: str | None = None
    branch: str | None = None
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class OwnedFolder:
    path: Path

    @contextmanager
    def intends(self, intent: Intent) -> Iterator[None]:
        """Note an intent while the body runs; where the body is killed, the note stays for the next run."""
        note = self.path / f"intent-{time.monotonic_ns()}.json"
        scratch = note.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(replace(intent, since=time.time()))), encoding="utf-8")
        scratch.rename(note)
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                note.unlink()

    def intents(self) -> tuple[Intent, ...]:
        notes = sorted(self.path.glob("intent-*.json"))
        return tuple(found for note in notes if (found := _intent(note)) is not None)


@contextmanager
def owned_folder(place: Path | None = None) -> Iterator[OwnedFolder]:
    """A new temporary folder of this process; removed at the end, read-only folders inside it included."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    (path / OWNER).write_text(json.dumps(asdict(this_process())), encoding="utf-8")
    try:
        yield OwnedFolder(path)
    finally:
        remove(path)


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(
        pid=pid, started=_started(pid) or "", boot=_boot(), namespace=_namespace(), host=socket.gethostname()
    )


def memory_place() -> Path | None:
    """Where small files that are soon gone cost no disk; None where there is no such place, or little room in it."""
    try:
        free = shutil.disk_usage(_MEMORY).free
    except OSError:
        return None
    return _MEMORY if free >= _ROOM and os.access(_MEMORY, os.W_OK | os.X_OK) else None


def abandoned() -> Iterator[OwnedFolder]:
    """The temporary folders whose owner was this user's and is dead; never one that we cannot tell."""
    for path in _named_like_ours():
        if _is_abandoned(path):
            yield OwnedFolder(path)


def in_use() -> Iterator[OwnedFolder]:
    """The folders of this user whose owner lives, cannot be told, or is about to sign.

    Those in memory tell of runs whose temporary folder is another one.
    """
    for path in _named_like_ours():
        if _is_ours(path) and not _is_abandoned(path) and (_owner(path / OWNER) or _is_young(path)):
            yield OwnedFolder(path)


def _named_like_ours() -> Iterator[Path]:
    for place in (Path(tempfile.gettempdir()), _MEMORY):
        with suppress(OSError):
            yield from sorted(place.glob(f"{PREFIX}*"))


def remove(path: Path) -> None:
    """Remove a folder of ours. The owner's note goes last, so that an interrupted removal is taken up again."""
    with suppress(OSError):
        for entry in list(path.iterdir()):
            if entry.name != OWNER:
                _remove_tree(entry)
        if [entry.name for entry in path.iterdir()] in ([], [OWNER]):
            shutil.rmtree(path)


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        shutil.rmtree(path)
        return
    # Tests make folders read-only; a folder's own bits decide whether its entries can be seen and can go.
    with suppress(OSError):
        path.chmod(0o700)
    for place, folders, _ in os.walk(path):
        for folder in [place, *(os.path.join(place, name) for name in folders)]:  # noqa: PTH118 - os.walk speaks str
            if not os.path.islink(folder):  # noqa: PTH114 - as above
                with suppress(OSError):
                    os.chmod(folder, 0o700)  # noqa: PTH101 - as above
    shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        return not path.is_symlink() and path.is_dir() and path.lstat().st_uid == os.getuid()
    except OSError:
        return False


def _is_young(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime <= _YOUNG_SECONDS
    return False


def _is_abandoned(path: Path) -> bool:
    try:
        age = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    if not _is_ours(path):
        return False
    owner = _owner(path / OWNER)
    if owner is None:
        # Its owner may have died between making it and signing it: then it is empty, and nothing can be lost.
        return age > _YOUNG_SECONDS and _is_empty(path)
    return is_dead(owner) or (_elsewhere(owner) and age > _FORGOTTEN_SECONDS)


def is_dead(owner: Owner) -> bool:
    """Whether the owner is surely gone; an owner of another machine or container cannot be told."""
    here = this_process()
    if owner.boot != here.boot:
        return owner.host == here.host
    if owner.namespace != here.namespace:
        return False
    return _started(owner.pid) != owner.started if owner.started else not _alive(owner.pid)


def _elsewhere(owner: Owner) -> bool:
    here = this_process()
    return (owner.boot, owner.namespace) != (here.boot, here.namespace)


def _owner(note: Path) -> Owner | None:
    try:
        return Owner(**_json(note))
    except (OSError, ValueError, TypeError):
        return None


def _intent(note: Path) -> Intent | None:
    try:
        data = _json(note)
        return Intent(**{**data, "locks": tuple(data["locks"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _json(note: Path) -> dict[str, Any]:
    descriptor = os.open(note, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        data = json.loads(file.read(65536))
    if not isinstance(data, dict):
        raise TypeError(note)
    return data


def _is_empty(path: Path) -> bool:
    try:
        return not any(path.iterdir())
    except OSError:
        return False


def _started(pid: int) -> str | None:
    """A process's start time; None where there is no such process (a zombie has ended, too)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return _started_by_ps(pid) if not Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # proc(5): the command's name may hold spaces and brackets
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    said = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False)
    return said.stdout.decode(errors="replace").strip() or None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the link's text, not a path
    except OSError:
        return ""
