"""`moa status [ID]`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say, say_all
from pytest_moa.render.json_contract import agent_json, dumps, status_json
from pytest_moa.render.terminal import agent_lines, status_lines
from pytest_moa.services.observe import status as status_of_all
from pytest_moa.services.observe import status_of_agent


@click.command()
@click.argument("agent", required=False)
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def status(
    *, agent: str | None, as_json: bool, config: Path | None, target: str | None, fetch: bool, directory: Path
) -> int:
    """Show how far every agent is, or one. Reads only."""
    project = options.opened(directory, config, target, fetch=fetch)
    if agent is not None:
        state = status_of_agent(project, options.agent_id(project, agent))
        say_all([dumps(agent_json(state))] if as_json else agent_lines(state))
        return 0
    report = status_of_all(project, datetime.now(UTC).astimezone().date())
    if as_json:
        say(dumps(status_json(report)))
    else:
        say_all(status_lines(report))
    return 0
