"""What a config may hold, read off the policy's dataclasses: the one source of decoder, schema, docs and example."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pytest_moa.model.policy import ID_PATTERN, Policy

LARGEST = 2**31 - 1
"""Greater numbers overflow in timers and calendars further down."""

ANY_TEXT = r"[\s\S]*\S[\s\S]*"
NOT_BLANK = "a text that is not blank"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that `pattern` matches as a whole. `loose`: a bare `03`, `3.10` or `true` is the text as written."""

    pattern: str = ANY_TEXT
    allowed: str = NOT_BLANK
    loose: bool = True


@dataclass(frozen=True, slots=True)
class Whole:
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Number:
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class Flag:
    pass


@dataclass(frozen=True, slots=True)
class Day:
    pass


@dataclass(frozen=True, slots=True)
class Choice:
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """The arguments of one command; the first one names the program."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of `item`. Entries that have an id may also be written as a mapping from their ids."""

    item: Kind
    example: tuple[str, ...] = ()

    @property
    def by_id(self) -> bool:
        return isinstance(self.item, Table) and any(key.name == "id" for key in self.item.keys)


@dataclass(frozen=True, slots=True)
class Pairs:
    key: Text
    value: Kind


@dataclass(frozen=True, slots=True)
class Table:
    made: type
    keys: tuple[Key, ...]


Kind: TypeAlias = Text | Whole | Number | Flag | Day | Choice | Command | Listing | Pairs | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: what it may hold, what it means. `example` stands where the default says nothing."""

    name: str
    kind: Kind
    doc: str
    default: Any
    required: bool
    optional: bool
    unit: str
    example: Any

    @property
    def told(self) -> str:
        """The documentation, with the unit where the sentence does not name it."""
        return self.doc if not self.unit or self.unit in self.doc.lower() else f"{self.doc} In {self.unit}."


@cache
def policy_shape() -> Table:
    return table_of(Policy)


def table_of(made: type) -> Table:
    hints = get_type_hints(made)
    return Table(made, tuple(_key(f, hints[f.name]) for f in fields(made)))


def _key(f: Field[Any], hint: Any) -> Key:
    bounds = f.metadata
    hint, optional = _without_none(hint)
    return Key(
        name=f.name,
        kind=_kind(hint, bounds, loose=True),
        doc=bounds["doc"],
        default=f.default if f.default_factory is MISSING else f.default_factory(),
        required=bounds.get("required", False),
        optional=optional,
        unit=bounds.get("unit", ""),
        example=bounds.get("example"),
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint, False
    (only,) = (word for word in get_args(hint) if word is not type(None))
    return only, True


def _kind(hint: Any, bounds: Mapping[str, Any], *, loose: bool) -> Kind:
    if hint is bool:
        return Flag()
    if hint is date:
        return Day()
    if hint is str:
        return _text(bounds, loose=loose)
    if hint is int:
        return Whole(bounds.get("minimum", -LARGEST), bounds.get("maximum", LARGEST))
    if hint is Decimal:
        return Number(Decimal(bounds["minimum"]), Decimal(bounds["maximum"]))
    return _compound(hint, bounds)


def _text(bounds: Mapping[str, Any], *, loose: bool) -> Text:
    pattern = bounds.get("pattern", ANY_TEXT)
    numeric = re.fullmatch(pattern, "3") is not None
    return Text(pattern, bounds.get("allowed", NOT_BLANK), numeric and (loose or pattern == ID_PATTERN))


def _compound(hint: Any, bounds: Mapping[str, Any]) -> Kind:
    words = get_args(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return Choice(words)
    if origin is tuple and words[0] == tuple[str, ...]:
        return Listing(Command())
    if origin is tuple:
        return Listing(_kind(words[0], bounds, loose=False), bounds.get("example", ()))
    if origin is Mapping:
        return Pairs(Text(bounds["pattern"], bounds["allowed"]), _kind(words[1], {}, loose=True))
    return table_of(hint)


def words(kind: Kind) -> str:  # noqa: C901, PLR0911 - one case a kind
    """What `kind` allows, to be read after "is not"."""
    match kind:
        case Text():
            return kind.allowed
        case Whole():
            return f"a whole number{_between(kind.minimum, kind.maximum, least=-LARGEST, most=LARGEST)}"
        case Number():
            return f"a number{_between(kind.minimum, kind.maximum)}"
        case Flag():
            return "true or false"
        case Day():
            return "a day written as YYYY-MM-DD"
        case Choice():
            return f"one of {', '.join(f'`{word}`' for word in kind.words)}"
        case Command():
            return "a command as a list of its arguments"
        case Listing():
            return f"a list of {_many(kind.item)}"
        case Pairs():
            return f"a mapping from {kind.key.allowed} to {words(kind.value)}"
        case Table():
            return "a mapping of keys to values"


def _between(minimum: Any, maximum: Any, *, least: Any = None, most: Any = None) -> str:
    if minimum == least and maximum == most:
        return ""
    if maximum == most:
        return f" of at least {minimum}"
    return f" from {minimum} to {maximum}"


def _many(item: Kind) -> str:
    match item:
        case Text():
            return "texts"
        case Command():
            return "commands, each a list of its arguments"
        case _:
            return "mappings"
