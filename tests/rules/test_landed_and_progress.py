"""What has landed, and how far an agent is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pytest_moa.model.results import CoverageFigure, GateResult, TestCounts, Verdict
from pytest_moa.rules.landed import Merged, Place, landing_of, place_of
from pytest_moa.rules.progress import Facts, flags_of, next_step, overall, progress_of, status_of, week_of

HEAD, TARGET = "1" * 40, "2" * 40


def gate(verdict: Verdict, *, passed: int = 10, failed: int = 0, percent: str = "95") -> GateResult:
    figure = CoverageFigure(
        percent=Decimal(percent), threshold=Decimal(90), covered=1, statements=1, files=()
    )
    tests = TestCounts(collected=passed + failed, passed=passed, failed=failed)
    return GateResult(
        agent="03",
        name="x",
        branch="agent-03-x",
        verdict=verdict,
        head=HEAD,
        target=TARGET,
        candidate=None,
        tests=tests,
        coverage=figure,
    )


def test_a_landing_is_found_by_the_heads_trailer() -> None:
    history = [Merged(commit="c2", trailers={}), Merged(commit="c1", trailers={"Moa-Head": (HEAD,)})]
    assert landing_of(HEAD, history) == "c1"
    assert landing_of("9" * 40, history) is None


@pytest.mark.parametrize(
    ("head", "merged", "reachable", "had_commits", "place"),
    [
        (HEAD, "c1", True, False, "landed"),
        (HEAD, None, True, True, "landed"),
        (HEAD, None, True, False, "untouched"),
        (TARGET, None, True, True, "untouched"),
        (HEAD, None, False, False, "ahead"),
    ],
)
def test_where_a_head_stands(
    head: str, merged: str | None, reachable: bool, had_commits: bool, place: Place
) -> None:
    found = place_of(head=head, target=TARGET, merged=merged, reachable=reachable, had_commits=had_commits)
    assert found == place


PASSED = Facts(place="ahead", gate=gate("passed"), fresh=True, merges=True)


@pytest.mark.parametrize(
    ("facts", "status", "progress"),
    [
        (Facts(place=None), "not_started", "0.0"),
        (Facts(place="untouched"), "not_started", "0.0"),
        (Facts(place="ahead"), "in_progress", "10.0"),
        (Facts(place="ahead", merges=True), "in_progress", "20.0"),
        (
            Facts(place="ahead", merges=True, gate=gate("failed", passed=5, failed=5, percent="45")),
            "in_progress",
            "50.0",
        ),
        (PASSED, "ready_for_integration", "95.0"),
        (Facts(place="ahead", gate=gate("passed"), merges=False), "in_progress", "85.0"),
        (Facts(place="ahead", gate=gate("passed"), merges=True, held=True), "in_progress", "95.0"),
        (Facts(place="ahead", gate=gate("passed"), merges=True, blockers=("x",)), "in_progress", "95.0"),
        (Facts(place="landed"), "completed", "100.0"),
    ],
)
def test_progress_is_earned(facts: Facts, status: str, progress: str) -> None:
    assert (status_of(facts), progress_of(facts)) == (status, Decimal(progress))


def test_flags_say_what_is_wrong() -> None:
    facts = Facts(place="ahead", gate=gate("failed"), merges=False, held=True, blockers=("b",))
    assert flags_of(facts) == ("blocked", "conflicted", "failing", "stale", "held")
    assert flags_of(Facts(place="landed", merges=False)) == ()


@pytest.mark.parametrize(
    ("facts", "step"),
    [(PASSED, "moa integrate 03"), (Facts(place="ahead"), "moa gate 03"), (Facts(place="landed"), None)],
)
def test_the_next_step_is_a_command(facts: Facts, step: str | None) -> None:
    assert next_step("03", facts) == step


def test_overall_progress_is_the_mean() -> None:
    assert overall([Decimal(100), Decimal(50), Decimal(0)]) == Decimal("50.0")
    assert overall([]) == Decimal("0.0")


@pytest.mark.parametrize(
    ("today", "week"),
    [
        (date(2026, 1, 4), 0),
        (date(2026, 1, 5), 1),
        (date(2026, 1, 11), 1),
        (date(2026, 1, 12), 2),
        (date(2027, 1, 1), 11),
    ],
)
def test_the_week_counts_from_the_start_and_ends_with_the_plan(today: date, week: int) -> None:
    assert week_of(date(2026, 1, 5), 11, today) == week
