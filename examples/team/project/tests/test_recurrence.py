from datetime import date

import pytest

from taskboard.errors import RepeatError
from taskboard.recurrence import next_due, parse_repeat


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("daily", "daily"),
        ("Weekly", "weekly"),
        ("every 1 month", "monthly"),
        ("every  3  days", "every 3 days"),
        ("every 2 weeks", "every 2 weeks"),
    ],
)
def test_a_rule_is_said_in_its_shortest_form(text, said):
    assert str(parse_repeat(text)) == said


@pytest.mark.parametrize("text", ["", "often", "every 0 days", "every day", "every 3 hours"])
def test_other_rules_are_refused_with_what_is_allowed(text):
    with pytest.raises(RepeatError, match="is not a repeat: use daily"):
        parse_repeat(text)


@pytest.mark.parametrize(
    ("rule", "due", "following"),
    [
        ("daily", date(2026, 12, 31), date(2027, 1, 1)),
        ("every 2 weeks", date(2026, 11, 25), date(2026, 12, 9)),
        ("monthly", date(2026, 11, 25), date(2026, 12, 25)),
        ("monthly", date(2027, 1, 31), date(2027, 2, 28)),
        ("monthly", date(2028, 1, 31), date(2028, 2, 29)),
        ("every 2 months", date(2026, 12, 31), date(2027, 2, 28)),
        ("every 12 months", date(2026, 12, 1), date(2027, 12, 1)),
    ],
)
def test_the_next_date_exists_in_the_calendar(rule, due, following):
    assert next_due(parse_repeat(rule), due) == following
