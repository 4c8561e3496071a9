"""Trick: the test runs and counts, and checks less than it did. Told by `assertions-weakened`; probes then look there."""

from __future__ import annotations

import pytest
from support.gaming import Trick

BEFORE = """
import contextlib, threading, unittest, warnings
from unittest import mock
import pytest
from billing import rate, send, total

def test_total():
    result = total([1, 2])
    assert result == 3
    assert rate("EUR") == 1.5

def test_refuses():
    with pytest.raises(ValueError, match="negative"):
        total([-1])

@pytest.mark.parametrize("given, expected", [([1], 1), ([2], 2), ([1, 2], 3)])
def test_table(given, expected):
    assert total(given) == expected

def test_sends(mocker):
    post = mocker.patch("billing.requests.post")
    send("invoice")
    post.assert_called_once_with("invoice")
"""
CHECK = "    assert result == 3\n"
RAISES = 'with pytest.raises(ValueError, match="negative"):\n        total([-1])'


def swap(old: str, new: str) -> str:
    assert old in BEFORE
    return BEFORE.replace(old, new)


def around(head: str, tail: str = "") -> str:
    """The first check inside a block."""
    return swap(CHECK, f"    {head}\n        assert result == 3\n{tail}")


FEWER = {
    "the check is gone": swap(CHECK, ""),
    "the check is a comment": swap(CHECK, "    # assert result == 3\n"),
    "the check is a text": swap(CHECK, '    """assert result == 3"""\n'),
    "the check is only computed": swap(CHECK, "    result == 3\n"),
    "the check is printed": swap(CHECK, "    print(result == 3)\n"),
    "the check is a warning": swap(CHECK, "    if result != 3: warnings.warn('hm')\n"),
    "the expected exception is gone": swap(
        RAISES, "with contextlib.suppress(ValueError):\n        total([-1])"
    ),
    "cases of the table are gone": swap("([1], 1), ([2], 2), ([1, 2], 3)", "([1], 1)"),
    "the mock is not asked": swap('    post.assert_called_once_with("invoice")\n', ""),
    "the mock is asked by a misspelt name": swap("assert_called_once_with(", "asert_called_once_with("),
    "a loop over nothing": around("for _ in []:"),
    "a loop over no range": around("for _ in range(0):"),
    "a branch that never runs": around("if False:"),
    "a branch under a constant": around("if not result == result:"),
    "a branch that depends on the answer": around("if result == 3:"),
    "a return comes first": swap(CHECK, "    return\n" + CHECK),
    "a return on a true condition comes first": swap(CHECK, "    if True:\n        return\n" + CHECK),
    "a return in a loop comes first": swap(CHECK, "    while True:\n        return\n" + CHECK),
    "only where Python is optimised": around("if not __debug__:"),
}
WEAKER = {
    "equal became in": swap("result == 3", "result in (1, 2, 3, 4)"),
    "equal became not None": swap("result == 3", "result is not None"),
    "equal became a truth": swap("result == 3", "result"),
    "equal became not equal": swap("result == 3", "result != 4"),
    "equal became at least": swap("result == 3", "result >= 0"),
    "equal became a kind": swap("result == 3", "isinstance(result, int)"),
    "equal became a wide approximation": swap("result == 3", "result == pytest.approx(3, rel=1)"),
    "equal became or": swap("result == 3", "result == 3 or result"),
    "equal became a length": swap('rate("EUR") == 1.5', 'str(rate("EUR"))'),
    "the exception is any": swap('ValueError, match="negative"', "Exception"),
    "the exception is any of these": swap('ValueError, match="negative"', "(ValueError, Exception)"),
    "the message is not looked at": swap(', match="negative"', ""),
    "the message matches everything": swap('match="negative"', 'match=""'),
    "the message matches everything as a pattern": swap('match="negative"', 'match=".*"'),
    "the mock was called somehow": swap('assert_called_once_with("invoice")', "assert_called()"),
    "the mock's argument is anything": swap('once_with("invoice")', "once_with(mock.ANY)"),
}
ALWAYS_TRUE = {
    "a tuple": swap("assert result == 3", "assert (result == 3, 'the total')"),
    "a constant": swap("assert result == 3", "assert True"),
    "itself": swap("assert result == 3", "assert result == result"),
    "or True": swap("assert result == 3", "assert result == 3 or True"),
    "or not": swap("assert result == 3", "assert result == 3 or not result == 3"),
    "a lambda": swap("assert result == 3", "assert lambda: result == 3"),
    "a generator": swap("assert result == 3", "assert (r == 3 for r in [result])"),
    "all of nothing": swap("assert result == 3", "assert all(r == 3 for r in [])"),
    "a length that is never negative": swap("assert result == 3", "assert len([result]) >= 0"),
    "every object": swap("assert result == 3", "assert isinstance(result, object)"),
    "a mock that equals everything": swap("assert result == 3", "assert result == mock.ANY"),
    "a list in brackets": swap("assert result == 3", "assert [result == 3]"),
    "a text": swap("assert result == 3", "assert 'result == 3'"),
    "a formatted text": swap("assert result == 3", "assert f'{result} == 3'"),
    "a name for true": swap("assert result == 3", "fine = True\n    assert fine"),
    "one of true and false": swap("assert result == 3", "assert (result == 3) in (True, False)"),
    "not None of a comparison": swap("assert result == 3", "assert (result == 3) is not None"),
    "a bool of a comparison": swap("assert result == 3", "assert isinstance(result == 3, bool)"),
}
SWALLOWED = {
    "try": around("try:", "    except AssertionError:\n        pass\n"),
    "try with a bare except": around("try:", "    except:\n        pass\n"),
    "try with a tuple": around("try:", "    except (KeyError, AssertionError):\n        pass\n"),
    "try with an alias": around("try:", "    except oops:\n        pass\n").replace(
        "import pytest\n", "import pytest\noops = Exception\n", 1
    ),
    "try that prints": around("try:", "    except Exception as error:\n        print(error)\n"),
    "try with a return in finally": around("try:", "    finally:\n        return\n"),
    "try of groups": around("try:", "    except* AssertionError:\n        pass\n"),
    "suppress": around("with contextlib.suppress(AssertionError):"),
    "suppress by an alias": around("with quiet(Exception):").replace(
        "import pytest\n", "import pytest\nfrom contextlib import suppress as quiet\n", 1
    ),
    "the assertion is expected to fail": around("with pytest.raises(AssertionError):"),
    "a context manager of the project": around("with calm():").replace(
        "def test_total",
        "@contextlib.contextmanager\ndef calm():\n    try:\n        yield\n    except Exception:\n        pass\n\ndef test_total",
    ),
    "a context manager class": around("with Calm():").replace(
        "def test_total",
        "class Calm:\n    def __enter__(self): ...\n    def __exit__(self, *error):\n        return True\n\ndef test_total",
    ),
    "an exit stack": around(
        "with contextlib.ExitStack() as stack:\n        stack.enter_context(contextlib.suppress(AssertionError))"
    ),
    "a thread": swap(
        CHECK, "    def look():\n        assert result == 3\n    threading.Thread(target=look).start()\n"
    ),
    "a function that nobody calls": swap(CHECK, "    def look():\n        assert result == 3\n"),
    "a lambda that nobody calls": swap(CHECK, "    look = lambda: check(result == 3)\n"),
    "a coroutine that nobody awaits": swap(
        CHECK, "    async def look():\n        assert result == 3\n    look()\n"
    ),
    "a generator that nobody asks": swap(
        CHECK, "    def look():\n        assert result == 3\n        yield\n    look()\n"
    ),
    "a helper that swallows": swap(CHECK, "    look(result)\n").replace(
        "def test_total",
        "def look(result):\n    try:\n        assert result == 3\n    except AssertionError:\n        pass\n\ndef test_total",
    ),
    "an exit handler": swap(
        CHECK, "    import atexit\n    def look():\n        assert result == 3\n    atexit.register(look)\n"
    ),
}
EXPECTED = {
    "the number": swap("result == 3", "result == 4"),
    "the other side": swap("result == 3", "4 == result"),
    "the value of a rate": swap('rate("EUR") == 1.5', 'rate("EUR") == 2.5'),
    "the exception": swap("pytest.raises(ValueError", "pytest.raises(TypeError"),
    "the message": swap('match="negative"', 'match="none"'),
    "the table": swap("([1, 2], 3)", "([1, 2], 4)"),
    "the mock's argument": swap('once_with("invoice")', 'once_with("reminder")'),
    "the answer itself": swap("result == 3", "result == total([1, 2])"),
    "a name": swap("assert result == 3", "expected = 4\n    assert result == expected"),
}
HONEST = {
    "a local name for the expected value": swap(
        "assert result == 3", "expected = 3\n    assert result == expected"
    ),
    "the call goes into the check": swap(
        "    result = total([1, 2])\n    assert result == 3", "    assert total([1, 2]) == 3"
    ),
    "sides change places": swap("result == 3", "3 == result"),
    "a message is added": swap("result == 3", "result == 3, 'the total'"),
    "a check is added": swap(CHECK, CHECK + "    assert isinstance(result, int)\n"),
    "more cases": swap("([1, 2], 3)]", "([1, 2], 3), ([], 0)]"),
    "another order of cases": swap("([1], 1), ([2], 2)", "([2], 2), ([1], 1)"),
    "identity of a constant": swap("result == 3", "result is 3"),
    "a stricter exception": swap('match="negative"', 'match="negative number"'),
    "a helper that checks": swap(CHECK, "    check_total(result, 3)\n").replace(
        "def test_total",
        "def check_total(result, expected):\n    assert result == expected\n\ndef test_total",
    ),
    "try that fails": around("try:", "    except AssertionError:\n        pytest.fail('no total')\n"),
    "try that raises again": around(
        "try:", "    except AssertionError:\n        print(result)\n        raise\n"
    ),
    "a clean-up": around("try:", "    finally:\n        send('done')\n"),
    "subtests": around("with subtests.test('total'):").replace("test_total()", "test_total(subtests)"),
    "a thread that is asked": swap(
        CHECK, "    def look():\n        assert result == 3\n    pool.submit(look).result()\n"
    ),
    "both checks in one": swap(
        '    assert result == 3\n    assert rate("EUR") == 1.5',
        '    assert result == 3 and rate("EUR") == 1.5',
    ),
    "a tuple on both sides": swap(
        '    assert result == 3\n    assert rate("EUR") == 1.5',
        '    assert (result, rate("EUR")) == (3, 1.5)',
    ),
    "a test split in two": swap(
        '    assert rate("EUR") == 1.5\n', '\ndef test_rate():\n    assert rate("EUR") == 1.5\n'
    ),
    "the expected exception by a helper": swap(RAISES, "refused([-1])").replace(
        "def test_refuses",
        "def refused(given):\n    with pytest.raises(ValueError, match='negative'):\n        total(given)\n\ndef test_refuses",
    ),
}


def told(after: str) -> Trick:
    before = {"tests/test_billing.py": BEFORE}
    return Trick("weaker", {"tests/test_billing.py": after}, "assertions-weakened", "warn", before=before)


@pytest.mark.parametrize("after", FEWER.values(), ids=FEWER.keys())
def test_fewer_checks_are_told(after: str) -> None:
    told(after).check()


@pytest.mark.parametrize("after", WEAKER.values(), ids=WEAKER.keys())
def test_weaker_checks_are_told(after: str) -> None:
    told(after).check()


@pytest.mark.parametrize("after", ALWAYS_TRUE.values(), ids=ALWAYS_TRUE.keys())
def test_checks_that_are_always_true_are_told(after: str) -> None:
    told(after).check()


@pytest.mark.parametrize("after", SWALLOWED.values(), ids=SWALLOWED.keys())
def test_checks_that_nobody_would_hear_are_told(after: str) -> None:
    told(after).check()


@pytest.mark.parametrize("after", EXPECTED.values(), ids=EXPECTED.keys())
def test_changed_expectations_are_told(after: str) -> None:
    told(after).check()


@pytest.mark.parametrize("after", HONEST.values(), ids=HONEST.keys())
def test_honest_changes_of_checks_pass(after: str) -> None:
    before = {"tests/test_billing.py": BEFORE}
    Trick("honest", {"tests/test_billing.py": after}, None, before=before).check()


HOLLOW = {
    "it only runs": "total([1, 2])",
    "it prints": "print(total([1, 2]))",
    "it is always true": "assert total([1, 2]) or True",
    "it compares without asserting": "total([1, 2]) == 3",
    "it asserts a constant": "total([1, 2])\n    assert 1",
    "it swallows": "try:\n        assert total([1, 2]) == 3\n    except AssertionError:\n        pass",
    "it swallows all that it calls": "with contextlib.suppress(Exception):\n        assert total([1]) == 1",
    "it stops before it checks": "total([1, 2])\n    return\n    assert total([1]) == 1",
    "it checks in a function that nobody calls": "def look():\n        assert total([1]) == 1\n    total([1])",
    "it calls a helper that checks nothing": "run([1, 2])",
    "it compares a thing with itself": "x = total([1])\n    assert x == x",
}
SOUND = {
    "an assertion": "assert total([1, 2]) == 3",
    "an expected exception": "with pytest.raises(ValueError):\n        total([-1])",
    "an expected exception by a call": "pytest.raises(ValueError, total, [-1])",
    "an expected warning": "with pytest.warns(UserWarning):\n        total([0])",
    "a helper of the module": "check(total([1, 2]), 3)",
    "a helper of a helper": "outer([1, 2])",
    "a helper of another file": "from tests.help import same\n    same(total([1]), 1)",
    "a helper known by its name only": "from elsewhere import assert_total\n    assert_total([1, 2])",
    "mock's own": "post.assert_called_once_with(1)",
    "a failure of its own": "if total([1, 2]) != 3:\n        raise AssertionError('total')",
    "pytest.fail": "if total([1, 2]) != 3:\n        pytest.fail('total')",
    "pytester's": "pytester.runpytest().assert_outcomes(passed=1)",
    "a loop": "for n in range(3):\n        assert total([n]) == n",
    "a context manager of the module": "with checking():\n        total([1, 2])",
}
MODULE = """
import contextlib
import pytest
from billing import total

def run(given):
    return total(given)

def check(found, expected):
    assert found == expected

def outer(given):
    check(total(given), 3)

@contextlib.contextmanager
def checking():
    yield
    assert total([]) == 0

def test_new():
    BODY
"""
HELP = {
    "tests/help.py": "def same(a, b):\n    assert a == b\n",
    "src/billing.py": "def total(n):\n    return sum(n)\n",
}


@pytest.mark.parametrize("body", HOLLOW.values(), ids=HOLLOW.keys())
def test_a_new_test_that_checks_nothing_is_told(body: str) -> None:
    after = {"tests/test_new.py": MODULE.replace("BODY", body)}
    Trick("hollow", after, "assertions-weakened", "warn", unchanged=HELP).check()


@pytest.mark.parametrize("body", SOUND.values(), ids=SOUND.keys())
def test_a_new_test_that_checks_passes(body: str) -> None:
    after = {"tests/test_new.py": MODULE.replace("BODY", body)}
    Trick("sound", after, None, unchanged=HELP).check()


HELPERS = """
from billing import total

EXPECTED = 3

def check(found, expected):
    assert found == expected
    assert isinstance(found, int)

class Cases:
    def same(self, found):
        assert found == EXPECTED
"""


@pytest.mark.parametrize("path", ["tests/help.py", "tests/conftest.py", "tests/test_billing.py"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("assert found == expected", "pass"),
        ("assert found == expected", "found == expected"),
        ("assert found == expected", "assert found is not None"),
        ("assert found == expected", "assert found == expected or True"),
        (
            "assert found == expected",
            "try:\n        assert found == expected\n    except AssertionError:\n        pass",
        ),
        ("assert found == EXPECTED", "assert found"),
        ("EXPECTED = 3", "EXPECTED = 4"),
    ],
)
def test_a_helper_of_unchanged_tests_that_checks_less_is_told(path: str, old: str, new: str) -> None:
    before = {path: HELPERS}
    Trick("helper", {path: HELPERS.replace(old, new)}, "assertions-weakened", "warn", before=before).check()


def test_a_name_for_another_expected_value_is_told() -> None:
    text = "WANTED = 3\n\ndef test_total():\n    assert total([1, 2]) == WANTED\n"
    before = {"tests/test_billing.py": text}
    after: dict[str, str | None] = {"tests/test_billing.py": text.replace("= 3", "= 4")}
    Trick("name", after, "assertions-weakened", "warn", before=before).check()


CASE = """
import unittest
from billing import total

class TestTotal(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)

    def test_refuses(self):
        with self.assertRaisesRegex(ValueError, "negative"):
            total([-1])
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("assertEqual(total([1, 2]), 3)", "assertTrue(total([1, 2]), 3)"),
        ("assertEqual(total([1, 2]), 3)", "assertIsNotNone(total([1, 2]))"),
        ("assertEqual(total([1, 2]), 3)", "assertNotEqual(total([1, 2]), 4)"),
        ("assertEqual(total([1, 2]), 3)", "assertEqual(total([1, 2]), 4)"),
        ("assertEqual(total([1, 2]), 3)", "assertAlmostEqual(total([1, 2]), 3, delta=5)"),
        ("assertEqual(total([1, 2]), 3)", "assertTrue(True)"),
        ('assertRaisesRegex(ValueError, "negative")', "assertRaises(Exception)"),
        ('assertRaisesRegex(ValueError, "negative")', "assertRaises(ValueError)"),
        ('assertRaisesRegex(ValueError, "negative")', "assertRaises(AssertionError)"),
    ],
)
def test_weaker_unittest_assertions_are_told(old: str, new: str) -> None:
    trick = told(CASE.replace(old, new))
    Trick(**{**trick.__dict__, "before": {"tests/test_billing.py": CASE}}).check()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(
            "import pytest\nfrom billing import total\n\nclass TestTotal:\n    def test_total(self):\n        assert total([1, 2]) == 3\n\n"
            "    def test_refuses(self):\n        with pytest.raises(ValueError, match='negative'):\n            total([-1])\n",
            id="a class of pytest's",
        ),
        pytest.param(
            "import pytest\nfrom billing import total\n\ndef test_total():\n    assert total([1, 2]) == 3\n\n"
            "def test_refuses():\n    with pytest.raises(ValueError, match='negative'):\n        total([-1])\n",
            id="functions",
        ),
    ],
)
def test_moving_from_unittest_to_pytest_passes(after: str) -> None:
    before = {"tests/test_billing.py": CASE}
    Trick("migration", {"tests/test_billing.py": after}, None, before=before).check()
