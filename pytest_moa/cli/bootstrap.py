"""`moa bootstrap`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say, say_all
from pytest_moa.render.json_contract import bootstrap_json, dumps
from pytest_moa.render.terminal import bootstrap_lines
from pytest_moa.services.bootstrap import bootstrap as run_checks


@click.command()
@options.as_json
@options.config
@options.target
@options.directory
def bootstrap(*, as_json: bool, config: Path | None, target: str | None, directory: Path) -> int:
    """Check that moa can work here; each failed check names its remedy. Changes nothing."""
    if not as_json:
        say("🔍 Running bootstrap validation...")
    report = run_checks(options.open_options(directory, config, target, fetch=False))
    say_all([dumps(bootstrap_json(report))] if as_json else bootstrap_lines(report))
    return 0 if report.ok else 1
