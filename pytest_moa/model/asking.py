"""People's words about the queue: that an agent's work may go in, that it may not, that nothing may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_moa.model.agents import ObjectId

WordKind = Literal["ready", "unready", "freeze", "unfreeze"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A word that holds: why, by whom, and when (UTC, ISO 8601, by the clock of whoever said it)."""

    because: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What became of a word. `changed` is False where it held already; `said` is the word that holds now, None for none.

    `agent`, `branch` and `head` are None for a freeze. `again` are landings that were taken back and are asked for
    once more. `remote` is who has the word now beside this clone, None where there is nobody to tell.
    """

    kind: WordKind
    target: str
    changed: bool
    said: Said | None
    agent: str | None = None
    branch: str | None = None
    head: ObjectId | None = None
    again: tuple[ObjectId, ...] = ()
    remote: str | None = None
    notes: tuple[str, ...] = ()
