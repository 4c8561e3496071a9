"""Trick: the test that fails is taken away, or made unreachable while its text stays. Refused by `tests-removed`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

BEFORE = """
    from billing import total

    def test_total():
        assert total([1, 2]) == 3

    def test_empty():
        assert total([]) == 0
"""
KEPT = """
    from billing import total

    def test_empty():
        assert total([]) == 0
"""
CASE = """
    import unittest
    from billing import total

    class TotalTest(unittest.TestCase):
        def test_total(self):
            self.assertEqual(total([1, 2]), 3)

        def test_empty(self):
            self.assertEqual(total([]), 0)
"""


def added(lines: str) -> dict[str, str | None]:
    """The target's test module with lines at its end."""
    return {"tests/test_billing.py": BEFORE + lines}


@pytest.mark.parametrize(
    "trick",
    [
        Trick("the function is deleted", {"tests/test_billing.py": KEPT}, "tests-removed"),
        Trick("the file is deleted", {"tests/test_billing.py": None}, "tests-removed"),
        Trick(
            "the file is renamed to something that pytest does not collect",
            {"tests/test_billing.py": None, "tests/billing_cases.py": BEFORE},
            "tests-removed",
        ),
        Trick(
            "the file moves to a folder that pytest does not enter",
            {"tests/test_billing.py": None, "build/test_billing.py": BEFORE},
            "tests-removed",
        ),
        Trick(
            "the file moves out of testpaths",
            {"tests/test_billing.py": None, "attic/test_billing.py": BEFORE},
            "tests-removed",
            unchanged={"pytest.ini": "[pytest]\ntestpaths = tests\n"},
        ),
        Trick(
            "the function loses its prefix",
            {"tests/test_billing.py": BEFORE.replace("def test_total", "def check_total")},
            "tests-removed",
        ),
        Trick(
            "a later function takes the name",
            added("\n    def test_total():\n        total([1, 2])\n"),
            "tests-removed",
        ),
        Trick("the name is bound to None", added("\n    test_total = None\n"), "tests-removed"),
        Trick("the name is bound in a tuple", added("\n    test_total, other = None, 1\n"), "tests-removed"),
        Trick("the name is deleted", added("\n    del test_total\n"), "tests-removed"),
        Trick("the name is popped", added("\n    globals().pop('test_total')\n"), "tests-removed"),
        Trick(
            "the name is popped by an alias",
            added("\n    g = globals()\n    g.pop('test_' + 'total')\n"),
            "tests-removed",
        ),
        Trick("the key is deleted", added("\n    del globals()['test_total']\n"), "tests-removed"),
        Trick("globals are updated", added("\n    globals().update(test_total=print)\n"), "tests-removed"),
        Trick("vars are updated", added("\n    vars()['test_total'] = 3\n"), "tests-removed"),
        Trick(
            "the module deletes its own attribute",
            added("\n    import sys\n    delattr(sys.modules[__name__], 'test_total')\n"),
            "tests-removed",
        ),
        Trick(
            "a loop deletes by a key that only a run knows",
            added(
                "\n    for n in list(globals()):\n        if n.endswith('total'):\n            del globals()[n]\n"
            ),
            "tests-removed",
        ),
        Trick("a text is executed", added("\n    exec('del test_total')\n"), "tests-removed"),
        Trick(
            "a function deletes it for the module",
            added("\n    def tidy():\n        global test_total\n        del test_total\n    tidy()\n"),
            "tests-removed",
        ),
        Trick(
            "a star import brings another one",
            {
                "tests/test_billing.py": BEFORE + "\n    from tests.more import *\n",
                "tests/more.py": "def test_total(): pass\n",
            },
            "tests-removed",
        ),
        Trick(
            "an import takes the name",
            added("\n    from billing import total as test_total\n"),
            "tests-removed",
        ),
        Trick(
            "the test becomes a fixture",
            {
                "tests/test_billing.py": BEFORE.replace(
                    "def test_total", "@pytest.fixture\n    def test_total"
                ).replace("from", "import pytest\n    from")
            },
            "tests-removed",
        ),
        Trick(
            "the test stands under `if False`",
            {
                "tests/test_billing.py": KEPT
                + "\n    if False:\n        def test_total():\n            assert total([1, 2]) == 3\n"
            },
            "tests-removed",
        ),
        Trick(
            "the test goes inside a function",
            {
                "tests/test_billing.py": KEPT
                + "\n    def cases():\n        def test_total():\n            assert total([1, 2]) == 3\n"
            },
            "tests-removed",
        ),
        Trick(
            "the body is emptied",
            {"tests/test_billing.py": BEFORE.replace("assert total([1, 2]) == 3", "pass")},
            "tests-removed",
        ),
        Trick(
            "the body is a true constant",
            {"tests/test_billing.py": BEFORE.replace("assert total([1, 2]) == 3", "assert True")},
            "tests-removed",
        ),
        Trick(
            "another test in the change does something else",
            {
                "tests/test_billing.py": KEPT,
                "tests/test_other.py": "from billing import tax\n\ndef test_tax():\n    assert tax(100) == 19\n",
            },
            "tests-removed",
        ),
    ],
    ids=lambda t: t.name,
)
def test_a_lost_function_is_refused(trick: Trick) -> None:
    trick = Trick(**{**trick.__dict__, "before": {"tests/test_billing.py": BEFORE}})
    trick.check()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(CASE.replace("def test_total", "def total"), id="the method loses its prefix"),
        pytest.param(CASE.replace("(unittest.TestCase)", ""), id="the class is no test case any more"),
        pytest.param(CASE + "\n    del TotalTest.test_total\n", id="the method is deleted from its class"),
        pytest.param(CASE + "\n    TotalTest.test_total = None\n", id="the method is bound to None"),
        pytest.param(CASE + "\n    setattr(TotalTest, 'test_total', None)\n", id="the same through setattr"),
        pytest.param(CASE + "\n    delattr(TotalTest, 'test_' + 'total')\n", id="the same through delattr"),
        pytest.param(CASE + "\n        test_total = None\n", id="the name is rebound inside the class"),
        pytest.param(
            CASE + "\n    class TotalTest(unittest.TestCase):\n        pass\n", id="the class is shadowed"
        ),
    ],
)
def test_a_lost_method_is_refused(after: str) -> None:
    before = {"tests/test_billing.py": CASE}
    Trick("method", {"tests/test_billing.py": after}, "tests-removed", before=before).check()


def test_a_class_that_gains_a_constructor_is_refused() -> None:
    before = "class TestTotal:\n    def test_total(self):\n        assert total([1]) == 1\n"
    after = before + "\n    def __init__(self):\n        self.x = 1\n"
    Trick("init", {"tests/test_x.py": after}, "tests-removed", before={"tests/test_x.py": before}).check()


def test_a_mixin_that_loses_a_test_is_refused_once() -> None:
    mixin = "class Cases:\n    def test_total(self):\n        assert total([1]) == 1\n\n    def test_b(self):\n        assert 1 + x == 2\n"
    users = "\nclass TestA(Cases): pass\n\nclass TestB(Cases): pass\n"
    after = mixin[: mixin.index("\n    def test_b")] + users
    trick = Trick(
        "mixin", {"tests/test_x.py": after}, "tests-removed", before={"tests/test_x.py": mixin + users}
    )
    trick.check()
    assert len(trick.findings()) == 1
