"""`moa conflicts`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import progress, say, say_all, write_summary
from pytest_moa.render.conflicts import conflicts_json, conflicts_lines, conflicts_markdown
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.conflicts import chosen, matrix_of


@click.command()
@click.option("--agents", metavar="ID,…", help="Compare these agents only (default: all that have a branch).")
@click.option(
    "--with-target-conflicts",
    "all_pairs",
    is_flag=True,
    help="Pair branches that conflict with the target, too: slower, and they have to take the target in anyway.",
)
@click.option(
    "--markdown",
    "markdown",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    help="Write Markdown with a graph to this file (`-`: to standard output, in place of the table).",
)
@options.as_json
@options.config
@options.target
@options.fetch
@options.directory
def conflicts(
    *,
    agents: str | None,
    all_pairs: bool,
    markdown: Path | None,
    as_json: bool,
    config: Path | None,
    target: str | None,
    fetch: bool,
    directory: Path,
) -> int:
    """Show which branches conflict with the target and with each other, in which files and lines. Reads only."""
    if as_json and markdown == Path("-"):
        raise click.UsageError("--json and --markdown - both ask for standard output")
    project = options.opened(directory, config, target, fetch=fetch)
    asked = None if agents is None else [word.strip() for word in agents.split(",") if word.strip()]
    if asked == []:
        raise click.UsageError("--agents names nobody; say ids, as in --agents 03,04")
    with progress() as tell:
        wanted = None if asked is None else chosen(project, [options.agent_id(project, a) for a in asked])
        matrix = matrix_of(project, wanted, all_pairs=all_pairs, tell=tell)
    if markdown is not None and markdown != Path("-"):
        write_summary(markdown, conflicts_markdown(matrix))
    if as_json:
        say(dumps(conflicts_json(matrix)))
    elif markdown == Path("-"):
        say(conflicts_markdown(matrix))
    else:
        say_all(conflicts_lines(matrix))
    return 0
