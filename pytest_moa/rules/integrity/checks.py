"""What a test checks, and how strictly: asserts, expected exceptions, unittest and mock assertions, helpers followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_moa.rules.integrity.following import Module, Place, Project
from pytest_moa.rules.integrity.kit import is_test_path
from pytest_moa.rules.integrity.live import Live, expressions, live
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN, Names, walk
from pytest_moa.rules.integrity.tests_model import Test, function_nodes
from pytest_moa.rules.integrity.truth import truth
from pytest_moa.rules.integrity.wrappers import hushes

VOID, WEAK, LOOSE, EXACT = 0, 1, 2, 3
"""Always true; true of nearly anything; true of some; true of one value."""

DEEPEST = 4
RAISES = frozenset(
    {"raises", "warns", "deprecated_call", "assertRaises", "assertRaisesRegex", "assertWarns", "RaisesGroup"}
)
WIDE = frozenset({"Exception", "BaseException", "Warning"})
SPEAKING = re.compile(
    r"(?i)(^|_|\.)(assert|check|verif|expect|validate|ensure|compare|should|strict_eq|eq_|ok_|snapshot|approv|"
    r"regress|roundtrip|match_lines|fnmatch|must|confirm|fail|require|tester|_eq$|equal|same)"
)
ELSEWHERE = frozenset(
    {"Thread", "Process", "Timer", "submit", "start_new_thread", "apply_async", "run_in_executor", "call_soon",
     "call_later", "create_task", "ensure_future", "map_async", "register"}
)  # fmt: skip
SEEN_THROUGH = frozenset(
    {"len", "isinstance", "bool", "callable", "hasattr", "str", "repr", "int", "float", "list", "tuple", "set",
     "sorted", "all", "any", "type", "id", "abs", "round"}
)  # fmt: skip
STRENGTHS = {
    "assertIsNotNone": WEAK, "assertNotEqual": WEAK, "assertIsNot": WEAK, "assertIsInstance": WEAK,
    "assertTrue": WEAK, "assertFalse": LOOSE, "assertIn": LOOSE, "assertNotIn": LOOSE, "assertGreater": LOOSE,
    "assertGreaterEqual": LOOSE, "assertLess": LOOSE, "assertLessEqual": LOOSE, "assertRegex": LOOSE,
    "assert_called": WEAK, "assert_awaited": WEAK, "assert_any_call": LOOSE,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: `key` tells the same from another, `subject` what is looked at, `expected` with what it is compared.

    `heard` is False where its failure would be caught or come too late for the test to notice, `conditional` is True
    where it only runs on a condition; `values` are the constants in it, `number` is how many checks it stands for;
    `named` is the expected constant where a name stands for it.
    """

    kind: str
    key: str
    subject: str
    expected: str
    text: str
    line: int
    strength: int
    heard: bool = True
    conditional: bool = False
    values: frozenset[str] = frozenset()
    number: int = 1
    named: str | None = None

    @property
    def counts(self) -> bool:
        return self.heard and self.strength > VOID


class Checks:
    """Finds checks on one side of a change; each helper is looked at once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._helpers: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._tests: dict[int, tuple[Check, ...]] = {}

    def of(self, test: Test) -> tuple[Check, ...]:
        """The checks of a test's own body, in order; a helper that checks counts as one."""
        key = id(test.place.node)
        if key not in self._tests:
            module = self.project.module(test.place.path)
            statements = function_nodes(test)
            self._tests[key] = (
                () if module is None else tuple(self._in(statements, module, test.place, test.owner))
            )
        return self._tests[key]

    def of_fixtures(self, test: Test) -> bool:
        """Whether a fixture that the test asks for checks something, before or after it."""
        available = self.project.fixtures(test.path)
        args = getattr(test.place.node, "args", None)
        names = [a.arg for a in args.args] if isinstance(args, ast.arguments) else []
        return any(self.strength_of_helper(available[n], test.owner) > VOID for n in names if n in available)

    def _in(
        self,
        body: Iterable[ast.stmt],
        module: Module,
        place: Place,
        owner: ast.ClassDef | None,
        depth: int = DEEPEST,
    ) -> Iterator[Check]:
        scope = place.node
        uses = _Uses(scope, module.names)

        def hushed(manager: ast.expr) -> bool:
            called = self.project.called(manager, module.path, scope, owner)
            return any(hushes(p.node, there) for p in called if (there := self.project.module(p.path)))

        for statement in live(body, module.names, scope, hushed):
            node = statement.node
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                inner = Place(module.path, node)
                yield from (
                    replace(c, heard=c.heard and not statement.swallowed)
                    for c in self._nested(inner, uses, module, owner, depth)
                )
            else:
                for check in self._statement(statement, module, place, owner, depth):
                    heard = check.heard and not statement.swallowed
                    yield replace(check, heard=heard, conditional=check.conditional or statement.conditional)

    def _nested(
        self, place: Place, uses: _Uses, module: Module, owner: ast.ClassDef | None, depth: int
    ) -> Iterator[Check]:
        """Checks of a function or class inside the test: they count where somebody uses it."""
        node = place.node
        if depth <= 0 or isinstance(node, ast.Lambda) or not (uses.named(node.name) or node.decorator_list):
            return
        members = walk(node.body, into_scopes=False) if isinstance(node, ast.ClassDef) else [node]
        heard = not uses.elsewhere(node.name) and not uses.unawaited(node)
        for function in members:
            if isinstance(function, FUNCTIONS):
                inner = Place(module.path, function)
                for check in self._in(function.body, module, inner, owner, depth - 1):
                    yield replace(check, heard=check.heard and heard)

    def _statement(
        self, statement: Live, module: Module, place: Place, owner: ast.ClassDef | None, depth: int
    ) -> Iterator[Check]:
        node, names = statement.node, module.names
        if isinstance(node, ast.Assert):
            for part in _parts(node.test):
                yield _assertion("assert", part, node.lineno, names, place.node)
            return
        if isinstance(node, ast.Raise) and statement.conditional:
            yield _plain("raise", node, node.lineno, LOOSE)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.GeneratorExp):
            return
        for expr in expressions(node):
            if isinstance(expr, ast.Call):
                found = self._call(expr, module, place, owner, depth)
                if found is not None:
                    yield found

    def _call(
        self, call: ast.Call, module: Module, place: Place, owner: ast.ClassDef | None, depth: int
    ) -> Check | None:
        names = module.names.dotted(call.func, place.node)
        last = {n.rpartition(".")[2] for n in names}
        if isinstance(call.func, ast.Attribute):
            last.add(call.func.attr)
        if last & RAISES:
            return _raises(call, module.names, place.node)
        found_places = self.project.called(call.func, module.path, place.node, owner)
        # That the code under test may raise is no check of the test.
        places = [p for p in found_places if is_test_path(p.path) or p.path == module.path]
        if places and depth > 0:
            found = max(self.strength_of_helper(p, owner, depth - 1) for p in places)
            number = max(self._numbers.get(id(p.node), 1) for p in places)
            return (
                replace(_plain("helper", call, call.lineno, found), number=number) if found > VOID else None
            )
        asserting = sorted(n for n in last if n.lower().startswith("assert"))
        if asserting:
            return _unittest(call, asserting[0], module.names, place.node)
        if any(SPEAKING.search(n) for n in names | last):
            return _plain("helper", call, call.lineno, EXACT)
        return None

    def strength_of_helper(self, place: Place, owner: ast.ClassDef | None, depth: int = DEEPEST) -> int:
        """The strongest check that a function of the project makes, VOID where it makes none."""
        module = self.project.module(place.path)
        node = place.node
        if module is None or depth <= 0:
            return VOID
        key = id(node)
        if key not in self._helpers:
            self._helpers[key] = VOID
            body = (
                node.body
                if isinstance(node.body, list)
                else [ast.Expr(node.body, lineno=node.lineno, col_offset=0)]
            )
            if isinstance(node, ast.ClassDef):
                body = [s for m in module.members(node).values() if isinstance(m, FUNCTIONS) for s in m.body]
            checks = self._in(body, module, place, owner, depth)
            counted = [c for c in checks if c.counts]
            self._helpers[key] = max((c.strength for c in counted), default=VOID)
            self._numbers[key] = max(1, sum(c.number for c in counted))
        return self._helpers[key]


class _Uses:
    """How a function uses what it defines inside itself."""

    def __init__(self, scope: ast.AST, names: Names) -> None:
        self.scope = scope
        self.names = names
        self._nodes: list[ast.AST] | None = None

    @property
    def nodes(self) -> list[ast.AST]:
        if self._nodes is None:
            self._nodes = list(ast.walk(self.scope))
        return self._nodes

    def named(self, name: str) -> bool:
        return any(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in self.nodes
        )

    def elsewhere(self, name: str) -> bool:
        """It is handed to a thread, a task or an exit handler, whose failure the test does not see."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                func = node.func
                called = (
                    func.attr
                    if isinstance(func, ast.Attribute)
                    else func.id
                    if isinstance(func, ast.Name)
                    else ""
                )
                given = [*node.args, *(k.value for k in node.keywords)]
                if called in ELSEWHERE and any(isinstance(g, ast.Name) and g.id == name for g in given):
                    return not self._asked_for_results()
        return False

    def _asked_for_results(self) -> bool:
        return any(isinstance(n, ast.Attribute) and n.attr in ("result", "get", "gather") for n in self.nodes)

    def unawaited(self, node: ast.AST) -> bool:
        """A generator or coroutine function whose calls nobody iterates or awaits."""
        lazy = isinstance(node, ast.AsyncFunctionDef) or any(
            isinstance(n, ast.Yield | ast.YieldFrom)
            for n in walk(getattr(node, "body", []), into_scopes=False)
        )
        name = getattr(node, "name", "")
        uses = [
            n for n in self.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        ]
        bare = [
            n for n in self.nodes
            if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and isinstance(n.value.func, ast.Name) and n.value.func.id == name
        ]  # fmt: skip
        return lazy and bool(uses) and len(uses) == len(bare)


def strength(expr: ast.expr, names: Names, scope: ast.AST | None = None, depth: int = 8) -> int:  # noqa: C901, PLR0911 - one case a kind of expression
    """How much an assertion of this expression says."""
    if depth <= 0:
        return LOOSE
    if truth(expr, names, scope) is True:
        return VOID
    match expr:
        case ast.Compare():
            return _compared(expr, names, scope)
        case ast.BoolOp(op=op, values=values):
            found = [strength(v, names, scope, depth - 1) for v in values]
            return max(found) if isinstance(op, ast.And) else VOID if _covers_all(values) else min(found)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return EXACT if isinstance(operand, ast.Compare) else LOOSE
        case ast.Await(value=value) | ast.NamedExpr(value=value):
            return strength(value, names, scope, depth - 1)
        case ast.Call(
            func=ast.Name(id="all" | "any"),
            args=[ast.GeneratorExp(elt=elt, generators=loops) | ast.ListComp(elt=elt, generators=loops)],
        ):
            over_nothing = names.constant(loops[0].iter, scope) in ((), "")
            return VOID if over_nothing else strength(elt, names, scope, depth - 1)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id="object")]):
            return VOID
        case ast.Call(func=ast.Name(id="isinstance" | "hasattr" | "callable" | "bool")):
            return WEAK
        case ast.Call():
            return LOOSE
    return WEAK


def _compared(expr: ast.Compare, names: Names, scope: ast.AST | None) -> int:
    sides = [expr.left, *expr.comparators]
    found = []
    for left, op, right in zip(sides, expr.ops, sides[1:], strict=False):
        found.append(_pair(left, op, right, names, scope))
    return max(found, default=LOOSE)


def _pair(left: ast.expr, op: ast.cmpop, right: ast.expr, names: Names, scope: ast.AST | None) -> int:
    if _always_holds(left, op, right, names, scope):
        return VOID
    if isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "len":
        least = names.constant(right, scope)
        if least in (0, 1) and isinstance(op, ast.Gt | ast.GtE | ast.NotEq):
            return WEAK
    match op:
        case ast.Eq() | ast.Is():
            return WEAK if any(_is_wide_approx(side, names, scope) for side in (left, right)) else EXACT
        case ast.NotEq() | ast.IsNot():
            return WEAK
    return LOOSE


def _always_holds(
    left: ast.expr, op: ast.cmpop, right: ast.expr, names: Names, scope: ast.AST | None
) -> bool:
    """`x == x`, `x == ANY`, `len(x) >= 0`, `(x == 3) in (True, False)`."""
    among = (
        right.elts
        if isinstance(op, ast.In) and isinstance(right, ast.List | ast.Tuple | ast.Set)
        else [right]
    )
    if isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE | ast.In):
        if any(ast.dump(left) == ast.dump(r) for r in among):
            return True
        if any(n.endswith("mock.ANY") for side in (left, right) for n in names.dotted(side, scope)):
            return True
    wanted = names.constant(right, scope)
    if isinstance(op, ast.In) and isinstance(left, ast.Compare | ast.UnaryOp):
        return isinstance(wanted, tuple) and True in wanted and False in wanted
    counted = isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "len"
    return counted and isinstance(op, ast.GtE) and wanted == 0


def _is_wide_approx(expr: ast.expr, names: Names, scope: ast.AST | None) -> bool:
    if not isinstance(expr, ast.Call) or not any(
        n.endswith("approx") for n in names.dotted(expr.func, scope)
    ):
        return False
    given = {"rel": expr.args[1:2], "abs": expr.args[2:3]}
    given |= {str(k.arg): [k.value] for k in expr.keywords}
    rel = [names.constant(e, scope) for e in given["rel"]]
    wide = [names.constant(e, scope) for e in given["abs"]]
    return any(isinstance(r, int | float) and r >= 0.1 for r in rel) or any(
        isinstance(w, int | float) and w >= 1 for w in wide
    )


def _covers_all(values: list[ast.expr]) -> bool:
    """`x or not x`: whatever x is, one part holds."""
    dumped = {ast.dump(v) for v in values}
    return any(
        isinstance(v, ast.UnaryOp) and isinstance(v.op, ast.Not) and ast.dump(v.operand) in dumped
        for v in values
    )


def _parts(test: ast.expr) -> list[ast.expr]:
    """`assert a and b` is two checks, and so is `assert (a, b) == (1, 2)`."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return [part for value in values for part in _parts(value)]
        case ast.Compare(
            left=ast.Tuple(elts=found), ops=[ast.Eq() as equal], comparators=[ast.Tuple(elts=wanted)]
        ) if len(found) == len(wanted):
            sides = zip(found, wanted, strict=True)
            return [ast.copy_location(ast.Compare(a, [equal], [b]), test) for a, b in sides]
    return [test]


def _assertion(kind: str, test: ast.expr, line: int, names: Names, scope: ast.AST | None) -> Check:
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    inner = test.operand if isinstance(test, ast.UnaryOp) else test
    expected = ""
    named = None
    subject = inner
    values = {repr(n.value) for n in ast.walk(test) if isinstance(n, ast.Constant)}
    if isinstance(inner, ast.Compare):
        # `assert 3 == f()` looks at f() just as `assert f() == 3` does.
        sides = [inner.left, inner.comparators[-1]]
        if isinstance(sides[0], ast.Constant):
            sides.reverse()
        subject, expected = sides[0], _expected(sides[1], names, scope)
        if isinstance(sides[1], ast.Name) and expected != ast.dump(sides[1]):
            values.add(expected)
            named = expected
    return Check(
        kind=kind,
        key=ast.dump(test),
        subject=ast.dump(_looked_at(subject)),
        expected=("not " if negated else "") + expected,
        text=_shown(test),
        line=line,
        strength=strength(test, names, scope),
        values=frozenset(values),
        named=named,
    )


def _expected(expr: ast.expr, names: Names, scope: ast.AST | None) -> str:
    value = names.constant(expr, scope)
    return ast.dump(expr) if value is UNKNOWN else repr(value)


def _looked_at(expr: ast.expr) -> ast.expr:
    """`len(x)`, `isinstance(x, int)` and `str(x)` look at x."""
    while (
        isinstance(expr, ast.Call)
        and isinstance(expr.func, ast.Name)
        and expr.func.id in SEEN_THROUGH
        and expr.args
    ):
        expr = expr.args[0]
    return expr


def _unittest(call: ast.Call, name: str, names: Names, scope: ast.AST | None) -> Check:
    args = call.args
    if name in ("assertTrue", "assert_") and args:
        return _assertion(name, args[0], call.lineno, names, scope)
    if len(args) >= 2 and isinstance(args[0], ast.Constant):
        args = [args[1], args[0], *args[2:]]
    on_mock = "_" in name or not name.startswith("assert")
    expected = args if on_mock else args[1:]
    return Check(
        kind=name,
        key=ast.dump(call),
        subject=ast.dump(call.func).replace(name, "")
        if on_mock or not args
        else ast.dump(_looked_at(args[0])),
        expected=",".join(_expected(a, names, scope) for a in expected),
        text=_shown(call),
        line=call.lineno,
        strength=_strength_of_call(call, name, names, scope),
        values=frozenset(repr(n.value) for a in expected for n in ast.walk(a) if isinstance(n, ast.Constant)),
    )


def _strength_of_call(call: ast.Call, name: str, names: Names, scope: ast.AST | None) -> int:
    given = [*call.args, *(k.value for k in call.keywords)]
    if (
        len(call.args) >= 2
        and name != "assertIsInstance"
        and ast.dump(call.args[0]) == ast.dump(call.args[1])
    ):
        return VOID
    if any(n.endswith("mock.ANY") for g in given for n in names.dotted(g, scope)):
        return LOOSE if name.startswith("assert_") else VOID
    if name == "assertAlmostEqual":
        room = {k.arg: names.constant(k.value, scope) for k in call.keywords}
        delta, places = room.get("delta"), room.get("places")
        wide = (isinstance(delta, int | float) and delta >= 1) or (isinstance(places, int) and places <= 0)
        return WEAK if wide else EXACT
    return STRENGTHS.get(name, EXACT)


def _raises(call: ast.Call, names: Names, scope: ast.AST | None) -> Check:
    kinds = {n.rpartition(".")[2] for a in _kinds(call) for n in names.dotted(a, scope)}
    texts = [k.value for k in call.keywords if k.arg in ("match", "check", "expected_regex")]
    texts += call.args[1:2] if "Regex" in ast.dump(call.func) else []
    matched = any(not _matches_anything(names.constant(t, scope)) for t in texts)
    found = WEAK if kinds & WIDE and not matched else EXACT if matched else LOOSE
    return replace(
        _plain("raises", call, call.lineno, found),
        subject="raises",
        expected=",".join(sorted(kinds)),
        values=frozenset(kinds | {_expected(t, names, scope) for t in texts}),
        number=2 if matched else 1,
    )


def _kinds(call: ast.Call) -> list[ast.expr]:
    """The expected exceptions, each of a tuple."""
    return [e for a in call.args[:1] for e in (a.elts if isinstance(a, ast.Tuple) else [a])]


def _matches_anything(pattern: object) -> bool:
    """A regular expression without any letter, digit or sign of its own."""
    if not isinstance(pattern, str):
        return False
    rest = re.sub(r"\\[sSwWdDbBAZ]|\(\?[a-zA-Z]+\)", "", pattern[:200])
    return not re.search(r"[^\^$.*+?|()\[\]]", rest)


def _plain(kind: str, node: ast.Call | ast.Raise, line: int, found: int) -> Check:
    subject = ast.dump(node.func) if isinstance(node, ast.Call) else "raise"
    return Check(
        kind=kind,
        key=ast.dump(node),
        subject=subject,
        expected="",
        text=_shown(node),
        line=line,
        strength=found,
    )


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 80 else text[:77] + "..."
