"""The runner's command files (GITHUB_ENV, GITHUB_OUTPUT, …) as they were before tests ran, and again after.

The runner reads the outer step's files after the action's own, and keeps all of them in one folder that tests
can list. Restores files; decides nothing.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_moa.errors import RefusedError

VARIABLES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
SNAPSHOT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    content: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The plain files of the runner's command folders, and the event file, with their contents."""

    folders: tuple[Path, ...]
    files: Mapping[Path, Kept]
    others: frozenset[Path] = field(default_factory=frozenset)


def folders_of(environ: Mapping[str, str]) -> tuple[Path, ...]:
    named = {Path(environ[name]).parent for name in VARIABLES if environ.get(name)}
    return tuple(sorted(folder for folder in named if folder.is_dir()))


def take(environ: Mapping[str, str]) -> Snapshot:
    folders = folders_of(environ)
    present = [path for folder in folders for path in sorted(folder.iterdir())]
    event = Path(environ.get("GITHUB_EVENT_PATH") or "/nonexistent")
    wanted = {p for p in (*present, event) if _is_plain(p)}
    if sum(p.stat().st_size for p in wanted) > SNAPSHOT_BYTES:
        raise RefusedError(
            "The runner's command files are too large to be kept",
            reason=f"together they hold more than {SNAPSHOT_BYTES} bytes",
            remedy="Run the action in a job of its own.",
        )
    files = {p: Kept(p.read_bytes(), stat.S_IMODE(p.stat().st_mode)) for p in wanted}
    return Snapshot(folders, files, frozenset(p for p in present if p not in files))


def restore(snapshot: Snapshot) -> tuple[str, ...]:
    """Put everything back; the names of what had been changed, added or removed."""
    for folder in snapshot.folders:
        _as_folder(folder)
    changed = [_restored(path, kept) for path, kept in sorted(snapshot.files.items())]
    added = [
        _removed(p) for folder in snapshot.folders for p in sorted(folder.iterdir()) if _is_new(p, snapshot)
    ]
    return tuple(name for name in (*changed, *added) if name)


def empty_others(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Empty the command files of other steps, where no snapshot was kept; the names of those that held anything.

    For an action's inner step: the steps before it are read already, and nothing honest writes to the outer one's.
    """
    own = [Path(environ[name]) for name in VARIABLES if environ.get(name)]
    alike = [p for file in own for p in sorted(file.parent.glob(f"{_kind(file)}*")) if p not in own]
    emptied = [p for p in alike if not _is_plain(p) or p.stat().st_size]
    for path in emptied:
        _removed(path)
        path.write_bytes(b"")
    return tuple(path.name for path in emptied)


def _kind(file: Path) -> str:
    """`set_env_` of `set_env_<guid>`; a name without such an end stands for itself alone."""
    head, mark, _ = file.name.rpartition("_")
    return head + mark if mark and "." not in file.name else file.name


@contextmanager
def untouched(environ: Mapping[str, str]) -> Iterator[list[str]]:
    """The command files are as before when it ends; the list then names those that were not."""
    snapshot = take(environ)
    touched: list[str] = []
    try:
        yield touched
    finally:
        touched.extend(restore(snapshot))


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_new(path: Path, snapshot: Snapshot) -> bool:
    return path not in snapshot.files and path not in snapshot.others


def _as_folder(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        _removed(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)


def _restored(path: Path, kept: Kept) -> str:
    if _is_plain(path) and path.stat().st_nlink == 1 and path.read_bytes() == kept.content:
        path.chmod(kept.mode)
        return ""
    _removed(path)
    path.write_bytes(kept.content)
    path.chmod(kept.mode)
    return path.name


def _removed(path: Path) -> str:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path.name
