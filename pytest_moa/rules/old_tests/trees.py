"""The two sides of a change as `old-tests-fail` reads them, and which of their files are the tests' own."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath

from pytest_moa.rules.integrity.kit import Read, Side, parsed
from pytest_moa.rules.integrity.tests_model import Patterns, collects
from pytest_moa.rules.own_code import module_name

_FOLDERS = frozenset({"tests", "test"})
_DATA = frozenset(
    {"testdata", "test_data", "golden", "goldens", "snapshots", "__snapshots__", "cassettes", "__cassettes__"}
)
_ANY_MODULE = "zqx.py"


@dataclass(frozen=True)
class Trees:
    """Paths to blob ids on both sides, relative to the working directory; `read` gives a file's text on a side.

    `patterns` are what the target's settings collect, `named` the tests that the registry names.
    """

    base: Mapping[str, str]
    head: Mapping[str, str]
    read: Read
    patterns: Patterns = field(default_factory=Patterns)
    named: tuple[str, ...] = ()

    @cached_property
    def area(self) -> Callable[[str], bool]:
        """Whether a file belongs to the tests: a test, a conftest, a helper or data below a folder of tests."""
        everything = self.base.keys() | self.head.keys()
        patterns = tuple(p for p in self.patterns.files if not fnmatchcase(_ANY_MODULE, p))
        roots = tuple(_clean(place) for place in (*self.patterns.testpaths, *self.named))
        folders = {
            folder
            for path in everything
            for folder in map(str, PurePosixPath(path).parents)
            if folder not in {"", "."} and (folder.rpartition("/")[2] in _FOLDERS or folder in roots)
        }
        own = frozenset(folder for folder in folders if _holds_tests(folder, everything, patterns))

        def is_area(path: str) -> bool:
            pure = PurePosixPath(path)
            if pure.name == "conftest.py" or (
                path.endswith(".py") and any(fnmatchcase(pure.name, p) for p in patterns)
            ):
                return True
            if not path.endswith(".py") and _DATA.intersection(pure.parts[:-1]):
                return True
            return any(str(parent) in own for parent in pure.parents)

        return is_area

    @cached_property
    def touched(self) -> tuple[str, ...]:
        """Files of the tests that the target has and the candidate has not, or has with other content."""
        return tuple(sorted(p for p, blob in self.base.items() if self.head.get(p) != blob and self.area(p)))

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Files of the tests that only the candidate has."""
        return tuple(sorted(p for p in self.head if p not in self.base and self.area(p)))

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The target's test modules, as pytest would collect them."""
        return tuple(sorted(p for p in self.base if self.is_module(p)))

    def is_module(self, path: str) -> bool:
        """Whether pytest, or an agent whose tests the registry names, comes to the file."""
        if not path.endswith(".py"):
            return False
        files = self.patterns.files
        named = any(_within(path, _clean(place)) for place in self.named)
        return collects(path, self.patterns) or (
            named and any(fnmatchcase(PurePosixPath(path).name, pattern) for pattern in files)
        )

    def source(self, side: Side) -> tuple[str, ...]:
        """The Python files of a side that are not the tests' own."""
        paths = self.base if side == "base" else self.head
        return tuple(sorted(p for p in paths if p.endswith(".py") and not self.area(p)))

    def text(self, path: str, side: Side) -> str:
        return self.read(path, side) or ""

    def tree(self, path: str, side: Side) -> ast.Module | None:
        return parsed(self.read(path, side))

    def name(self, path: str, side: Side) -> str:
        """The dotted name that a file of a side is imported by."""
        return module_name(path, self._base_paths if side == "base" else self._head_paths)

    @cached_property
    def _base_paths(self) -> frozenset[str]:
        return frozenset(self.base)

    @cached_property
    def _head_paths(self) -> frozenset[str]:
        return frozenset(self.head)


def _holds_tests(folder: str, paths: Iterable[str], patterns: tuple[str, ...]) -> bool:
    """A folder that is called `test` may be a part of the package, and `testpaths` may name the source itself: its
    modules tell. Below a folder with the usual name some test is enough. Elsewhere the tests have to be the most, and
    none of them may lie beside its subject (`test_core.py`, `core.py`): source that is taken for a test's own would be
    put back to the target's version, and the old tests could see nothing.
    """
    prefix = folder + "/"
    modules = [
        p for p in paths if p.startswith(prefix) and p.endswith(".py") and not p.endswith("/__init__.py")
    ]
    tests = {p for p in modules if _is_test_name(p.rpartition("/")[2], patterns)}
    if folder.rpartition("/")[2] in _FOLDERS or not tests:
        return bool(tests)
    others = set(modules) - tests
    return len(tests) >= len(others) and not any(_subject_of(path) in others for path in tests)


def _is_test_name(name: str, patterns: tuple[str, ...]) -> bool:
    return name == "conftest.py" or any(fnmatchcase(name, pattern) for pattern in patterns)


def _subject_of(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + re.sub(r"^tests?_|_(tests?|spec)(?=\.py$)", "", name)


def _clean(place: str) -> str:
    return place.split("::", 1)[0].removeprefix("./").rstrip("/")


def _within(path: str, place: str) -> bool:
    return place in {"", "."} or path == place or path.startswith(place + "/")
