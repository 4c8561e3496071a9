"""What lies about of runs that are over, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeftoverKind = Literal[
    "quarantine", "git-lock", "work-tree", "environment", "verdicts", "conflicts", "queue-lock", "other"
]
LeftoverState = Literal["found", "removed", "kept", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing. `size` is in bytes. `found` is what would be removed; `kept` and `failed` have a reason.

    A `work-tree` is never removed: it is brought to where a landing that died had moved its branch.
    """

    kind: LeftoverKind
    path: str
    size: int = 0
    state: LeftoverState = "found"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetReport:
    """`cache` is the cache folder that was looked through; `asked` is False where things were only listed."""

    cache: str
    asked: bool
    items: tuple[Leftover, ...] = ()

    def of(self, state: LeftoverState) -> tuple[Leftover, ...]:
        return tuple(item for item in self.items if item.state == state)
