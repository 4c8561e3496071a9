"""`moa report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import Written, progress, say_all
from pytest_moa.cli.told import report_text
from pytest_moa.render.json_contract import dumps
from pytest_moa.render.report import report_json, report_lines
from pytest_moa.services.report import report as report_of


@click.command()
@options.step_summary
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def report(
    *,
    summary: Path | None,
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Show the whole project: how far everybody is, what has landed, who conflicts with whom. Reads only."""
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch)
        found = report_of(project, datetime.now(UTC).astimezone().date(), tell)
    say_all([dumps(report_json(found))] if as_json else report_lines(found))
    Written(summary, step=True).write(lambda: report_text(project, found))
    return 0
