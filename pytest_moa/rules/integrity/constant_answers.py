"""**Sees:** code that answers what the test wants to hear: a new `__eq__` (or another comparison) that returns a
constant; source that asks whether it is being tested; values that tests expect, copied into the source beside the
arguments that the tests give.

**Catches,** for example:

```python
class Total:
    def __eq__(self, other):
        return True

def total(numbers):
    if "PYTEST_CURRENT_TEST" in os.environ:
        return 3

def price(code):
    if code == "A-1001":
        return 1999      # the very pair that tests/test_price.py asserts
```

**Does not look at** constants such as 0, 1, True, None and the empty text, at tables that tests do not repeat, at code
that the target has, or at tests that ask whether they are tests.

**Default:** `warn`: the probes look at these lines first.

**Legal way out:** compute the answer, or, where a table is the honest answer,
`integrity.allow: [{rule: constant-answers, path: src/prices.py}]`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.following import Module, Project
from pytest_moa.rules.integrity.kit import Change, FileChange, Side, is_test_path
from pytest_moa.rules.integrity.live import live
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN, Names
from pytest_moa.rules.integrity.tests_model import tests_of

NAME = "constant-answers"
DEFAULT: Severity = "warn"

COMPARISONS = {"__eq__": True, "__ne__": False, "__lt__": True, "__le__": True, "__gt__": True, "__ge__": True,
               "__contains__": True, "__instancecheck__": True, "__subclasscheck__": True}  # fmt: skip
TOOLS = ("pytest", "_pytest", "unittest", "conftest", "coverage", "nose")
ASKING = ("PYTEST_", "COV_CORE_", "COVERAGE_PROCESS", "TOX_ENV_NAME", "_called_from_test", "py.test")
FRAMES = frozenset(
    {"inspect.stack", "inspect.currentframe", "sys._getframe", "traceback.extract_stack", "sys.argv"}
)

REMEDY = "Compute the answer from the input; code must not know its tests."


@dataclass(frozen=True, slots=True)
class Answer:
    """A constant that the source gives for a constant: `given` is None where it gives it for anything."""

    function: str
    given: object
    answer: object
    line: int


def check(change: Change) -> Iterator[Finding]:
    pairs, calls = _expectations(change)
    for file in change.python():
        if file.after is None or file.after == file.before:
            continue
        yield from _equal_to_all(change, file)
        if not is_test_path(file.path):
            yield from _asks(change, file)
            yield from _copied(change, file, pairs, calls)


def _equal_to_all(change: Change, file: FileChange) -> Iterator[Finding]:
    had = {name for name, _ in _constant_comparisons(change, file.path, "base")}
    for name, line in _constant_comparisons(change, file.path, "head"):
        if name not in had:
            yield _finding(file.path, line, f"`{name}` answers the same whatever it is compared with")


def _constant_comparisons(change: Change, path: str, side: Side) -> Iterator[tuple[str, int]]:
    module = Project.of(change, side).module(path)
    if module is None:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                for name, function in _named_functions(member):
                    if _is_constant(name, function, module.names):
                        yield f"{node.name}.{name}", member.lineno
        else:
            for name, function in _set_on_class(node, module.names):
                if _is_constant(name, function, module.names):
                    yield name, getattr(node, "lineno", 1)


def _named_functions(member: ast.stmt) -> list[tuple[str, ast.AST]]:
    if isinstance(member, FUNCTIONS):
        return [(member.name, member)]
    if isinstance(member, ast.Assign):
        return [(t.id, member.value) for t in member.targets if isinstance(t, ast.Name)]
    return []


def _set_on_class(node: ast.AST, names: Names) -> list[tuple[str, ast.AST]]:
    """`Total.__eq__ = …`, `setattr(Total, "__eq__", …)`, `type("Total", (), {"__eq__": …})`."""
    if isinstance(node, ast.Assign):
        return [(t.attr, node.value) for t in node.targets if isinstance(t, ast.Attribute)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "setattr" and len(node.args) == 3:
            return [(str(names.constant(node.args[1])), node.args[2])]
        if node.func.id == "type" and len(node.args) == 3 and isinstance(node.args[2], ast.Dict):
            table = node.args[2]
            return [(str(names.constant(k)), v) for k, v in zip(table.keys, table.values, strict=True)]
    return []


def _is_constant(name: str, function: ast.AST, names: Names) -> bool:
    if name not in COMPARISONS:
        return False
    returned = _returned(function, names)
    if isinstance(function, ast.Name):
        returned = [r for v in names.values(function.id) for r in _returned(v, names)]
    values = [names.constant(r, function) for r in returned]
    return bool(values) and all(
        v is not UNKNOWN and v is not None and bool(v) is COMPARISONS[name] for v in values
    )


def _returned(function: ast.AST, names: Names) -> list[ast.expr]:
    if isinstance(function, ast.Lambda):
        return [function.body]
    if isinstance(function, FUNCTIONS):
        statements = [s.node for s in live(function.body, names, function)]
        return [s.value for s in statements if isinstance(s, ast.Return) and s.value is not None]
    return []


def _asks(change: Change, file: FileChange) -> Iterator[Finding]:
    had = {text for text, _ in _questions(change, file.path, "base")}
    for text, line in _questions(change, file.path, "head"):
        if text not in had:
            yield _finding(file.path, line, f"the source asks whether it is being tested: `{text}`")


def _questions(change: Change, path: str, side: Side) -> Iterator[tuple[str, int]]:
    module = Project.of(change, side).module(path)
    if module is None:
        return
    for node in ast.walk(module.tree):
        if (isinstance(node, ast.Compare) and _compares_tools(node, module.names)) or (
            isinstance(node, ast.Call | ast.Subscript | ast.Attribute) and _reads_tools(node, module.names)
        ):
            yield _shown(node), node.lineno


def _compares_tools(node: ast.Compare, names: Names) -> bool:
    sides = [node.left, *node.comparators]
    texts = [t for s in sides if isinstance(t := names.constant(s), str)]
    loaded = any({"sys.modules", "os.environ"} & names.dotted(s) for s in sides)
    if loaded and any(t.split(".")[0] in TOOLS or t.startswith(ASKING) for t in texts):
        return True
    about_frames = any(
        FRAMES & names.dotted(n.func if isinstance(n, ast.Call) else n)
        for s in sides
        for n in ast.walk(s)
        if isinstance(n, ast.Call | ast.Attribute | ast.Name)
    )
    return about_frames and any("test" in t.lower() for t in texts)


def _reads_tools(node: ast.Call | ast.Subscript | ast.Attribute, names: Names) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "_called_from_test"
    if isinstance(node, ast.Subscript):
        owner, key = names.dotted(node.value), names.constant(node.slice)
        return isinstance(key, str) and bool(owner & {"os.environ", "sys.modules"}) and _names_tools(key)
    called = names.dotted(node.func)
    reads = {
        "os.environ.get",
        "os.getenv",
        "sys.modules.get",
        "os.environ.__contains__",
        "sys.modules.__contains__",
        "hasattr",
    }
    keys = [names.constant(a) for a in node.args[:2]]
    return bool(called & reads) and any(isinstance(k, str) and _names_tools(k) for k in keys)


def _names_tools(key: str) -> bool:
    return key.startswith(ASKING) or key.split(".", maxsplit=1)[0] in ("pytest", "_pytest")


def _expectations(change: Change) -> tuple[set[tuple[object, object]], set[tuple[str, object]]]:
    """What the candidate's tests expect: constants given together with constants, and answers of a function."""
    pairs: set[tuple[object, object]] = set()
    calls: set[tuple[str, object]] = set()
    project = Project.of(change, "head")
    for file in change.python():
        module = project.module(file.path)
        if module is None or not tests_of(change, file.path, "head").tests:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Compare) and len(node.comparators) == 1:
                for call, expected in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
                    _note_call(call, expected, module.names, pairs, calls)
            elif isinstance(node, ast.Tuple | ast.List):
                values = [
                    names for e in node.elts if (names := _plain(module.names.constant(e))) is not UNKNOWN
                ]
                pairs |= (
                    {(a, b) for a in values[:6] for b in values[:6] if a != b} if len(values) <= 6 else set()
                )
    return pairs, calls


def _note_call(
    call: ast.expr,
    expected: ast.expr,
    names: Names,
    pairs: set[tuple[object, object]],
    calls: set[tuple[str, object]],
) -> None:
    answer = _plain(names.constant(expected))
    if not isinstance(call, ast.Call) or answer is UNKNOWN:
        return
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    calls.add((name, answer))
    given = [_plain(names.constant(a)) for a in (*call.args, *(k.value for k in call.keywords))]
    pairs.update((g, answer) for g in given if g is not UNKNOWN)


def _plain(value: object) -> object:
    """Values that can be kept in a set; a list or an object has no constant of its own."""
    return value if isinstance(value, str | int | float | bytes | tuple) and _hashable(value) else UNKNOWN


def _hashable(value: object) -> bool:
    return (
        all(map(_hashable, value))
        if isinstance(value, tuple)
        else isinstance(value, str | int | float | bytes | None)
    )


def _telling(value: object) -> bool:
    """Whether a constant is more than chance: no 0, 1, True, empty or one-letter text."""
    if isinstance(value, bool) or value is None or value is UNKNOWN:
        return False
    return (
        abs(value) > 2
        if isinstance(value, int | float)
        else len(value) > 2
        if isinstance(value, str | bytes | tuple)
        else False
    )


def _copied(
    change: Change, file: FileChange, pairs: set[tuple[object, object]], calls: set[tuple[str, object]]
) -> Iterator[Finding]:
    before, after = (Project.of(change, side).module(file.path) for side in ("base", "head"))
    if after is None:
        return
    had = {(a.function, a.given, a.answer) for a in ([] if before is None else _answers(before))}
    hits = [
        a
        for a in _answers(after)
        if (a.function, a.given, a.answer) not in had
        and _telling(a.answer)
        and ((a.function, a.answer) in calls if a.given is None else (a.given, a.answer) in pairs)
    ]
    for function in sorted({h.function for h in hits}):
        mine = [h for h in hits if h.function == function]
        shown = ", ".join(repr(h.answer)[:40] for h in mine[:3])
        yield _finding(
            file.path, mine[0].line, f"`{function}` returns what its tests expect, word for word: {shown}"
        )


def _answers(module: Module) -> Iterator[Answer]:
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and _takes_something(node):
            yield from _answers_of(node, module.names)


def _takes_something(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    named = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return bool([n for n in named if n not in ("self", "cls")]) or node.args.vararg is not None


def _answers_of(node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> Iterator[Answer]:
    statements = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if len(statements) == 1 and isinstance(statements[0], ast.Return):
        answer = _plain(names.constant(statements[0].value, node))
        if answer is not UNKNOWN:
            yield Answer(node.name, None, answer, statements[0].lineno)
    for inner in ast.walk(node):
        if isinstance(inner, ast.If | ast.IfExp):
            yield from _if_answers(inner, node, names)
        elif isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                yield from _answer(node, key, value, inner.lineno, names)
        elif isinstance(inner, ast.match_case) and isinstance(inner.pattern, ast.MatchValue):
            for returned in _direct_returns(inner.body):
                yield from _answer(node, inner.pattern.value, returned, inner.pattern.lineno, names)


def _if_answers(
    inner: ast.If | ast.IfExp, node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names
) -> Iterator[Answer]:
    returned = [inner.body] if isinstance(inner, ast.IfExp) else _direct_returns(inner.body)
    for compare in ast.walk(inner.test):
        if isinstance(compare, ast.Compare):
            for given in (compare.left, *compare.comparators):
                for value in returned:
                    yield from _answer(node, given, value, inner.lineno, names)


def _direct_returns(body: Iterable[ast.stmt]) -> list[ast.expr]:
    return [s.value for s in body if isinstance(s, ast.Return) and s.value is not None]


def _answer(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    given: ast.expr | None,
    value: ast.expr,
    line: int,
    names: Names,
) -> Iterator[Answer]:
    key, answer = _plain(names.constant(given, node)), _plain(names.constant(value, node))
    if key is not UNKNOWN and answer is not UNKNOWN:
        yield Answer(node.name, key, answer, line)


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 80 else text[:77] + "..."


def _finding(path: str, line: int, message: str) -> Finding:
    return Finding(rule=NAME, severity="warn", path=path, line=line, message=message, remedy=REMEDY)
