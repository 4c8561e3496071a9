"""Figures over a board, as frozen facts; `formats` and `cli` say them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from taskboard.model import Status, Task
from taskboard.periods import week_of, within


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekReport:
    """One week: its span as people say it, and what was created, done, dropped and left over."""

    first: date
    last: date
    created: int
    done: int
    dropped: int
    due: int
    overdue: int


def weekly(tasks: Iterable[Task], today: date) -> WeekReport:
    """The figures of the week that `today` lies in."""
    tasks = tuple(tasks)
    span = week_of(today)
    closed = Counter(task.status for task in tasks if within(task.closed, span))
    return WeekReport(
        first=span[0],
        last=span[1],
        created=sum(within(task.created, span) for task in tasks),
        done=closed[Status.DONE],
        dropped=closed[Status.DROPPED],
        due=sum(within(task.due, span) and not task.status.closed for task in tasks),
        overdue=sum(task.overdue(today) for task in tasks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReport:
    label: str
    open: int
    done: int


def by_label(tasks: Iterable[Task]) -> tuple[LabelReport, ...]:
    """Open and done tasks per label, the fullest label first. Dropped tasks count nowhere."""
    still_open: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for task in tasks:
        if task.status is Status.DONE:
            done.update(task.labels)
        elif not task.status.closed:
            still_open.update(task.labels)
    labels = sorted(still_open | done, key=lambda label: (-still_open[label], label))
    return tuple(
        LabelReport(label=label, open=still_open[label], done=done[label]) for label in labels
    )
