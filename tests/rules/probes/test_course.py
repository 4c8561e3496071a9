"""The course of the probes against imagined suites: what is asked, what answers mean, and what a judge follows again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_moa.model.results import Finding
from pytest_moa.rules.probes.course import Answer, Probing, Question
from pytest_moa.rules.probes.decide import decide
from pytest_moa.rules.probes.plan import Ground, Plan, Warned, Wish, is_of, plan_of
from pytest_moa.rules.probes.record import Entry, ProbeRecord, entry_of, from_json, replayed, to_json
from pytest_moa.rules.probes.verdict import confirmed, figure_of, findings_of

TEXT = "\n".join(f"def f{n}(a):\n    return a - {n}\n" for n in range(8))
CONTEXTS = {"m.py": {3 * n + 2: frozenset({f"t.py::test_{n}"}) for n in range(8)}}
Suite = Callable[[Question], Answer]

PASSED = Answer(outcome="passed", ran=1)


def plan(  # noqa: PLR0917 - what a test varies, by name
    contexts: dict[str, dict[int, frozenset[str]]] | None = None,
    seed: str = "a1",
    count: int | None = 20,
    thorough: bool = False,
    warned: tuple[Warned, ...] = (),
    lines: frozenset[int] | None = None,
) -> Plan:
    wish = Wish(count=count, seconds=30, thorough=thorough, warned=warned)
    ground = Ground(texts={"m.py": TEXT}, lines={"m.py": lines})
    return plan_of(ground, contexts or CONTEXTS, {}, wish, seed)


def follow(wanted: Plan, suite: Suite) -> tuple[Probing, ProbeRecord]:
    probing, entries = Probing(wanted), []
    course = probing.course()
    question = next(course, None)
    while question is not None:
        answer = suite(question)
        entries.append(entry_of(question, answer))
        try:
            question = course.send(answer)
        except StopIteration:
            question = None
    wish = wanted.wish
    return probing, ProbeRecord(
        seed=wanted.seed,
        ended="answered",
        count=wish.count,
        thorough=wish.thorough,
        entries=tuple(entries),
    )


def left(question: Question) -> list[str]:
    return [test for test in question.tests if test not in question.without]


def asserting(question: Question) -> Answer:
    """Fails under anything that changes what the code does."""
    if not left(question):
        return Answer(outcome="void")
    if question.purpose in {"fault", "canary"}:
        return Answer(outcome="failed", test=left(question)[0], marked=question.purpose == "canary", ran=1)
    return PASSED


def hollow(question: Question) -> Answer:
    return asserting(question) if question.purpose == "canary" else PASSED


def hashing(question: Question) -> Answer:
    """Fails under any other text, whatever it does."""
    if not left(question):
        return Answer(outcome="void")
    return PASSED if question.splice is None else Answer(outcome="failed", test=left(question)[0], ran=1)


def dependent(question: Question) -> Answer:
    """Fails whenever it runs without the tests before it."""
    return (
        Answer(outcome="failed", test=left(question)[0], ran=1) if left(question) else Answer(outcome="void")
    )


def swallowing(question: Question) -> Answer:
    return Answer(outcome="passed", marked=question.purpose == "canary", ran=1)


def crashing(question: Question) -> Answer:
    """No assertion, but changed code runs into an error of its own."""
    answer = asserting(question)
    return replace(answer, outcome="crashed") if answer.outcome == "failed" else answer


def elsewhere(question: Question) -> Answer:
    """The code that runs is not the code that was changed."""
    return PASSED


@pytest.mark.parametrize(
    ("suite", "decision", "tried", "noticed", "voids"),
    [
        (asserting, "fine", 4, 4, 0),
        (hollow, "blind", 5, 0, 0),
        (hashing, "blind", 5, 0, 0),
        (swallowing, "blind", 5, 0, 0),
        (crashing, None, 24, 24, 0),
        (dependent, None, 0, 0, 24),
        (elsewhere, None, 0, 0, 24),
    ],
)
def test_a_suite_is_seen_for_what_it_is(
    suite: Suite, decision: str | None, tried: int, noticed: int, voids: int
) -> None:
    probing, record = follow(plan(), suite)
    figure = figure_of(probing)
    assert figure is not None
    assert (probing.decision, figure.tried, figure.noticed, figure.voids) == (decision, tried, noticed, voids)
    assert replayed(plan(), record) is not None
    blocks = [f.rule for f in findings_of(probing) if f.severity == "block"]
    assert blocks == (["probe-blind"] if decision == "blind" else [])


def test_a_hashing_test_beside_an_asserting_one_does_not_speak_for_it() -> None:
    contexts = {"m.py": {3 * n + 2: frozenset({"t.py::test_a", "t.py::test_hash"}) for n in range(8)}}

    def suite(question: Question) -> Answer:
        names = left(question)
        for name in names:
            if name.endswith("hash") and question.splice is not None:
                return Answer(outcome="failed", test=name, ran=1)
            if name.endswith("_a") and question.purpose == "fault" and not contexts.get("silent"):
                return Answer(outcome="failed", test=name, ran=1)
            if question.until == name:
                return PASSED
        return PASSED

    wanted = replace(
        plan(contexts), tests=dict.fromkeys(plan(contexts).tests, ("t.py::test_hash", "t.py::test_a"))
    )
    probing, _ = follow(wanted, suite)
    assert probing.decision == "fine"
    assert {probed.by for probed in probing.results.values()} == {"t.py::test_a"}


def test_all_that_was_asked_for_is_asked_even_where_the_case_is_clear() -> None:
    probing, _ = follow(plan(count=None, thorough=True), asserting)
    assert len(probing.results) == len(probing.plan.order) == 24
    probing, _ = follow(plan(count=7, thorough=True), asserting)
    assert len(probing.results) == 7


def test_only_own_lines_that_a_test_ran_are_probed() -> None:
    assert {fault.line for fault in plan(lines=frozenset({2, 5})).order} == {2, 5}
    assert {fault.line for fault in plan({"m.py": {8: frozenset({"t.py::test_2"})}}).order} == {8}


def test_every_function_is_asked_once_before_any_is_asked_twice() -> None:
    order = plan().order
    assert len({fault.first for fault in order[:8]}) == 8
    assert plan(seed="b2").order != order
    assert plan().order == order


WARNED_TEST = Warned(rule="assertions-weakened", path="t.py", line=9, test="t.py::test_3")
WARNED_SOURCE = Warned(rule="constant-answers", path="m.py", line=14)


@pytest.mark.parametrize(("warned", "first"), [(WARNED_TEST, 10), (WARNED_SOURCE, 13)])
def test_a_warned_place_is_probed_first_and_confirmed_where_nothing_there_is_noticed(
    warned: Warned, first: int
) -> None:
    def lazy(question: Question) -> Answer:
        return hollow(question) if question.fault.first == first else asserting(question)

    finding = Finding(
        rule=warned.rule, severity="warn", path=warned.path, line=warned.line, message="m", remedy="r"
    )
    probing, record = follow(plan(warned=(warned,)), lazy)
    assert record.entries[0].fault.startswith(f"m.py:{first + 1}:")
    [told] = confirmed([finding], {finding: warned}, probing)
    assert told.severity == "block"
    assert "confirmed by 3 probes" in told.message
    assert probing.decision == "fine", "one blind place does not make the suite blind"

    probing, _ = follow(plan(warned=(warned,)), asserting)
    assert confirmed([finding], {finding: warned}, probing) == [finding]


@pytest.mark.parametrize(
    ("test", "function", "expected"),
    [
        ("t.py::test_a", "t.py::test_a", True),
        ("t.py::test_a[1-x]", "t.py::test_a", True),
        ("t.py::test_ab", "t.py::test_a", False),
        ("tests/t.py::T::test_a", "backend/tests/t.py::T::test_a", True),
        ("t.py::test_a", "other_t.py::test_a", False),
    ],
)
def test_an_id_belongs_to_its_function(test: str, function: str, expected: bool) -> None:
    assert is_of(test, function) is expected


def test_a_record_that_was_changed_is_not_followed() -> None:
    _, record = follow(plan(), hollow)
    entries = record.entries
    assert from_json(to_json(record)) == record
    broken = [
        replace(record, seed="a2"),
        replace(record, entries=entries[:-1]),
        replace(record, entries=entries[1:]),
        replace(record, entries=(*entries, entries[-1])),
        replace(record, ended="time"),
        replace(record, entries=(replace(entries[0], fault="m.py:2:0-1:x"), *entries[1:])),
        replace(
            record, entries=(Entry(fault=entries[0].fault, purpose="placebo", answer=PASSED), *entries[1:])
        ),
    ]
    for changed in broken:
        wanted = plan(seed=changed.seed)
        assert replayed(wanted, changed) is None, changed


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"seed": "a1", "ended": "answered", "count": 1, "thorough": False, "entries": [{}]},
        {"seed": "A!", "ended": "answered", "count": 1, "thorough": False, "entries": []},
        {"seed": "a1", "ended": [], "count": 1, "thorough": False, "entries": []},
        {"seed": "a1", "ended": "answered", "count": True, "thorough": False, "entries": []},
        {"seed": "a1", "ended": "answered", "count": -1, "thorough": False, "entries": []},
        {"seed": "a1", "ended": "answered", "count": 1, "thorough": 0, "entries": []},
        {"seed": "a1", "ended": "answered", "count": 1, "thorough": False, "entries": [], "more": 1},
    ],
)
def test_what_is_no_record_is_none(data: object) -> None:
    assert from_json(data) is None


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [("", None), ("....", None), (".....", "blind"), ("xxx", None), ("xxxx", "fine"), ("x.....", None)],
)
def test_a_clear_case_is_decided_soon(outcomes: str, expected: str | None) -> None:
    assert decide(mark == "x" for mark in outcomes) == expected


@pytest.mark.parametrize(
    ("share", "wrong", "least"), [(0.95, "blind", 0.999), (0.9, "blind", 0.999), (0.1, "fine", 0.99)]
)
def test_errors_are_as_rare_as_the_docstring_says(share: float, wrong: str, least: float) -> None:
    chance = random.Random(20261124)
    found = [decide(chance.random() < share for _ in range(20)) for _ in range(4000)]
    right = "fine" if wrong == "blind" else "blind"
    assert found.count(right) / len(found) >= least  # type: ignore[arg-type]  # both are decisions
    assert found.count(wrong) <= 0.002 * len(found)  # type: ignore[arg-type]  # the same
