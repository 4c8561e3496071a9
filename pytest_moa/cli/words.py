"""What `moa ready`, `unready`, `freeze` and `unfreeze` share: each says a word to the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say_all
from pytest_moa.model.asking import WordKind
from pytest_moa.render.asking import spoken_json, spoken_lines
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.asking import NEEDS_A_REASON, say


def word(kind: WordKind, does: str, *, why: str, agent: bool = False) -> click.Command:
    """The verb that says this word, of an agent or of the target. `does` and `why` are the help of it and of its reason."""

    @click.command(kind, help=does)
    @click.option("--because", required=kind in NEEDS_A_REASON, metavar="TEXT", help=why)
    @options.as_json
    @options.config
    @options.target
    @options.directory
    def command(
        *,
        because: str | None,
        as_json: bool,
        config: Path | None,
        target: str | None,
        directory: Path,
        agent: str | None = None,
    ) -> int:
        project = options.opened(directory, config, target, fetch=True)
        of = options.agent_id(project, agent) if agent is not None else None
        spoken = say(project, kind, agent=of, because=because or "")
        say_all([dumps(spoken_json(spoken))] if as_json else spoken_lines(spoken))
        return 0

    if agent:
        command.params.insert(0, click.Argument(["agent"]))
    return command
