"""Who may go into the queue, and why somebody may not: git's facts, the agent's own word, the ledger's, the policy's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_moa.errors import AgentError, RepositoryError
from pytest_moa.git import repository as git
from pytest_moa.git.history import added_history, reaching
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.results import Landed, Rejected
from pytest_moa.rules.queue.order import Candidate, in_queue_order
from pytest_moa.rules.standing import Standing
from pytest_moa.services.chain import Work, landed_as, rejection
from pytest_moa.services.landings import history, place_of_head, without_common_history
from pytest_moa.services.project import Project
from pytest_moa.services.words import held_words, taken_back_words

_ONLY_GITHUB = ("approved", "not-draft", "checks:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`works` may go in, in the queue's order; `depends` are those among them that have to land before, transitively."""

    works: tuple[Work, ...] = ()
    depends: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held: tuple[Rejected, ...] = ()
    already: tuple[Landed, ...] = ()


def readiness(
    project: Project,
    wanted: Sequence[str] | None,
    standing: Standing,
    *,
    dropped: frozenset[ObjectId] = frozenset(),
) -> Readiness:
    """Looks at the wanted agents (None: all that have something to land), without running anything.

    `dropped` are commits that were taken from the target since this call began: a branch that would bring one back waits.
    Agents that were named are told of whatever stands against them; of all, those with nothing to land are passed over.
    """
    known = history(project)
    works: list[Work] = []
    held: list[Rejected] = []
    already: list[Landed] = []
    for found in _candidates(project, wanted):
        if isinstance(found, Rejected):
            held.append(found)
            continue
        head = found.branch.head
        try:
            place, commit = place_of_head(project, head, known)
            against = None if place == "landed" else _against(project, found, place, standing)
        except RepositoryError as error:
            # Something of it is missing here, which stops nobody else (law 8).
            held.append(rejection(found, "infrastructure", str(error), error.remedy or ""))
            continue
        if place == "landed":
            already.append(landed_as(found, commit or head))
        elif place == "untouched" and wanted is None:
            continue
        elif against is not None:
            held.append(against)
        else:
            works.append(found)
    works, back = _without_dropped(project, works, dropped)
    return _ordered(project, works, [*held, *back], tuple(already))


def _candidates(project: Project, wanted: Sequence[str] | None) -> list[Work | Rejected]:
    """The wanted agents with their one branch; of all, one that is broken is told and stops nobody (law 8)."""
    if wanted is not None:
        return [_work(project, agent) for agent in wanted]
    found: list[Work | Rejected] = []
    for agent in project.agents:
        if agent.branch is None:
            continue
        try:
            found.append(_work(project, agent.id))
        except AgentError as error:
            found.append(
                Rejected(
                    agent=agent.id,
                    name=agent.name,
                    head=None,
                    kind="held",
                    reason=str(error),
                    remedy=error.remedy,
                )
            )
    return found


def _work(project: Project, wanted: str) -> Work:
    agent, branch = project.agent(wanted)
    return Work(agent=agent, branch=branch)


def _against(project: Project, work: Work, place: str, standing: Standing) -> Rejected | None:
    """Why an agent's work cannot be tried at all; None where nothing stands against it."""
    agent, branch = work.agent, work.branch
    if place == "untouched":
        reason = f"{branch.name} has no commit that {project.target.name} has not"
        return rejection(work, "held", reason, "Commit work on it first.")
    if (unrelated := without_common_history(project, branch)) is not None:
        return rejection(work, "undetermined", *unrelated)
    if agent.unpushed:
        remote = project.target.remote
        reason = f"{branch.name} is only here, it was not pushed to {remote}"
        return rejection(work, "held", reason, f"Push it: `git push {remote} {branch.name}`.")
    if (unasked := _unasked(project, agent, branch, standing)) is not None:
        return rejection(work, "held", *unasked)
    return None


def _unasked(project: Project, agent: Agent, branch: BranchRef, standing: Standing) -> tuple[str, str] | None:
    """Why the agent, a person or the policy holds the work back; and the remedy."""
    word = (git.commit_info(project.repo, branch.head).values("Moa-Ready") or ("",))[-1].strip().lower()
    if word == "no":
        return (
            f"the head of {branch.name} says `Moa-Ready: no`",
            "Commit again without it when the work is done.",
        )
    if (said := standing.held.get(agent.id)) is not None:
        return (
            held_words(said),
            f"When that is settled: `moa ready {agent.id}`.",
        )
    if (landing := standing.taken_back.get(branch.head)) is not None:
        return (
            taken_back_words(project.target.name, landing),
            f"Mend the branch and push, or ask for it again: `moa ready {agent.id}`.",
        )
    require = project.policy.integration.require
    if "requested" in require and word != "yes" and agent.id not in standing.asked:
        return (
            f"the policy asks for a request, and the head of {branch.name} has no `Moa-Ready: yes`",
            f"Add the trailer `Moa-Ready: yes` to the head's message, or say `moa ready {agent.id}`.",
        )
    if unknown := [word for word in require if word.startswith(_ONLY_GITHUB)]:
        return (
            f"the policy asks for {', '.join(unknown)}, which only GitHub knows",
            "Let the action integrate it, or take that word out of `integration.require` on the target.",
        )
    return None


def _without_dropped(
    project: Project, works: list[Work], dropped: frozenset[ObjectId]
) -> tuple[list[Work], list[Rejected]]:
    if not dropped:
        return works, []
    bringing = reaching(project.repo, [w.branch.head for w in works], dropped, without=project.target.head)
    back = [
        rejection(
            work,
            "held",
            f"{work.branch.name} would bring back commits that were taken from {project.target.name} meanwhile",
            f"Rebase it onto {project.target.name} as it is, and push.",
        )
        for work in works
        if work.branch.head in bringing
    ]
    return [work for work in works if work.branch.head not in bringing], back


def _ordered(
    project: Project, works: Sequence[Work], held: Sequence[Rejected], already: tuple[Landed, ...]
) -> Readiness:
    """Dependencies, declared ones and those of a branch that stands on another's head, then priority, then age."""
    heads = {work.branch.head: work.id for work in works}
    added = added_history(project.repo, list(heads), without=project.target.head)
    landed = {done.agent for done in already}
    candidates = {}
    kept: list[Work] = []
    refused = list(held)
    going = {work.id for work in works}
    for work in works:
        entry = project.policy.entry(work.id)
        missing = tuple(
            other
            for other in entry.depends_on
            if other not in going and other not in landed and not _has_landed(project, other)
        )
        if missing:
            refused.append(_waits_for(work, missing))
            continue
        own = added[work.branch.head]
        under = {heads[head] for head in own.contains}
        candidates[work.id] = Candidate(
            id=work.id,
            depends=frozenset([*(d for d in entry.depends_on if d in going), *under]) - {work.id},
            priority=entry.priority,
            begun=own.begun,
        )
        kept.append(work)
    order, depends, stuck = in_queue_order(candidates.values())
    by_id = {work.id: work for work in kept}
    refused += [_waits_for(by_id[agent], others) for agent, others in stuck.items()]
    return Readiness(
        works=tuple(by_id[agent] for agent in order),
        depends=depends,
        held=tuple(refused),
        already=already,
    )


def _waits_for(work: Work, others: tuple[str, ...]) -> Rejected:
    reason = f"agent {work.id} depends on {', '.join(others)}, not landed yet"
    return rejection(work, "held", reason, "Integrate these first.", with_agents=others)


def _has_landed(project: Project, wanted: str) -> bool:
    other = next((a for a in project.agents if a.id == wanted), None)
    if other is None or other.branch is None:
        return any(wanted in merged.trailers.get("Moa-Agent", ()) for merged in history(project))
    return place_of_head(project, other.branch.head)[0] == "landed"
