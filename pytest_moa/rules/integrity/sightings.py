"""What rules look at in Python code: each place with the function, hook or fixture that it stands in, code in literal
strings included; and which sightings are new in a change. Names are resolved by `names`; decides nothing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity.following import is_autouse, is_fixture
from pytest_moa.rules.integrity.kit import Change, Side, parsed
from pytest_moa.rules.integrity.names import FUNCTIONS, Names

Role = Literal["conftest", "test", "helper", "tool", "source"]
Where = Literal["module", "main", "hook", "autouse", "fixture", "test", "nested", "function"]
"""What runs a place: importing the module, `python module.py`, pytest, a test, or somebody's call."""

TEST_FOLDERS = frozenset(["test", "tests", "testsuite"])
_TOOLS = frozenset(["docs", "doc", "examples", "example", "benchmarks", "bench", "benchmark"])
_TOOL_FILES = frozenset(["setup.py", "noxfile.py", "toxfile.py", "tasks.py", "fabfile.py"])
_SETUPS = frozenset(
    """setUp tearDown setUpClass tearDownClass setUpModule tearDownModule setup_module teardown_module setup_class
    teardown_class setup_method teardown_method setup_function teardown_function""".split()  # noqa: SIM905 - a list of words reads better so
)
_CODE_CALLS = frozenset(["exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile"])
_DEEPEST = 3
"""Code in a string in a string…: deeper than this nobody writes honestly, and `exec` itself is told anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """One node and where it stands. `line` is the file's, also for code in a literal string."""

    node: ast.AST
    line: int
    where: Where
    function: ast.AST | None
    names: Names
    parent: ast.AST | None

    def dotted(self, expr: ast.expr | None) -> frozenset[str]:
        found = self.names.dotted(expr, self.function)
        return frozenset(map(_through, found)) if any("." in name for name in found) else found

    def constant(self, expr: ast.expr | None) -> object:
        return self.names.constant(expr, self.function)


_FETCHED = re.compile(
    r"(\w+)\.(?:\w+\.)*?((?:os|sys|signal|ctypes|atexit|builtins|threading|gc)(?:\.[\w.]+)?)"
)


def _through(name: str) -> str:
    """`subprocess.os._exit` is `os._exit`: a standard module's imports are names of its own, too."""
    if "." in name and (found := _FETCHED.fullmatch(name)) and found.group(1) in sys.stdlib_module_names:
        return found.group(2)
    return name


@dataclass(frozen=True, slots=True, eq=False)
class Ref:
    """A mention of a name: what it may stand for. `plain` is false where it is disguised (an alias, getattr, …)."""

    names: frozenset[str]
    spot: Spot
    plain: bool
    imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a rule saw on one side. `key` is how it is known again on the other side and in other files."""

    key: str
    line: int
    severity: FindingSeverity
    message: str
    remedy: str


class Page:
    """A Python file on one side: its role, its places and its mentions of names."""

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path = path
        self.text = text
        self.tree = tree
        self.role: Role = role(path)
        self.group = "tests" if self.role in ("conftest", "test", "helper") else "source"
        self.spots = list(_spots(tree, Names(tree, path), self.role))
        self._refs: list[Ref] | None = None
        self._opened: dict[str, list[ast.expr]] | None = None

    @property
    def refs(self) -> list[Ref]:
        if self._refs is None:
            self._refs = [ref for spot in self.spots for ref in _refs(spot)]
        return self._refs

    def opened(self, name: str) -> list[ast.expr]:
        """What a `with` statement binds to a name."""
        if self._opened is None:
            self._opened = {}
            for node in (s.node for s in self.spots):
                if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                    self._opened.setdefault(node.optional_vars.id, []).append(node.context_expr)
        return self._opened.get(name, [])

    def mentions(self, *dotted: str) -> bool:
        return any(not ref.names.isdisjoint(dotted) for ref in self.refs)


See = Callable[[Page], Iterable[Sighting]]


def page(change: Change, path: str, side: Side) -> Page | None:
    """A file as a page, made once a change; None where it is not there or does not parse."""
    key = ("page", path, side)
    if key not in change.memo:
        text, tree = change.text(path, side), change.tree(path, side)
        change.memo[key] = None if text is None or tree is None else Page(path, text, tree)
    made: Page | None = change.memo[key]
    return made


def fresh(change: Change, rule: str, see: See) -> Iterator[Finding]:
    """Findings for what the head shows and the base does not: neither in the same file nor moved from another one."""
    news: list[tuple[str, Sighting]] = []
    for file in change.python():
        if file.after is None or file.before == file.after or file.path.endswith(".pyi"):
            continue
        head = page(change, file.path, "head")
        seen = list(see(head)) if head is not None else []
        if seen:
            base = page(change, file.path, "base")
            news += [(file.path, s) for s in _without(seen, see(base) if base is not None else ())]
    moved = _gone(change, see) if news else Counter()
    for path, sighting in news:
        if moved[sighting.key] > 0:
            moved[sighting.key] -= 1
            continue
        yield Finding(
            rule=rule,
            severity=sighting.severity,
            path=path,
            line=sighting.line,
            message=sighting.message,
            remedy=sighting.remedy,
        )


def _without(seen: list[Sighting], known: Iterable[Sighting]) -> list[Sighting]:
    left = Counter(s.key for s in known)
    fresh_ones = []
    for sighting in seen:
        if left[sighting.key] > 0:
            left[sighting.key] -= 1
        else:
            fresh_ones.append(sighting)
    return fresh_ones


def _gone(change: Change, see: See) -> Counter[str]:
    """What the base shows and the head no longer does, by file: a move takes it along."""
    gone: Counter[str] = Counter()
    for file in change.python():
        base = page(change, file.path, "base")
        if base is None or file.before == file.after:
            continue
        head = page(change, file.path, "head") if file.after is not None else None
        before = Counter(s.key for s in see(base))
        gone += before - Counter(s.key for s in (see(head) if head is not None else ()))
    return gone


def role(path: str) -> Role:
    """What a Python file is to pytest and to coverage, by its place and name."""
    pure = PurePosixPath(path)
    if pure.name == "conftest.py":
        return "conftest"
    if pure.name.startswith("test_") or pure.stem.endswith("_test") or pure.name == "tests.py":
        return "test"
    folders = pure.parts[:-1]
    if TEST_FOLDERS.intersection(folders) or folders[:1] == ("testing",):
        return "helper"
    if _TOOLS.intersection(folders[:1]) or (not folders and pure.name in _TOOL_FILES):
        return "tool"
    return "source"


def chain(expr: ast.expr) -> list[str]:
    """`a.b().c["d"]` as words: `["a", "b", "<call>", "c", "d"]`; what is no name is `<expr>`."""
    words: list[str] = []
    while True:
        match expr:
            case ast.Attribute(value=value, attr=attr):
                words.append(attr)
                expr = value
            case ast.Call(func=func):
                words.append("<call>")
                expr = func
            case ast.Subscript(value=value, slice=ast.Constant(value=key)):
                words.append(str(key))
                expr = value
            case ast.Subscript(value=value):
                words.append("<item>")
                expr = value
            case ast.Name(id=name):
                return [name, *reversed(words)]
            case _:
                return ["<expr>", *reversed(words)]


def targets(node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete) -> list[ast.expr]:
    """What a statement binds or deletes, tuples taken apart."""
    found = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
    parts: list[ast.expr] = []
    while found:
        target, found = found[0], found[1:]
        if isinstance(target, ast.Tuple | ast.List):
            found = [*target.elts, *found]
        else:
            parts.append(target)
    return parts


def _spots(
    tree: ast.Module, names: Names, kind: Role, around: Spot | None = None, depth: int = 0
) -> Iterator[Spot]:
    """All places of a tree in order; `around` is the call that runs it from a string."""
    where: Where = around.where if around else "module"
    stack: list[tuple[ast.AST, Where, ast.AST | None, ast.AST | None]] = [
        (node, where, None, tree) for node in reversed(tree.body)
    ]
    while stack:
        node, place, function, parent = stack.pop()
        line: int = around.line if around else getattr(node, "lineno", 1)
        spot = Spot(node, line, place, function, names, parent)
        yield spot
        if isinstance(node, ast.Call) and depth < _DEEPEST:
            yield from _in_strings(spot, kind, depth)
        stack.extend(reversed(list(_children(node, place, function, names, kind))))


def _children(
    node: ast.AST, place: Where, function: ast.AST | None, names: Names, kind: Role
) -> Iterator[tuple[ast.AST, Where, ast.AST | None, ast.AST | None]]:
    if isinstance(node, FUNCTIONS):
        inner = _where(node, place, names, kind)
        # Decorators, defaults and annotations run where the function is defined.
        outside = [*node.decorator_list, node.args, *([node.returns] if node.returns else [])]
        yield from ((child, place, function, node) for child in outside)
        yield from ((child, inner, node, node) for child in node.body)
        return
    guarded = isinstance(node, ast.If) and place == "module" and _is_main_guard(node.test)
    for child in ast.iter_child_nodes(node):
        yield child, "main" if guarded and child is not getattr(node, "test", None) else place, function, node


def _where(node: ast.FunctionDef | ast.AsyncFunctionDef, place: Where, names: Names, kind: Role) -> Where:
    if place not in ("module", "main"):
        return "nested" if place == "test" else place
    if node.name.startswith("pytest_") or any(
        n.endswith("hookimpl") for d in node.decorator_list for n in names.dotted(_called(d))
    ):
        return "hook"
    if any(is_fixture(d, names) for d in node.decorator_list):
        return "autouse" if is_autouse(node) else "fixture"
    if node.name in _SETUPS:
        return "fixture"
    return "test" if kind == "test" and node.name.startswith("test") else "function"


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
    )


def _in_strings(spot: Spot, kind: Role, depth: int) -> Iterator[Spot]:
    """The places of code that is run from a literal string."""
    call = spot.node
    if not isinstance(call, ast.Call) or not call.args or not spot.dotted(call.func) & _CODE_CALLS:
        return
    value = spot.constant(call.args[0])
    tree = parsed(value.strip()) if isinstance(value, str) else None
    if tree is not None:
        inner = Names(tree, "")
        # The string sees the names of the module around it.
        for name, bound in spot.names.module.items():
            inner.module.setdefault(name, bound)
        yield from _spots(tree, inner, kind, spot, depth + 1)


def _refs(spot: Spot) -> Iterator[Ref]:
    node = spot.node
    if isinstance(node, ast.Import | ast.ImportFrom):
        prefix = f"{spot.names.absolute(node)}." if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            yield Ref(frozenset([prefix + alias.name]), spot, alias.asname is None, imported=True)
    elif isinstance(spot.parent, ast.Attribute):
        return
    elif isinstance(node, ast.Attribute | ast.Call | ast.Subscript) or (
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ):
        names = spot.dotted(node)
        if names:
            plain = isinstance(node, ast.Attribute | ast.Name) and ".".join(chain(node)) in names
            yield Ref(names, spot, plain)
