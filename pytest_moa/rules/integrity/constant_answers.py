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

also the environment, `sys.modules`, `sys.argv` and the call stack behind aliases, copies and loops, `_called_from_test`, an
`import pytest` that is tried, tables whose every entry the tests repeat.

**Does not look at** constants such as 0, 1, True, None and the empty text, tables that hold more than tests repeat, code
that the target has, or tests that ask whether they are tests.

**Default:** `warn`: the probes look at these lines first. `block` for source that asks whether it is being tested, for a
function that computed its answers and now returns those that the target's tests expect, and for a comparison in source that
says the same to everything: no experiment under test can tell these from honest code.

**Legal way out:** compute the answer, or, where a table is the honest answer,
`integrity.allow: [{rule: constant-answers, path: src/prices.py}]`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity.asking import Question, questions
from pytest_moa.rules.integrity.copied import Expectations, copied, expectations
from pytest_moa.rules.integrity.following import Module, Project
from pytest_moa.rules.integrity.kit import Change, Side
from pytest_moa.rules.integrity.live import live
from pytest_moa.rules.integrity.names import FUNCTIONS, Names, walk
from pytest_moa.rules.integrity.tests_model import is_test_file
from pytest_moa.rules.integrity.truth import truth

NAME = "constant-answers"
DEFAULT: Severity = "warn"

COMPARISONS = {"__eq__": True, "__ne__": False, "__lt__": True, "__le__": True, "__gt__": True, "__ge__": True,
               "__contains__": True, "__instancecheck__": True, "__subclasscheck__": True}  # fmt: skip
COMPARES = re.compile(r"(eq|ne|lt|le|gt|ge|contains|check)__|setattr|type\(")
"""A source without any of these compares nothing: reading the words is cheaper than walking the tree."""

REMEDY = "Compute the answer from the input; code must not know its tests."


def check(change: Change) -> Iterator[Finding]:
    changed = [f.path for f in change.python() if f.after is not None and f.after != f.before]
    sources = [path for path in changed if not is_test_file(change, path)]
    for path in changed:
        yield from _equal_to_all(change, path, "block" if path in sources else "warn")
    expected = expectations(change) if sources else None
    for path in sources:
        yield from _asks(change, path)
        if expected is not None:
            yield from _copied(change, path, expected)


def _copied(change: Change, path: str, expected: Expectations) -> Iterator[Finding]:
    for function, answers in copied(change, path, expected):
        shown = ", ".join(repr(a.answer)[:40] for a in answers[:3])
        if _computed_before(change, path, function) and all(map(expectations(change, "base").names, answers)):
            message = (
                f"`{function}` computed its answers and now returns what the target's tests expect: {shown}"
            )
            yield _finding(path, answers[0].line, message, "block")
        else:
            message = f"`{function}` returns what its tests expect, word for word: {shown}"
            yield _finding(path, answers[0].line, message, "warn")


def _computed_before(change: Change, path: str, function: str) -> bool:
    """Whether the target's function of that name is more than a stub: a special case of a new one may be honest."""
    module = Project.of(change, "base").module(path)
    found = [
        node
        for node in walk([module.tree] if module else [], into_scopes=True)
        if isinstance(node, FUNCTIONS) and node.name == function
    ]
    return any(not isinstance(s, ast.Expr | ast.Pass | ast.Raise) for node in found for s in node.body)


def _equal_to_all(change: Change, path: str, severity: FindingSeverity) -> Iterator[Finding]:
    had = {name for name, _ in _constant_comparisons(change, path, "base")}
    for name, line in _constant_comparisons(change, path, "head"):
        if name not in had:
            message = f"`{name}` answers the same whatever it is compared with"
            yield _finding(path, line, message, severity)


def _constant_comparisons(change: Change, path: str, side: Side) -> Iterator[tuple[str, int]]:
    if not COMPARES.search(change.text(path, side) or ""):
        return
    module = Project.of(change, side).module(path)
    if module is None:
        return
    for node in walk([module.tree], into_scopes=True):
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                for name, function in _named_functions(member):
                    if _is_constant(name, function, module):
                        yield f"{node.name}.{name}", member.lineno
        else:
            for name, function in _set_on_class(node, module.names):
                if _is_constant(name, function, module):
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


def _is_constant(name: str, function: ast.AST, module: Module) -> bool:
    if name not in COMPARISONS:
        return False
    if isinstance(function, ast.Name):
        function = module.definitions.get(function.id, function)
    returned = _returned(function, module.names)
    answers = [None if _is_none(r) else truth(r, module.names, function) for r in returned]
    return bool(answers) and all(answer is COMPARISONS[name] for answer in answers)


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def _returned(function: ast.AST, names: Names) -> list[ast.expr]:
    if isinstance(function, ast.Lambda):
        return [function.body]
    if isinstance(function, FUNCTIONS):
        statements = [s.node for s in live(function.body, names, function)]
        return [s.value for s in statements if isinstance(s, ast.Return) and s.value is not None]
    return []


def _asks(change: Change, path: str) -> Iterator[Finding]:
    asked = _questions(change, path, "head")
    had = {q.text for q in _questions(change, path, "base")} if asked else set()
    for question in asked:
        if question.text not in had:
            message = f"the source asks whether it is being tested: `{question.text}`"
            yield _finding(path, question.line, message, "block")


def _questions(change: Change, path: str, side: Side) -> list[Question]:
    module = Project.of(change, side).module(path)
    return [] if module is None else questions(module, change.text(path, side) or "")


def _finding(path: str, line: int, message: str, severity: FindingSeverity) -> Finding:
    return Finding(rule=NAME, severity=severity, path=path, line=line, message=message, remedy=REMEDY)
