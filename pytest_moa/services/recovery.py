"""What a run that died between landing and ledger left undone is done by the next one. Git tells what landed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from pytest_moa.errors import MoaError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.model.results import Event
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER
from pytest_moa.services.landings import history
from pytest_moa.services.project import Project

RECENT = 50
"""How many of the target's newest commits are looked through: a run dies at its newest landing."""


def recover(project: Project) -> list[str]:
    """Writes the landings that the ledger lacks. Returns what was done, as sentences.

    A checked-out target that a dead landing left behind is brought along by `git.quarantine.sweep`.
    """
    merged = [
        m for m in history(project)[:RECENT] if HEAD_TRAILER in m.trailers and AGENT_TRAILER in m.trailers
    ]
    if not merged:
        return []
    told = {
        event.data.get("commit")
        for event in ledger.read(project.repo, remote=project.remote)
        if event.kind == "landed"
    }
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
