"""The action's inputs, read from variables `IN_…` and checked all at once. Never part of a shell string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, cast, get_args

from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import ID_PATTERN

Command = Literal["auto", "gate", "integrate"]
FailOn = Literal["failed", "undetermined", "rejected", "conflicts", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    command: Command = "auto"
    agent: str = "auto"
    config: str = ""
    threshold: str = ""
    python: str = ""
    trusted_agents: bool = False
    summary: bool = True
    annotations: bool = True
    fail_on: frozenset[FailOn] = frozenset({"failed", "undetermined"})


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """The inputs; an empty one means its default. Raises one ConfigError that names every mistake."""
    problems: list[str] = []
    word = {name: environ.get(f"IN_{name.upper().replace('-', '_')}", "").strip() for name in NAMES}
    inputs = Inputs(
        command=cast("Command", _one_of("command", word["command"] or "auto", get_args(Command), problems)),
        agent=_agent(word["agent"] or "auto", problems),
        config=_path("config", word["config"], problems),
        threshold=_percent(word["threshold"], problems),
        python=_path("python", word["python"], problems),
        trusted_agents=_flag("trusted-agents", word["trusted-agents"] or "false", problems),
        summary=_flag("summary", word["summary"] or "true", problems),
        annotations=_flag("annotations", word["annotations"] or "true", problems),
        fail_on=_fail_on(word["fail-on"] or "failed,undetermined", problems),
    )
    if problems:
        raise ConfigError(
            "The action's inputs cannot be used",
            problems=tuple(problems),
            reason="; ".join(problems),
            remedy="Correct them under `with:` in the workflow.",
        )
    return inputs


NAMES = (
    "command",
    "agent",
    "config",
    "threshold",
    "python",
    "trusted-agents",
    "summary",
    "annotations",
    "fail-on",
)


def _one_of(name: str, value: str, allowed: tuple[str, ...], problems: list[str]) -> str:
    if value not in allowed:
        problems.append(f"{name}: {value!r} is none of {', '.join(allowed)}")
    return value


def _agent(value: str, problems: list[str]) -> str:
    if not re.fullmatch(ID_PATTERN, value, re.ASCII):
        problems.append(f"agent: {value!r} is no id (letters, digits, `.`, `_`, `-`) and not `auto`")
    return value


def _path(name: str, value: str, problems: list[str]) -> str:
    if value.startswith("-") or any(ord(c) < 32 for c in value):
        problems.append(f"{name}: {value!r} is no path")
    return value


def _percent(value: str, problems: list[str]) -> str:
    if not value:
        return value
    try:
        within = Decimal(0) <= Decimal(value) <= Decimal(100)
    except InvalidOperation:
        within = False
    if not within:
        problems.append(f"threshold: {value!r} is no number from 0 to 100")
    return value


def _flag(name: str, value: str, problems: list[str]) -> bool:
    if value.lower() not in {"true", "false"}:
        problems.append(f"{name}: {value!r} is neither true nor false")
    return value.lower() == "true"


def _fail_on(value: str, problems: list[str]) -> frozenset[FailOn]:
    words = [w.strip() for w in re.split(r"[,\s]+", value) if w.strip()]
    for word in words:
        _one_of("fail-on", word, get_args(FailOn), problems)
    if "never" in words and len(words) > 1:
        problems.append(f"fail-on: never stands alone, not in {value!r}")
    return frozenset(cast("list[FailOn]", words))
