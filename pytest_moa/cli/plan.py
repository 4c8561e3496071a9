"""`moa plan`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.fleet import listed_agents
from pytest_moa.cli.output import progress, say_all
from pytest_moa.render.fleet import plan_json, plan_lines
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.allowing import allowances
from pytest_moa.services.look import LookOptions
from pytest_moa.services.plan import plan as plan_jobs


@click.command()
@click.option("--agents", "listed", metavar="ID,ID", help="Only these agents (default: all that may go in).")
@options.allow
@options.because
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def plan(
    *,
    listed: str | None,
    allow: tuple[str, ...],
    because: tuple[str, ...],
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Say what there is to gate, for machines that do it: a row an agent, and one for all of them together.

    With --json the object is ready for a workflow's `strategy: matrix`. Runs no tests, moves nothing.
    """
    allowed = allowances(allow, because)
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch)
        wanted = listed_agents(project, listed)
        made = plan_jobs(project, wanted, LookOptions(allow=allowed, tell=tell))
    say_all([dumps(plan_json(made))] if as_json else plan_lines(made))
    return 0
