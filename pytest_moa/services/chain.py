"""A candidate of several agents: a chain of merges on one base, an agent a link, and whose lines are whose at its top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from pytest_moa.errors import ConflictError
from pytest_moa.git.changes import patch_between
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.results import (
    CoverageFigure,
    Finding,
    Landed,
    Rejected,
    RejectionClass,
    TestCounts,
)
from pytest_moa.rules.queue.lines import Changed, Patch, changes_at_top
from pytest_moa.services.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An agent's work, pinned."""

    agent: Agent
    branch: BranchRef

    @property
    def id(self) -> str:
        return self.agent.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One agent's merge commit: on the base, or on the link before it."""

    work: Work
    commit: ObjectId


def landed_as(
    work: Work,
    commit: ObjectId,
    tests: TestCounts | None = None,
    coverage: CoverageFigure | None = None,
    allow: Sequence[str] = (),
) -> Landed:
    """A work that the target holds as this commit."""
    return Landed(
        agent=work.id,
        name=work.agent.name,
        head=work.branch.head,
        commit=commit,
        tests=tests or TestCounts(),
        coverage=coverage,
        allow=tuple(allow),
    )


def rejection(
    work: Work,
    kind: RejectionClass,
    reason: str,
    remedy: str,
    *,
    findings: tuple[Finding, ...] = (),
    with_agents: tuple[str, ...] = (),
) -> Rejected:
    """Why a work does not land."""
    return Rejected(
        agent=work.id,
        name=work.agent.name,
        head=work.branch.head,
        kind=kind,
        reason=reason,
        remedy=remedy,
        with_agents=with_agents,
        findings=findings,
    )


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Links in their order; the top is what is tested and what lands."""

    base: ObjectId
    links: tuple[Link, ...]
    quarantine: Quarantine

    @property
    def top(self) -> ObjectId:
        return self.links[-1].commit if self.links else self.base

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(link.work.id for link in self.links)

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        commits = [self.base, *(link.commit for link in self.links)]
        repo = self.quarantine.repository
        return tuple(patch_between(repo, a, b) for a, b in pairwise(commits))

    @cached_property
    def changes(self) -> dict[str, dict[str, Changed]]:
        """For each agent what is its own at the top."""
        return dict(zip(self.ids, changes_at_top(self.patches), strict=True))


class ChainConflictError(ConflictError):
    """A member does not merge with what stands before it; `work` is whose it is, `commit` what it was merged with."""

    def __init__(self, work: Work, commit: ObjectId, error: ConflictError) -> None:
        super().__init__(error.message, paths=error.paths, reason=error.reason, remedy=error.remedy)
        self.work = work
        self.commit = commit


def chain_of(
    project: Project, quarantine: Quarantine, works: Sequence[Work], allow: Sequence[str] = ()
) -> Chain:
    """The chain of these works on the project's target. Raises ChainConflictError at the first that does not merge."""
    links: list[Link] = []
    at = project.target.head
    for work in works:
        try:
            at = link_on(project, quarantine, work, at, allow)
        except ConflictError as error:
            raise ChainConflictError(work, at, error) from error
        links.append(Link(work=work, commit=at))
    return Chain(base=project.target.head, links=tuple(links), quarantine=quarantine)


def link_on(
    project: Project, quarantine: Quarantine, work: Work, at: ObjectId, allow: Sequence[str]
) -> ObjectId:
    """One work merged (or squashed, as the policy has it) onto a commit. Raises ConflictError."""
    make = quarantine.squash if project.policy.integration.method == "squash" else quarantine.candidate
    return make(
        at,
        work.branch.head,
        agent=work.id,
        branch=work.branch.name,
        into=project.target.name,
        allow=allow,
    )
