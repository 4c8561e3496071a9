"""Percentages are exact and rounded down; own lines alone count."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pytest_moa.model.evidence import FileLines
from pytest_moa.rules.figures import coverage_figure, percent
from pytest_moa.rules.threshold import raised

NINETY = Decimal(90)


def lines(path: str, executed: set[int], missing: set[int]) -> FileLines:
    return FileLines(path=path, executed=frozenset(executed), missing=frozenset(missing))


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(89_999, 100_000, "89.99"), (2, 3, "66.66"), (0, 7, "0.00"), (7, 7, "100.00"), (0, 0, "100.00")],
)
def test_a_percentage_is_rounded_down(part: int, whole: int, shown: str) -> None:
    assert percent(part, whole) == Decimal(shown)


def test_89_999_does_not_pass_90() -> None:
    figure = coverage_figure(
        {"a.py": None}, [lines("a.py", set(range(1, 90_000)), set(range(90_000, 100_001)))], NINETY
    )
    assert figure is not None
    assert (figure.enough, figure.percent) == (False, Decimal("89.99"))


def test_exactly_90_passes_90() -> None:
    figure = coverage_figure({"a.py": None}, [lines("a.py", set(range(1, 10)), {10})], NINETY)
    assert figure is not None
    assert figure.enough


def test_only_own_lines_count() -> None:
    figure = coverage_figure({"a.py": frozenset({2, 3, 9})}, [lines("a.py", {1, 2}, {3, 4})], NINETY)
    assert figure is not None
    assert (figure.covered, figure.statements, figure.files[0].missing) == (1, 2, (3,))


def test_branches_that_start_on_own_lines_count() -> None:
    file = replace(
        lines("a.py", {1, 2}, set()),
        executed_branches=frozenset({(1, 2)}),
        missing_branches=frozenset({(1, -1), (2, 5)}),
    )
    figure = coverage_figure({"a.py": frozenset({1})}, [file], NINETY)
    assert figure is not None
    assert (figure.covered, figure.statements) == (2, 3)


def test_nothing_measurable_is_no_figure() -> None:
    assert coverage_figure({"a.py": frozenset({7})}, [lines("a.py", {1}, set())], NINETY) is None
    assert coverage_figure({}, [], NINETY) is None


@pytest.mark.parametrize(
    ("words", "holds"), [((), "90"), ((None,), "90"), ((Decimal(95),), "95"), ((Decimal(10), None), "90")]
)
def test_a_threshold_can_only_be_raised(words: tuple[Decimal | None, ...], holds: str) -> None:
    assert raised(NINETY, *words) == Decimal(holds)
