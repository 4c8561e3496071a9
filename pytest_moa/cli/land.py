"""`moa land DIR…`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.integrate import exit_code
from pytest_moa.cli.output import Written, progress, say_all
from pytest_moa.cli.told import integration_texts
from pytest_moa.render.json_contract import dumps, integration_json
from pytest_moa.render.terminal import integration_lines
from pytest_moa.services.allowing import allowances
from pytest_moa.services.judge import JudgeOptions
from pytest_moa.services.land import land_evidence
from pytest_moa.services.probing import ProbesAsked


@click.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.allow
@options.because
@options.probes
@options.threshold
@options.analyst
@options.summary
@options.comments
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def land(
    *,
    folders: tuple[Path, ...],
    allow: tuple[str, ...],
    because: tuple[str, ...],
    probes: ProbesAsked | None,
    threshold: Decimal | None,
    python: str | None,
    summary: Path | None,
    comments: Path | None,
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Land what the evidence below DIR proves: the train where it passed, else the first that passed alone.

    Judges what `moa gate --evidence` left, wherever it lies below DIR; none of the agents' code is run. What the gates were
    told with --allow, --threshold and --probes is said again here.
    """
    allowed = allowances(allow, because)
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch)
        chosen = JudgeOptions(threshold=threshold, python=python, allow=allowed, probes=probes, tell=tell)
        result = land_evidence(project, folders, chosen)
    say_all([dumps(integration_json(result))] if as_json else integration_lines(result))
    Written(summary, comments).write(*integration_texts(project, result))
    return exit_code(result)
