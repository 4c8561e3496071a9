"""Plain data to the policy's dataclasses, gathering every problem with its key path instead of stopping at one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pytest_moa.config.documents import Plain
from pytest_moa.config.shape import (
    Choice,
    Command,
    Day,
    Flag,
    Key,
    Kind,
    Listing,
    Number,
    Pairs,
    Table,
    Text,
    Whole,
    policy_shape,
    words,
)
from pytest_moa.config.shown import number, shown, truth, under
from pytest_moa.model.policy import Policy

# Figures are multiplied and compared with 28 digits: 12 places leave room for ten billion statements.
MOST_PLACES = 12

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_NAME = 60
_ARGUMENT = Text(r"[\s\S]*", "a text")
_BAD = object()


def decode_policy(data: Any) -> tuple[Policy, tuple[str, ...]]:
    """The policy that the data say, and what is wrong with them; a wrong value leaves its default."""
    decoder = _Decoder()
    if data is not None and not isinstance(data, dict):
        return Policy(), (
            f"the file holds {shown(data)} where keys with values belong (write `moa:` and so on)",
        )
    policy = decoder.table(policy_shape(), data, "")
    return policy, tuple(decoder.problems)


def decode_value(kind: Kind, value: Any, path: str) -> tuple[Any, tuple[str, ...]]:
    """One value, for a variable; None with the problems where it is none of the kind."""
    decoder = _Decoder()
    made = decoder.value(kind, value, path)
    return (None if made is _BAD else made), tuple(decoder.problems)


class _Decoder:
    def __init__(self) -> None:
        self.problems: list[str] = []

    def value(self, kind: Kind, value: Any, path: str) -> Any:
        """What `value` means as `kind`, or _BAD after a problem was noted."""
        match kind:
            case Table():
                return self.table(kind, value, path)
            case Listing():
                return self._listing(kind, value, path)
            case Pairs():
                return self._pairs(kind, value, path)
            case Command():
                return self._command(kind, value, path)
            case Number():
                return self._number(kind, value, path)
            case _:
                made = _leaf(kind, value)
                return self._refuse(kind, value, path) if made is _BAD else made

    def table(self, kind: Table, value: Any, path: str, **given: Any) -> Any:
        """The dataclass that the mapping says; `given` are fields that the place itself already says."""
        if value is not None and not isinstance(value, dict):
            self._refuse(kind, value, path)
            return kind.made(**given)
        data = value or {}
        keys = {key.name: key for key in kind.keys}
        found = dict(given)
        for name, entry in data.items():
            if name in given:
                self._note(f"{under(path, name)}: the key above it says the same already (leave it out)")
            elif name not in keys:
                self._note(f"{under(path, name)}: unknown key{_hint(name, kind, path)}")
            else:
                found.update(self._entry(keys[name], entry, under(path, name)))
        for key in kind.keys:
            if key.required and key.name not in data and key.name not in given:
                self._note(f"{under(path, key.name)}: is missing (write {words(key.kind)})")
        return kind.made(**found)

    def _entry(self, key: Key, value: Any, path: str) -> dict[str, Any]:
        if value is None and (key.optional or isinstance(key.kind, Table | Listing | Pairs)):
            return {}
        if isinstance(key.kind, Table):
            return {key.name: self.table(key.kind, value, path)}
        made = self.value(key.kind, value, path)
        return {} if made is _BAD else {key.name: made}

    def _listing(self, kind: Listing, value: Any, path: str) -> Any:
        if kind.by_id and isinstance(value, dict):
            return tuple(self._named(kind.item, value, path))
        if isinstance(kind.item, Text) and _says_text(kind.item, value):
            value = [value]
        if not isinstance(value, list) or _one_command(kind, value):
            return self._refuse(kind, value, path)
        made = [self.value(kind.item, item, f"{path}[{place}]") for place, item in enumerate(value)]
        return tuple(item for item in made if item is not _BAD)

    def _named(self, item: Any, value: dict[str, Any], path: str) -> Iterator[Any]:
        kinds = {key.name: key.kind for key in item.keys}
        for name, entry in value.items():
            place = under(path, name)
            identity = self.value(kinds["id"], Plain(name), place)
            yield self.table(item, entry, place, id="" if identity is _BAD else identity)

    def _pairs(self, kind: Pairs, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(kind, value, path)
        found = {}
        for name, entry in value.items():
            place = under(path, name)
            if not re.fullmatch(kind.key.pattern, name):
                self._note(f"{place}: unknown key (write {kind.key.allowed})")
            elif (made := self.value(kind.value, entry, place)) is not _BAD:
                found[name] = made
        return found

    def _command(self, kind: Command, value: Any, path: str) -> Any:
        if not isinstance(value, list) or not value:
            return self._refuse(kind, value, path)
        kinds = [Text(), *[_ARGUMENT] * (len(value) - 1)]
        made = [
            self.value(part, item, f"{path}[{place}]")
            for place, (part, item) in enumerate(zip(kinds, value, strict=True))
        ]
        return _BAD if _BAD in made else tuple(made)

    def _number(self, kind: Number, value: Any, path: str) -> Any:
        figure = _figure(kind, value)
        if figure is None:
            return self._refuse(kind, value, path)
        exponent = figure.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -MOST_PLACES:
            return self._note(f"{path}: {shown(value)} has more than {MOST_PLACES} decimal places")
        return figure + 0  # -0 becomes 0, 1E+2 becomes 100

    def _refuse(self, kind: Kind, value: Any, path: str) -> Any:
        allowed = "a text" if _needs_quotes(kind, value) else words(kind)
        return self._note(f"{path}: {shown(value)} is not {allowed}{_remedy(kind, value, path)}")

    def _note(self, problem: str) -> Any:
        self.problems.append(problem)
        return _BAD


def _leaf(kind: Kind, value: Any) -> Any:
    match kind:
        case Text():
            fits = _says_text(kind, value) and re.fullmatch(kind.pattern, value)
            return str(value) if fits else _BAD
        case Whole():
            figure = number(value)
            if figure is None or not kind.minimum <= figure <= kind.maximum or figure != int(figure):
                return _BAD
            return int(figure)
        case Flag():
            made = truth(value)
            return _BAD if made is None else made
        case Day():
            return _day(value)
        case Choice():
            return str(value) if isinstance(value, str) and value in kind.words else _BAD
    raise AssertionError(kind)


def _says_text(kind: Text, value: Any) -> bool:
    if isinstance(value, Plain) and not kind.loose:
        return number(value) is None and truth(value) is None
    return isinstance(value, str)


def _day(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return _BAD
    try:
        return date.fromisoformat(value)
    except ValueError:
        return _BAD


def _one_command(kind: Listing, value: list[Any]) -> bool:
    """Whether the arguments of one command stand where a list of commands belongs."""
    return isinstance(kind.item, Command) and bool(value) and all(isinstance(item, Plain) for item in value)


def _remedy(kind: Kind, value: Any, path: str) -> str:
    """What to write instead, in parentheses, where that can be told."""
    name = path.rpartition(".")[2].partition("[")[0]
    match kind:
        case Listing(item=Text()):
            return f" (write `{name}: [{', '.join(kind.example)}]`)" if kind.example else ""
        case Listing(item=Command()) if isinstance(value, str) or (value and isinstance(value, list)):
            return f" (write `{name}: [{_as_arguments(value)}]`)"
        case Command() if isinstance(value, str):
            return f" (write `{_as_arguments(value)}`)"
        case Number() | Whole() if isinstance(value, str) and _fits(kind, _bare(value)):
            return f" (write `{_bare(value)}`)"
        case Text() if _needs_quotes(kind, value):
            return f' (put it in quotes: `"{shown(value)}"`)'
    return ""


def _bare(text: str) -> Plain:
    return Plain(text.removesuffix("%").strip())


def _fits(kind: Number | Whole, value: Plain) -> bool:
    return _leaf(kind, value) is not _BAD if isinstance(kind, Whole) else _figure(kind, value) is not None


def _figure(kind: Number, value: Any) -> Decimal | None:
    figure = number(value)
    return figure if figure is not None and kind.minimum <= figure <= kind.maximum else None


def _needs_quotes(kind: Kind, value: Any) -> bool:
    scalar = value is not None and not isinstance(value, list | dict)
    return scalar and isinstance(kind, Text) and not _says_text(kind, value)


def _as_arguments(value: str | list[str]) -> str:
    text = value if isinstance(value, str) else " ".join(value)
    try:
        return f"[{', '.join(shlex.split(text))}]"
    except ValueError:  # a quote without its partner
        return "[program, argument]"


def _hint(name: str, kind: Table, path: str) -> str:
    """The key that was probably meant: a similar one here, or one of that name in another section."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where a key is wrong

    if len(name) > _LONGEST_NAME:
        return ""
    here = [key.name for key in kind.keys]
    plain = name.lower().replace("-", "_")
    close = get_close_matches(plain, here, n=1)
    if close:
        return f" (did you mean `{close[0]}`?)"
    elsewhere = [under(key.name, plain) for key in policy_shape().keys if _has(key.kind, plain)]
    if elsewhere:
        return f" (did you mean `{elsewhere[0]}`?)"
    return f" (allowed {'here' if path else 'at the top'}: {', '.join(here)})"


def _has(kind: Kind, name: str) -> bool:
    return isinstance(kind, Table) and any(key.name == name for key in kind.keys)
