"""Moving the target to a chain that passed, telling the ledger, and reading the target afresh afterwards."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pytest_moa.errors import RefusedError
from pytest_moa.git import repository as git
from pytest_moa.git.checkouts import checkouts, require_clean
from pytest_moa.git.landing import land_local, land_remote, verify, verify_whole
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Landed
from pytest_moa.services.chain import Chain, Work
from pytest_moa.services.project import Project
from pytest_moa.services.recording import record_landing


def land(project: Project, chain: Chain, landed: Sequence[Landed]) -> list[str]:
    """Moves the target to the chain's top and reads it afresh; returns what was done beside, in sentences.

    The ledger is told before the look, which may find that somebody took the landing back: the next call has to know of it.
    Raises RaceError where the target is not at the chain's base, RefusedError and RepositoryError where it may not move,
    and RepositoryError where it does not hold the landing (any more).
    """
    name, old, quarantine = project.target.name, chain.base, chain.quarantine
    if project.remote is not None:
        notes = list(land_remote(project.repo, quarantine, project.remote, name, old, chain.top))
    else:
        notes = list(land_local(project.repo, quarantine, name, old, chain.top))
    notes += record_landing(project, chain, landed)
    verify(project.repo, project.remote, name, chain.top)
    present = {path for patch in chain.patches for path in patch.hunks}
    removed = {path for patch in chain.patches for path in (*patch.gone, *patch.renames)}
    verify_whole(project.repo, quarantine, chain.top, present - removed)
    return notes


def moved_heads(project: Project, works: Sequence[Work]) -> tuple[str, ...]:
    """The agents whose branch is elsewhere by now than where it was pinned."""
    remote = project.remote
    far = [work for work in works if remote is not None and work.branch.remote is not None]
    heads = (
        git.remote_heads(project.repo, remote, [work.branch.name for work in far]) if far and remote else {}
    )
    return tuple(
        work.id
        for work in works
        if (heads.get(work.branch.name) if work in far else git.resolve(project.repo, work.branch.ref))
        != work.branch.head
    )


def require_landable(project: Project, quarantine: Quarantine, candidate: ObjectId) -> None:
    """What would stop the landing is told before the tests are paid for. Raises RefusedError."""
    objects = project.repo.common_dir / "objects"
    if not os.access(objects, os.W_OK | os.X_OK):
        raise RefusedError(
            "This repository may only be read",
            reason=f"{objects} cannot be written",
            remedy="Run moa as a user who may write there, or give yourself permission.",
        )
    if project.where == "local":
        for tree in checkouts(project.repo, project.target.name):
            require_clean(tree, quarantine.repository, project.target.head, candidate, project.target.name)
