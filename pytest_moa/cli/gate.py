"""`moa gate ID`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.fleet import listed_agents
from pytest_moa.cli.output import Written, progress, say_all
from pytest_moa.cli.told import gate_texts
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.results import GateResult
from pytest_moa.render.fleet import result_json, result_report
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.allowing import allowances
from pytest_moa.services.gate import GateOptions
from pytest_moa.services.gate import gate as gate_agent
from pytest_moa.services.probing import ProbesAsked
from pytest_moa.services.train import gate_train

_EXIT = {"passed": 0, "failed": 1, "undetermined": 3}


@click.command()
@click.argument("agent")
@click.option(
    "--branch", help="With `auto`: the branch whose agent is meant, instead of the checked-out one."
)
@click.option(
    "--head",
    metavar="COMMIT",
    help="Gate this commit instead of the branch's head; with `train`: the joint candidate that it has to be.",
)
@click.option("--agents", "listed", metavar="ID,ID", help="With `train`: only these agents.")
@options.allow
@options.because
@options.probes
@options.threshold
@options.python
@options.pytest_args
@click.option(
    "--evidence",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Leave the evidence in this folder, for `moa judge DIR` elsewhere.",
)
@options.step_summary
@options.comments
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def gate(
    *,
    agent: str,
    branch: str | None,
    head: str | None,
    listed: str | None,
    allow: tuple[str, ...],
    because: tuple[str, ...],
    probes: ProbesAsked | None,
    threshold: Decimal | None,
    python: str | None,
    pytest_args: tuple[str, ...],
    evidence: Path | None,
    summary: Path | None,
    comments: Path | None,
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Judge one agent's work: its tests and the coverage of its own code, on its merge with the target.

    AGENT is an id ("03"), a branch's name, "auto" for the checked-out branch, or "train" for all that may go in, at
    once. Nothing is merged.
    """
    allowed = allowances(allow, because)
    if listed is not None and agent != TRAIN:
        raise click.UsageError("--agents goes with `moa gate train`")
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch, pytest_args=pytest_args)
        chosen = GateOptions(
            threshold=threshold,
            python=python,
            head=head,
            allow=allowed,
            probes=probes,
            evidence=evidence,
            tell=tell,
        )
        if agent == TRAIN:
            result = gate_train(project, listed_agents(project, listed), chosen)
        else:
            result = gate_agent(project, options.agent_id(project, agent, branch), chosen)
    say_all([dumps(result_json(result))] if as_json else result_report(result))
    written = Written(summary, comments, step=True)
    written.write(*gate_texts(project, result))
    return exit_code(result)


def exit_code(result: GateResult) -> int:
    if result.conflicts:
        return 4
    return _EXIT[result.verdict or "undetermined"]
