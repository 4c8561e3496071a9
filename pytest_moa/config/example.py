"""The commented config that `moa init` writes. A line `#key: value` is a key at its default: take the # away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from textwrap import wrap
from typing import Any

from pytest_moa.config.shape import Choice, Key, Listing, Pairs, Table, policy_shape
from pytest_moa.config.written import quoted, written
from pytest_moa.model.policy import GitKeys, RegistryEntry

_WIDTH = 100
_HEAD = """\
# What pytest-moa is to do here. Everything has a default: this file only says what differs.
# `#key: value` is a key at its default, or an example of it; take the `#` away to set it.
# moa reads the copy on the target branch, so that no branch can change the rules it is judged by.
"""


def commented_example(
    *, patterns: Sequence[str] = (), target: str = "develop", agents: Sequence[RegistryEntry] = ()
) -> str:
    """A `moa.yaml` that loads without a problem and says no more than its arguments; the rest is commented out."""
    said: dict[str, Any] = {}
    if target != GitKeys().develop_branch:
        said["git.develop_branch"] = target
    if patterns:
        said["agents.branches"] = tuple(patterns)
    if agents:
        said["registry"] = tuple(agents)
    blocks = [_HEAD.rstrip("\n")]
    blocks += ["\n".join(_block(key, said)) for key in policy_shape().keys]
    return "\n\n".join(blocks) + "\n"


def _block(key: Key, said: dict[str, Any]) -> Iterator[str]:
    yield from _comment(key.told, "")
    if key.name in said:
        yield f"{key.name}:"
        for entry in said[key.name]:
            yield from _entry(entry)
    elif isinstance(key.kind, Table):
        yield f"{key.name}:"
        yield from _keys(key.kind, key.name, "  ", said)
    else:
        yield from _listing(key, "")


def _keys(table: Table, path: str, indent: str, said: dict[str, Any]) -> Iterator[str]:
    for key in table.keys:
        place = f"{path}.{key.name}"
        yield from _comment(_explained(key), indent)
        if place in said:
            yield from _said(key.name, said[place], indent)
        elif isinstance(key.kind, Table):
            yield f"{indent}{key.name}:"
            yield from _keys(key.kind, place, indent + "  ", said)
        elif isinstance(key.kind, Listing | Pairs):
            yield from _listing(key, indent)
        else:
            yield f"{indent}#{key.name}: {written(key.default if key.default is not None else key.example)}"


def _said(name: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, tuple):
        yield f"{indent}{name}:"
        yield from (f"{indent}  - {written(item)}" for item in value)
    else:
        yield f"{indent}{name}: {written(value)}"


def _listing(key: Key, indent: str) -> Iterator[str]:
    """A list of tables shows one entry with all its keys, any other its example."""
    if isinstance(key.kind, Listing) and isinstance(key.kind.item, Table):
        yield f"{indent}#{key.name}:"
        yield from (f"{indent}#  - id: {quoted(other)}" for other in _referred(key.kind.item))
        for place, part in enumerate(key.kind.item.keys):
            lead = "- " if place == 0 else "  "
            value = part.example if part.example is not None else part.default
            text = quoted(value) if part.name == "id" else written(value)
            yield f"{indent}#  {lead}{part.name}: {text}  # {_explained(part)}"
    else:
        yield f"{indent}#{key.name}: {written(key.default or key.example)}"


def _referred(entry: Table) -> Sequence[str]:
    """The agents that the shown entry depends on: it loads as it stands only where they are registered, too."""
    return next((key.example for key in entry.keys if key.name == "depends_on"), ())


def _explained(key: Key) -> str:
    choices = f" One of {', '.join(key.kind.words)}." if isinstance(key.kind, Choice) else ""
    return key.told + choices


def _entry(entry: RegistryEntry) -> Iterator[str]:
    """An entry without what is at its default; ids are always quoted, as YAML would make 3 of 03 elsewhere."""
    lead = "- "
    for field in fields(entry):
        value = getattr(entry, field.name)
        if value != field.default:
            yield f"  {lead}{field.name}: {_registered(field.name, value)}"
            lead = "  "


def _registered(name: str, value: Any) -> str:
    if name == "id":
        return quoted(value)
    if name == "depends_on":
        return f"[{', '.join(quoted(item) for item in value)}]"
    return written(value)


def _comment(text: str, indent: str) -> Iterator[str]:
    yield from (f"{indent}# {line}" for line in wrap(text, _WIDTH - len(indent)))
