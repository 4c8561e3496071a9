"""`moa judge DIR`."""

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
from pytest_moa.services.judge import JudgeOptions
from pytest_moa.services.judge import judge as judge_folder
from pytest_moa.services.probing import ProbesAsked


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--head", metavar="COMMIT", help="The commit that was gated with --head.")
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
def judge(
    *,
    folder: Path,
    head: str | None,
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
    """Judge again what `moa gate ID --evidence DIR` left in DIR; none of the agent's code is run.

    The same verdict, or UNDETERMINED where the evidence is not whole, contradicts itself, or is of another commit.
    """
    allowed = allowances(allow, because)
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch)
        chosen = JudgeOptions(
            threshold=threshold, python=python, head=head, allow=allowed, probes=probes, tell=tell
        )
        result = judge_folder(project, folder, chosen)
    say_all([dumps(result_json(result))] if as_json else result_report(result))
    Written(summary, comments).write(*gate_texts(project, result))
    return exit_code(result)
