"""Results to Markdown, and the files that `moa init` writes, through sandboxed Jinja2 templates.

Everything that a template prints is escaped for its place unless it is already safe. Decides nothing.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_moa.errors import BugError
from pytest_moa.model.fleet import GROUP, TRAIN
from pytest_moa.model.report import OwnTemplates, Previous, ProjectReport
from pytest_moa.model.results import GateResult, IntegrationResult, Landed, Rejected
from pytest_moa.render import markdown
from pytest_moa.render.conflicts import conflicts_markdown

SUMMARY_BUDGET = 1024 * 1024
"""GitHub refuses a step summary of more than 1 MiB (docs.github.com, "Adding a job summary")."""

COMMENT_BUDGET = 65_536 - 512
"""GitHub takes 65,536 characters a comment; some are left for the mark by which it is found again."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a result is told with besides itself: what was recorded before of each agent, and the user's own templates."""

    before: Mapping[str, Previous] = field(default_factory=dict)
    own: OwnTemplates = field(default_factory=OwnTemplates)


def gate_summary(result: GateResult, budget: int = SUMMARY_BUDGET, telling: Telling | None = None) -> str:
    """The gate's verdict as Markdown: verdict first, then what to do, details folded."""
    return _within("summary_gate.md.j2", {"r": result, "next": _after_gate(result)}, budget, telling)


def gate_comment(result: GateResult, budget: int = COMMENT_BUDGET, telling: Telling | None = None) -> str:
    """The same for a pull request, shorter, and without anything that another run of the same would change."""
    return _within("comment_gate.md.j2", {"r": result, "next": _after_gate(result)}, budget, telling)


def integration_summary(
    result: IntegrationResult, budget: int = SUMMARY_BUDGET, telling: Telling | None = None
) -> str:
    """What the queue did as Markdown: landed or not first, one line an agent, reasons folded."""
    return _within("summary_queue.md.j2", {"r": result}, budget, telling)


def queue_comments(
    result: IntegrationResult, budget: int = COMMENT_BUDGET, telling: Telling | None = None
) -> dict[str, str]:
    """What the queue says to each agent's pull request, by agent."""
    rows: tuple[tuple[str, Sequence[Landed | Rejected]], ...] = (
        ("already", result.already),
        ("staged", result.staged),
        ("rejected", result.rejected),
        ("landed", result.landed),
    )
    blank = dict.fromkeys((kind for kind, _ in rows), None)
    return {
        one.agent: _within(
            "comment_queue.md.j2", {"r": result, **blank, kind: one, "next": _after(one)}, budget, telling
        )
        for kind, of_kind in rows
        for one in of_kind
    }


def report_summary(
    report: ProjectReport, budget: int = SUMMARY_BUDGET, telling: Telling | None = None
) -> str:
    """The project as Markdown: how far it is, one line an agent, who conflicts with whom, what has landed."""
    graph = conflicts_markdown(report.matrix, budget // 3)
    return _within("report.md.j2", {"r": report, "conflicts": graph}, budget, telling)


def _after_gate(result: GateResult) -> str | None:
    alone = result.agent not in {TRAIN, GROUP}
    return f"moa integrate {result.agent}" if alone and result.verdict == "passed" else None


def _after(one: Landed | Rejected) -> str | None:
    if not isinstance(one, Rejected):
        return None
    return "moa integrate --all" if one.kind in _OTHERS_FAULT else f"moa gate {one.agent}"


_OTHERS_FAULT = frozenset({"target", "moved", "infrastructure", "held"})


class _Before:
    """What was recorded of an agent, nothing where there is no record of it."""

    def __init__(self, known: Mapping[str, Previous]) -> None:
        self._known = known

    def __getitem__(self, agent: str) -> Previous:
        return self._known.get(agent, Previous())


def _within(name: str, values: Mapping[str, Any], budget: int, telling: Telling | None) -> str:
    """The text in full; else with short lists; else cut between two lines. Each loss is told."""
    telling = telling or Telling()
    values = {"before": _Before(telling.before), **values}
    problems = list(telling.own.problems)
    template = _template(name, telling.own, values, problems)
    full, whole = _bounded(template, {**values, "most": None}, budget)
    full = _with_problems(full, problems)
    if whole and len(full.encode("utf-8", "replace")) <= budget:
        return full
    short, _ = _bounded(template, {**values, "most": SHORT_LIST}, SUMMARY_BUDGET)
    return markdown.cut(f"{_with_problems(short, problems)}\n{_NOTICE}\n", budget, _NOTICE)


_NOTICE = (
    "_This was cut to the size that GitHub takes. The whole result is in the JSON report (the action's output"
    " `report-path`, or `--json`)._"
)


def _with_problems(text: str, problems: Sequence[str]) -> str:
    if not problems:
        return text
    told = "".join(f"- ⚠️ {markdown.text(problem, 500)}\n" for problem in problems[:20])
    return f"{text}\n**Your own templates:**\n\n{told}"


def _bounded(template: jinja2.Template, values: Mapping[str, Any], most: int) -> tuple[str, bool]:
    """A template's text and whether that is all of it: it ends where it is longer than `most` characters."""
    parts, used = [], 0
    for part in template.generate(values):
        parts.append(part)
        used += len(part)
        if used > most:
            return "".join(parts), False
    return "".join(parts), True


def _template(
    name: str, own: OwnTemplates, values: Mapping[str, Any], problems: list[str]
) -> jinja2.Template:
    """The user's template of that name where it can be used, with these values; else ours, and the reason why."""
    ours = _environment(markdown_template=True)
    if name not in own.files:
        return ours.get_template(name)
    environment = ours.overlay(
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader(own.files), jinja2.FileSystemLoader(templates_folder())]
        )
    )
    try:
        template = environment.get_template(name)
        for most in (None, SHORT_LIST):
            _bounded(template, {**values, "most": most}, SUMMARY_BUDGET)
    except Exception as error:  # noqa: BLE001 - whatever their template does, ours stands in and it is told
        problems.append(
            f"{own.folder}/{name}{_line_of(error)} cannot be used, ours stands in: {str(error) or type(error).__name__}"
        )
        return ours.get_template(name)
    return template


def _line_of(error: Exception) -> str:
    """The line of a template that raised; Jinja writes templates into tracebacks as if they were files."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f" line {error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.name.startswith(("top-level", "block"))
    ]
    return f" line {lines[-1]}" if lines else ""


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
        since=_since,
    )
    return environment


def _since(now: Decimal | int | None, before: Decimal | int | None) -> markdown.Safe:
    """How much more (or less) it is than before: ` (+3)`; nothing where either is unknown or both are alike."""
    if now is None or before is None or now == before:
        return markdown.Safe("")
    return markdown.Safe(f" ({now - before:+})")


def _for_markdown(value: object) -> object:
    return value if isinstance(value, markdown.Safe | int) else markdown.text(value)


def _for_yaml(value: object) -> object:
    return value if isinstance(value, markdown.Safe | int) else json.dumps(str(value))
