from datetime import date

from taskboard.reports import LabelReport, by_label, weekly


def test_the_week_runs_from_monday_to_sunday(board, today):
    report = weekly(board, today)
    assert (report.first, report.last) == (date(2026, 11, 23), date(2026, 11, 29))


def test_a_week_counts_what_happened_in_it(board, today):
    board.finish(2, today)
    board.drop(4, date(2026, 11, 23))
    report = weekly(board, today)
    assert (report.created, report.done, report.dropped) == (5, 1, 1)
    assert (report.due, report.overdue) == (1, 1)


def test_what_was_closed_in_another_week_does_not_count(board, today):
    board.finish(1, date(2026, 11, 22))
    assert weekly(board, today).done == 0


def test_labels_are_counted_fullest_first(board, today):
    board.finish(2, today)
    board.drop(1, today)
    assert by_label(board) == (
        LabelReport(label="work", open=2, done=0),
        LabelReport(label="home", open=1, done=1),
    )
