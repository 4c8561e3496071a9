"""Tasks as text: one function a format, and the table that names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from taskboard.model import Status, Task
from taskboard.store import encode

Format = Callable[[Iterable[Task]], str]

_MARKS = {Status.OPEN: "-", Status.STARTED: ">", Status.DONE: "x", Status.DROPPED: "/"}


def to_text(tasks: Iterable[Task]) -> str:
    """One line a task, in columns, for a terminal."""
    return "".join(_line(task) + "\n" for task in tasks)


def _line(task: Task) -> str:
    due = task.due.isoformat() if task.due else " " * 10
    labels = "".join(f"  @{label}" for label in sorted(task.labels))
    repeat = f"  ({task.repeat})" if task.repeat else ""
    mark, priority = _MARKS[task.status], task.priority.value
    return f"{task.number:>3}  {mark}  {priority:<6}  {due}  {task.title}{labels}{repeat}"


def to_json(tasks: Iterable[Task]) -> str:
    """A JSON list, with the fields of the store."""
    return json.dumps([encode(task) for task in tasks], indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Format] = {
    "text": to_text,
    "json": to_json,
}
