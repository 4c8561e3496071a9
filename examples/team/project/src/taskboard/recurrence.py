"""Repeats: what a rule's text means, and when the next time is."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from taskboard.errors import RepeatError

_SHORT = {"daily": (1, "day"), "weekly": (1, "week"), "monthly": (1, "month")}
_LONG = re.compile(r"every (?P<count>[1-9]\d{0,2}) (?P<unit>day|week|month)s?")


@dataclass(frozen=True, slots=True)
class Repeat:
    """Every `count` units; `unit` is day, week or month."""

    count: int
    unit: str

    def __str__(self) -> str:
        for word, meaning in _SHORT.items():
            if meaning == (self.count, self.unit):
                return word
        return f"every {self.count} {self.unit}s"


def parse_repeat(text: str) -> Repeat:
    """The rule that a text means.

    Raises RepeatError for anything but `daily`, `weekly`, `monthly` and `every 3 days`, weeks or
    months.
    """
    words = " ".join(text.lower().split())
    if words in _SHORT:
        return Repeat(*_SHORT[words])
    if rule := _LONG.fullmatch(words):
        return Repeat(int(rule["count"]), rule["unit"])
    raise RepeatError(text)


def next_due(repeat: Repeat, due: date) -> date:
    """The day after `due` on which the task comes back.

    Where a month has no such day, its last one: 31 January plus a month is 28 or 29 February.
    """
    if repeat.unit == "day":
        return due + timedelta(days=repeat.count)
    if repeat.unit == "week":
        return due + timedelta(weeks=repeat.count)
    return _months_later(due, repeat.count)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
