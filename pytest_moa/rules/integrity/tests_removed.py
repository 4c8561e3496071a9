"""**Sees:** a test function that the target has and the candidate has not. Renames and moves are followed, also both
at once and across files, and a test that was folded into a parametrised one counts as kept. Parametrised ids are not
compared: a test is its function.

**Catches,** besides the plain removal, the ways to lose a test while its text stays:

```python
def test_total():            # the target's test, still in the file …
    assert total([1, 2]) == 3

def test_total():            # … but this one took its name
    total([1, 2])
```

also `del test_total`, `test_total = None`, `globals().pop("test_total")`, a star import that brings another function of
that name, a class that gained an `__init__`, a file renamed so that pytest no longer collects it, and a body emptied
of everything that could fail.

**Does not look at** ids from parametrised sets, the order of tests, or tests that the target itself never collected.

**Legal way out:** an honest removal is one reviewed line on the target,
`integrity.allow: [{rule: tests-removed, path: tests/test_total.py, agent: "03", until: 2026-12-31}]`, or
`--allow tests-removed:tests/test_total.py --because "total() is gone"`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.kit import Change
from pytest_moa.rules.integrity.namespace import Lost
from pytest_moa.rules.integrity.pairing import pairing
from pytest_moa.rules.integrity.tests_model import Test, function_nodes, tests_of

NAME = "tests-removed"
DEFAULT: Severity = "block"

REMEDY = (
    "Put the test back and make the code pass it. Where it has to go, ask for `integrity.allow` on the target, "
    "or for `--allow tests-removed:{path}` with the reason."
)


def check(change: Change) -> Iterator[Finding]:
    found = pairing(change)
    reported: set[tuple[str, int]] = set()
    for test in found.gone:
        # A method that several classes inherit is one test as far as people are concerned.
        key = (test.place.path, test.line)
        if key not in reported:
            reported.add(key)
            yield _gone(change, test)
    yield from _emptied(found.pairs)
    for file in change.python():
        yield from _taken(change, file.path)
        yield from _edited(change, file.path)


def _gone(change: Change, test: Test) -> Finding:
    lost = next((n for n in tests_of(change, test.path, "head").lost if n.name == test.qualname), None)
    if lost is not None:
        return _finding(
            test.path, lost.line, f"`{test.qualname}` is still written here, but it is {lost.how}"
        )
    if change.text(test.path, "head") is None:
        return _finding(test.path, None, f"`{test.qualname}` is gone with its file")
    return _finding(
        test.path, _near(change, test), f"`{test.qualname}` is gone, and no test does what it did"
    )


def _near(change: Change, test: Test) -> int | None:
    """A line of the candidate's file to look at: the class that lost the test, where it still is."""
    tree = change.tree(test.path, "head")
    name = getattr(test.owner, "name", None)
    if tree is None or name is None:
        return 1
    return next((n.lineno for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name), 1)


def _taken(change: Change, path: str) -> Iterator[Finding]:
    """A name that stays, with another body: the target's test was shadowed by a later one."""
    before, after = tests_of(change, path, "base"), tests_of(change, path, "head")
    known = {(lost.name, _body(lost)) for lost in before.lost}
    for lost in after.lost:
        if lost.name in before.tests and lost.name in after.tests and (lost.name, _body(lost)) not in known:
            yield _finding(path, lost.line, f"`{lost.name}` is {lost.how}, so that the one above never runs")


def _body(lost: Lost) -> str:
    node = None if lost.held.place is None else lost.held.place.node
    return "" if node is None else ast.dump(node)


def _edited(change: Change, path: str) -> Iterator[Finding]:
    before, after = tests_of(change, path, "base"), tests_of(change, path, "head")
    if len(after.edits) > len(before.edits) and before.tests:
        yield _finding(
            path, after.edits[0], "globals() is edited by a key that only a run can tell: tests may get lost"
        )


def _emptied(pairs: tuple[tuple[Test, Test], ...]) -> Iterator[Finding]:
    for before, after in pairs:
        if _is_empty(after) and not _is_empty(before):
            yield _finding(after.path, after.line, f"`{after.qualname}` has kept its name, and nothing else")


def _is_empty(test: Test) -> bool:
    """Nothing in the body can fail: no call, no assertion, no name that a fault could reach."""
    harmless = (ast.Pass, ast.Constant, ast.Expr, ast.Return, ast.Load)
    nodes = [n for statement in function_nodes(test) for n in ast.walk(statement)]
    return all(isinstance(n, harmless) or _asserts_constant(n) for n in nodes)


def _asserts_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and bool(node.test.value)


def _finding(path: str, line: int | None, message: str) -> Finding:
    return Finding(
        rule=NAME, severity="block", path=path, line=line, message=message, remedy=REMEDY.format(path=path)
    )
