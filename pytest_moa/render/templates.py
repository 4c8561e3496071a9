"""Results to Markdown, and the files that `moa init` writes, through sandboxed Jinja2 templates.

Everything that a template prints is escaped for its place unless it is already safe. Decides nothing.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_moa.errors import BugError
from pytest_moa.model.results import GateResult, IntegrationResult
from pytest_moa.render import markdown

SUMMARY_BUDGET = 1024 * 1024
"""GitHub refuses a step summary of more than 1 MiB (docs.github.com, "Adding a job summary")."""

SHORT_LIST = 20
"""Rows of a list in a summary that has to be short."""


def templates_folder() -> Path:
    """Where the templates are: inside the wheel, or beside the package in an editable checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "summary_gate.md.j2").is_file():
            return folder
    raise BugError(
        "The templates are missing",
        reason=f"neither {package / 'templates'} nor {package.parent / 'templates'} holds them",
        remedy="Reinstall pytest-moa.",
    )


def render(name: str, **values: Any) -> str:
    """A template's text. In `*.md.j2` values are escaped for Markdown, elsewhere written as JSON (so as YAML)."""
    return _environment(markdown_template=name.endswith(".md.j2")).get_template(name).render(values)


def gate_summary(result: GateResult, budget: int = SUMMARY_BUDGET) -> str:
    """The gate's verdict as Markdown: verdict first, then what to do, details folded."""
    return _summary("summary_gate.md.j2", result, budget)


def integration_summary(result: IntegrationResult, budget: int = SUMMARY_BUDGET) -> str:
    """What `moa integrate` did as Markdown: landed or not first, one line an agent, reasons folded."""
    return _summary("summary_integrate.md.j2", result, budget)


def _summary(name: str, result: GateResult | IntegrationResult, budget: int) -> str:
    full = render(name, r=result, most=None)
    if len(full.encode()) <= budget:
        return full
    short = render(name, r=result, most=SHORT_LIST)
    notice = (
        "_This summary was cut to the size that GitHub takes. The whole result is in the JSON report "
        "(the action's output `report-path`, or `--json`)._"
    )
    return markdown.cut(short + "\n" + notice + "\n", budget, notice)


@cache
def _environment(*, markdown_template: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        autoescape=False,  # HTML rules would be the wrong ones: `finalize` escapes for the place
        finalize=_for_markdown if markdown_template else _for_yaml,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=markdown.code,
        text=markdown.text,
        block=markdown.block,
        short=lambda oid: markdown.code(str(oid)[:10]) if oid else markdown.Safe("—"),
        ours=markdown.Safe,
    )
    return environment


def _for_markdown(value: object) -> object:
    return value if isinstance(value, markdown.Safe | int) else markdown.text(value)


def _for_yaml(value: object) -> object:
    return value if isinstance(value, markdown.Safe | int) else json.dumps(str(value))
