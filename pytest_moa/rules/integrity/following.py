"""Functions, classes and fixtures that a test uses, found in its own module or in other files of the project."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeGuard

from pytest_moa.rules.integrity.kit import Change, Side
from pytest_moa.rules.integrity.names import FUNCTIONS, Names, walk

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef | ast.Lambda

# Nobody's helpers lie in these; looking for them in the project would only cost reads.
FOREIGN = frozenset(
    {"pytest", "_pytest", "unittest", "numpy", "pandas", "mock", "hypothesis", "click", "typing"}
)
ROOTS = ("", "src", "tests", "test", "lib")
LONGEST_CHAIN = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A definition and the module it stands in."""

    path: str
    node: Definition


class Module:
    """One file on one side: its tree, names and top-level definitions."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self.names = Names(tree, path)
        self.definitions: dict[str, Definition] = {}
        self._local: dict[int, dict[str, Definition]] = {}
        for node in walk(tree.body, into_scopes=False):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self.definitions[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.definitions[target.id] = node.value

    def members(self, owner: ast.ClassDef) -> dict[str, Definition]:
        return {
            n.name: n
            for n in walk(owner.body, into_scopes=False)
            if isinstance(n, (*FUNCTIONS, ast.ClassDef))
        }

    def local_functions(self, scope: ast.AST | None) -> dict[str, Definition]:
        if id(scope) not in self._local:
            self._local[id(scope)] = local_functions(scope)
        return self._local[id(scope)]


class Project:
    """The files of one side of a change, as far as the change and its `read` know them."""

    def __init__(self, change: Change, side: Side) -> None:
        self.change = change
        self.side = side
        self._modules: dict[str, Module | None] = {}
        self._found: dict[tuple[str, str], str | None] = {}

    @staticmethod
    def of(change: Change, side: Side) -> Project:
        key = ("project", side)
        if key not in change.memo:
            change.memo[key] = Project(change, side)
        project = change.memo[key]
        assert isinstance(project, Project)  # noqa: S101 - narrows what the memo holds
        return project

    def module(self, path: str) -> Module | None:
        if path not in self._modules:
            tree = self.change.tree(path, self.side)
            self._modules[path] = None if tree is None else Module(path, tree)
        return self._modules[path]

    def module_file(self, dotted: str, near: str) -> str | None:
        """The file of a module as an import in `near` would find it, by the usual roots."""
        top = dotted.partition(".")[0]
        if not top or top in FOREIGN or top in sys.stdlib_module_names or not top.isidentifier():
            return None
        key = (dotted, str(PurePosixPath(near).parent))
        if key not in self._found:
            self._found[key] = self._search(dotted.replace(".", "/"), near)
        return self._found[key]

    def _search(self, relative: str, near: str) -> str | None:
        folders = [str(p) for p in PurePosixPath(near).parents]
        for root in dict.fromkeys(("" if f == "." else f) for f in (*folders, *ROOTS)):
            stem = f"{root}/{relative}" if root else relative
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if self.change.text(path, self.side) is not None:
                    return path
        return None

    def definition(self, dotted: str, near: str, chain: int = LONGEST_CHAIN) -> Place | None:
        """A function or class of the project by its dotted name, as `near` sees it; re-exports are followed."""
        module = self.module(near)
        if module is None or chain <= 0:
            return None
        head, _, rest = dotted.partition(".")
        if head in module.definitions:
            return self._member(Place(near, module.definitions[head]), rest)
        parts = dotted.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            path = self.module_file(".".join(parts[:cut]), near)
            if path is None or path == near:
                continue
            found = self._exported(path, parts[cut:], chain)
            if found is not None:
                return found
        return None

    def _exported(self, path: str, parts: list[str], chain: int) -> Place | None:
        module = self.module(path)
        if module is None:
            return None
        if parts[0] in module.definitions:
            return self._member(Place(path, module.definitions[parts[0]]), ".".join(parts[1:]))
        for name in module.names.dotted(ast.Name(id=parts[0])):
            target = ".".join([name, *parts[1:]])
            if name != parts[0]:
                found = self.definition(target, path, chain - 1)
                if found is not None:
                    return found
        return None

    def _member(self, place: Place, rest: str) -> Place | None:
        for name in filter(None, rest.split(".")):
            if not isinstance(place.node, ast.ClassDef):
                return None
            module = self.module(place.path)
            member = None if module is None else module.members(place.node).get(name)
            if member is None:
                return None
            place = Place(place.path, member)
        return place

    def called(
        self, expr: ast.expr, path: str, scope: ast.AST | None, owner: ast.ClassDef | None
    ) -> list[Place]:
        """The project's functions and classes that an expression may stand for, `self.…` included."""
        module = self.module(path)
        if module is None:
            return []
        if isinstance(expr, ast.Lambda):
            return [Place(path, expr)]
        if _is_own_member(expr) and owner is not None:
            member = self.inherited(Place(path, owner)).get(expr.attr)
            return [] if member is None else [member]
        local = module.local_functions(scope)
        if isinstance(expr, ast.Name) and expr.id in local:
            return [Place(path, local[expr.id])]
        found = (self.definition(name, path) for name in sorted(module.names.dotted(expr, scope)))
        return [place for place in found if place is not None]

    def inherited(self, owner: Place, depth: int = 8) -> dict[str, Place]:
        """All members of a class by name, those of visible bases included, nearest first."""
        module = self.module(owner.path)
        if module is None or not isinstance(owner.node, ast.ClassDef) or depth <= 0:
            return {}
        members = {name: Place(owner.path, node) for name, node in module.members(owner.node).items()}
        for base in self.bases(owner):
            for name, place in self.inherited(base, depth - 1).items():
                members.setdefault(name, place)
        return members

    def bases(self, owner: Place) -> list[Place]:
        module = self.module(owner.path)
        if module is None or not isinstance(owner.node, ast.ClassDef):
            return []
        names = (name for base in owner.node.bases for name in sorted(module.names.dotted(base)))
        found = (self.definition(name, owner.path) for name in names)
        return [
            p
            for p in found
            if p is not None and isinstance(p.node, ast.ClassDef) and p.node is not owner.node
        ]

    def conftests(self, path: str) -> Iterator[str]:
        """The conftest files that pytest loads for a test module, nearest first."""
        for folder in PurePosixPath(path).parents:
            conftest = "conftest.py" if str(folder) == "." else f"{folder}/conftest.py"
            if conftest != path and self.change.text(conftest, self.side) is not None:
                yield conftest

    def fixtures(self, path: str) -> dict[str, Place]:
        """Fixtures by name that the module's tests can ask for, its own before those of conftests."""
        key = ("fixtures", self.side, path)
        if key not in self.change.memo:
            found: dict[str, Place] = {}
            for file in (path, *self.conftests(path)):
                for name, place in self.own_fixtures(file).items():
                    found.setdefault(name, place)
            self.change.memo[key] = found
        result: dict[str, Place] = self.change.memo[key]
        return result

    def own_fixtures(self, path: str) -> dict[str, Place]:
        module = self.module(path)
        if module is None:
            return {}
        found: dict[str, Place] = {}
        members = [
            m
            for d in module.definitions.values()
            if isinstance(d, ast.ClassDef)
            for m in module.members(d).values()
        ]
        for node in (*module.definitions.values(), *members):
            if isinstance(node, FUNCTIONS):
                for decorator in node.decorator_list:
                    if is_fixture(decorator, module.names):
                        found[_fixture_name(decorator) or node.name] = Place(path, node)
        return found


def is_fixture(decorator: ast.expr, names: Names) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return any(n.rpartition(".")[2] in ("fixture", "yield_fixture") for n in names.dotted(called))


def is_autouse(node: ast.AST) -> bool:
    return any(
        k.arg == "autouse" and not (isinstance(k.value, ast.Constant) and not k.value.value)
        for d in getattr(node, "decorator_list", [])
        if isinstance(d, ast.Call)
        for k in d.keywords
    )


def _fixture_name(decorator: ast.expr) -> str | None:
    if isinstance(decorator, ast.Call):
        for keyword in decorator.keywords:
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return None


def local_functions(scope: ast.AST | None) -> dict[str, Definition]:
    """Functions and lambdas that a function defines inside itself, by name."""
    if not isinstance(scope, FUNCTIONS):
        return {}
    found: dict[str, Definition] = {}
    for node in walk(scope.body, into_scopes=False):
        if isinstance(node, FUNCTIONS):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            found.update({t.id: node.value for t in node.targets if isinstance(t, ast.Name)})
    return found


def _is_own_member(expr: ast.expr) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(expr, ast.Attribute)
        and isinstance(expr.value, ast.Name)
        and expr.value.id in ("self", "cls")
    )
