"""`moa integrate ID…` and `moa integrate --all`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import Written, progress, say, say_all, say_error
from pytest_moa.cli.told import integration_texts
from pytest_moa.model.results import IntegrationResult
from pytest_moa.render.json_contract import dumps, integration_json
from pytest_moa.render.terminal import integration_lines, safe
from pytest_moa.services.allowing import allowances
from pytest_moa.services.probing import ProbesAsked
from pytest_moa.services.queue import integrate as integrate_agents
from pytest_moa.services.queue import land_staged
from pytest_moa.services.queue_options import IntegrateOptions


@click.command()
@click.argument("agents", nargs=-1, metavar="[AGENT...]")
@click.option("--all", "everybody", is_flag=True, help="Everybody who may go in: the queue.")
@click.option("--agents", "listed", metavar="ID,ID", help="The same as naming them one by one.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and why; test and land nothing.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Begin nothing further after so long (default: `integration.budget`).",
)
@click.option(
    "--stage",
    type=click.Path(path_type=Path),
    help="Leave a candidate that passed in this folder instead of landing it.",
)
@click.option(
    "--staged", type=click.Path(path_type=Path), help="Land the candidate left in this folder; runs no tests."
)
@click.option(
    "--commit", metavar="COMMIT", help="With --staged: the candidate's id, as the testing step told it."
)
@options.allow
@options.because
@options.probes
@options.threshold
@options.python
@options.pytest_args
@options.summary
@options.comments
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def integrate(
    *,
    agents: tuple[str, ...],
    everybody: bool,
    listed: str | None,
    dry_run: bool,
    budget: int | None,
    stage: Path | None,
    staged: Path | None,
    commit: str | None,
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
    """Land agents' work: merge, test the merge, and move the target to exactly what was tested."""
    agents = _named(agents, listed, everybody=everybody)
    _refuse_odd_words(stage, staged, commit)
    if dry_run and (stage is not None or staged is not None):
        raise click.UsageError("--dry-run lands and stages nothing")
    if staged is not None and allow:
        raise click.UsageError(
            "--allow is said where the tests run (--stage); the staged candidate carries it"
        )
    allowed = allowances(allow, because)
    with progress() as tell:
        project = options.opened(directory, config, target, fetch=fetch, pytest_args=pytest_args)
        wanted = tuple(dict.fromkeys(options.agent_id(project, agent) for agent in agents))
        if not as_json:
            for agent in wanted:
                say_error(f"🔗 Coordinating integration for Agent {safe(agent)}...")
            if everybody and not wanted:
                say_error("🔗 Coordinating integration for everybody who may go in...")
        if staged is not None and commit is not None:
            result = land_staged(project, wanted or None, staged, commit)
        else:
            chosen = IntegrateOptions(
                threshold=threshold,
                python=python,
                stage=stage,
                allow=allowed,
                probes=probes,
                budget=budget,
                dry_run=dry_run,
                tell=tell,
            )
            result = integrate_agents(project, wanted or None, chosen)
    if as_json:
        say(dumps(integration_json(result)))
    else:
        say_all(integration_lines(result))
    Written(summary, comments).write(*integration_texts(project, result))
    return exit_code(result)


def exit_code(result: IntegrationResult) -> int:
    if not result.rejected:
        return 0
    return 4 if all(rejected.kind == "conflict" for rejected in result.rejected) else 1


def _named(agents: tuple[str, ...], listed: str | None, *, everybody: bool) -> tuple[str, ...]:
    """The agents that the words name; none of them means everybody, which has to be said."""
    more = tuple(word.strip() for word in (listed or "").split(",") if word.strip())
    if listed is not None and not more:
        raise click.UsageError("--agents names nobody")
    if agents and everybody:
        raise click.UsageError(
            "name agents, or say --all, not both; `--all --agents ID,ID` narrows the queue"
        )
    if not agents and not more and not everybody:
        raise click.UsageError("name an agent, or say --all")
    return (*agents, *more)


def _refuse_odd_words(stage: Path | None, staged: Path | None, commit: str | None) -> None:
    if stage is not None and staged is not None:
        raise click.UsageError("--stage and --staged cannot be used together")
    if (staged is None) != (commit is None):
        raise click.UsageError("--staged and --commit go together")
