"""`moa init`."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say_all
from pytest_moa.render.json_contract import dumps
from pytest_moa.render.terminal import safe
from pytest_moa.services.init import InitResult, as_json_object
from pytest_moa.services.init import init as write_files

_DONE = {"written": "✅ wrote", "added": "✅ added a section to", "kept": "💤 kept"}


@click.command()
@options.as_json
@options.target
@options.directory
def init(*, as_json: bool, target: str | None, directory: Path) -> int:
    """Write a commented config, a workflow and a section for AGENTS.md. Asks nothing, overwrites nothing."""
    result = write_files(options.open_options(directory, None, target, fetch=False))
    say_all([dumps(as_json_object(result))] if as_json else _lines(result))
    return 0


def _lines(result: InitResult) -> list[str]:
    lines = [f"{_DONE[file.done]} {file.path}" for file in result.files]
    config = result.files[0]
    if result.patterns and config.done == "written":
        lines.append(
            f"🔎 Agents are taken from {', '.join(safe(p) for p in result.patterns)} and agent-{{id}}-…"
        )
    return [
        *lines,
        f"👉 Read {config.path}, commit all of it on {safe(result.target)}: the policy is always read from there.",
        "👉 Then: `moa bootstrap`",
    ]
