"""What there is to gate on machines of their own: rows of a plan, and who waits."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Rejected

TRAIN = "train"
"""The row of the joint candidate, in the place of an agent's id."""

GROUP = "group"
"""What another merge queue built, in the place of an agent's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job: an agent's pinned head; or the train, with the target as its branch and the joint candidate as its head."""

    agent: str
    branch: str
    head: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`members` are the agents on the train, in their order; `waiting` is who has no row, or may land only behind others, and why."""

    target: str
    at: ObjectId
    include: tuple[Row, ...] = ()
    members: tuple[str, ...] = ()
    waiting: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
