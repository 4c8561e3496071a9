"""The verdict as a table: what fails, what proves nothing, what passes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pytest_moa.model.evidence import Evidence, ForeignModule, Outcome, ProcessEnd, TestOutcome
from pytest_moa.model.results import CoverageFigure, FileFigure, Finding
from pytest_moa.rules.gate import Doubt, counts, judge


def outcome(name: str, result: Outcome = "passed") -> TestOutcome:
    return TestOutcome(id=name, outcome=result, message="assert 1 == 2" if result == "failed" else "")


GREEN = Evidence(
    collected=("a", "b"),
    outcomes=(outcome("a"), outcome("b")),
    session_status=0,
    end=ProcessEnd(status=0, seconds=1.0),
)
RED = replace(
    GREEN, outcomes=(outcome("a"), outcome("b", "failed")), session_status=1, end=ProcessEnd(status=1)
)


def figure(covered: int, statements: int) -> CoverageFigure:
    percent = Decimal(covered * 100) / statements
    file = FileFigure(
        path="core.py", percent=percent, covered=covered, statements=statements, missing=(3, 4, 5, 9)
    )
    return CoverageFigure(
        percent=percent, threshold=Decimal(90), covered=covered, statements=statements, files=(file,)
    )


def test_a_complete_green_run_with_enough_coverage_passes() -> None:
    verdict = judge(GREEN, coverage=figure(9, 10))
    assert (verdict.verdict, verdict.reason) == ("passed", None)


def test_nothing_to_measure_is_no_reason_against_a_branch() -> None:
    assert judge(GREEN, coverage=None).verdict == "passed"


def test_a_red_test_fails_and_is_named() -> None:
    verdict = judge(RED, coverage=None)
    assert verdict.verdict == "failed"
    assert verdict.reason == "1 test fails: b"
    assert verdict.remedy is not None
    assert "pytest b" in verdict.remedy


def test_low_coverage_fails_with_the_lines_that_nothing_runs() -> None:
    verdict = judge(GREEN, coverage=figure(8, 10))
    assert (verdict.verdict, verdict.reason) == ("failed", "coverage of own code is 80%, below 90%")
    assert verdict.remedy is not None
    assert "core.py: 3-5, 9" in verdict.remedy


def test_a_blocking_finding_fails_a_green_run_and_a_warning_does_not() -> None:
    finding = Finding(
        rule="tests-removed", severity="block", path="t.py", line=3, message="gone", remedy="bring back"
    )
    assert judge(GREEN, coverage=None, findings=[finding]).verdict == "failed"
    assert judge(GREEN, coverage=None, findings=[replace(finding, severity="warn")]).verdict == "passed"


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (Evidence(), "no exit status"),
        (replace(GREEN, end=ProcessEnd(status=127), session_status=None), "not found"),
        (replace(GREEN, end=ProcessEnd(status=0), session_status=None), "before pytest had finished"),
        (replace(GREEN, end=ProcessEnd(status=0), session_status=None, running="b"), "in the middle of b"),
        (replace(GREEN, end=ProcessEnd(status=None, signal=11), running="b"), "signal 11"),
        (replace(GREEN, end=ProcessEnd(status=None, timed_out=True, seconds=5), running="b"), "while b ran"),
        (replace(GREEN, end=ProcessEnd(status=1)), "although pytest's own status was 0"),
        (
            replace(GREEN, collected=(), outcomes=(), session_status=5, end=ProcessEnd(status=5)),
            "no tests were collected",
        ),
        (replace(GREEN, collected=(), outcomes=()), "no tests were collected"),
        (replace(GREEN, outcomes=(outcome("a"),)), "1 collected test left no outcome: b"),
        (replace(GREEN, outcomes=(outcome("a", "skipped"), outcome("b", "skipped"))), "were skipped"),
        (replace(GREEN, session_status=1, end=ProcessEnd(status=1)), "although no test failed"),
        (replace(GREEN, session_status=3, end=ProcessEnd(status=3)), "pytest itself broke"),
        (replace(GREEN, session_status=4, end=ProcessEnd(status=4)), "refused its command line"),
        (
            replace(GREEN, collected=(), outcomes=(), session_status=4, end=ProcessEnd(status=4)),
            "refused its command line",
        ),
        (replace(GREEN, session_status=42, end=ProcessEnd(status=42)), "unknown status 42"),
        (replace(GREEN, problems=("two outcomes for a",)), "two outcomes for a"),
        (replace(GREEN, foreign=(ForeignModule(name="core", file="/other/core.py"),)), "/other/core.py"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_undetermined(evidence: Evidence, says: str) -> None:
    verdict = judge(evidence, coverage=figure(9, 10))
    assert verdict.verdict == "undetermined"
    assert verdict.reason is not None
    assert says in verdict.reason
    assert verdict.remedy


def test_a_doubt_from_outside_the_run_is_undetermined() -> None:
    assert judge(GREEN, coverage=None, doubts=[Doubt(reason="r", remedy="m")]).verdict == "undetermined"


def test_a_red_test_in_an_incomplete_run_is_still_a_failure() -> None:
    hung = replace(RED, end=ProcessEnd(status=None, timed_out=True), running="c")
    assert judge(hung, coverage=None).verdict == "failed"


def test_low_coverage_of_an_incomplete_run_accuses_nobody() -> None:
    cut = replace(GREEN, outcomes=(outcome("a"),))
    assert judge(cut, coverage=figure(1, 10)).verdict == "undetermined"


def test_an_exit_status_of_zero_over_red_tests_still_fails() -> None:
    assert judge(replace(RED, session_status=0, end=ProcessEnd(status=0)), coverage=None).verdict == "failed"


def test_a_module_that_cannot_be_imported_is_red() -> None:
    broken = replace(
        GREEN,
        collected=(),
        outcomes=(),
        collection_errors=(outcome("tests/test_x.py", "error"),),
        session_status=2,
        end=ProcessEnd(status=2),
    )
    verdict = judge(broken, coverage=None)
    assert (verdict.verdict, counts(broken).errors) == ("failed", 1)


def test_expected_failures_count_as_skipped_and_unexpected_passes_as_passed() -> None:
    evidence = replace(
        GREEN,
        collected=("a", "b", "c"),
        outcomes=(outcome("a", "xfailed"), outcome("b", "xpassed"), outcome("c", "error")),
    )
    tests = counts(evidence)
    assert (tests.passed, tests.skipped, tests.errors) == (1, 1, 1)


def test_low_coverage_fails_also_where_another_gate_of_the_project_ended_the_run_with_1() -> None:
    ended = replace(GREEN, session_status=1, end=ProcessEnd(status=1))
    assert judge(ended, coverage=figure(8, 10)).verdict == "failed"
    assert judge(ended, coverage=figure(9, 10)).verdict == "undetermined"


def test_a_reason_is_said_once() -> None:
    hang = Doubt(reason="the time limit ended the run", remedy="Mend the hang.")
    judgement = judge(None, coverage=None, doubts=(hang, hang))
    assert judgement.reason == "the time limit ended the run"
