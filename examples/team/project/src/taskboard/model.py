"""What a task is. Nothing here reads the clock or the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from taskboard.errors import StatusError


class Status(Enum):
    OPEN = "open"
    STARTED = "started"
    DONE = "done"
    DROPPED = "dropped"

    @property
    def closed(self) -> bool:
        return self in (Status.DONE, Status.DROPPED)


class Priority(Enum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 is the most urgent, so that an ascending sort puts it first."""
        return (Priority.HIGH, Priority.NORMAL, Priority.LOW).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. `repeat` is a rule's text, `closed` the day on which it was done or dropped."""

    number: int
    title: str
    created: date
    status: Status = Status.OPEN
    priority: Priority = Priority.NORMAL
    due: date | None = None
    labels: frozenset[str] = frozenset()
    repeat: str | None = None
    closed: date | None = None

    def start(self) -> Task:
        """The task, started.

        Raises StatusError unless it is open.
        """
        if self.status is not Status.OPEN:
            raise StatusError(f"#{self.number} is {self.status.value} and cannot be started")
        return replace(self, status=Status.STARTED)

    def close(self, status: Status, day: date) -> Task:
        """The task, done or dropped on that day.

        Raises StatusError where it is closed already.
        """
        if self.status.closed:
            raise StatusError(f"#{self.number} is {self.status.value} already")
        return replace(self, status=status, closed=day)

    def overdue(self, today: date) -> bool:
        return self.due is not None and self.due < today and not self.status.closed


def urgency(task: Task) -> tuple[bool, date, int, int]:
    """A sort key: due tasks by date, then by priority, then by age; tasks without a date last."""
    return (task.due is None, task.due or date.max, task.priority.rank, task.number)
