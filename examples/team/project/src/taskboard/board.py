"""A board: all the tasks, and the steps that change them. It never touches the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from taskboard.errors import TaskboardError, UnknownTaskError
from taskboard.model import Priority, Status, Task
from taskboard.recurrence import next_due, parse_repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person says about a new task."""

    title: str
    due: date | None = None
    priority: Priority = Priority.NORMAL
    labels: frozenset[str] = frozenset()
    repeat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a person changes in a task; None leaves a field as it is."""

    title: str | None = None
    due: date | None = None
    priority: Priority | None = None
    add_labels: frozenset[str] = frozenset()
    remove_labels: frozenset[str] = frozenset()


class Board:
    """Tasks by number. Numbers are never given out twice, also after tasks were removed."""

    def __init__(self, tasks: Iterable[Task] = (), next_number: int = 1) -> None:
        self._tasks = {task.number: task for task in tasks}
        self.next_number = max([next_number, *(number + 1 for number in self._tasks)])

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def get(self, number: int) -> Task:
        """The task of that number.

        Raises UnknownTaskError.
        """
        try:
            return self._tasks[number]
        except KeyError:
            raise UnknownTaskError(number) from None

    def add(self, draft: Draft, today: date) -> Task:
        """The new task.

        Raises TaskboardError for an empty title and for a repeat without a date to count from.
        """
        if not draft.title.strip():
            raise TaskboardError("a task needs a title")
        if draft.repeat is not None and draft.due is None:
            raise TaskboardError("a task that repeats needs a due date")
        return self._put(
            Task(
                number=self._take_number(),
                title=draft.title.strip(),
                created=today,
                due=draft.due,
                priority=draft.priority,
                labels=draft.labels,
                repeat=None if draft.repeat is None else str(parse_repeat(draft.repeat)),
            )
        )

    def edit(self, number: int, changes: Changes) -> Task:
        """The task with its changes."""
        task = self.get(number)
        return self._put(
            replace(
                task,
                title=changes.title or task.title,
                due=changes.due or task.due,
                priority=changes.priority or task.priority,
                labels=(task.labels | changes.add_labels) - changes.remove_labels,
            )
        )

    def start(self, number: int) -> Task:
        return self._put(self.get(number).start())

    def drop(self, number: int, today: date) -> Task:
        """The task, dropped. A task that repeats does not come back."""
        return self._put(self.get(number).close(Status.DROPPED, today))

    def finish(self, number: int, today: date) -> tuple[Task, Task | None]:
        """The task, done, and the one that takes its place where it repeats."""
        task = self._put(self.get(number).close(Status.DONE, today))
        return task, self._repeat(task, today)

    def purge(self, before: date) -> tuple[Task, ...]:
        """Removes and returns the tasks that were closed before that day."""
        old = tuple(task for task in self if task.closed is not None and task.closed < before)
        for task in old:
            del self._tasks[task.number]
        return old

    def _repeat(self, task: Task, today: date) -> Task | None:
        if task.repeat is None or task.due is None:
            return None
        rule, due = parse_repeat(task.repeat), task.due
        # A task that was done late comes back in the future, not at each day that was missed.
        while due <= max(today, task.due):
            due = next_due(rule, due)
        return self._put(
            replace(
                task,
                number=self._take_number(),
                created=today,
                status=Status.OPEN,
                due=due,
                closed=None,
            )
        )

    def _take_number(self) -> int:
        number = self.next_number
        self.next_number += 1
        return number

    def _put(self, task: Task) -> Task:
        self._tasks[task.number] = task
        return task
