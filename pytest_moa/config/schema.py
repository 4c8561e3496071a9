"""The JSON Schema of a config, for editors; `python -m pytest_moa.config.schema` prints it, `--write` ships it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from pytest_moa.config.shape import (
    ANY_TEXT,
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
)

SHIPPED = Path(__file__).with_name("schema.json")

Schema = dict[str, Any]


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a config as an editor sees it: YAML scalars typed, texts as written allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-moa",
        "description": "config/moa_config.yaml, moa.yaml, or [tool.moa] in pyproject.toml",
        **_nullable(_schema(policy_shape())),
    }


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _schema(kind: Kind) -> Schema:  # noqa: C901, PLR0911 - one case a kind
    match kind:
        case Text():
            return _text(kind)
        case Whole():
            return {"type": "integer", "minimum": kind.minimum, "maximum": kind.maximum}
        case Number():
            return {"type": "number", "minimum": _plain(kind.minimum), "maximum": _plain(kind.maximum)}
        case Flag():
            return {"type": "boolean"}
        case Day():
            return {"type": "string", "format": "date", "pattern": _whole("[0-9]{4}-[0-9]{2}-[0-9]{2}")}
        case Choice():
            return {"enum": list(kind.words)}
        case Command():
            rest = {"type": ["string", "number", "boolean"]}
            return {"type": "array", "minItems": 1, "prefixItems": [_text(Text())], "items": rest}
        case Listing():
            return _listing(kind)
        case Pairs():
            names = {"pattern": _whole(kind.key.pattern)}
            return {"type": "object", "propertyNames": names, "additionalProperties": _schema(kind.value)}
        case Table():
            return _table(kind)


def _text(kind: Text) -> Schema:
    pattern = r"\S" if kind.pattern == ANY_TEXT else _whole(kind.pattern)
    if not kind.loose:
        return {"type": "string", "pattern": pattern}
    loose: Schema = {"type": ["string", "number", "boolean"], "pattern": pattern}
    return loose if re.fullmatch(kind.pattern, "-3") else {**loose, "minimum": 0}


def _whole(pattern: str) -> str:
    # Python's `$` also matches before a last newline, ECMA's does not: said so that both mean the end.
    return rf"^(?:{pattern})$(?!\n)"


def _listing(kind: Listing) -> Schema:
    items = {"type": "array", "items": _schema(kind.item)}
    if kind.by_id and isinstance(kind.item, Table):
        return {"anyOf": [items, _by_id(kind.item)]}
    return {"anyOf": [items, _schema(kind.item)]} if isinstance(kind.item, Text) else items


def _by_id(entry: Table) -> Schema:
    (identity,) = (key.kind for key in entry.keys if key.name == "id")
    rest = Table(entry.made, tuple(key for key in entry.keys if key.name != "id"))
    names = {"pattern": _text(identity)["pattern"]} if isinstance(identity, Text) else {}
    return {"type": "object", "propertyNames": names, "additionalProperties": _nullable(_schema(rest))}


def _table(kind: Table) -> Schema:
    required = [key.name for key in kind.keys if key.required]
    return {
        "type": "object",
        "properties": {key.name: _described(key) for key in kind.keys},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _described(key: Key) -> Schema:
    schema = _schema(key.kind)
    if key.optional or isinstance(key.kind, Table | Listing | Pairs):
        schema = _nullable(schema)
    told: Schema = {"description": key.told, **schema}
    if not key.required and key.default is not None and not is_dataclass(key.default):
        told["default"] = _plain(key.default)
    if key.example is not None:
        told["examples"] = [_plain(key.example)]
    return told


def _nullable(schema: Schema) -> Schema:
    """The same, or nothing: YAML gives null for a key whose value is commented out."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    types = schema["type"]
    return {**schema, "type": [*(types if isinstance(types, list) else [types]), "null"]}


def _plain(value: Any) -> Any:
    """A default as JSON knows it."""
    match value:
        case Decimal():
            return int(value) if value == int(value) else float(value)
        case date():
            return value.isoformat()
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return value


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        SHIPPED.write_text(schema_text(), encoding="utf-8")
    else:
        sys.stdout.write(schema_text())


if __name__ == "__main__":
    main(sys.argv[1:])
