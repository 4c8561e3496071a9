from datetime import date

import pytest

from taskboard.board import Board, Changes, Draft
from taskboard.errors import StatusError, TaskboardError, UnknownTaskError
from taskboard.model import Priority, Status, urgency


def test_numbers_are_given_out_once_also_after_a_purge(today):
    board = Board()
    board.add(Draft(title="one"), today)
    board.finish(1, today)
    board.purge(date(2026, 12, 1))
    assert board.add(Draft(title="two"), today).number == 2
    assert len(board) == 1


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(title="  "), "needs a title"),
        (Draft(title="x", repeat="daily"), "needs a due date"),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(draft, reason, today):
    with pytest.raises(TaskboardError, match=reason):
        Board().add(draft, today)


def test_an_unknown_number_is_named(board):
    with pytest.raises(UnknownTaskError, match="no task #99"):
        board.get(99)


def test_edit_changes_what_was_said_and_nothing_else(board):
    before = board.get(2)
    after = board.edit(
        2,
        Changes(
            priority=Priority.HIGH,
            add_labels=frozenset({"garden"}),
            remove_labels=frozenset({"home"}),
        ),
    )
    assert (after.title, after.due) == (before.title, before.due)
    assert after.priority is Priority.HIGH
    assert after.labels == {"garden"}
    assert board.get(2) == after


def test_a_task_is_started_once(board):
    assert board.start(1).status is Status.STARTED
    with pytest.raises(StatusError, match="#1 is started and cannot be started"):
        board.start(1)


def test_a_closed_task_is_not_closed_again(board, today):
    board.drop(1, today)
    with pytest.raises(StatusError, match="#1 is dropped already"):
        board.finish(1, today)


def test_a_task_that_repeats_comes_back_open_with_the_next_date(board, today):
    task, following = board.finish(5, today)
    assert (task.status, task.closed) == (Status.DONE, today)
    assert (following.number, following.due) == (6, date(2026, 12, 30))
    assert (following.status, following.closed) == (Status.OPEN, None)
    assert following.labels == task.labels


def test_a_task_that_was_done_late_comes_back_in_the_future(today):
    board = Board()
    board.add(Draft(title="x", due=date(2026, 11, 2), repeat="weekly"), date(2026, 11, 1))
    assert board.finish(1, today)[1].due == date(2026, 11, 30)


def test_a_dropped_task_does_not_come_back(board, today):
    board.drop(5, today)
    assert len(board) == 5


def test_purge_takes_only_what_was_closed_before(board):
    board.finish(1, date(2026, 11, 23))
    board.drop(2, date(2026, 11, 24))
    assert [task.number for task in board.purge(date(2026, 11, 24))] == [1]
    assert [task.number for task in board] == [2, 3, 4, 5]


def test_urgency_is_date_then_priority_then_age(board, today):
    board.add(Draft(title="also Friday", due=date(2026, 11, 27), priority=Priority.HIGH), today)
    assert [task.number for task in sorted(board, key=urgency)] == [1, 6, 2, 3, 5, 4]
