"""What was found out about heads and pairs on one target, kept on this machine. It lets nothing in: landings merge again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from pytest_moa.git.command import Git
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.conflicts import FileConflict
from pytest_moa.rules.conflicts import Outside, Touched
from pytest_moa.services.caches import cache_root
from pytest_moa.services.project import Project

Pair = tuple[ObjectId, ObjectId]
"""Two heads, the smaller id first."""
Files = tuple[FileConflict, ...]

_CAP = 64 << 20
_TARGETS = 4
"""How many targets of a project are remembered: one that was left behind is hardly asked for again."""
_SPARE = 200
"""Heads that are kept though this call did not ask for them, beside as many as it did."""
_PACKS = 50
_FORM = 1
_FILE = "memory.json"


@dataclass(frozen=True, slots=True)
class Head:
    """A head on the target. `tree` is that of the merge; None where the two conflict (in `files`) or share no history."""

    outside: Outside
    tree: ObjectId | None = None
    touched: Touched = field(default_factory=Touched)
    files: Files = ()

    @property
    def clean(self) -> bool:
        return self.tree is not None


@dataclass(slots=True)
class Memory:
    """`pairs` holds what was compared on the target, side `a` being the smaller id; empty for pairs without conflict.

    `raw` is the same for pairs of which one conflicts with the target itself. `changed`: something is to be kept.
    """

    heads: dict[ObjectId, Head] = field(default_factory=dict)
    pairs: dict[Pair, Files] = field(default_factory=dict)
    raw: dict[Pair, Files] = field(default_factory=dict)
    changed: bool = False


class _Kept(msgspec.Struct):
    """A pair is written as the places of its heads in `heads`, and of its conflict in `conflicts`."""

    form: int
    git: str
    target: ObjectId
    heads: dict[ObjectId, Head]
    conflicts: list[Files]
    pairs: list[tuple[int, int, int]]
    raw: list[tuple[int, int, int]]


def folder_of(project: Project) -> Path:
    """Where it lies: a file of what is known, and in `pack` the objects of branches merged with this target."""
    key = hashlib.sha256(os.fsencode(project.repo.common_dir)).hexdigest()[:16]
    return cache_root(project.environ) / "conflicts" / key / project.target.head


def forget(project: Project) -> None:
    shutil.rmtree(folder_of(project), ignore_errors=True)


def recall(project: Project) -> Memory:
    """What is known on the project's target; nothing where it cannot be read, or another git found it out."""
    path = folder_of(project) / _FILE
    try:
        if path.stat().st_size > _CAP:
            return Memory()
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        if (kept.form, kept.git, kept.target) != (_FORM, _git_version(), project.target.head):
            return Memory()
        return Memory(kept.heads, _read(kept, kept.pairs), _read(kept, kept.raw))
    except (OSError, msgspec.DecodeError, RecursionError, IndexError):
        return Memory()


def remember(project: Project, memory: Memory, asked: Iterable[ObjectId]) -> None:
    """Keeps what is new. Of two callers at once the later one's word stays; a cache that cannot be written is no error."""
    if not memory.changed:
        return
    heads = _wanted(memory, dict.fromkeys(asked))
    with suppress(OSError):
        try:
            data = _encoded(project, memory, heads)
        except UnicodeEncodeError:
            # What speaks of paths that are no UTF-8 cannot be written: the next call finds out again, that alone.
            heads = {head: known for head, known in heads.items() if _is_text((known.touched, known.files))}
            data = _encoded(project, _text_alone(memory), heads)
        if len(data) <= _CAP:
            _write(folder_of(project) / _FILE, data)
            _prune(folder_of(project))


def _encoded(project: Project, memory: Memory, heads: dict[ObjectId, Head]) -> bytes:
    at = {head: number for number, head in enumerate(heads)}
    conflicts: dict[Files, int] = {}
    pairs, raw = _written(memory.pairs, at, conflicts), _written(memory.raw, at, conflicts)
    return msgspec.json.encode(
        _Kept(
            form=_FORM,
            git=_git_version(),
            target=project.target.head,
            heads=heads,
            conflicts=list(conflicts),
            pairs=pairs,
            raw=raw,
        )
    )


def _text_alone(memory: Memory) -> Memory:
    def of(pairs: dict[Pair, Files]) -> dict[Pair, Files]:
        return {pair: files for pair, files in pairs.items() if _is_text(files)}

    return Memory(memory.heads, of(memory.pairs), of(memory.raw))


def _is_text(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _wanted(memory: Memory, asked: dict[ObjectId, None]) -> dict[ObjectId, Head]:
    """The heads asked for, and the newest others within bounds."""
    others = [head for head in memory.heads if head not in asked][-(len(asked) + _SPARE) :]
    return {head: memory.heads[head] for head in (*others, *asked) if head in memory.heads}


def _read(kept: _Kept, rows: list[tuple[int, int, int]]) -> dict[Pair, Files]:
    heads = list(kept.heads)
    return {(heads[a], heads[b]): kept.conflicts[files] for a, b, files in rows}


def _written(
    pairs: dict[Pair, Files], at: dict[ObjectId, int], conflicts: dict[Files, int]
) -> list[tuple[int, int, int]]:
    return [
        (at[a], at[b], conflicts.setdefault(files, len(conflicts)))
        for (a, b), files in pairs.items()
        if a in at and b in at
    ]


@cache
def _git_version() -> str:
    return Git(cwd=Path("/"), hermetic=True).text("--version", doing="ask git for its version")


def _prune(folder: Path) -> None:
    """Older targets go, and packs of which a pile has grown: what is missing is merged again."""
    ages = sorted((other.stat().st_mtime, other) for other in folder.parent.iterdir() if other != folder)
    for _, old in ages[: 1 - _TARGETS]:
        shutil.rmtree(old, ignore_errors=True)
    if len(list((folder / "pack").glob("*.pack"))) > _PACKS:
        shutil.rmtree(folder / "pack", ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
