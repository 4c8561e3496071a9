"""People's words in the ledger, read and honoured: who asked, who is held back, whether the target is frozen."""

from __future__ import annotations

from dataclasses import replace

from pytest_moa.errors import MoaError, RefusedError
from pytest_moa.git import ledger
from pytest_moa.git.history import held_by
from pytest_moa.rules.standing import Standing, standing_of
from pytest_moa.services.project import Project


def standing(project: Project, *, fresh: bool = False) -> Standing:
    """What the ledger says about this target; `fresh` asks the remote first. Only heads that are current are looked at."""
    if fresh and project.remote is not None:
        ledger.refresh(project.repo, project.remote)
    found, landings = standing_of(ledger.read(project.repo, remote=project.remote), project.target.name)
    heads = {agent.branch.head for agent in project.agents if agent.branch is not None}
    current = {head: commit for head, commit in landings.items() if head in heads}
    there = held_by(project.repo, project.target.head, set(current.values()))
    return replace(found, taken_back={h: c for h, c in current.items() if c not in there})


def require_thawed(project: Project) -> None:
    """Raises RefusedError where somebody froze the target; asked right before a landing."""
    try:
        frozen = standing(project, fresh=True).frozen
    except MoaError:
        frozen = standing(project).frozen
    if frozen is not None:
        raise RefusedError(
            f"{project.target.name} is frozen",
            reason=f"since {frozen.at[:16]} by {frozen.by}: {frozen.because}",
            remedy="When it is over: `moa unfreeze`, and integrate again.",
        )
