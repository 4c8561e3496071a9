"""Whether a branch's work is on the target: told from git's facts, never from an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_moa.model.agents import ObjectId

HEAD_TRAILER = "Moa-Head"
AGENT_TRAILER = "Moa-Agent"
Place = Literal["landed", "untouched", "ahead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A commit of the target's first-parent history and its trailers."""

    commit: ObjectId
    trailers: Mapping[str, tuple[str, ...]]


def landing_of(head: ObjectId, history: Iterable[Merged]) -> ObjectId | None:
    """The commit of the target's first-parent history whose `Moa-Head` trailer is that head."""
    return next((m.commit for m in history if head in m.trailers.get(HEAD_TRAILER, ())), None)


def place_of(
    *, head: ObjectId, target: ObjectId, merged: ObjectId | None, reachable: bool, had_commits: bool
) -> Place:
    """Where a head stands against the target.

    `merged`: its landing by trailer; `reachable`: the target contains it; `had_commits`: the branch had commits of
    its own when it was merged (it is not on the target's first-parent line). A branch that the target contains and
    that never had anything of its own has not started.
    """
    if merged is not None:
        return "landed"
    if not reachable:
        return "ahead"
    return "landed" if had_commits and head != target else "untouched"
