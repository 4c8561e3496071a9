"""The `taskboard` command: words to steps on a board, a board to words. It decides nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

from taskboard import __version__
from taskboard.board import Board, Changes, Draft
from taskboard.errors import TaskboardError
from taskboard.formats import FORMATS, to_text
from taskboard.model import Priority, Task, urgency
from taskboard.periods import parse_day
from taskboard.query import compile_query
from taskboard.reports import by_label, weekly
from taskboard.store import load, save

Parser = argparse.ArgumentParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a command works on: the board, its options, the day and where to write."""

    board: Board
    options: argparse.Namespace
    today: date
    out: TextIO

    def say(self, text: str) -> None:
        self.out.write(text + "\n")

    def day(self, text: str | None) -> date | None:
        return None if text is None else parse_day(text, self.today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A verb: its help, its arguments, and what it does. Only one that `writes` saves the board."""

    help: str
    arguments: Callable[[Parser], object]
    run: Callable[[Call], None]
    writes: bool = True


def _number(parser: Parser) -> None:
    parser.add_argument("number", type=int, help="the task's number")


def _fields(parser: Parser) -> None:
    parser.add_argument("--due", metavar="DAY", help="today, tomorrow, friday, +3d, 2026-11-24")
    parser.add_argument("--priority", type=Priority, choices=list(Priority), metavar="LEVEL")
    parser.add_argument("--label", action="append", default=[], metavar="NAME")


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("title")
    _fields(parser)
    parser.add_argument("--repeat", metavar="RULE", help="daily, weekly, 'every 3 days', ...")


def _add(call: Call) -> None:
    options = call.options
    draft = Draft(
        title=options.title,
        due=call.day(options.due),
        priority=options.priority or Priority.NORMAL,
        labels=_labels(options.label),
        repeat=options.repeat,
    )
    call.say(_named(call.board.add(draft, call.today)))


def _done(call: Call) -> None:
    task, following = call.board.finish(call.options.number, call.today)
    back = f"; #{following.number} is due {following.due}" if following else ""
    call.say(f"{_named(task)} is done{back}")


def _drop(call: Call) -> None:
    call.say(f"{_named(call.board.drop(call.options.number, call.today))} is dropped")


def _edit_arguments(parser: Parser) -> None:
    _number(parser)
    parser.add_argument("--title")
    _fields(parser)
    parser.add_argument("--unlabel", action="append", default=[], metavar="NAME")


def _edit(call: Call) -> None:
    options = call.options
    changes = Changes(
        title=options.title,
        due=call.day(options.due),
        priority=options.priority,
        add_labels=_labels(options.label),
        remove_labels=_labels(options.unlabel),
    )
    call.say(to_text([call.board.edit(options.number, changes)]).rstrip())


def _list_arguments(parser: Parser) -> None:
    parser.add_argument("query", nargs="*", help="for example: label:home and due:week")
    parser.add_argument("--all", action="store_true", help="closed tasks, too")
    parser.add_argument("--format", choices=sorted(FORMATS), default="text")


def _list(call: Call) -> None:
    options = call.options
    matches = compile_query(" ".join(options.query), call.today)
    tasks = [t for t in call.board if matches(t) and (options.all or not t.status.closed)]
    call.out.write(FORMATS[options.format](sorted(tasks, key=urgency)))


def _purge_arguments(parser: Parser) -> None:
    parser.add_argument("before", metavar="DAY", help="tasks closed before this day go")


def _purge(call: Call) -> None:
    gone = call.board.purge(parse_day(call.options.before, call.today))
    call.say(f"{len(gone)} closed tasks removed")


def _report(call: Call) -> None:
    week = weekly(call.board, call.today)
    call.say(f"Week {week.first} to {week.last}")
    call.say(f"  created {week.created}, done {week.done}, dropped {week.dropped}")
    call.say(f"  due {week.due}, overdue {week.overdue}")
    for row in by_label(call.board):
        call.say(f"  @{row.label}: {row.open} open, {row.done} done")


def _start(call: Call) -> None:
    call.say(f"{_named(call.board.start(call.options.number))} is started")


def _nothing(_parser: Parser) -> None:
    """For a verb without arguments."""


COMMANDS: dict[str, Command] = {
    "add": Command(help="add a task", arguments=_add_arguments, run=_add),
    "done": Command(help="close a task as done", arguments=_number, run=_done),
    "drop": Command(help="close a task undone", arguments=_number, run=_drop),
    "edit": Command(help="change a task", arguments=_edit_arguments, run=_edit),
    "list": Command(help="list tasks", arguments=_list_arguments, run=_list, writes=False),
    "purge": Command(help="remove old closed tasks", arguments=_purge_arguments, run=_purge),
    "report": Command(help="this week's figures", arguments=_nothing, run=_report, writes=False),
    "start": Command(help="start a task", arguments=_number, run=_start),
}


def _named(task: Task) -> str:
    return f"#{task.number} {task.title}"


def _labels(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _parser() -> Parser:
    parser = Parser(prog="taskboard", description="Tasks in a JSON file, on a command line.")
    parser.add_argument("--version", action="version", version=f"taskboard {__version__}")
    parser.add_argument("--file", type=Path, help="the board (TASKBOARD_FILE, ./taskboard.json)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.arguments(verbs.add_parser(name, help=command.help, description=command.help))
    return parser


def main(
    argv: Sequence[str] | None = None, *, today: date | None = None, out: TextIO | None = None
) -> int:
    """Runs one command. Returns 0, or 1 where it was refused; argparse exits 2 for wrong words."""
    options = _parser().parse_args(argv)
    path = options.file or Path(os.environ.get("TASKBOARD_FILE", "taskboard.json"))
    command = COMMANDS[options.verb]
    try:
        board = load(path)
        command.run(
            Call(board=board, options=options, today=today or date.today(), out=out or sys.stdout)
        )
        if command.writes:
            save(board, path)
    except TaskboardError as error:
        print(f"taskboard: {error}", file=sys.stderr)
        return 1
    return 0
