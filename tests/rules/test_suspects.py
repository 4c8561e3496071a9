"""Whom the evidence of a failing test names, in what order, and who brought a test."""

from __future__ import annotations

import pytest

from pytest_moa.rules.queue.lines import Changed
from pytest_moa.rules.queue.order import Candidate, in_queue_order
from pytest_moa.rules.queue.suspects import (
    Part,
    Seen,
    author_of,
    in_the_way,
    is_opaque,
    leaves_state,
    loose_names,
    owners_of,
    stands,
    suspects_of,
    touched_by,
)

TEST = "tests/test_core.py::test_add"


def part(**lines: set[int]) -> Part:
    return Part(
        changes={path.replace("__", "/") + ".py": Changed(added=frozenset(n)) for path, n in lines.items()}
    )


def ran(**lines: set[int]) -> Seen:
    return Seen(ran={TEST: {path.replace("__", "/") + ".py": frozenset(n) for path, n in lines.items()}})


def test_who_changed_a_line_that_the_test_ran_is_named_and_nobody_else() -> None:
    parts = {"03": part(src__core={3, 4}), "04": part(src__core={9}), "05": part(src__cart={1})}
    assert suspects_of(TEST, ran(src__core={3}), parts, {}) == ("03",)
    assert touched_by(TEST, ran(src__core={3}), parts["03"]) == {"src/core.py": {3}}


def test_where_the_test_broke_says_more_than_what_it_ran() -> None:
    parts = {"03": part(src__core={3}), "04": part(src__cart={7})}
    seen = Seen(
        ran={TEST: {"src/core.py": frozenset({3}), "src/cart.py": frozenset({7})}},
        places={TEST: {"src/core.py": frozenset({3})}},
    )
    assert suspects_of(TEST, seen, parts, {}) == ("03", "04")


def test_among_equals_the_later_one_is_suspected_first() -> None:
    parts = {"03": part(src__core={3}), "04": part(src__core={4})}
    assert suspects_of(TEST, ran(src__core={3, 4}), parts, {}) == ("04", "03")


@pytest.mark.parametrize(
    "message",
    [
        "AttributeError: module 'shop.core' has no attribute 'subtract'",
        "ImportError: cannot import name 'subtract' from 'shop.core'",
        "TypeError: subtract() missing 1 required positional argument: 'b'",
        "NameError: name 'subtract' is not defined",
    ],
)
def test_who_took_a_name_away_is_named_by_the_failures_message(message: str) -> None:
    parts = {"03": Part(changes={}, names=frozenset({"subtract"})), "04": part(src__cart={1})}
    assert suspects_of(TEST, Seen(messages={TEST: message}), parts, {}) == ("03",)


def test_a_changed_value_at_module_level_is_evidence_and_a_new_definition_is_none() -> None:
    text = "LIMIT = 5\n\n\ndef fresh():\n    return LIMIT\n"
    value = Part(changes={"src/core.py": Changed(added=frozenset({1}), replaced=frozenset({1}))})
    definition = Part(changes={"src/core.py": Changed(added=frozenset({4, 5}), replaced=frozenset({4}))})
    seen = Seen(imported={"src/core.py": frozenset({1, 4})})
    assert suspects_of(TEST, seen, {"03": value, "04": definition}, {"src/core.py": text}) == ("03",)


def test_the_author_of_a_test_is_who_brought_its_lines() -> None:
    text = "def test_old():\n    pass\n\n\ndef test_add():\n    assert False\n"
    parts = {"03": part(tests__test_core={1, 2}), "04": part(tests__test_core={5, 6})}
    assert author_of(TEST, Seen(), parts, {"tests/test_core.py": text}) == "04"
    assert author_of(TEST + "[x::y]", Seen(), parts, {"tests/test_core.py": text}) == "04"
    assert author_of("tests/test_other.py::test_x", Seen(), parts, {}) is None


@pytest.mark.parametrize(
    ("test", "text", "expected"),
    [
        (TEST, None, False),
        (TEST, "def test_add():\n", True),
        (TEST, "async def test_add():\n", True),
        (TEST, "def test_adding():\n", False),
        (TEST + "[a-1]", "def test_add():\n", True),
        ("tests/test_core.py::TestA::test_add", "class TestA:\n    def test_add(self):\n", True),
        ("tests/test_core.py", "", True),
        ("README.md::README.md", "text", True),
    ],
)
def test_whether_a_test_stands_on_the_target(test: str, text: str | None, expected: bool) -> None:
    assert stands(test, text) is expected


def test_loose_names_are_those_taken_away_and_those_of_changed_signatures() -> None:
    before = "def gone(a):\n    return a\n\n\ndef f(a):\n    return a\n\n\ndef g(a):\n    return a\n"
    after = "def f(a, b):\n    return a\n\n\ndef g(a):\n    return a + 1\n"
    changed = Changed(added=frozenset({1, 6}), replaced=frozenset({1, 6}))
    assert loose_names(before, after, changed) == {"gone", "f"}
    assert loose_names("x = 1\n", None, None) == {"x"}
    assert loose_names(None, "def new(): pass\n", Changed(added=frozenset({1}))) == frozenset()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/core.py", False),
        ("README.md", False),
        ("docs/x.json", False),
        ("data/rates.json", True),
        ("pyproject.toml", True),
        ("Makefile", True),
    ],
)
def test_what_no_line_of_python_tells_of_is_opaque(path: str, expected: bool) -> None:
    assert is_opaque(path) is expected


def test_a_test_module_of_the_same_name_is_named_by_the_file_that_is_in_its_way() -> None:
    said = (
        "import file mismatch:\nimported module 'test_same' has this __file__ attribute:\n"
        "  /tmp/moa-1/work/tests/agent01/test_same.py\n"
        "which is not the same as the test file we want to collect:\n"
        "  /tmp/moa-1/work/tests/agent04/test_same.py\nHINT: remove __pycache__"
    )
    place = in_the_way(said)
    assert place is not None
    parts = {
        "01": Part(changes={"tests/agent01/test_same.py": Changed()}),
        "04": Part(changes={"tests/agent04/test_same.py": Changed()}),
    }
    assert owners_of(place, parts) == ("01",)
    assert in_the_way("ImportError: no module named same") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import lib.core\ndef test_a():\n    lib.core.RATE = 7\n", True),
        ("import os\ndef test_a():\n    os.environ['A'] = 'b'\n", True),
        ("import sys\nsys.path.insert(0, 'x')\n", True),
        ("from lib import core\ndef test_a():\n    setattr(core, 'RATE', 7)\n", True),
        ("import lib\ndef test_a(monkeypatch):\n    monkeypatch.setattr(lib, 'RATE', 7)\n", False),
        ("import lib\ndef test_a():\n    mine = lib.Thing()\n    mine.rate = 7\n    mine.add(3)\n", False),
        ("not python", False),
    ],
)
def test_tests_that_change_what_they_import_may_leave_it_behind(text: str, expected: bool) -> None:
    assert leaves_state(text) is expected


def test_the_queue_is_ordered_by_dependencies_priority_and_age() -> None:
    order, depends, stuck = in_queue_order(
        [
            Candidate(id="10", begun=1),
            Candidate(id="9", begun=1),
            Candidate(id="3", priority=5, begun=9, depends=frozenset({"4"})),
            Candidate(id="4", begun=8),
            Candidate(id="5", depends=frozenset({"6"})),
            Candidate(id="6", depends=frozenset({"5"})),
            Candidate(id="7", depends=frozenset({"3"})),
            Candidate(id="8", depends=frozenset({"99"})),
        ]
    )
    assert order == ("9", "10", "4", "3", "7")
    assert depends["7"] == {"3", "4"}
    assert stuck == {"5": ("6",), "6": ("5",), "8": ("99",)}
