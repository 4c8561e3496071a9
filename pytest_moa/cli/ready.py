"""`moa ready ID`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say_all
from pytest_moa.render.asking import spoken_json, spoken_lines
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.asking import say


@click.command()
@click.argument("agent")
@click.option("--because", default="", metavar="TEXT", help="Why, for whoever reads the ledger.")
@options.as_json
@options.config
@options.target
@options.directory
def ready(
    *, agent: str, because: str, as_json: bool, config: Path | None, target: str | None, directory: Path
) -> int:
    """Ask that an agent's work goes in, or let it go again after `moa unready`. It still has to pass its gate."""
    project = options.opened(directory, config, target, fetch=True)
    spoken = say(project, "ready", agent=options.agent_id(project, agent), because=because)
    say_all([dumps(spoken_json(spoken))] if as_json else spoken_lines(spoken))
    return 0
