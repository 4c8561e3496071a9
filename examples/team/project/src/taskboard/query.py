"""The query language: a text becomes a predicate over tasks.

query  = both { "or" both }
both   = single { "and" single }
single = "not" single | "(" query ")" | term
term   = field ( ":" | "<" | ">" ) value | word | "quoted words"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from taskboard.errors import DateError, QueryError
from taskboard.model import Priority, Status, Task
from taskboard.periods import parse_day, week_of, within

Predicate = Callable[[Task], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<field>[a-z]+)(?P<operator>[:<>])(?P<value>[^\s()]+)
      | "(?P<quoted>[^"]*)"
      | (?P<word>[^\s()"]+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int
    operator: str = ""
    value: str = ""


def compile_query(text: str, today: date) -> Predicate:
    """The predicate that a query means; an empty query takes every task.

    Raises QueryError with the column where it went wrong.
    """
    tokens = list(_tokens(text))
    if not tokens:
        return lambda _task: True
    return _Parser(tokens, today, len(text) + 1).parse()


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        column = position + len(text[position:]) - len(text[position:].lstrip()) + 1
        if match is None:
            raise QueryError("a quotation mark is never closed", column)
        kind = match.lastgroup or ""
        if kind == "value":
            yield _Token("field", match["field"], column, match["operator"], match["value"])
        elif kind == "word" and match["word"].lower() in ("and", "or", "not"):
            yield _Token(match["word"].lower(), match["word"], column)
        else:
            yield _Token("word" if kind == "quoted" else kind, match[kind], column)
        position = match.end()


class _Parser:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, tokens: list[_Token], today: date, end: int) -> None:
        self._tokens = tokens
        self._today = today
        self._end = end
        self._at = 0

    def parse(self) -> Predicate:
        predicate = self._query()
        if left := self._peek():
            raise QueryError(f"{left.text!r} was not expected", left.column)
        return predicate

    def _query(self) -> Predicate:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda task: any(part(task) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._single()]
        while self._takes("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda task: all(part(task) for part in parts)

    def _single(self) -> Predicate:
        token = self._peek()
        if token is None:
            raise QueryError("the query ends too early", self._end)
        self._at += 1
        if token.kind == "not":
            inner = self._single()
            return lambda task: not inner(task)
        if token.text == "(" and token.kind == "paren":
            return self._closed(token)
        if token.kind == "field":
            return _field(token, self._today)
        if token.kind == "word":
            return lambda task: token.text.lower() in task.title.lower()
        raise QueryError(f"{token.text!r} was not expected", token.column)

    def _closed(self, opening: _Token) -> Predicate:
        predicate = self._query()
        token = self._peek()
        if token is None or token.text != ")":
            raise QueryError("a parenthesis is never closed", opening.column)
        self._at += 1
        return predicate

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _takes(self, kind: str) -> bool:
        token = self._peek()
        if token is None or token.kind != kind:
            return False
        self._at += 1
        return True


def _field(token: _Token, today: date) -> Predicate:
    if token.operator != ":":
        return _compared(token, today)
    value = token.value.lower()
    if token.text == "label":
        return lambda task: value in task.labels
    if token.text == "status":
        return _status(token)
    if token.text == "priority":
        return _priority(token)
    if token.text == "due":
        return _due(token, today)
    raise QueryError(f"there is no field {token.text!r}", token.column)


def _status(token: _Token) -> Predicate:
    try:
        status = Status(token.value.lower())
    except ValueError:
        raise QueryError(f"there is no status {token.value!r}", token.column) from None
    return lambda task: task.status is status


def _priority(token: _Token) -> Predicate:
    try:
        priority = Priority(token.value.lower())
    except ValueError:
        raise QueryError(f"there is no priority {token.value!r}", token.column) from None
    return lambda task: task.priority is priority


def _due(token: _Token, today: date) -> Predicate:
    value = token.value.lower()
    if value == "none":
        return lambda task: task.due is None
    if value == "overdue":
        return lambda task: task.overdue(today)
    if value == "week":
        return lambda task: within(task.due, week_of(today))
    day = _day(token, today)
    return lambda task: task.due == day


def _compared(token: _Token, today: date) -> Predicate:
    if token.text != "due":
        raise QueryError(f"{token.text!r} cannot be compared; only due can", token.column)
    day = _day(token, today)
    if token.operator == "<":
        return lambda task: task.due is not None and task.due < day
    return lambda task: task.due is not None and task.due > day


def _day(token: _Token, today: date) -> date:
    try:
        return parse_day(token.value, today)
    except DateError as error:
        raise QueryError(str(error), token.column) from None
