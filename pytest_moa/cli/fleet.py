"""Words that the verbs of a fleet share."""

from __future__ import annotations

import click

from pytest_moa.cli import options
from pytest_moa.services.project import Project


def listed_agents(project: Project, listed: str | None) -> tuple[str, ...] | None:
    """The ids that `--agents` names; None where it was not said: everybody."""
    if listed is None:
        return None
    words = [word.strip() for word in listed.split(",") if word.strip()]
    if not words:
        raise click.UsageError("--agents names nobody")
    return tuple(dict.fromkeys(options.agent_id(project, word) for word in words))
