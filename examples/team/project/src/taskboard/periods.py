"""Words for days and spans of days. Today is always an argument."""

from __future__ import annotations

import re
from datetime import date, timedelta

from taskboard.errors import DateError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OFFSET = re.compile(r"\+(?P<count>\d{1,4})(?P<unit>[dw])")
_DAYS = {"d": 1, "w": 7}


def parse_day(text: str, today: date) -> date:
    """The day that a word means.

    Raises DateError for anything but `today`, `tomorrow`, a weekday's name, `+3d`, `+2w` and
    ISO 8601 dates.
    """
    word = text.strip().lower()
    if word == "today":
        return today
    if word == "tomorrow":
        return today + timedelta(days=1)
    if word in WEEKDAYS:
        return _coming(WEEKDAYS.index(word), today)
    if offset := _OFFSET.fullmatch(word):
        return today + timedelta(days=int(offset["count"]) * _DAYS[offset["unit"]])
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise DateError(text) from None


def _coming(weekday: int, today: date) -> date:
    """The next such weekday; a week from now where it is today."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def week_of(day: date) -> tuple[date, date]:
    """The first and the last day of the week, Monday and Sunday."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def within(day: date | None, span: tuple[date, date]) -> bool:
    first, last = span
    return day is not None and first <= day <= last
