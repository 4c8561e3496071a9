"""**Sees:** at run time, a test of the target that passes there and fails on the branch's source.

Only for branches that changed or removed tests, fixtures, helpers or golden files that the target has. Their *target's*
versions are put over the candidate in a work tree of its own (never the one that lands) and run: the changed test
modules themselves, all tests below a changed conftest, the tests that a changed helper or data file is there for.

**Catches** what no look at the text can:

```python
def total(prices):
    return sum(prices) + 1          # the branch breaks this …

def test_total():
    assert total([1, 2]) == 4       # … and says so in the test: the target's said 3
```

also an emptied fixture, a helper that no longer asserts, a golden file written anew from wrong output, a mock that
hides the code, a test rewritten into one that cannot fail.

**Is careful with honest work.** All the tests' files are put back together, so that a fixture and its users fit, and
what the branch added beside them is out of the way. Source that moved or was renamed is followed: imports of old
modules, functions and classes are led to where they are now; where one is gone altogether, only the tests that use it
fail. Layout, comments, docstrings, the order of imports, type hints, and tests that were only added to a file, run
nothing. A test that fails has to fail twice, and to pass on the target: a flaky one, and one that is red on the
target, blame nobody.

**Does not look at** tests that the branch did not touch (the suite runs these as they are), and settings
(`settings-changed`): the old tests run with the target's.

**Legal way out:** an honest change of behaviour trips it, and a person says so once: on the target
`integrity.allow: [{rule: old-tests-fail, path: tests/test_total.py, agent: "03", because: "totals hold the tax now"}]`,
or `--allow old-tests-fail:tests/test_total.py --because "totals hold the tax now"`. For a test that the branch removes,
the word about `tests-removed` is enough: this rule then only notes that the removed test would have failed.
"""

from __future__ import annotations

from pytest_moa.model.policy import Severity
from pytest_moa.rules.old_tests.judging import NAME, findings
from pytest_moa.rules.old_tests.moves import Redirects
from pytest_moa.rules.old_tests.plan import OldTests, plan
from pytest_moa.rules.old_tests.trees import Trees

DEFAULT: Severity = "block"

__all__ = ["DEFAULT", "NAME", "OldTests", "Redirects", "Trees", "findings", "plan"]
