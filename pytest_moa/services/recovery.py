"""What a run that died between landing and ledger left undone is done by the next one. Git tells what landed."""

from __future__ import annotations

from pytest_moa.errors import MoaError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.landing import catch_up
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.git.repository import CommitInfo
from pytest_moa.model.results import Event
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER, Merged
from pytest_moa.rules.standing import Words, words_of
from pytest_moa.services.landings import history
from pytest_moa.services.project import Project
from pytest_moa.services.recording import landed_event

RECENT = 50
"""How many of the target's newest commits are looked through: a run dies at its newest landing."""


def recover(project: Project, *, push: bool = True) -> list[str]:
    """Writes the landings that the ledger lacks, and brings a local target along that a dead run left behind.

    With `push` the remote gets what it lacks of the ledger. Returns what was done, as sentences. A checked-out target
    that a local landing left half updated is brought along by `git.quarantine.sweep`.
    """
    return [*_local_target(project), *_ledger(project, project.remote if push else None)]


def _local_target(project: Project) -> list[str]:
    if project.remote is None:
        return []
    name, head = project.target.name, project.target.head
    here = git.resolve(project.repo, f"refs/heads/{name}")
    if here is None or here == head or not git.is_ancestor(project.repo, here, head):
        return []
    with Quarantine.open(project.repo) as quarantine:
        return list(catch_up(project.repo, quarantine, name, head))


def _ledger(project: Project, remote: str | None) -> list[str]:
    events = _missing_events(project)
    try:
        if events:
            ledger.append(project.repo, events, remote=remote)
            return [f"The ledger lacked {len(events)} landing(s) of a run that had died; written now."]
        if remote is not None and ledger.share(project.repo, remote):
            return [f"The ledger on {remote} lacked events that were written here; pushed now."]
    except MoaError as error:
        return [
            f"The ledger could not be shared ({error.reason or error.message}); the next run tries again."
        ]
    return []


def _missing_events(project: Project) -> list[Event]:
    merged = [
        m for m in history(project)[:RECENT] if HEAD_TRAILER in m.trailers and AGENT_TRAILER in m.trailers
    ]
    merged = [m for m in merged if m.trailers[HEAD_TRAILER] and m.trailers[AGENT_TRAILER]]
    if not merged:
        return []
    events = ledger.read(project.repo, remote=project.remote)
    name = project.target.name
    elsewhere = {e.data.get("commit") for e in events if e.kind == "landed" and e.data.get("target") != name}
    known = words_of(events, name)
    missing = [
        m
        for m in merged
        if m.commit not in elsewhere and not known.tells(m.trailers[HEAD_TRAILER][0], m.commit)
    ]
    infos = git.commit_infos(project.repo, [m.commit for m in missing])
    return [_recovered(project, known, m, infos[m.commit]) for m in missing]


def _recovered(project: Project, known: Words, merged: Merged, info: CommitInfo) -> Event:
    agent, head = merged.trailers[AGENT_TRAILER][0], merged.trailers[HEAD_TRAILER][0]
    return landed_event(project, known, agent, head, info, {"recovered": True})
