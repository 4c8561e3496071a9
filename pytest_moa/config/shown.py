"""Foreign values and key paths in a message: on one line, short, without control characters."""

from __future__ import annotations

import json
import re
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from pytest_moa.config.documents import Plain

LONGEST = 60
_SIMPLE_KEY = re.compile(r"[\w-]{1,60}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def shown(value: Any) -> str:  # noqa: PLR0911 - one case a type
    """The value as its writer would know it again."""
    match value:
        case None:
            return "nothing"
        case Plain() if value.isprintable() and value.strip() == value:
            return _short(value)
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case int():
            return str(value) if value.bit_length() < LONGEST else "a very long number"
        case Decimal():
            return _short(str(value))
        case date() | time():
            return value.isoformat()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return _quoted(str(value))


def under(path: str, key: str) -> str:
    """The path of a key below another one."""
    name = key if _SIMPLE_KEY.fullmatch(key) else _quoted(key)
    return f"{path}.{name}" if path else name


def number(value: Any) -> Decimal | None:
    """A number as written in YAML (the core schema's decimal forms) or typed in TOML; None for all else."""
    if isinstance(value, Plain):
        return _decimal(value) if len(value) < LONGEST and _NUMBER.fullmatch(value) else None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() >= LONGEST:
        return None
    return Decimal(value)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return None


def truth(value: Any) -> bool | None:
    """What `true` or `false` says, as written in YAML or typed in TOML; None for all else."""
    if isinstance(value, Plain):
        return _TRUTHS.get(value)
    return value if isinstance(value, bool) else None


def _quoted(text: str) -> str:
    cut = _short(text)
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
