"""Bytes to plain data: YAML with its scalars as written, TOML with its types. Knows no key of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import PurePath
from typing import Any

MOST_BYTES = 2**20
MOST_NODES = 20_000
DEEPEST = 50

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# A dotted key makes tomllib remember each of its prefixes: 200,000 parts take all the memory there is.
_MANY_PARTS = re.compile(
    r"""(?:^|[{,])[ \t\[]*+(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}""",
    re.MULTILINE,
)
_REFUSED = object()  # stands where a value was, so that one mistake is told once
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


class Plain(str):
    """A YAML scalar without quotes, as written: it may be read as a text, a number, a day or a truth."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, with the problems that were found on the way. `data` is None where nothing is said."""

    data: Any
    problems: tuple[str, ...] = ()


class _UnreadableError(Exception):
    """The text cannot be read any further; its words are the problem."""


def read_document(data: bytes, name: str) -> Document | None:
    """The document in a file of that name (its suffix decides: TOML or YAML).

    None for a `pyproject.toml` without `[tool.moa]`. A TOML file of another name may hold the keys at its top.
    """
    try:
        text = _text(data)
        if PurePath(name).suffix == ".toml":
            return _toml_document(text, needs_table=PurePath(name).name == "pyproject.toml")
        return _yaml_document(text)
    except _UnreadableError as problem:
        return Document(None, (str(problem),))


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise _UnreadableError(f"is larger than {MOST_BYTES} bytes, which no config has to be")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(f"line {line}: byte 0x{data[error.start]:02x} is not UTF-8") from None


def _toml_document(text: str, *, needs_table: bool) -> Document | None:
    import tomllib  # noqa: PLC0415 - only where a TOML file is read

    if _MANY_PARTS.search(text):
        raise _UnreadableError("has a key of more than 50 parts")
    try:
        whole = tomllib.loads(text, parse_float=_decimal)
    except RecursionError:
        raise _UnreadableError("is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one; an integer of more than 4300 digits is another
        raise _UnreadableError(f"is not TOML: {error}") from None
    tool = whole.get("tool")
    ours = tool.get("moa") if isinstance(tool, dict) else None
    if ours is None and needs_table:
        return None
    data = whole if ours is None else ours
    return Document(data, tuple(_unprintable(data)))


def _decimal(text: str) -> Decimal | Plain:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: no number that could be meant
        return Plain(text)


def _unprintable(data: Any) -> Iterator[str]:
    """TOML's escapes can write what no branch, path or word holds."""
    if isinstance(data, str) and _UNPRINTABLE.search(data):
        yield f"{data[:60]!a} has a control character"
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from _unprintable(name)
            yield from _unprintable(value)
    elif isinstance(data, list):
        for value in data:
            yield from _unprintable(value)


def _yaml_document(text: str) -> Document:
    import yaml  # noqa: PLC0415 - only where a YAML file is read

    try:
        root = _loader()(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _UnreadableError(_marked(error)) from None
    except yaml.YAMLError as error:
        raise _UnreadableError(f"is not YAML: {' '.join(str(error).split())}") from None
    if root is None:
        return Document(None)
    plain = _PlainData()
    data = plain.value(root, depth=0)
    return Document(None if data is _REFUSED else data, tuple(plain.problems))


def _marked(error: Any) -> str:
    mark = error.problem_mark or error.context_mark
    what = ": ".join(part for part in (error.context, error.problem) if part)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}is not YAML: {what}"


@cache
def _loader() -> Any:
    import yaml  # noqa: PLC0415 - only where a YAML file is read

    class Loader(yaml.BaseLoader):
        """Nodes only, bounded: composing recurses, and a megabyte of brackets must not take the process down."""

        nodes = 0
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.nodes += 1
            if self.nodes > MOST_NODES:
                raise _UnreadableError(f"has more than {MOST_NODES} values, which no config has to have")
            if self.depth >= DEEPEST:
                raise _UnreadableError(f"is nested more than {DEEPEST} levels deep")
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    return Loader


class _PlainData:
    """Nodes to lists, dicts and texts. Aliases are followed, and counted: they can multiply without end."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._nodes = 0

    def value(self, node: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES or depth > DEEPEST:
            raise _UnreadableError("repeats its anchors too often, or one inside itself")
        kind = node.id
        if node.tag != f"tag:yaml.org,2002:{_TAGS[kind]}":
            self._say(node, f"the tag {node.tag!a} is not read (write the value without it)")
            return _REFUSED
        if kind == "scalar":
            return self._scalar(node)
        if kind == "sequence":
            items = [self.value(item, depth + 1) for item in node.value]
            return [item for item in items if item is not _REFUSED]
        return self._mapping(node, depth)

    def _scalar(self, node: Any) -> Any:
        if _UNPRINTABLE.search(node.value):
            self._say(node, f"{node.value[:60]!a} has a control character")
            return _REFUSED
        if node.style is not None:
            return str(node.value)
        return None if node.value in _NOTHING else Plain(node.value)

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self._say(key, "a list or a mapping cannot be a key")
            elif key.value == "<<":
                self._say(key, "the merge key `<<` is not read (write the keys out)")
            elif key.value in lines:
                self._say(
                    key, f"the key {_named(key.value)} is there twice (first in line {lines[key.value]})"
                )
            elif _UNPRINTABLE.search(key.value):
                self._say(key, f"the key {key.value[:60]!a} has a control character")
            else:
                lines[key.value] = key.start_mark.line + 1
                found[key.value] = self.value(value, depth + 1)
        return {name: value for name, value in found.items() if value is not _REFUSED}

    def _say(self, node: Any, problem: str) -> None:
        self.problems.append(f"line {node.start_mark.line + 1}: {problem}")


_TAGS = {"scalar": "str", "sequence": "seq", "mapping": "map"}


def _named(key: str) -> str:
    return f"`{key}`" if key.isprintable() and len(key) <= 60 else ascii(key[:60])
