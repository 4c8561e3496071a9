"""What a run that died between landing and ledger left undone is done by the next one. Git tells what landed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from pytest_moa.errors import MoaError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.landing import follow
from pytest_moa.model.results import Event
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER
from pytest_moa.services.landings import history
from pytest_moa.services.project import Project

RECENT = 50
"""How many of the target's newest commits are looked through: a run dies at its newest landing."""


def recover(project: Project) -> list[str]:
    """Completes the checked-out target and the ledger after a death. Returns what was done, as sentences."""
    notes = list(follow(project.repo, project.target.name)) if project.where == "local" else []
    return [*notes, *_missing_events(project)]


def _missing_events(project: Project) -> list[str]:
    merged = [
        m for m in history(project)[:RECENT] if HEAD_TRAILER in m.trailers and AGENT_TRAILER in m.trailers
    ]
    if not merged:
        return []
    told = {event.data.get("commit") for event in ledger.read(project.repo) if event.kind == "landed"}
    events = [
        Event(
            kind="landed",
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            agent=m.trailers[AGENT_TRAILER][0],
            data={
                "commit": m.commit,
                "head": m.trailers[HEAD_TRAILER][0],
                "target": project.target.name,
                "landed_at": git.commit_info(project.repo, m.commit).committed,
                "recovered": True,
            },
        )
        for m in merged
        if m.commit not in told
    ]
    with suppress(MoaError):
        if events:
            ledger.append(project.repo, events)
            return [f"The ledger lacked {len(events)} landing(s) of a run that had died; written now."]
    return []
