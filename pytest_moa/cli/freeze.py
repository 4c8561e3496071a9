"""`moa freeze`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say_all
from pytest_moa.render.asking import spoken_json, spoken_lines
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.asking import say


@click.command()
@click.option("--because", required=True, metavar="TEXT", help="Why; whoever integrates is told.")
@options.as_json
@options.config
@options.target
@options.directory
def freeze(*, because: str, as_json: bool, config: Path | None, target: str | None, directory: Path) -> int:
    """Let nothing land on the target until somebody says `moa unfreeze`."""
    project = options.opened(directory, config, target, fetch=True)
    spoken = say(project, "freeze", because=because)
    say_all([dumps(spoken_json(spoken))] if as_json else spoken_lines(spoken))
    return 0
