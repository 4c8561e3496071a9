"""`moa group HEAD --base COMMIT`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.gate import exit_code
from pytest_moa.cli.output import Written, progress, say_all
from pytest_moa.cli.told import gate_texts
from pytest_moa.render.fleet import result_json, result_report
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.allowing import allowances
from pytest_moa.services.gate import GateOptions
from pytest_moa.services.group import gate_group
from pytest_moa.services.probing import ProbesAsked


@click.command()
@click.argument("head", metavar="HEAD")
@click.option(
    "--base", required=True, metavar="COMMIT", help="What the group stands on: the event's base_sha."
)
@options.allow
@options.because
@options.probes
@options.threshold
@options.python
@options.pytest_args
@options.step_summary
@options.comments
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def group(
    *,
    head: str,
    base: str,
    allow: tuple[str, ...],
    because: tuple[str, ...],
    probes: ProbesAsked | None,
    threshold: Decimal | None,
    python: str | None,
    pytest_args: tuple[str, ...],
    summary: Path | None,
    comments: Path | None,
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Judge what another merge queue built: the whole suite on HEAD, and every agent whose head is in it.

    For GitHub's merge queue: HEAD and --base are the event's head_sha and base_sha. Nothing is merged.
    """
    allowed = allowances(allow, because)
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch, pytest_args=pytest_args)
        chosen = GateOptions(threshold=threshold, python=python, allow=allowed, probes=probes, tell=tell)
        result = gate_group(project, head, base, chosen)
    say_all([dumps(result_json(result))] if as_json else result_report(result))
    written = Written(summary, comments, step=True)
    written.write(*gate_texts(project, result))
    return exit_code(result)
