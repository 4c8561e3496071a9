"""Changes to moa before a call begins, in the call's own process: clocks that jump, and mutants that the machine has to catch."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest_moa.git.ledger
import pytest_moa.git.quarantine
import pytest_moa.services.carrier
import pytest_moa.services.landing
import pytest_moa.services.queue
from pytest_moa.git import landing as git_landing
from pytest_moa.rules.queue.steps import Tried
from pytest_moa.rules.standing import Standing

# What is patched is what these modules imported, which no type says is theirs.
carrier: Any = pytest_moa.services.carrier
queue: Any = pytest_moa.services.queue
landing: Any = pytest_moa.services.landing
quarantine: Any = pytest_moa.git.quarantine
ledger: Any = pytest_moa.git.ledger


def _clock(days: list[int]) -> None:
    """Each look at the clock is so many days off, in turn."""
    real, looks = time.time, count()

    def off() -> int:
        return days[next(looks) % len(days)]

    def now() -> str:
        return (datetime.now(UTC) + timedelta(days=off())).isoformat(timespec="microseconds")

    ledger.now = now
    time.time = lambda: real() + 86_400 * off()


def clock_far_behind() -> None:
    _clock([-4000])


def clock_far_ahead() -> None:
    _clock([4000])


def clock_that_jumps() -> None:
    _clock([0, 30, -30, 365, -1])


# Mutants: moa with one of its promises broken. None of them may get past the machine.


def lands_without_comparing() -> None:
    """The target is moved wherever it is, as a plain forced push would."""

    def land(project: Any, chain: Any, landed: Any) -> list[str]:
        git_landing.bring(project.repo, chain.quarantine, chain.base, chain.top)
        project.repo.git.run("push", "-q", "--force", project.remote, f"{chain.top}:refs/heads/develop")
        return []

    carrier.land = land


def believes_that_everything_is_green() -> None:
    """A red run counts as a green one."""
    judged = carrier.Carrier._came

    def came(self: Any, step: Any, joint: Any, differences: Any) -> Any:
        found = judged(self, step, joint, differences)
        return Tried(kind="green", runs=found.runs) if found.kind == "red" else found

    carrier.Carrier._came = came


def lands_what_was_not_tested() -> None:
    """A commit with the right parents and the right words, whose tree is the agent's own instead of the merge."""

    def land(project: Any, chain: Any, landed: Any) -> list[str]:
        store = chain.quarantine.store
        parents = store.text("rev-list", "--parents", "-n1", chain.top).split()[1:]
        message = store.text("show", "-s", "--format=%B", chain.top)
        words = [word for parent in parents for word in ("-p", parent)]
        who = ("-c", "user.name=mutant", "-c", "user.email=mutant@localhost")
        other = store.text(*who, "commit-tree", f"{parents[1]}^{{tree}}", *words, "-m", message)
        last = replace(chain.links[-1], commit=other)
        notes: list[str] = landing.land(project, replace(chain, links=(*chain.links[:-1], last)), landed)
        return notes

    carrier.land = land


def pays_no_heed_to_moved_heads() -> None:
    """What was pinned lands, wherever its branch is by now."""
    carrier.moved_heads = lambda *_: ()


def does_not_tell_the_ledger() -> None:
    """Landings are nobody's history."""
    landing.record_landing = lambda *_args: []
    queue.recover = lambda *_args, **_more: []


def tells_the_ledger_twice() -> None:
    """Every landing is two events, as they were before a landing had a place of its own."""
    record = landing.record_landing
    ledger.landing_id = lambda _: None

    def twice(project: Any, chain: Any, landed: Any) -> Any:
        record(project, chain, landed)
        return record(project, chain, landed)

    landing.record_landing = twice


def blames_the_first() -> None:
    """Whoever stands first in a red candidate is told that it is red."""
    words = queue.rejected_of

    def first(project: Any, work: Any, blame: Any, book: Any) -> Any:
        found = words(project, work, blame, book)
        object.__setattr__(found, "kind", "red") if found.kind != "red" else None
        return found

    queue.rejected_of = first


def deletes_the_branch() -> None:
    """Landed branches are tidied away."""
    whole = landing.land

    def land(project: Any, chain: Any, landed: Any) -> list[str]:
        notes: list[str] = whole(project, chain, landed)
        for link in chain.links:
            project.repo.git.run("push", "-q", project.remote, f":refs/heads/{link.work.branch.name}")
        return notes

    carrier.land = land


def honours_no_word() -> None:
    """Nobody is asked whether the target is frozen or somebody held back."""
    queue.standing = lambda *_args, **_more: Standing()
    carrier.require_thawed = lambda *_: None


def leaves_its_quarantine() -> None:
    """A folder stays behind."""
    opened = quarantine.Quarantine.open

    @contextmanager
    def left(repo: Any) -> Any:
        with opened(repo) as found:
            (found.root.parent / "moa-left").mkdir(exist_ok=True)
            yield found

    quarantine.Quarantine.open = staticmethod(left)


def brings_back_what_was_taken() -> None:
    """The candidate is pushed onto whatever the target is, merged with what it was."""

    def land(project: Any, chain: Any, landed: Any) -> list[str]:
        repo = project.repo
        git_landing.bring(repo, chain.quarantine, chain.base, chain.top)
        at = repo.git.text("ls-remote", project.remote, "refs/heads/develop").split()[0]
        lease = f"--force-with-lease=refs/heads/develop:{at}"
        repo.git.run("push", "-q", lease, project.remote, f"{chain.top}:refs/heads/develop")
        return []

    carrier.land = land
