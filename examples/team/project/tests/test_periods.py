from datetime import date

import pytest

from taskboard.errors import DateError
from taskboard.periods import parse_day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", date(2026, 11, 25)),
        ("Tomorrow", date(2026, 11, 26)),
        ("thursday", date(2026, 11, 26)),
        ("wednesday", date(2026, 12, 2)),  # today is one: the next is meant
        ("tuesday", date(2026, 12, 1)),
        ("+0d", date(2026, 11, 25)),
        ("+3d", date(2026, 11, 28)),
        ("+2w", date(2026, 12, 9)),
        ("2028-02-29", date(2028, 2, 29)),
    ],
)
def test_a_word_means_a_day(text, day, today):
    assert parse_day(text, today) == day


@pytest.mark.parametrize("text", ["", "someday", "+3", "+3m", "2026-02-29", "25.11.2026"])
def test_other_words_are_refused_with_what_is_allowed(text, today):
    with pytest.raises(DateError, match="is not a date: use today"):
        parse_day(text, today)
