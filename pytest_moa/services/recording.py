"""What the queue did, as events of the ledger. A ledger that cannot be written takes nothing back: git holds what landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_moa.errors import MoaError, RaceError, RefusedError, RepositoryError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.repository import CommitInfo
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Event, Landed, Rejected
from pytest_moa.render.json_contract import counts_json, coverage_json
from pytest_moa.rules.standing import Words
from pytest_moa.services.asking import words_on
from pytest_moa.services.chain import Chain
from pytest_moa.services.project import Project


def record(project: Project, events: Sequence[Event], *, push: bool = True) -> list[str]:
    """Appends to the ledger; a sentence where that failed. Only a landing is worth a push."""
    if not events:
        return []
    try:
        ledger.append(project.repo, list(events), remote=project.remote if push else None)
    except (RepositoryError, RaceError, RefusedError) as error:
        return [_not_written(error)]
    return []


def _not_written(error: MoaError) -> str:
    return f"The ledger could not be written ({error.reason or error.message}); the next run does it."


def record_landing(project: Project, chain: Chain, landed: Sequence[Landed]) -> list[str]:
    """Tells the ledger of a chain that landed, a link each."""
    branches = (link.work.branch.name for link in chain.links)
    try:
        known = words_on(project)
        infos = git.commit_infos(project.repo, [done.commit for done in landed])
    except RepositoryError as error:
        return [_not_written(error)]
    events = []
    for done, branch in zip(landed, branches, strict=True):
        more = {
            "branch": branch,
            "before": chain.base,
            "tests": counts_json(done.tests),
            "coverage": coverage_json(done.coverage),
            "allow": list(done.allow),
        }
        events.append(landed_event(project, known, done.agent, done.head, infos[done.commit], more))
    return record(project, events)


def landed_event(  # noqa: PLR0917 - what a landing is, in the order of its event
    project: Project,
    known: Words,
    agent: str,
    head: ObjectId,
    commit: CommitInfo,
    more: Mapping[str, object],
) -> Event:
    """A landing as the ledger tells it; `more` is what only some know of it."""
    data: dict[str, object] = {
        "head": head,
        "commit": commit.id,
        "target": project.target.name,
        "committed": commit.committed,
        "again": known.again.get((head, commit.id), 0),
        **more,
    }
    return Event(kind="landed", at=ledger.now(), agent=agent, data=data)


def rejected_event(project: Project, rejected: Rejected) -> Event:
    data: dict[str, object] = {
        "head": rejected.head,
        "class": rejected.kind,
        "reason": rejected.reason,
        "target": project.target.head,
        "tests": list(rejected.tests[:50]),
        "with": list(rejected.with_agents),
    }
    return Event(kind="rejected", at=ledger.now(), agent=rejected.agent, data=data)


def with_company(project: Project, rejected: Sequence[Rejected]) -> list[Rejected]:
    """The same, and of a red head with whom an earlier call found it red: since then that one landed, and is not seen any more."""
    if not any(_is_lonely(one) for one in rejected):
        return list(rejected)
    try:
        events = ledger.read(project.repo, remote=project.remote)
    except RepositoryError:
        return list(rejected)
    landed = {event.agent for event in events if event.kind == "landed"}
    told = [event.data | {"agent": event.agent} for event in events if event.kind == "rejected"]
    return [_in_company(one, told, landed) if _is_lonely(one) else one for one in rejected]


def _is_lonely(rejected: Rejected) -> bool:
    return rejected.kind == "red" and not rejected.with_agents


def _in_company(
    rejected: Rejected, told: Sequence[Mapping[str, object]], landed: set[str | None]
) -> Rejected:
    for data in reversed(told):
        others, tests = data.get("with"), data.get("tests")
        if (data["agent"], data.get("head"), data.get("class")) != (rejected.agent, rejected.head, "red"):
            continue
        if not isinstance(others, list) or not isinstance(tests, list):
            continue
        known = tuple(other for other in others if isinstance(other, str) and other in landed)
        if known and any(test in rejected.tests for test in tests):
            said = f"{rejected.reason}; an earlier call found it only together with agent {', '.join(known)}, which landed"
            return replace(rejected, reason=said, with_agents=known)
    return rejected
