import subprocess
import sys
from pathlib import Path

import pytest

from taskboard.cli import main


def test_a_day_at_the_board(taskboard):
    assert taskboard("add", "Water the plants", "--due", "friday", "--repeat", "weekly") == (
        "#1 Water the plants\n"
    )
    assert taskboard("start", "1") == "#1 Water the plants is started\n"
    assert taskboard("done", "1") == "#1 Water the plants is done; #2 is due 2026-12-04\n"
    assert taskboard("drop", "2") == "#2 Water the plants is dropped\n"
    assert taskboard("list") == ""
    assert len(taskboard("list", "--all").splitlines()) == 2
    assert taskboard("purge", "tomorrow") == "2 closed tasks removed\n"


def test_done_without_a_repeat_says_no_more(taskboard):
    taskboard("add", "Read a book")
    assert taskboard("done", "1") == "#1 Read a book is done\n"


def test_list_takes_a_query_in_several_words_and_sorts_by_urgency(taskboard):
    taskboard("add", "later", "--due", "+3d", "--label", "Home")
    taskboard("add", "sooner", "--due", "today", "--label", "home")
    taskboard("add", "elsewhere", "--due", "today")
    lines = taskboard("list", "label:home", "and", "due:week").splitlines()
    assert [line.split()[4] for line in lines] == ["sooner", "later"]


def test_edit_shows_the_task_as_it_is_now(taskboard):
    taskboard("add", "Read a book", "--label", "fun")
    assert taskboard("edit", "1", "--priority", "high", "--unlabel", "FUN", "--due", "today") == (
        "  1  -  high    2026-11-25  Read a book\n"
    )


def test_report_tells_the_week(taskboard):
    taskboard("add", "Read a book", "--label", "fun", "--due", "sunday")
    assert taskboard("report").splitlines() == [
        "Week 2026-11-23 to 2026-11-29",
        "  created 1, done 0, dropped 0",
        "  due 1, overdue 0",
        "  @fun: 1 open, 0 done",
    ]


def test_what_is_refused_is_told_and_changes_nothing(taskboard, capsys):
    taskboard("add", "Read a book")
    taskboard("done", "7", exits=1)
    assert capsys.readouterr().err == "taskboard: there is no task #7\n"
    assert "Read a book" in taskboard("list")


def test_a_verb_is_needed(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err


def test_python_m_taskboard_is_the_same_command():
    source = Path(__file__).parent.parent / "src"
    shown = subprocess.run(
        [sys.executable, "-m", "taskboard", "--version"],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "taskboard 0.4.0\n"
