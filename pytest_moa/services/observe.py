"""`moa status`: every agent's state, from git, the ledger, the last verdicts of this machine and the commits' trailers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pytest_moa.errors import MoaError
from pytest_moa.git import repository as git
from pytest_moa.git.merge_tree import MergeTree
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.results import AgentState, StatusReport
from pytest_moa.rules import progress as rules
from pytest_moa.rules.landed import Merged, Place
from pytest_moa.rules.standing import Standing
from pytest_moa.services.asking import standing
from pytest_moa.services.landings import history, place_of_head, without_common_history
from pytest_moa.services.patience import patiently
from pytest_moa.services.project import Project
from pytest_moa.services.verdicts import recall
from pytest_moa.services.words import frozen_words, held_words, taken_back_words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was found out once for all agents. `merges`: head to its merge with the target, or why git could not try it."""

    known: tuple[Merged, ...]
    merges: Mapping[ObjectId, MergeTree | MoaError]
    standing: Standing


def status(project: Project, today: date) -> StatusReport:
    """All agents, in the order of their ids. An agent that cannot be read gets a row that says why (law 8)."""
    seen = _Seen(known=history(project), merges=_merges(project), standing=standing(project))
    states = tuple(_row(project, agent, seen) for agent in project.agents)
    calendar = project.policy.project
    return StatusReport(
        date=today.isoformat(),
        week=rules.week_of(calendar.start, calendar.weeks, today),
        weeks=calendar.weeks,
        overall_progress=rules.overall([state.progress for state in states]),
        agents=states,
        warnings=(*project.notes, *_freeze(project, seen.standing)),
    )


def status_of_agent(project: Project, wanted: str) -> AgentState:
    """One agent's state. Raises AgentError where there is no such agent."""
    agent = next((a for a in project.agents if a.id == wanted), None)
    if agent is None:
        project.agent(wanted)
        raise AssertionError  # pragma: no cover - project.agent() has raised
    seen = _Seen(known=history(project), merges=_merges(project, only=wanted), standing=standing(project))
    return _row(project, agent, seen)


def _freeze(project: Project, stands: Standing) -> tuple[str, ...]:
    if (frozen := stands.frozen) is None:
        return ()
    return (frozen_words(project.target.name, frozen)[0],)


def _row(project: Project, agent: Agent, seen: _Seen) -> AgentState:
    try:
        return _state(project, agent, seen)
    except MoaError as error:
        return AgentState(
            id=agent.id,
            name=agent.name,
            branch=agent.branch.name if agent.branch else None,
            head=agent.branch.head if agent.branch else None,
            status="in_progress",
            progress=rules.progress_of(rules.Facts(place=None)),
            flags=("error",),
            blockers=(str(error),),
            next=error.remedy or None,
        )


def _state(project: Project, agent: Agent, seen: _Seen) -> AgentState:
    branch = agent.branch
    facts = rules.Facts(place=_landed_without_branch(agent, seen.known) if branch is None else None)
    if branch is not None:
        facts = _facts(project, agent, branch, seen)
    held = _held(project, agent, seen.standing) if facts.place == "ahead" else ()
    blockers = (*facts.blockers, *held)
    if agent.rivals and branch is not None:
        names = ", ".join(ref.name for ref in (branch, *agent.rivals))
        blockers = (*blockers, f"{1 + len(agent.rivals)} branches claim this id: {names}")
    return AgentState(
        id=agent.id,
        name=agent.name,
        branch=branch.name if branch else None,
        head=branch.head if branch else None,
        status=rules.status_of(facts),
        progress=rules.progress_of(facts),
        flags=(*rules.flags_of(facts), *(("unpushed",) if agent.unpushed else ())),
        blockers=blockers,
        next=f"moa ready {agent.id}" if held else rules.next_step(agent.id, facts),
    )


def _held(project: Project, agent: Agent, stands: Standing) -> tuple[str, ...]:
    """Why a person's word, or a landing that was taken back, holds the agent's work."""
    told = []
    if (said := stands.held.get(agent.id)) is not None:
        told.append(held_words(said))
    if agent.branch is not None and (landing := stands.taken_back.get(agent.branch.head)) is not None:
        told.append(taken_back_words(project.target.name, landing))
    return tuple(told)


def _landed_without_branch(agent: Agent, known: tuple[Merged, ...]) -> Place | None:
    """A branch that was deleted after its landing has not become unstarted work."""
    return "landed" if any(agent.id in merged.trailers.get("Moa-Agent", ()) for merged in known) else None


def _facts(project: Project, agent: Agent, branch: BranchRef, seen: _Seen) -> rules.Facts:
    merge = seen.merges.get(branch.head)
    if isinstance(merge, MoaError):
        raise merge
    place, _ = place_of_head(project, branch.head, seen.known)
    if place == "untouched" and _landed_without_branch(agent, seen.known):
        place = "landed"
    gate = recall(project, branch.head)
    info = git.commit_info(project.repo, branch.head)
    return rules.Facts(
        place=place,
        gate=gate,
        fresh=gate is not None and gate.target == project.target.head,
        merges=merge.clean if merge is not None else None,
        held=(info.values("Moa-Ready") or ("",))[-1].strip().lower() == "no"
        or bool(_held(project, agent, seen.standing)),
        blockers=tuple(word.strip() for word in info.values("Moa-Blocker") if word.strip()),
    )


def _merges(project: Project, only: str | None = None) -> dict[ObjectId, MergeTree | MoaError]:
    """Each head's merge with the target, all in one batch."""
    refs = [a.branch for a in project.agents if a.branch is not None and only in {None, a.id}]
    if project.repo.shallow:
        refs = [ref for ref in refs if without_common_history(project, ref) is None]
    wanted = list(dict.fromkeys(ref.head for ref in refs))
    if not wanted:
        return {}
    with Quarantine.open(project.repo) as quarantine:
        merges = patiently(quarantine.merges, [(project.target.head, head) for head in wanted])
    return dict(zip(wanted, merges, strict=True))
