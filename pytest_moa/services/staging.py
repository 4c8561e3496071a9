"""A passed candidate left in a folder for a later step that lands it; read back as untrusted input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from pytest_moa.errors import RefusedError, UndeterminedError
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import CoverageFigure, Landed, TestCounts

_NAME = "staged.json"
_CAP = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedMember:
    """An agent of a staged candidate: its pinned head, and its own merge commit in the chain."""

    agent: str
    head: ObjectId
    commit: ObjectId
    tests: TestCounts
    coverage: CoverageFigure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What landing needs: all of it is compared with git again, so a forged file lands nothing untested."""

    base: ObjectId
    members: Annotated[tuple[StagedMember, ...], msgspec.Meta(min_length=1)]
    allow: tuple[str, ...] = ()
    schema: int = 2

    @property
    def commit(self) -> ObjectId:
        return self.members[-1].commit


def write_staged(folder: Path, landed: Sequence[Landed], *, base: ObjectId) -> None:
    """Writes `folder/staged.json`; never over another one. Raises RefusedError."""
    staged = Staged(
        base=base,
        members=tuple(
            StagedMember(agent=d.agent, head=d.head, commit=d.commit, tests=d.tests, coverage=d.coverage)
            for d in landed
        ),
        allow=landed[0].allow,
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / _NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(staged))
    except OSError as error:
        raise RefusedError(
            f"The candidate could not be left in {folder}",
            reason=error.strerror or str(error),
            remedy="Name a new, writable folder with --stage.",
        ) from error


def read_staged(folder: Path) -> Staged:
    """Reads it back. Raises UndeterminedError where it is missing, too large or no such object."""
    path = folder / _NAME
    try:
        if path.is_symlink() or path.stat().st_size > _CAP:
            raise _unreadable(path, "it is a link, or too large")
        return msgspec.json.decode(path.read_bytes(), type=Staged)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except msgspec.DecodeError as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, reason: str) -> UndeterminedError:
    return UndeterminedError(
        f"{path} cannot be read",
        reason=reason,
        remedy="Stage the candidate again: `moa integrate … --stage DIR`.",
    )
