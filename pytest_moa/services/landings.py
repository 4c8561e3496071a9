"""What has landed: git's facts about a head and the target, read afresh."""

from __future__ import annotations

from pytest_moa.git import repository as git
from pytest_moa.git.history import on_first_parent_line
from pytest_moa.model.agents import BranchRef, ObjectId
from pytest_moa.model.text import plural
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER, Merged, Place, landing_of, place_of
from pytest_moa.services.project import Project

HISTORY = 2_000
"""How far back in the target's first-parent history a landing is looked for by its trailer."""


def history(project: Project) -> tuple[Merged, ...]:
    """The target's newest first-parent commits with moa's trailers."""
    keys = (AGENT_TRAILER, HEAD_TRAILER)
    found = git.first_parent_trailers(project.repo, project.target.head, keys, limit=HISTORY)
    return tuple(Merged(commit=info.id, trailers={key: info.values(key) for key in keys}) for info in found)


def squashed_before(project: Project, head: ObjectId) -> ObjectId | None:
    """The newest commit of this line of work that landed as a squash: git does not see the target hold it."""
    target = project.target.head
    for merged in history(project):
        for landed in merged.trailers.get(HEAD_TRAILER, ()):
            if (
                git.resolve(project.repo, landed) is not None
                and git.is_ancestor(project.repo, landed, head)
                and not git.is_ancestor(project.repo, landed, target)
            ):
                return landed
    return None


def without_common_history(project: Project, branch: BranchRef) -> tuple[str, str] | None:
    """Why a head cannot be merged with the target at all, and the remedy; None where they have a common ancestor.

    Git would call every file of such a merge a conflict: in a shallow clone that accuses an innocent branch.
    """
    if git.merge_base(project.repo, project.target.head, branch.head) is not None:
        return None
    if project.repo.shallow:
        return (
            f"this clone is too shallow to know what {branch.name} and {project.target.name} have in common",
            "Fetch the whole history: `git fetch --unshallow`; in a workflow check out with `fetch-depth: 0`.",
        )
    return (
        f"{branch.name} and {project.target.name} have no common history",
        f"Start the branch again from {project.target.name}, and bring its commits there.",
    )


def ahead_of_pushed(project: Project, branch: BranchRef) -> tuple[str, ...]:
    """A sentence where the branch here has commits that were not pushed: what was pushed is what is judged."""
    if branch.remote is None:
        return ()
    here = git.resolve(project.repo, f"refs/heads/{branch.name}")
    if here is None or here == branch.head or git.is_ancestor(project.repo, here, branch.head):
        return ()
    number = git.count_commits(project.repo, branch.head, here)
    ahead = f"{branch.name} has {plural(number, 'commit')} here that {branch.remote} has not"
    return (f"{ahead}; what was pushed is judged. Push first: `git push {branch.remote} {branch.name}`.",)


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
