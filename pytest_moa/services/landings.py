"""What has landed: git's facts about a head and the target, read afresh."""

from __future__ import annotations

from pytest_moa.git import repository as git
from pytest_moa.git.history import on_first_parent_line
from pytest_moa.model.agents import ObjectId
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER, Merged, Place, landing_of, place_of
from pytest_moa.services.project import Project

HISTORY = 2_000
"""How far back in the target's first-parent history a landing is looked for by its trailer."""


def history(project: Project) -> tuple[Merged, ...]:
    """The target's newest first-parent commits with moa's trailers."""
    keys = (AGENT_TRAILER, HEAD_TRAILER)
    found = git.first_parent_trailers(project.repo, project.target.head, keys, limit=HISTORY)
    return tuple(Merged(commit=info.id, trailers={key: info.values(key) for key in keys}) for info in found)


def place_of_head(
    project: Project, head: ObjectId, known: tuple[Merged, ...] | None = None
) -> tuple[Place, ObjectId | None]:
    """Where a head stands, and the commit that landed it (None where no trailer tells)."""
    merged = landing_of(head, history(project) if known is None else known)
    target = project.target.head
    reachable = merged is not None or git.is_ancestor(project.repo, head, target)
    had_commits = reachable and merged is None and not on_first_parent_line(project.repo, head, target)
    return place_of(
        head=head, target=target, merged=merged, reachable=reachable, had_commits=had_commits
    ), merged
