"""What the queue did, as events of the ledger. A ledger that cannot be written takes nothing back: git holds what landed."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.errors import RaceError, RefusedError, RepositoryError
from pytest_moa.git import ledger
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Event, Landed, Rejected
from pytest_moa.render.json_contract import counts_json, coverage_json
from pytest_moa.services.chain import Chain
from pytest_moa.services.project import Project


def record(project: Project, events: Sequence[Event], *, push: bool = True) -> list[str]:
    """Appends to the ledger; a sentence where that failed. Only a landing is worth a push."""
    if not events:
        return []
    try:
        ledger.append(project.repo, list(events), remote=project.remote if push else None)
    except (RepositoryError, RaceError, RefusedError) as error:
        return [f"The ledger could not be written ({error.reason or error.message}); the next run does it."]
    return []


def record_landing(project: Project, chain: Chain, landed: Sequence[Landed]) -> list[str]:
    """Tells the ledger of a chain that landed, a link each."""
    branches = (link.work.branch.name for link in chain.links)
    events = [
        landed_event(project, done, name, chain.base) for done, name in zip(landed, branches, strict=True)
    ]
    return record(project, events)


def landed_event(project: Project, landed: Landed, branch: str, before: ObjectId) -> Event:
    data: dict[str, object] = {
        "head": landed.head,
        "commit": landed.commit,
        "branch": branch,
        "target": project.target.name,
        "before": before,
        "tests": counts_json(landed.tests),
        "coverage": coverage_json(landed.coverage),
        "allow": list(landed.allow),
    }
    return Event(kind="landed", at=ledger.now(), agent=landed.agent, data=data)


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
