"""GitHub's OpenAPI description: which operation a request is, what is wrong with it or its answer, samples of shapes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

_FILE = Path(__file__).resolve().parents[1] / "github" / "openapi.json"
_SAMPLES = {
    "date-time": "2026-11-24T07:58:23Z",
    "uri": "https://example.invalid/",
    "email": "a@example.invalid",
}


@dataclass(frozen=True)
class Operation:
    """`path` holds the values of the path's parameters, unquoted."""

    id: str
    path: dict[str, str]
    query: dict[str, str]
    text: dict[str, Any]


@cache
def description() -> dict[str, Any]:
    return json.loads(_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return] # an object, as the test says


@cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource(
        "urn:github", DRAFT4.create_resource(_absolute(description()))
    )
    return filled


def operation(method: str, target: str) -> Operation | None:
    """The operation of a request's target (path and query, without the API's own base path)."""
    path, _, query = target.partition("?")
    for template, methods in description()["paths"].items():
        names = re.findall(r"{(\w+)}", template)
        found = re.fullmatch(re.sub(r"{\w+}", "([^/]+)", template), path)
        if found and method.lower() in methods:
            values = dict(zip(names, map(unquote, found.groups()), strict=True))
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
            one = methods[method.lower()]
            return Operation(one["operationId"], values, dict(pairs), one)
    return None


def wrong_with_request(asked: Operation, body: bytes) -> list[str]:
    declared = [_resolved(one) for one in asked.text["parameters"]]
    wrong = []
    for place, given in (("path", asked.path), ("query", asked.query)):
        known = {one["name"]: one for one in declared if one["in"] == place}
        wrong += [f"{place} parameter {name} is not described" for name in given.keys() - known.keys()]
        wrong += [
            f"{name} is required" for name, one in known.items() if one.get("required") and name not in given
        ]
        for name in given.keys() & known.keys():
            wrong += _wrong(_read(given[name], known[name]["schema"]), known[name]["schema"])
    content = asked.text.get("requestBody", {}).get("content", {})
    if not content:
        return [*wrong, "a body where none is described"] if body else wrong
    schema = content["application/json"]["schema"]
    try:
        fields = json.loads(body.decode("utf-8", errors="strict"))
    except ValueError as error:
        return [*wrong, f"the body is no JSON in UTF-8: {error}"]
    # The description allows further keys; GitHub ignores them, so that a misspelt one would go unseen.
    unknown = fields.keys() - _resolved(schema)["properties"].keys()
    return [*wrong, *(f"{key} is no key of the body" for key in unknown), *_wrong(fields, schema)]


def wrong_with_answer(asked: Operation, status: int, body: Any) -> list[str]:
    """`body` is None where there is none. A refusal that the operation does not describe is GitHub's basic error."""
    described = asked.text["responses"].get(str(status))
    if described is None:
        return _wrong(body, {"$ref": "#/components/schemas/basic-error"}) if status >= 400 else [f"{status}?"]
    content = _resolved(described).get("content", {})
    if not content:
        return [] if body is None else ["a body where none is described"]
    return _wrong(body, content["application/json"]["schema"])


def sample(schema: dict[str, Any]) -> Any:
    """A smallest thing of that shape: required keys only."""
    schema = _resolved(schema)
    for key, of in _BY_KEY.items():
        if key in schema:
            return of(schema)
    kind = schema.get("type", "object")
    if kind == "object":
        return {key: sample(schema["properties"][key]) for key in schema.get("required", ())}
    if kind == "string":
        return _SAMPLES.get(schema.get("format", ""), "text")
    return {"integer": 1, "number": 1, "boolean": False, "array": []}[kind]


_BY_KEY: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nullable": lambda _: None,
    "default": lambda schema: schema["default"],
    "enum": lambda schema: schema["enum"][0],
    "allOf": lambda schema: {k: v for one in schema["allOf"] for k, v in (sample(one) or {}).items()},
    "anyOf": lambda schema: sample(schema["anyOf"][0]),
    "oneOf": lambda schema: sample(schema["oneOf"][0]),
}


def of_shape(name: str, /, **values: Any) -> dict[str, Any]:
    """A thing of a named shape, with these values."""
    shape = {
        key: one for key, one in description()["components"]["schemas"][name].items() if key != "nullable"
    }
    return {**copy.deepcopy(sample(shape)), **values}


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        _, *keys = value["$ref"].split("/")
        value = description()
        for key in keys:
            value = value[key]
    return value


def _read(text: str, schema: dict[str, Any]) -> Any:
    """A parameter's text as its type has it."""
    kind = _resolved(schema).get("type")
    if kind == "integer" and text.isdigit():
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def _wrong(value: Any, schema: dict[str, Any]) -> list[str]:
    checker = OAS30Validator(
        _absolute(schema), registry=_registry(), format_checker=OAS30Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message[-300:]}" for error in checker.iter_errors(value)]


def _absolute(schema: Any) -> Any:
    """The schema with its references to the description, as it stands elsewhere when it is checked."""
    if isinstance(schema, str):
        # A `$ref`, or a discriminator's mapping.
        return f"urn:github{schema}" if schema.startswith("#/components/") else schema
    if isinstance(schema, list):
        return [_absolute(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _absolute(one) for key, one in schema.items()}
    if schema.get("nullable") is True and isinstance(schema.get("enum"), list):
        # GitHub's description leaves null out of the list, although it sends it (a run that has no conclusion yet).
        made["enum"] = [*schema["enum"], None]
    return made
