import json

from taskboard.formats import FORMATS


def test_text_is_one_line_a_task(board, today):
    board.finish(5, today)
    assert FORMATS["text"](board).splitlines() == [
        "  1  -  high    2026-11-20  Pay the rent",
        "  2  -  normal  2026-11-27  Water the plants  @home",
        "  3  -  normal  2026-11-29  Write the minutes  @work",
        "  4  -  low                 Read a book",
        "  5  x  normal  2026-11-30  Back up the laptop  @home  @work  (monthly)",
        "  6  -  normal  2026-12-30  Back up the laptop  @home  @work  (monthly)",
    ]


def test_json_leaves_out_what_says_nothing(board):
    entries = json.loads(FORMATS["json"](board))
    assert entries[3] == {
        "number": 4,
        "title": "Read a book",
        "created": "2026-11-23",
        "status": "open",
        "priority": "low",
    }
