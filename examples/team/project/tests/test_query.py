import pytest

from taskboard.errors import QueryError
from taskboard.query import compile_query


def numbers(board, text, today):
    matches = compile_query(text, today)
    return [task.number for task in board if matches(task)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("label:home", [2, 5]),
        ("label:HOME", [2, 5]),
        ("status:open", [1, 2, 3, 4, 5]),
        ("status:done", []),
        ("priority:high", [1]),
        ("due:none", [4]),
        ("due:overdue", [1]),
        ("due:week", [2, 3]),
        ("due:friday", [2]),
        ("due<2026-11-27", [1]),
        ("due>2026-11-27", [3, 5]),
        ("PLANTS", [2]),
        ('"the rent"', [1]),
        ("label:home and label:work", [5]),
        ("label:home or due:none", [2, 4, 5]),
        ("not label:home", [1, 3, 4]),
        ("not label:home and not due:none", [1, 3]),
        ("label:work and (due:week or priority:high)", [3]),
        ("due:none or label:work and due:week", [3, 4]),
    ],
)
def test_a_query_finds(text, found, board, today):
    assert numbers(board, text, today) == found


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("label:home and", "ends too early", 15),
        ("(label:home", "never closed", 1),
        ("label:home)", "was not expected", 11),
        ("label:home work", "was not expected", 12),
        ("or label:home", "was not expected", 1),
        ('plants or "the', "never closed", 11),
        ("status:late", "no status 'late'", 1),
        ("priority:9", "no priority '9'", 1),
        ("due:home", "is not a date", 1),
        ("owner:me", "no field 'owner'", 1),
        ("  label<home", "cannot be compared", 3),
    ],
)
def test_a_query_that_cannot_be_read_says_where(text, message, column, today):
    with pytest.raises(QueryError, match=message) as caught:
        compile_query(text, today)
    assert caught.value.column == column
