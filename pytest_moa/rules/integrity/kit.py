"""What every rule works with: the change as texts and trees, read once; and how a rule tells what it saw."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding

Side = Literal["base", "head"]
Read = Callable[[str, Side], str | None]
"""Text of an unchanged file on a side, None where it is not there; for rules that follow helpers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A changed file: `before` is None where it was added, `after` where it was removed. A move is both."""

    path: str
    before: str | None
    after: str | None


class Rule(Protocol):
    """A module of this package: its name, its default severity, and what it sees in a change."""

    NAME: str
    DEFAULT: Severity

    def check(self, change: Change) -> Iterable[Finding]: ...


@dataclass(slots=True)
class Change:
    """A whole change. Trees are parsed once a file and side; text that does not parse has no tree."""

    files: tuple[FileChange, ...]
    read: Read | None = None
    _trees: dict[tuple[str, Side], ast.Module | None] = field(default_factory=dict)

    def text(self, path: str, side: Side) -> str | None:
        """A file's text on a side, changed or not."""
        changed = next((f for f in self.files if f.path == path), None)
        if changed is not None:
            return changed.before if side == "base" else changed.after
        return self.read(path, side) if self.read is not None else None

    def tree(self, path: str, side: Side) -> ast.Module | None:
        """A Python file's tree on a side; None where it is not there or does not parse."""
        key = (path, side)
        if key not in self._trees:
            self._trees[key] = parsed(self.text(path, side))
        return self._trees[key]

    def python(self) -> Iterator[FileChange]:
        return (f for f in self.files if f.path.endswith((".py", ".pyi")))


def parsed(text: str | None) -> ast.Module | None:
    if text is None:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
