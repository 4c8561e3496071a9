"""The action's inputs, read from variables `IN_…` and checked all at once. Never part of a shell string."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, cast, get_args

from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import ID_PATTERN
from pytest_moa.rules.pytest_words import refusals

Command = Literal["auto", "gate", "plan", "integrate", "land", "report"]
FailOn = Literal["failed", "undetermined", "rejected", "conflicts", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """`directory`, `config` and `artifacts` are absolute; `artifacts` is None where the caller named no folder."""

    command: Command = "auto"
    agent: str = "auto"
    config: str = ""
    threshold: str = ""
    merge: bool = False
    trusted_agents: bool = False
    target: str = ""
    comment: bool = True
    summary: bool = True
    annotations: bool = True
    artifacts: Path | None = None
    directory: Path = Path()
    python: str = ""
    pytest_args: str = ""
    allow: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    fail_on: frozenset[FailOn] = frozenset({"failed", "undetermined"})


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """The inputs; an empty one means its default. Raises one ConfigError that names every mistake."""
    problems: list[str] = []
    word = {name: environ.get(variable(name), "").strip() for name in NAMES}
    workspace = Path(environ.get("GITHUB_WORKSPACE") or ".").absolute()
    directory = _within(workspace, _path("working-directory", word["working-directory"], problems), problems)
    config = _path("config", word["config"], problems)
    inputs = Inputs(
        command=cast("Command", _one_of("command", word["command"] or "auto", get_args(Command), problems)),
        agent=_agent(word["agent"] or "auto", problems),
        config=str(directory / config) if config else "",
        threshold=_percent(word["threshold"], problems),
        merge=_flag("merge", word["merge"] or "false", problems),
        trusted_agents=_flag("trusted-agents", word["trusted-agents"] or "false", problems),
        target=_branch("target", word["target"], problems),
        comment=_flag("comment", word["comment"] or "true", problems),
        summary=_flag("summary", word["summary"] or "true", problems),
        annotations=_flag("annotations", word["annotations"] or "true", problems),
        artifacts=_folder(workspace, _path("artifacts", word["artifacts"], problems)),
        directory=directory,
        python=_path("python", word["python"], problems),
        pytest_args=_pytest_args(word["pytest-args"], problems),
        allow=_lines(word["allow"]),
        because=_lines(word["because"]),
        fail_on=_fail_on(word["fail-on"] or "failed,undetermined", problems),
    )
    if inputs.allow and not inputs.because:
        problems.append("allow: say why in `because`")
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
    "merge",
    "trusted-agents",
    "target",
    "comment",
    "summary",
    "annotations",
    "artifacts",
    "working-directory",
    "python",
    "pytest-args",
    "allow",
    "because",
    "fail-on",
)


def variable(name: str) -> str:
    """The variable that hands an input to the steps."""
    return f"IN_{name.upper().replace('-', '_')}"


def _one_of(name: str, value: str, allowed: tuple[str, ...], problems: list[str]) -> str:
    if value not in allowed:
        problems.append(f"{name}: {value!r} is none of {', '.join(allowed)}")
    return value


def _agent(value: str, problems: list[str]) -> str:
    if not re.fullmatch(ID_PATTERN, value, re.ASCII):
        problems.append(f"agent: {value!r} is no id (letters, digits, `.`, `_`, `-`) and not `auto`")
    return value


def _branch(name: str, value: str, problems: list[str]) -> str:
    if value.startswith("-") or any(ord(c) <= 32 for c in value):
        problems.append(f"{name}: {value!r} is no branch")
    return value


def _path(name: str, value: str, problems: list[str]) -> str:
    if value.startswith("-") or any(ord(c) < 32 for c in value):
        problems.append(f"{name}: {value!r} is no path")
        return ""
    return value


def _folder(workspace: Path, value: str) -> Path | None:
    return workspace / value if value else None


def _within(workspace: Path, value: str, problems: list[str]) -> Path:
    """A folder of the workspace, with links followed: whatever it leads out of is not the caller's project."""
    place = (workspace / value).resolve()
    if not place.is_relative_to(workspace.resolve()):
        problems.append(f"working-directory: {value!r} lies outside of the workspace")
    elif value and not place.is_dir():
        problems.append(f"working-directory: {value!r} is no folder")
    return place


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


def _pytest_args(value: str, problems: list[str]) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        problems.append(f"pytest-args: {value!r} cannot be parted into words: {error}")
        return value
    problems += [f"pytest-args: {refusal}" for refusal in refusals(words)]
    return value


def _lines(value: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in value.split("\n") if line.strip())


def _fail_on(value: str, problems: list[str]) -> frozenset[FailOn]:
    words = [w.strip() for w in re.split(r"[,\s]+", value) if w.strip()]
    for word in words:
        _one_of("fail-on", word, get_args(FailOn), problems)
    if "never" in words and len(words) > 1:
        problems.append(f"fail-on: never stands alone, not in {value!r}")
    return frozenset(cast("list[FailOn]", words))
