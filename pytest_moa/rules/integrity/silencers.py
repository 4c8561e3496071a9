"""What keeps a test from running or from counting: marks, skips in bodies, fixtures, helpers and decorators."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_moa.rules.integrity.following import Module, Place, Project, is_autouse
from pytest_moa.rules.integrity.kit import parsed
from pytest_moa.rules.integrity.live import Live, expressions, live
from pytest_moa.rules.integrity.names import FUNCTIONS, Names, walk
from pytest_moa.rules.integrity.tests_model import Test
from pytest_moa.rules.integrity.truth import Truth, truth
from pytest_moa.rules.integrity.wrappers import hushes, treatment

MARKS = {
    "pytest.mark.skip": "skip",
    "pytest.mark.skipif": "skipif",
    "pytest.mark.xfail": "xfail",
    "unittest.skip": "skip",
    "unittest.skipIf": "skipif",
    "unittest.skipUnless": "skipunless",
    "unittest.expectedFailure": "xfail",
}
CALLS = {
    "pytest.skip": "skip",
    "pytest.xfail": "xfail",
    "pytest.importorskip": "importorskip",
    "self.skipTest": "skip",
    "cls.skipTest": "skip",
}
RAISED = frozenset({"SkipTest", "Skipped", "XFailed", "_ShouldStop", "_UnexpectedSuccess"})
SETUPS = frozenset(
    [
        "setUp",
        "setUpClass",
        "asyncSetUp",
        "setup_method",
        "setup_class",
        "setup",
        "setup_module",
        "setup_function",
        "setUpModule",
        "tearDown",
        "teardown_method",
    ]
)
ELSEWHERE = re.compile(
    r"(?i)^(is_|on_|_)*(win(dows|32)?|py2|pypy|jython|cygwin|mac(os)?|darwin|osx|py3[0-9]|aix)(_only)?$"
)
ASYNC_MARKS = ("asyncio", "anyio", "trio", "tornado", "gen_test", "curio", "twisted", "qasync", "async")
DEEPEST = 4
NOWHERE = ast.Lambda(args=ast.arguments([], [], None, [], [], None, []), body=ast.Constant(None))
"""Stands for the function around code that stands in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silencer:
    """One reason why a test would not run or count. `sure` is False where it holds for a part of its cases only."""

    kind: str
    path: str
    line: int
    text: str
    sure: bool = True
    reasonless: str = ""

    @property
    def key(self) -> tuple[str, str]:
        # A name that became private, or public, is the same condition.
        return (self.kind, re.sub(r"\b_+", "", self.reasonless or self.text))


class Silence:
    """Finds silencers on one side of a change; each function is looked at once."""

    def __init__(self, project: Project, asyncio_auto: bool) -> None:
        self.project = project
        self.asyncio_auto = asyncio_auto
        self._known: dict[int, tuple[Silencer, ...]] = {}

    def of(self, test: Test) -> list[Silencer]:
        """Everything that silences a test, from its module down to its helpers."""
        found = [*self._marks_around(test), *self.inside(test.place, test.owner)]
        if test.off is not None:
            found.append(Silencer(kind="__test__", path=test.path, line=test.off, text="__test__ = False"))
        for place in self._fixtures(test):
            found += self.inside(place, test.owner)
        found += self._setups(test)
        found += self.at_import(test.path)
        found += self._never_awaited(test)
        found += _never_iterated(test)
        return found

    def _marks_around(self, test: Test) -> Iterator[Silencer]:
        for path, expr in test.marks:
            module = self.project.module(path)
            if module is not None:
                yield from self.of_mark(expr, module)
        for place in (*test.owners, test.place):
            module = self.project.module(place.path)
            if module is not None:
                for decorator in getattr(place.node, "decorator_list", []):
                    yield from self.of_mark(decorator, module)
        module = self.project.module(test.path)
        if module is not None:
            for wrap in test.wraps:
                yield from self.of_mark(wrap, module)

    def of_mark(self, expr: ast.expr, module: Module, depth: int = DEEPEST) -> Iterator[Silencer]:
        """What a decorator, or a value of pytestmark, silences."""
        if depth <= 0:
            return
        parts = _parts(expr)
        if parts is not None:
            for part in parts:
                yield from self.of_mark(part, module, depth - 1)
            return
        call = expr if isinstance(expr, ast.Call) else None
        names = module.names.dotted(call.func if call is not None else expr)
        kinds = {MARKS[n] for n in map(canonical, names) if n in MARKS}
        for kind in sorted(kinds):
            yield from self._mark(kind, expr, module)
        # `getattr(pytest.mark, "skip")` is no call of a mark: it is one.
        fetched = frozenset() if call is None else frozenset(map(canonical, module.names.dotted(call)))
        for kind in sorted({MARKS[n] for n in fetched if n in MARKS} - kinds):
            kinds.add(kind)
            yield _silencer(kind.replace("unless", "if"), module.path, expr)
        if any(n.rpartition(".")[2] == "parametrize" for n in names) and call is not None:
            yield from self._parametrize(call, module)
        if kinds:
            return
        yield from self._bound_mark(expr, call, module, depth)
        for place in self.project.called(call.func if call is not None else expr, module.path, None, None):
            yield from self._decorator(place, expr)

    def _bound_mark(
        self, expr: ast.expr, call: ast.Call | None, module: Module, depth: int
    ) -> Iterator[Silencer]:
        """A mark that was given a name: `later = pytest.mark.skip(reason=…)`, here or in another module."""
        if call is None and isinstance(expr, ast.Name):
            for value in module.names.values(expr.id):
                yield from self.of_mark(value, module, depth - 1)
        if call is not None and isinstance(call.func, ast.Call):
            yield from self.of_mark(call.func, module, depth - 1)
        if call is None:
            for name in sorted(module.names.dotted(expr)):
                owner, _, attribute = name.rpartition(".")
                path = self.project.module_file(owner, module.path) if owner else None
                there = None if path is None or path == module.path else self.project.module(path)
                for value in [] if there is None else there.names.values(attribute):
                    if there is not None:
                        yield from self.of_mark(value, there, depth - 1)

    def _mark(self, kind: str, expr: ast.expr, module: Module) -> Iterator[Silencer]:
        holds = self.condition(kind, expr, module)
        if holds is not False:
            yield _silencer(kind.replace("unless", "if"), module.path, expr)

    def condition(self, kind: str, expr: ast.expr, module: Module) -> Truth:
        """Whether the condition of a mark holds where the tests run; a mark without one holds."""
        if not isinstance(expr, ast.Call) or kind == "skip":
            return True
        given = list(expr.args[:1] if kind == "skipunless" else expr.args)
        given += [k.value for k in expr.keywords if k.arg == "condition"]
        if kind in ("skipif", "skipunless") and any(
            n.startswith("unittest.") for n in module.names.dotted(expr.func)
        ):
            given = given[:1]
        if not given:
            return True
        found = [self.holds(g, module) for g in given]
        if kind == "skipunless":
            return None if found[0] is None else not found[0]
        return True if True in found else None if None in found else False

    def holds(self, expr: ast.expr, module: Module, scope: ast.AST | None = None) -> Truth:
        """Whether a condition holds, names of other modules of the project included."""
        if isinstance(expr, ast.Constant) and isinstance(expr.value, str):
            tree = parsed(expr.value.strip())
            first = tree.body[0] if tree is not None and tree.body else None
            # pytest gives such a string `os`, `sys` and `platform`.
            return truth(first.value, Names(tree, ""), None) if tree and isinstance(first, ast.Expr) else None
        found = truth(expr, module.names, scope)
        if found is None and isinstance(expr, ast.UnaryOp) and isinstance(expr.op, ast.Not):
            inner = self.holds(expr.operand, module, scope)
            return None if inner is None else not inner
        if found is None and isinstance(expr, ast.Name | ast.Attribute):
            return self._imported_truth(expr, module, scope)
        return found

    def _imported_truth(self, expr: ast.Name | ast.Attribute, module: Module, scope: ast.AST | None) -> Truth:
        for name in sorted(module.names.dotted(expr, scope)):
            owner, _, attribute = name.rpartition(".")
            path = self.project.module_file(owner, module.path) if owner else None
            if path is None and owner and ELSEWHERE.match(attribute):
                return False
            there = None if path is None or path == module.path else self.project.module(path)
            values = [] if there is None else there.names.values(attribute)
            if there is not None and len(values) == 1:
                return self.holds(values[0], there)
        return None

    def _parametrize(self, call: ast.Call, module: Module) -> Iterator[Silencer]:
        values = [k.value for k in call.keywords if k.arg == "argvalues"] or call.args[1:2]
        for value in values:
            listed = self._elements(value, module)
            if listed is None:
                continue
            if not listed:
                yield replace(_silencer("parametrize", module.path, call), text="parametrize over nothing")
            marked = [list(self._param(item, module)) for item in listed]
            for silencers in marked:
                yield from (replace(s, sure=all(marked)) for s in silencers)

    def _elements(self, value: ast.expr, module: Module) -> list[ast.expr] | None:
        if isinstance(value, ast.List | ast.Tuple | ast.Set):
            return [
                e
                for e in value.elts
                if not isinstance(e, ast.Starred) or module.names.constant(e.value) != ()
            ]
        if module.names.constant(value) in ((), ""):
            return []
        if isinstance(value, ast.Name):
            bound = module.names.values(value.id)
            return self._elements(bound[0], module) if len(bound) == 1 and bound[0] is not value else None
        if isinstance(value, ast.ListComp) and module.names.constant(value.generators[0].iter) == ():
            return []
        return None

    def _param(self, item: ast.expr, module: Module) -> Iterator[Silencer]:
        if isinstance(item, ast.Call) and any(n.endswith("param") for n in module.names.dotted(item.func)):
            for keyword in item.keywords:
                if keyword.arg == "marks":
                    yield from self.of_mark(keyword.value, module)

    def _decorator(self, place: Place, expr: ast.expr) -> Iterator[Silencer]:
        """A decorator of the project: it may skip, mark, or never run what it decorates."""
        module = self.project.module(place.path)
        node = place.node
        if module is None or isinstance(node, ast.ClassDef):
            return
        yield from self.inside(place, None)
        for inner in ast.walk(node):
            if isinstance(inner, FUNCTIONS) and inner is not node:
                yield from self.inside(Place(place.path, inner), None)
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield from self._returned_mark(inner.value, module)
        if isinstance(node, ast.Lambda):
            yield from self._returned_mark(node.body, module)
        kind = treatment(node, module.names, called=isinstance(expr, ast.Call))
        if kind != "kept" or hushes(node, module):
            kind = "hushed" if kind == "kept" else kind
            yield replace(_silencer(kind, module.path, expr), line=node.lineno, path=place.path)

    def _returned_mark(self, value: ast.expr, module: Module) -> Iterator[Silencer]:
        marks = [value, value.func] if isinstance(value, ast.Call) else [value]
        for mark in marks:
            called = mark.func if isinstance(mark, ast.Call) else mark
            for kind in sorted({MARKS[n] for n in map(canonical, module.names.dotted(called)) if n in MARKS}):
                applied = mark is value and isinstance(mark, ast.Call) and not isinstance(mark.func, ast.Call)
                if kind in ("skip", "xfail") and applied:
                    yield _silencer(kind, module.path, mark)
                else:
                    yield from self._mark(kind, mark, module)

    def inside(self, place: Place, owner: ast.ClassDef | None, depth: int = DEEPEST) -> tuple[Silencer, ...]:
        """Skips in a function's body and in the functions of the project that it calls."""
        module = self.project.module(place.path)
        body = place.node.body
        if module is None or depth <= 0 or isinstance(place.node, ast.ClassDef):
            return ()
        key = id(place.node)
        if key not in self._known:
            self._known[key] = ()  # a function that calls itself ends here
            statements = (
                body if isinstance(body, list) else [ast.Expr(body, lineno=place.node.lineno, col_offset=0)]
            )
            found: list[Silencer] = []
            for statement in live(statements, module.names, place.node):
                found += self._statement(statement, module, place, owner, depth)
            self._known[key] = tuple(found)
        return self._known[key]

    def _statement(
        self, statement: Live, module: Module, place: Place, owner: ast.ClassDef | None, depth: int
    ) -> Iterator[Silencer]:
        node, scope = statement.node, place.node
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if any(
                n.rpartition(".")[2] in RAISED or n == "pytest.skip.Exception"
                for n in module.names.dotted(raised, scope)
            ):
                yield _silencer("raise", module.path, node)
        for expr in expressions(node):
            if isinstance(expr, ast.Call):
                kinds = {
                    CALLS[n] for n in map(canonical, module.names.dotted(expr.func, scope)) if n in CALLS
                }
                for kind in sorted(kinds):
                    yield _silencer(kind, module.path, expr)
                if not kinds:
                    for callee in self.project.called(expr.func, module.path, scope, owner):
                        yield from self.inside(callee, owner, depth - 1)

    def at_import(self, path: str) -> tuple[Silencer, ...]:
        """Skips that stop the whole module while it is imported."""
        module = self.project.module(path)
        if module is None:
            return ()
        key = id(module.tree)
        if key not in self._known:
            found: list[Silencer] = []
            place = Place(path, NOWHERE)
            for statement in live(module.tree.body, module.names):
                if not isinstance(statement.node, (*FUNCTIONS, ast.ClassDef)):
                    found += self._statement(statement, module, place, None, DEEPEST)
            self._known[key] = tuple(found)
        return self._known[key]

    def _fixtures(self, test: Test) -> Iterator[Place]:
        """Fixtures that the test asks for, directly, by usefixtures, through others or because they are autouse."""
        available = self.project.fixtures(test.path)
        wanted = [n for n, p in available.items() if is_autouse(p.node) and _reaches(p, test)]
        wanted += _argument_names(test.place.node)
        wanted += self._used(test)
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name in available and name not in seen:
                seen.add(name)
                yield available[name]
                wanted += _argument_names(available[name].node)

    def _used(self, test: Test) -> list[str]:
        exprs = [expr for _, expr in test.marks]
        for place in (*test.owners, test.place):
            exprs += getattr(place.node, "decorator_list", [])
        calls = [n for e in exprs for n in ast.walk(e) if isinstance(n, ast.Call)]
        named = (c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "usefixtures")
        return [str(a.value) for c in named for a in c.args if isinstance(a, ast.Constant)]

    def _setups(self, test: Test) -> Iterator[Silencer]:
        for owner in test.owners:
            for name, place in self.project.inherited(owner).items():
                if name in SETUPS:
                    yield from self.inside(place, test.owner)
        module = self.project.module(test.path)
        for name, node in ({} if module is None else module.definitions).items():
            if name in SETUPS:
                yield from self.inside(Place(test.path, node), None)

    def _never_awaited(self, test: Test) -> Iterator[Silencer]:
        node = test.place.node
        if not isinstance(node, ast.AsyncFunctionDef) or self.asyncio_auto:
            return
        around = [
            *node.decorator_list,
            *(d for o in test.owners for d in getattr(o.node, "decorator_list", [])),
        ]
        around += [expr for _, expr in test.marks]
        said = " ".join(ast.unparse(e) for e in around).lower()
        bases = " ".join(ast.unparse(b) for o in test.owners for b in getattr(o.node, "bases", []))
        plain = all(
            "parametrize" in ast.unparse(d) or "mark.usefixtures" in ast.unparse(d)
            for d in node.decorator_list
        )
        if (
            plain
            and not any(word in said for word in ASYNC_MARKS)
            and "Async" not in bases
            and "anyio_backend" not in (_argument_names(node))
        ):
            yield Silencer(
                kind="async", path=test.place.path, line=node.lineno, text="async def that nothing awaits"
            )


def _never_iterated(test: Test) -> Iterator[Silencer]:
    """A generator: unittest drops what the call returns, and pytest runs none of it."""
    node = test.place.node
    if isinstance(node, ast.FunctionDef):
        for inner in walk(node.body, into_scopes=False):
            if isinstance(inner, ast.Yield | ast.YieldFrom) and not node.decorator_list:
                yield Silencer(
                    kind="yield",
                    path=test.place.path,
                    line=inner.lineno,
                    text="a generator that nothing iterates",
                )
                return


def _parts(expr: ast.expr) -> list[ast.expr] | None:
    """The marks of a list or sum of marks; None where the expression is one mark."""
    match expr:
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return elts
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Starred(value=value):
            return [value]
    return None


def canonical(name: str) -> str:
    """One spelling for names that the test tools offer under several."""
    for old, new in (
        ("_pytest.outcomes.", "pytest."),
        ("_pytest.mark.structures.MARK_GEN.", "pytest.mark."),
        ("_pytest.mark.MARK_GEN.", "pytest.mark."),
        ("_pytest.mark.", "pytest."),
        ("unittest.case.", "unittest."),
        ("<argument>.self.", "self."),
        ("<argument>.cls.", "cls."),
    ):
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _reaches(fixture: Place, test: Test) -> bool:
    """An autouse fixture of a class reaches that class's tests only; one of a module or conftest reaches all."""
    owners = [o.node for o in test.owners if isinstance(o.node, ast.ClassDef)]
    if fixture.path != test.path or any(fixture.node in o.body for o in owners):
        return True
    return getattr(fixture.node, "col_offset", 0) == 0


def _argument_names(node: ast.AST) -> list[str]:
    args = getattr(node, "args", None)
    return (
        [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        if isinstance(args, ast.arguments)
        else []
    )


def _silencer(kind: str, path: str, node: ast.expr | ast.stmt) -> Silencer:
    return Silencer(
        kind=kind, path=path, line=node.lineno, text=_shown(node), reasonless=_shown(_without_reason(node))
    )


def _without_reason(node: ast.expr | ast.stmt) -> ast.expr | ast.stmt:
    """The call without its reason: another one is no news."""
    if not isinstance(node, ast.Call):
        return node
    kept = [k for k in node.keywords if k.arg not in ("reason", "msg")]
    texts = [a for a in node.args[1:] if not (isinstance(a, ast.Constant) and isinstance(a.value, str))]
    return ast.Call(node.func, [*node.args[:1], *texts], kept)


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 100 else text[:97] + "..."


def added(before: Iterable[Silencer], after: Iterable[Silencer]) -> list[Silencer]:
    """The silencers that were not there before, each once; a new reason or line is no news."""
    known = {s.key for s in before}
    kinds = {s.kind for s in before if s.kind in ("skip", "xfail", "__test__", "async", "yield")}
    fresh = {s.key: s for s in after if s.key not in known and s.kind not in kinds}
    return list(fresh.values())
