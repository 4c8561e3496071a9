"""A board of known tasks on a known day, and the command on a file of the test's own."""

import io
from collections.abc import Callable
from datetime import date

import pytest

from taskboard.board import Board, Draft
from taskboard.cli import main
from taskboard.model import Priority

TODAY = date(2026, 11, 25)  # a Wednesday


@pytest.fixture
def today():
    return TODAY


@pytest.fixture
def board():
    """Five tasks: due before, in and after this week, without a date, and one that repeats."""
    board = Board()
    for draft in (
        Draft(title="Pay the rent", due=date(2026, 11, 20), priority=Priority.HIGH),
        Draft(title="Water the plants", due=date(2026, 11, 27), labels=frozenset({"home"})),
        Draft(title="Write the minutes", due=date(2026, 11, 29), labels=frozenset({"work"})),
        Draft(title="Read a book", priority=Priority.LOW),
        Draft(
            title="Back up the laptop",
            due=date(2026, 11, 30),
            labels=frozenset({"home", "work"}),
            repeat="monthly",
        ),
    ):
        board.add(draft, date(2026, 11, 23))
    return board


@pytest.fixture
def taskboard(tmp_path) -> Callable[..., str]:
    """Runs the command and returns what it printed; the exit status has to be `exits`."""

    def run(*words: str, exits: int = 0) -> str:
        out = io.StringIO()
        path = str(tmp_path / "tasks.json")
        assert main(["--file", path, *words], today=TODAY, out=out) == exits
        return out.getvalue()

    return run
