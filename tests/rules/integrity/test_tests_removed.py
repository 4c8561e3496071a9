"""What counts as the same test: names, classes, files, helpers, cases. The tricks are in tests/gaming/."""

from __future__ import annotations

import pytest
from support.gaming import findings

FILE = "tests/test_x.py"
HEAD = "import pytest, unittest\nfrom shop import total, price\n\n"


def gone(before: str | dict[str, str], after: str | dict[str, str | None]) -> list[str]:
    """The names that `tests-removed` says are gone."""
    old = {FILE: HEAD + before} if isinstance(before, str) else before
    new = {FILE: HEAD + after} if isinstance(after, str) else after
    found = findings(old, new)
    return sorted(f.message.split("`")[1] for f in found if f.rule == "tests-removed")


CASES = {
    "ids of a parametrised test are not compared": (
        "@pytest.mark.parametrize('n', [1, 2, 3])\ndef test_n(n):\n    assert total([n]) == n\n",
        "@pytest.mark.parametrize('m', [1, 2, 3, 4], ids=str)\ndef test_n(m):\n    assert total([m]) == m\n",
        [],
    ),
    "a parametrised test that is gone is one": (
        "@pytest.mark.parametrize('n', [1, 2, 3])\ndef test_n(n):\n    assert total([n]) == n\n",
        "x = 1\n",
        ["test_n"],
    ),
    "a fixture's cases are not compared": (
        "@pytest.fixture(params=[1, 2])\ndef n(request):\n    return request.param\n\ndef test_n(n):\n    assert total([n]) == n\n",
        "@pytest.fixture(params=[1])\ndef n(request):\n    return request.param\n\ndef test_n(n):\n    assert total([n]) == n\n",
        [],
    ),
    "a method that moves to another class": (
        "class TestA:\n    def test_n(self):\n        assert total([1]) == 1\n\nclass TestB:\n    def test_m(self):\n        assert price(1) == 2\n",
        "class TestA:\n    x = 1\n\nclass TestB:\n    def test_m(self):\n        assert price(1) == 2\n    def test_n(self):\n        assert total([1]) == 1\n",
        [],
    ),
    "a nested class": (
        "class TestA:\n    class TestB:\n        def test_n(self):\n            assert total([1]) == 1\n",
        "class TestA:\n    class TestB:\n        pass\n",
        ["TestA::TestB::test_n"],
    ),
    "a helper class is no test": ("class Helper:\n    def test_n(self):\n        assert total([1]) == 1\n", "x = 1\n", []),
    "a class with a constructor is no test": (
        "class TestA:\n    def __init__(self): ...\n    def test_n(self):\n        assert total([1]) == 1\n",
        "x = 1\n",
        [],
    ),
    "a unittest class of any name is one": (
        "class Prices(unittest.TestCase):\n    def test_n(self):\n        self.assertEqual(total([1]), 1)\n",
        "x = 1\n",
        ["Prices::test_n"],
    ),
    "a mixin's test is gone where its user is": (
        "class Cases:\n    def test_n(self):\n        assert self.make([1]) == 1\n\nclass TestA(Cases):\n    make = total\n",
        "class Cases:\n    def test_n(self):\n        assert self.make([1]) == 1\n",
        ["TestA::test_n"],
    ),
    "a mixin that takes tests in": (
        "class TestA:\n    def test_n(self):\n        assert total([1]) == 1\n\nclass TestB:\n    def test_n(self):\n        assert total([1]) == 1\n",
        "class Cases:\n    def test_n(self):\n        assert total([1]) == 1\n\nclass TestA(Cases): ...\n\nclass TestB(Cases): ...\n",
        [],
    ),
    "a test that was already shadowed is not lost again": (
        "def test_n():\n    assert total([1]) == 1\n\ndef test_n():\n    assert total([2]) == 2\n",
        "def test_n():\n    assert total([1]) == 1\n\ndef test_n():\n    assert total([2]) == 2\n\nx = 1\n",
        [],
    ),
    "definitions for two platforms are no shadow": (
        "def test_n():\n    assert total([1]) == 1\n",
        "import sys\nif sys.byteorder == 'big':\n    def test_n():\n        assert total([1]) == 1\nelse:\n    def test_n():\n        assert total([1]) == 1\n",
        [],
    ),
    "a test whose name is bound again, wrapped": (
        "def test_n():\n    assert total([1]) == 1\n",
        "def test_n():\n    assert total([1]) == 1\n\ntest_n = slow(test_n)\n",
        [],
    ),
    "a test under a name that asks for the platform": (
        "def test_n():\n    assert total([1]) == 1\n",
        "import sys\nif sys.platform == 'win32':\n    def test_n():\n        assert total([1]) == 1\n",
        ["test_n"],
    ),
    "an empty body stays empty": ("def test_n():\n    pass\n", "def test_n():\n    ...\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "names"), CASES.values(), ids=CASES.keys())
def test_what_is_gone(before: str, after: str, names: list[str]) -> None:
    assert gone(before, after) == names


BODY = (
    HEAD + "def test_n():\n    assert total([1, 2]) == 3\n\n\ndef test_m():\n    assert price('apple') == 4\n"
)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("tests/unit/test_y.py", True),
        ("test_y.py", True),
        ("src/shop/test_y.py", True),
        ("tests/x_test.py", True),
        ("tests/x.py", False),
        ("tests/test_x.txt", False),
        (".hidden/test_x.py", False),
        ("venv/test_x.py", False),
    ],
)
def test_a_file_that_moves_keeps_its_tests_where_pytest_finds_it(path: str, kept: bool) -> None:
    assert bool(gone({FILE: BODY}, {FILE: None, path: BODY})) is not kept


def test_tests_are_kept_that_a_module_imports() -> None:
    cases = BODY.replace("import pytest, unittest\n", "")
    assert gone({FILE: BODY}, {"tests/cases.py": cases, FILE: "from tests.cases import *\n"}) == []
    assert gone({FILE: BODY}, {"tests/cases.py": cases, FILE: "from tests.cases import test_n\n"}) == [
        "test_m"
    ]


def test_a_test_that_is_imported_from_elsewhere_is_lost_with_the_import() -> None:
    other = "tests/cases.py"
    before = {FILE: "from tests.cases import *\n", other: BODY}
    assert gone(before, {FILE: "x = 1\n"}) == ["test_m", "test_n"]


def test_a_syntax_error_loses_the_tests_of_the_file() -> None:
    assert gone({FILE: BODY}, {FILE: BODY + "\n)\n"}) == ["test_m", "test_n"]


def test_a_file_that_never_parsed_says_nothing() -> None:
    assert gone({FILE: BODY + "\n)\n"}, {FILE: BODY + "\n]\n"}) == []
