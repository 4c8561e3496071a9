"""Agents and the branches that they work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ObjectId = str
"""A git object id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits."""

AgentStatus = Literal["not_started", "in_progress", "ready_for_integration", "completed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRef:
    """A branch as read at one moment.

    `name` is the short name without the remote (`agent-03-core`), `ref` the full ref it was read from,
    `remote` the remote's name or None for a local branch, `head` the pinned commit.
    """

    name: str
    ref: str
    head: ObjectId
    remote: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent: from the registry, from a branch, or both.

    `branch` is None while it has none. `rivals` are further branches that claim the same id: an agent
    with rivals is an error to name, never a choice to guess.
    """

    id: str
    name: str
    branch: BranchRef | None = None
    rivals: tuple[BranchRef, ...] = ()
    unpushed: bool = False
