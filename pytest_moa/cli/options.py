"""Options that several verbs share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from pytest_moa.model.policy import ProbesAsked
from pytest_moa.rules.pytest_words import refusals
from pytest_moa.services.project import OpenOptions, Project, agent_here, open_project

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class ProbeCount(click.ParamType[ProbesAsked]):
    """A whole number of at least 0, or `all`."""

    name = "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ProbesAsked:
        if value == "all":
            return "all"
        try:
            count = int(value)
        except (TypeError, ValueError):
            count = -1
        if count < 0:
            self.fail(f"{value!r} is neither a number of at least 0 nor `all`", param, ctx)
        return count


class Percentage(click.ParamType[Decimal]):
    """A percentage as an exact Decimal from 0 to 100."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(str(value).removesuffix("%").strip())
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not number.is_finite() or not 0 <= number <= 100:
            self.fail(f"{value!r} is not between 0 and 100", param, ctx)
        return number


as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the documented JSON object instead of words."
)
config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A config file: the operator's own word, read from disk.",
)
directory = click.option(
    "-C",
    "directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Run as if started in this folder.",
)
target = click.option("--target", help="The branch that work lands on, where it differs from the policy's.")
fetch = click.option(
    "--fetch/--no-fetch", default=True, help="Fetch the remote first (default), or take what is here."
)
threshold = click.option(
    "--threshold",
    type=Percentage(),
    help="Least coverage of own code; may raise the policy's figure, never lower it.",
)
python = click.option("--python", metavar="PATH", help="The tests' interpreter, where the policy names none.")
analyst = click.option("--python", metavar="PATH", help="The interpreter that analyses the coverage data.")
summary = click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a Markdown summary to this file.",
)
step_summary = click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a Markdown summary to this file; by default it is added to $GITHUB_STEP_SUMMARY.",
)
comments = click.option(
    "--comments",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write what pull requests are told into this folder, a Markdown file an agent.",
)
allow = click.option(
    "--allow",
    multiple=True,
    metavar="RULE:PATH",
    help="Let the findings of a rule on a path (a glob) through, with --because; the merge commit tells it.",
)
probes = click.option(
    "--probes",
    type=ProbeCount(),
    help="How many deliberate faults to try: a number, 0 for none, `all` for every one (default: as the policy says).",
)
because = click.option(
    "--because", multiple=True, metavar="TEXT", help="Why: once for all --allow, or once for each."
)


class PytestWords(click.ParamType[tuple[str, ...]]):
    """Words for pytest in one text, parted as a shell would part them, without a shell."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        try:
            words = tuple(shlex.split(str(value)))
        except ValueError as error:
            self.fail(f"{value!r} cannot be parted into words: {error}", param, ctx)
        if refused := refusals(words):
            self.fail("; ".join(refused), param, ctx)
        return words


pytest_args = click.option(
    "--pytest-args",
    type=PytestWords(),
    default=(),
    help="Further options for pytest, as one text; none that choose tests, load plugins or switch something off.",
)


def opened(
    directory: Path,
    config: Path | None,
    target: str | None,
    *,
    fetch: bool,
    pytest_args: tuple[str, ...] = (),
) -> Project:
    asked = open_options(directory, config, target, fetch=fetch)
    return open_project(replace(asked, pytest_args=pytest_args))


def open_options(directory: Path, config: Path | None, target: str | None, *, fetch: bool) -> OpenOptions:
    if not directory.is_dir():
        raise click.UsageError(f"{directory} is not a folder")
    return OpenOptions(
        start=directory.resolve(),
        environ=dict(os.environ),
        config=config.absolute() if config is not None else None,
        target=target,
        fetch=fetch,
    )


def agent_id(project: Project, wanted: str, branch: str | None = None) -> str:
    """`auto` is the agent of the named or checked-out branch; a whole branch name is taken for its agent's id."""
    if wanted == "auto":
        return agent_here(project, branch)
    if any(agent.id == wanted for agent in project.agents):
        return wanted
    named = next((a.id for a in project.agents if a.branch is not None and a.branch.name == wanted), None)
    return named or wanted
