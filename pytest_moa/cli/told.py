"""Results as the texts that people read on GitHub, with what the ledger knows of before and the user's own templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_moa.model.report import ProjectReport
from pytest_moa.model.results import GateResult, IntegrationResult
from pytest_moa.render.templates import (
    Telling,
    gate_comment,
    gate_summary,
    integration_summary,
    queue_comments,
    report_summary,
)
from pytest_moa.services.project import Project
from pytest_moa.services.report import own_templates, previous

Texts = tuple[Callable[[], str], Callable[[], Mapping[str, str]]]
"""A summary, and comments by the names of their files; made when somebody wants them."""


def gate_texts(project: Project, result: GateResult) -> Texts:
    def comments() -> Mapping[str, str]:
        return {f"gate-{result.agent}.md": gate_comment(result, telling=_telling(project))}

    return lambda: gate_summary(result, telling=_telling(project)), comments


def integration_texts(project: Project, result: IntegrationResult) -> Texts:
    def comments() -> Mapping[str, str]:
        texts = queue_comments(result, telling=_of(project, result))
        return {f"queue-{agent}.md": text for agent, text in texts.items()}

    return lambda: integration_summary(result, telling=_of(project, result)), comments


def report_text(project: Project, report: ProjectReport) -> str:
    return report_summary(report, telling=_telling(project))


def _of(project: Project, result: IntegrationResult) -> Telling:
    """What this very call landed is not what was before it."""
    return Telling(
        before=previous(project, {one.commit for one in result.landed}), own=own_templates(project)
    )


def _telling(project: Project) -> Telling:
    return Telling(before=previous(project), own=own_templates(project))
