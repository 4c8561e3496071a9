"""The tests of a module as pytest would collect them: functions, methods, unittest cases, inherited ones.

A test is known by its function, not by its ids: parametrised sets come and go. Nothing is imported.
"""

from __future__ import annotations

import ast
import configparser
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath

from pytest_moa.model.settings import PYTEST_FILES
from pytest_moa.rules.integrity.following import Module, Place, Project, is_fixture
from pytest_moa.rules.integrity.kit import Change, Side, is_test_path
from pytest_moa.rules.integrity.names import FUNCTIONS
from pytest_moa.rules.integrity.namespace import Held, Lost, Namespace
from pytest_moa.rules.integrity.truth import truth

DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """What pytest collects: its defaults, or what the project's settings say."""

    files: tuple[str, ...] = ("test_*.py", "*_test.py")
    classes: tuple[str, ...] = ("Test",)
    functions: tuple[str, ...] = ("test",)
    testpaths: tuple[str, ...] = ()
    norecurse: tuple[str, ...] = (
        "*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}",
    )  # fmt: skip
    asyncio_auto: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test function as collected: where it is collected (`path`, `qualname`) and where it is written (`place`).

    `owners` are the classes around it, outermost first; `wraps` are calls that wrapped it by a rebinding; `off`
    says at which line `__test__ = False` keeps it from being collected; `marks` are pytestmark values that hold.
    """

    __test__ = False  # pytest would collect a class of this name

    path: str
    qualname: str
    place: Place
    owners: tuple[Place, ...] = ()
    wraps: tuple[ast.expr, ...] = ()
    off: int | None = None
    marks: tuple[tuple[str, ast.expr], ...] = ()

    @property
    def id(self) -> str:
        return f"{self.path}::{self.qualname}"

    @property
    def name(self) -> str:
        return self.qualname.rpartition("::")[2]

    @property
    def line(self) -> int:
        return self.place.node.lineno

    @property
    def owner(self) -> ast.ClassDef | None:
        node = self.owners[-1].node if self.owners else None
        return node if isinstance(node, ast.ClassDef) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTests:
    """The tests of a module by qualified name; definitions that lost their name; edits that only a run can tell."""

    tests: Mapping[str, Test]
    lost: tuple[Lost, ...] = ()
    edits: tuple[int, ...] = ()


NONE = ModuleTests(tests={})


def tests_of(change: Change, path: str, side: Side) -> ModuleTests:
    """The tests of a file on a side; none where pytest would not collect the file."""
    key = ("tests", path, side)
    if key not in change.memo:
        project = Project.of(change, side)
        wanted = patterns(change, side, path)
        module = project.module(path) if collects(path, wanted) else None
        change.memo[key] = NONE if module is None else _Collector(project, module, wanted).collect()
    found: ModuleTests = change.memo[key]
    return found


def collects(path: str, wanted: Patterns) -> bool:
    """Whether pytest, started without arguments, comes to the file."""
    pure = PurePosixPath(path)
    if not any(fnmatchcase(pure.name, p) or ("/" in p and fnmatchcase(path, f"*{p}")) for p in wanted.files):
        return False
    folders = pure.parts[:-1]
    roots = [PurePosixPath(p).parts for p in wanted.testpaths if not set(p) & set("*?[")]
    inside = [len(r) for r in roots if pure.parts[: len(r)] == r]
    if roots and not inside and len(roots) == len(wanted.testpaths):
        return False
    below = folders[max(inside, default=0) :]
    return not any(fnmatchcase(folder, p) for folder in below for p in wanted.norecurse if "/" not in p)


def matches(name: str, wanted: Iterable[str]) -> bool:
    """Pytest's rule for functions and classes: a prefix, or a glob where it has a glob's characters."""
    return any(name.startswith(p) or (bool(set(p) & set("*?[")) and fnmatchcase(name, p)) for p in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What holds for the members of a namespace: its classes, their names as collected, their marks."""

    space: Namespace
    owners: tuple[Place, ...] = ()
    prefix: tuple[str, ...] = ()
    off: int | None = None
    marks: tuple[tuple[str, ast.expr], ...] = ()
    unittest: bool = False


class _Collector:
    def __init__(self, project: Project, module: Module, wanted: Patterns) -> None:
        self.project = project
        self.module = module
        self.wanted = wanted
        self.tests: dict[str, Test] = {}
        self.lost: list[Lost] = []

    def collect(self) -> ModuleTests:
        space = Namespace(self.project, self.module).run(self.module.tree.body)
        marks = _marks(space, "pytestmark", self.module.path)
        off = self._off(space.names.get("__test__"))
        for name, held in space.names.items():
            self._add(name, held, _Around(space=space, off=off, marks=marks))
        self.lost += [lost for lost in space.lost if self._is_test(lost.name, lost.held)]
        return ModuleTests(tests=self.tests, lost=tuple(self.lost), edits=tuple(space.edits))

    def _off(self, held: Held | None) -> int | None:
        return held.line if held is not None and truth(held.value, self.module.names) is False else None

    def _is_test(self, name: str, held: Held) -> bool:
        if held.place is None:
            return False
        if isinstance(held.place.node, ast.ClassDef):
            return matches(name, self.wanted.classes) or self._is_unittest(held.place)
        return matches(name, self.wanted.functions) and self._is_collected_function(held.place)

    def _is_collected_function(self, place: Place) -> bool:
        module = self.project.module(place.path)
        decorators = getattr(place.node, "decorator_list", [])
        if module is None or any(is_fixture(d, module.names) for d in decorators):
            return False
        return not any("property" in n.rpartition(".")[2] for d in decorators for n in module.names.dotted(d))

    def _add(self, name: str, held: Held, around: _Around) -> None:
        if held.place is None:
            return
        off = around.off or self._off(around.space.attributes.get((name, "__test__")))
        marks = (*around.marks, *_attribute_marks(around.space, name, self.module.path))
        around = replace(around, off=off, marks=marks)
        if isinstance(held.place.node, ast.ClassDef):
            if self._is_test(name, held):
                self._add_class(name, held.place, around)
        elif self._is_test(name, held) or (around.unittest and name.startswith("test")):
            qualname = "::".join([*around.prefix, name])
            self.tests[qualname] = Test(
                path=self.module.path,
                qualname=qualname,
                place=held.place,
                owners=around.owners,
                wraps=held.wraps,
                off=off,
                marks=marks,
            )

    def _add_class(self, name: str, place: Place, around: _Around) -> None:
        unittest = self._is_unittest(place)
        if len(around.owners) >= DEEPEST or (unittest and around.owners):
            return
        space = self._members(place)
        for (owner, attr), held in around.space.attributes.items():
            if owner == name and attr in space.names:
                self.lost.append(Lost(f"{name}::{attr}", space.names[attr], held.line, "taken off its class"))
                space.names[attr] = held
        if not unittest and {"__init__", "__new__"} & space.names.keys():
            return
        inside = _Around(
            space=space,
            owners=(*around.owners, place),
            prefix=(*around.prefix, name),
            off=around.off or self._off(space.names.get("__test__")),
            marks=(*around.marks, *_marks(space, "pytestmark", place.path)),
            unittest=unittest,
        )
        for member, held in space.names.items():
            self._add(member, held, inside)
        self.lost += [
            Lost("::".join([*inside.prefix, lost.name]), lost.held, lost.line, lost.how)
            for lost in space.lost
            if self._is_test(lost.name, lost.held)
        ]

    def _members(self, place: Place, depth: int = DEEPEST) -> Namespace:
        """The class's own namespace over those of its visible bases."""
        module = self.project.module(place.path) or self.module
        space = Namespace(self.project, module)
        if depth > 0:
            for base in reversed(self.project.bases(place)):
                space.names.update(self._members(base, depth - 1).names)
        if isinstance(place.node, ast.ClassDef):
            own = Namespace(self.project, module).run(place.node.body)
            space.names.update(own.names)
            space.lost = own.lost
            space.attributes = own.attributes
        return space

    def _is_unittest(self, place: Place, depth: int = DEEPEST) -> bool:
        module = self.project.module(place.path)
        if module is None or not isinstance(place.node, ast.ClassDef) or depth <= 0:
            return False
        named = {n for base in place.node.bases for n in module.names.dotted(base)}
        if any(n.rpartition(".")[2].endswith("TestCase") for n in named):
            return True
        return any(self._is_unittest(base, depth - 1) for base in self.project.bases(place))


def _marks(space: Namespace, name: str, path: str) -> tuple[tuple[str, ast.expr], ...]:
    held = (space.names.get(name), space.attributes.get((name, "+=")))
    return tuple((path, h.value) for h in held if h is not None and h.value is not None)


def _attribute_marks(space: Namespace, name: str, path: str) -> tuple[tuple[str, ast.expr], ...]:
    held = space.attributes.get((name, "pytestmark"))
    return () if held is None or held.value is None else ((path, held.value),)


def patterns(change: Change, side: Side, path: str = "") -> Patterns:
    """The project's own patterns: the first settings file that speaks of pytest decides, as in pytest.

    Where none in the repository's root does, the file's own folders are asked: a project may live below the root.
    """
    found = _patterns_in(change, side, "")
    folders = (
        [] if found is not None else [str(p) for p in PurePosixPath(path).parents if str(p) not in (".", "/")]
    )
    for folder in folders:
        found = _patterns_in(change, side, f"{folder}/")
        if found is not None:
            return found
    return found or Patterns()


def is_test_file(change: Change, path: str) -> bool:
    """Whether a file lies where tests lie, by custom or by the project's own settings."""
    return is_test_path(path) or collects(path, patterns(change, "head", path))


def _patterns_in(change: Change, side: Side, folder: str) -> Patterns | None:
    key = ("patterns", side, folder)
    if key not in change.memo:
        given = ((name, change.text(folder + name, side)) for name in PYTEST_FILES)
        known = (pytest_settings(name, text) for name, text in given if text is not None)
        settings = next((s for s in known if s is not None), None)
        change.memo[key] = None if settings is None else _from_settings(settings, folder)
    found: Patterns | None = change.memo[key]
    return found


@lru_cache(maxsize=64)
def pytest_settings(name: str, text: str) -> Mapping[str, object] | None:
    """Pytest's settings in a file, None where it has none or does not parse."""
    if name.endswith(".toml"):
        try:
            document: object = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError):
            return None
        if name == "pyproject.toml":
            pytest = _table(_table(document, "tool"), "pytest")
            return _table(pytest, "ini_options") or (
                {k: v for k, v in (pytest or {}).items() if k != "ini_options"} or None
            )
        return _table(document, "pytest") or {}
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    section = "tool:pytest" if name == "setup.cfg" else "pytest"
    if parser.has_section(section):
        return dict(parser.items(section))
    return {} if name in ("pytest.ini", ".pytest.ini") else None


def _table(document: object, key: str) -> dict[str, object] | None:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else None


def _from_settings(settings: Mapping[str, object], folder: str) -> Patterns:
    def words(key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        given = settings.get(key)
        listed = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        return tuple(str(word) for word in listed) or default

    plain = Patterns()
    return Patterns(
        files=words("python_files", plain.files),
        classes=words("python_classes", plain.classes),
        functions=words("python_functions", plain.functions),
        testpaths=tuple(folder + path for path in words("testpaths", ())),
        norecurse=words("norecursedirs", plain.norecurse),
        asyncio_auto=settings.get("asyncio_mode") == "auto" or settings.get("anyio_mode") == "auto",
    )


def function_nodes(test: Test) -> list[ast.stmt]:
    """The statements of a test's body, without its docstring."""
    body = test.place.node.body
    if not isinstance(body, list):
        return [ast.Expr(body, lineno=test.line, col_offset=0)]
    first = body[0] if body else None
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if documented and isinstance(test.place.node, FUNCTIONS) else body
