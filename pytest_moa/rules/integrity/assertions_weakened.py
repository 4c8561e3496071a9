"""**Sees:** fewer or weaker checks in a test that stays (`==` that became `in`, `is not None`, a plain truth or an
`approx` that lets nearly everything through; `raises(ValueError)` that became `raises(Exception)`; fewer parametrised
cases), an expected value that changed, checks that are always true, checks whose failure nobody would hear (swallowed
by `try`, `suppress`, a thread, a coroutine that nobody awaits) or that can no longer run (after a `return`, under
`if False`), and new tests that check nothing.

**Catches,** for example:

```diff
 def test_total():
-    assert total([1, 2]) == 3
+    assert total([1, 2]) is not None
```

Helpers are followed, also into other files: a called function that asserts, `pytest.raises`, unittest's `assert…`,
mock's `assert_…`, `pytest.fail`, and functions whose name says that they check. A helper or fixture that itself checks less
than before is told in its own file, and so is a name that stands for another expected value.

**Default:** `warn`, since honest work changes expectations, too; the probes look at these places first, and where faults
go unnoticed there, the finding blocks. What a changed expected value is worth, `old-tests-fail` finds out by running the old one.

**Does not look at** checks that went to another test of the change, stricter ones, or messages of assertions.

**Legal way out:** none is needed for a warning; where policy blocks,
`integrity.allow: [{rule: assertions-weakened, path: tests/test_total.py, agent: "03"}]`.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.checks import VOID, WEAK, WIDE, Check, Checks
from pytest_moa.rules.integrity.following import Place, Project
from pytest_moa.rules.integrity.kit import Change, Side
from pytest_moa.rules.integrity.names import FUNCTIONS
from pytest_moa.rules.integrity.pairing import Pairing, pairing
from pytest_moa.rules.integrity.tests_model import Test, function_nodes, is_test_file

NAME = "assertions-weakened"
DEFAULT: Severity = "warn"

SIDES: tuple[Side, Side] = ("base", "head")
REMEDY = "Check what the test is named for as strictly as before: the exact value, the exact exception, in the open."


def check(change: Change) -> Iterator[Finding]:
    before, after = Checks(Project.of(change, "base")), Checks(Project.of(change, "head"))
    found = pairing(change)
    elsewhere = _gained_elsewhere(found, before, after)
    for old, new in found.pairs:
        yield from _compare((old, new), before.of(old), after.of(new), elsewhere)
        yield from _cases_changed(old, new)
    for old, new in _helpers(change, found):
        yield from _compare((old, new), before.of(old), after.of(new), elsewhere)
    for test in found.new:
        if test.off is None:
            yield from _checks_nothing(test, after)


def _helpers(change: Change, found: Pairing) -> Iterator[tuple[Test, Test]]:
    """Changed functions beside the tests that are no tests themselves: what these check, tests elsewhere rely on."""
    tests = {id(new.place.node) for _, new in found.pairs} | {id(test.place.node) for test in found.new}
    for file in change.python():
        if is_test_file(change, file.path) and file.before is not None and file.after is not None:
            before, after = (_functions(change, file.path, side) for side in SIDES)
            renamed = _constants_of(change, file.path, "base") != _constants_of(change, file.path, "head")
            for name in sorted(before.keys() & after.keys()):
                old, new = before[name], after[name]
                same = not renamed and ast.dump(old.place.node) == ast.dump(new.place.node)
                if not same and id(new.place.node) not in tests:
                    yield old, new


def _constants_of(change: Change, path: str, side: Side) -> list[str]:
    """What names of the module stand for, as texts."""
    tree = change.tree(path, side)
    return (
        [] if tree is None else [ast.dump(n) for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    )


def _functions(change: Change, path: str, side: Side) -> dict[str, Test]:
    """The module's functions and methods, each as a test would be looked at."""
    module = Project.of(change, side).module(path)
    found: dict[str, Test] = {}
    for name, node in ({} if module is None else module.definitions).items():
        if isinstance(node, FUNCTIONS):
            found[name] = Test(path=path, qualname=name, place=Place(path, node))
        elif isinstance(node, ast.ClassDef) and module is not None:
            for member, inner in module.members(node).items():
                if isinstance(inner, FUNCTIONS):
                    owners = (Place(path, node),)
                    qualname = f"{name}::{member}"
                    found[qualname] = Test(
                        path=path, qualname=qualname, place=Place(path, inner), owners=owners
                    )
    return found


def _gained_elsewhere(found: Pairing, before: Checks, after: Checks) -> Counter[str]:
    """Checks that the change brought to any test: one that merely moved is not lost."""
    gained: Counter[str] = Counter(c.key for test in found.new for c in after.of(test) if c.counts)
    for old, new in found.pairs:
        gained += _keys(after.of(new)) - _keys(before.of(old))
    return gained


def _keys(checks: Iterable[Check]) -> Counter[str]:
    return Counter(c.key for c in checks if c.counts)


def _compare(
    pair: tuple[Test, Test], before: tuple[Check, ...], after: tuple[Check, ...], elsewhere: Counter[str]
) -> Iterator[Finding]:
    old, new = pair
    lost = _without(before, _keys(after))
    gained = _without(after, _keys(before))
    written = {
        ast.dump(n.test) for s in function_nodes(new) for n in ast.walk(s) if isinstance(n, ast.Assert)
    }
    void = {c.key: c for c in after if not c.counts}
    runs = _keys(after)
    known_void = {c.key for c in before if not c.counts}
    unmatched: list[Check] = []
    changed: list[tuple[Check, Check]] = []
    for check_ in lost:
        if check_.key in void:
            yield _finding(
                new, void[check_.key].line, f"`{check_.text}` is still there, but nobody would hear it fail"
            )
        elif check_.key in written and not runs[check_.key] and not elsewhere[check_.key]:
            yield _finding(new, new.line, f"`{check_.text}` is still there, but it can no longer run")
        elif (twin := _twin(check_, gained)) is not None:
            gained.remove(twin)
            yield from _weaker(new, check_, twin)
            changed += [(check_, twin)] if _expects_else(check_, twin) else []
        else:
            unmatched.append(check_)
    yield from _changed(new, changed + _other_constants(before, after))
    yield from _conditional(new, before, after)
    for check_ in after:
        if not check_.counts and check_.key not in known_void and check_.key not in {c.key for c in lost}:
            yield _void(new, check_)
    if sum(map(len, _cases(new))) > sum(map(len, _cases(old))):
        # What was written several times over now runs once a case.
        unmatched = [c for c in unmatched if not runs[c.key]]
    yield from _fewer(new, unmatched, gained, elsewhere)


def _without(checks: Iterable[Check], keys: Counter[str]) -> list[Check]:
    left = Counter(keys)
    found = []
    for check_ in checks:
        if check_.counts:
            if left[check_.key] > 0:
                left[check_.key] -= 1
            else:
                found.append(check_)
    return found


def _twin(lost: Check, gained: list[Check]) -> Check | None:
    """The check that looks at the same thing, the one of the same kind first."""
    same = [c for c in gained if c.subject == lost.subject]
    return min(same, key=lambda c: (c.kind != lost.kind, -c.strength), default=None)


def _weaker(test: Test, old: Check, new: Check) -> Iterator[Finding]:
    if new.strength < old.strength:
        yield _finding(test, new.line, f"`{old.text}` became `{new.text}`, which lets more through")


def _changed(test: Test, changed: list[tuple[Check, Check]]) -> Iterator[Finding]:
    for old, new in changed[:1]:
        was = "" if old.text != new.text else f" (it was {old.named}, and is {new.named})"
        more = was or f" (and {len(changed) - 1} more in this test)" if len(changed) > 1 or was else ""
        yield _finding(test, new.line, f"`{old.text}` now expects something else: `{new.text}`{more}")


def _other_constants(before: Iterable[Check], after: Iterable[Check]) -> list[tuple[Check, Check]]:
    """Checks that read as before, with names that stand for other constants now."""
    known = {c.key: c for c in before if c.counts and c.named is not None}
    return [
        (known[c.key], c)
        for c in after
        if c.key in known and c.named is not None and c.named != known[c.key].named
    ]


def _expects_else(old: Check, new: Check) -> bool:
    """Another constant is expected of the same thing; other names for the same are none of our business."""
    alike = new.strength == old.strength and new.kind == old.kind
    if new.kind == "raises":
        # A longer text of the same message is stricter, and so is any other exception than `Exception`.
        lost, gained = old.values - new.values - WIDE, new.values - old.values
        return alike and bool(lost) and not all(any(a[1:-1] in b for b in gained) for a in lost)
    return alike and new.expected != old.expected and bool(new.values) and new.values != old.values


def _conditional(test: Test, before: Iterable[Check], after: Iterable[Check]) -> Iterator[Finding]:
    """A check that always ran, and now runs only where some condition says so."""
    always = _keys(c for c in before if not c.conditional) - _keys(c for c in after if not c.conditional)
    for check_ in after:
        if check_.counts and check_.conditional and always[check_.key] > 0:
            always[check_.key] -= 1
            yield _finding(test, check_.line, f"`{check_.text}` now runs only on a condition")


def _void(test: Test, check_: Check) -> Finding:
    why = "can never fail" if check_.strength == VOID else "is swallowed: nobody would hear it fail"
    return _finding(test, check_.line, f"`{check_.text}` {why}")


def _fewer(test: Test, lost: list[Check], gained: list[Check], elsewhere: Counter[str]) -> Iterator[Finding]:
    moved = _constants(getattr(test.place.node, "decorator_list", []))
    gone = [c for c in lost if not elsewhere[c.key] and not (c.values and c.values <= moved)]
    if len(gone) > sum(c.number for c in gained if c.strength > WEAK):
        shown = ", ".join(f"`{c.text}`" for c in gone[:3])
        yield _finding(test, test.line, f"`{test.qualname}` checks less than before: {shown} is gone")


def _constants(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Constants in decorators: a check that became parametrised has its values there."""
    return frozenset(repr(n.value) for node in nodes for n in ast.walk(node) if isinstance(n, ast.Constant))


def _cases_changed(old: Test, new: Test) -> Iterator[Finding]:
    before, after = _cases(old), _cases(new)
    if not before or len(after) != len(before):
        return
    gone = sum(map(len, before)) - sum(map(len, after))
    if gone > 0:
        yield _finding(new, new.line, f"`{new.qualname}` has {gone} parametrised cases fewer than before")
    for mine, theirs in zip(before, after, strict=True):
        lost, gained = _minus(mine, theirs), _minus(theirs, mine)
        twins = ((a, b) for a in lost for b in gained if _differ_in_one_constant(a, b))
        for case, twin in islice(twins, 1):
            shown = f"`{ast.unparse(case)[:80]}` became `{ast.unparse(twin)[:80]}`"
            yield _finding(
                new, twin.lineno, f"a case of `{new.qualname}` now expects something else: {shown}"
            )


def _minus(these: list[ast.expr], those: list[ast.expr]) -> list[ast.expr]:
    known = {ast.dump(e) for e in those}
    return [e for e in these if ast.dump(e) not in known]


def _differ_in_one_constant(a: ast.expr, b: ast.expr) -> bool:
    if not (
        isinstance(a, ast.Tuple | ast.List) and isinstance(b, type(a)) and len(a.elts) == len(b.elts) > 1
    ):
        return False
    other = [(x, y) for x, y in zip(a.elts, b.elts, strict=True) if ast.dump(x) != ast.dump(y)]
    return len(other) == 1 and isinstance(other[0][1], ast.Constant)


def _cases(test: Test) -> list[list[ast.expr]]:
    """The literal cases of each parametrisation of the test."""
    cases = []
    for decorator in getattr(test.place.node, "decorator_list", []):
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("parametrize"):
            values = [*decorator.args[1:2], *(k.value for k in decorator.keywords if k.arg == "argvalues")]
            cases += [v.elts for v in values if isinstance(v, ast.List | ast.Tuple)]
    return cases


def _checks_nothing(test: Test, after: Checks) -> Iterator[Finding]:
    checks = after.of(test)
    if any(c.counts for c in checks) or after.of_fixtures(test) or _is_decorated_by_others(test):
        return
    if checks:
        yield _void(test, checks[0])
    else:
        yield _finding(
            test, test.line, f"`{test.qualname}` is new and checks nothing: it passes whatever happens"
        )


def _is_decorated_by_others(test: Test) -> bool:
    """Decorators that are no marks and no patches may check for the test, as image comparisons do."""
    decorators = [ast.unparse(d) for d in getattr(test.place.node, "decorator_list", [])]
    return any("mark." not in d and "patch" not in d and "parametrize" not in d for d in decorators) or bool(
        test.wraps
    )


def _finding(test: Test, line: int | None, message: str) -> Finding:
    return Finding(
        rule=NAME, severity="warn", path=test.place.path, line=line, message=message, remedy=REMEDY
    )
