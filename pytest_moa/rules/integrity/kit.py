"""What every rule works with: the change as texts and trees, read once; and how a rule tells what it saw."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding

Side = Literal["base", "head"]
Read = Callable[[str, Side], str | None]
"""Text of an unchanged file on a side, None where it is not there; for rules that follow helpers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A changed file: `before` is None where it was added, `after` where it was removed. A move is both.

    `link` is where a symbolic link of the head points, as written; `mode` is the head's mode in git's digits, where
    the caller knows it (`120000` a link, `160000` a submodule).
    """

    path: str
    before: str | None
    after: str | None
    link: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Files and folders of one agent, relative to the repository's root; globs are allowed."""

    agent: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Whose branch this is, and which files the registry gives to whom."""

    agent: str
    owners: tuple[Owner, ...]


class Rule(Protocol):
    """A module of this package: its name, its default severity, its page, and what it sees in a change."""

    NAME: str
    DEFAULT: Severity
    __doc__: str | None

    # A property, since a module's function is no bound method.
    @property
    def check(self) -> Callable[[Change], Iterable[Finding]]: ...


@dataclass(slots=True)
class Change:
    """A whole change. Trees are parsed once a file and side; text that does not parse has no tree.

    `memo` holds what several rules derive from the change, by a key of the deriving module.
    """

    files: tuple[FileChange, ...]
    read: Read | None = None
    ownership: Ownership | None = None
    memo: dict[Any, Any] = field(default_factory=dict)
    _by_path: dict[str, FileChange] = field(init=False)
    _texts: dict[tuple[str, Side], str | None] = field(default_factory=dict)
    _trees: dict[tuple[str, Side], ast.Module | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_path = {f.path: f for f in self.files}

    def text(self, path: str, side: Side) -> str | None:
        """A file's text on a side, changed or not."""
        changed = self._by_path.get(path)
        if changed is not None:
            return changed.before if side == "base" else changed.after
        if self.read is None:
            return None
        key = (path, side)
        if key not in self._texts:
            self._texts[key] = self.read(path, side)
        return self._texts[key]

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
        with warnings.catch_warnings():
            # A doubtful escape in a branch's string is no news of ours, and an error under `-W error`.
            warnings.simplefilter("ignore")
            # A leading byte order mark is none of Python's business; `ast` alone stumbles over it.
            return ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_test_path(path: str) -> bool:
    """Whether a file lies where tests lie: a test module, a conftest, or anything under a tests folder."""
    pure = PurePosixPath(path)
    return (
        pure.name.startswith("test_")
        or pure.stem.endswith("_test")
        or pure.name == "conftest.py"
        or any(part in ("test", "tests", "testing") or part.startswith("tests_") for part in pure.parts[:-1])
    )
