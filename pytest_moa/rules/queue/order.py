"""The order of the queue: dependencies first, then priority, then age. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_moa.rules.agents import natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """`depends` are ids that have to come before it; `begun` is when its first commit was made (seconds since the epoch).

    A branch that mends something does not lose its place.
    """

    id: str
    depends: frozenset[str] = frozenset()
    priority: int = 0
    begun: int = 0


def in_queue_order(
    candidates: Iterable[Candidate],
) -> tuple[tuple[str, ...], dict[str, frozenset[str]], dict[str, tuple[str, ...]]]:
    """The ids in their order, what each depends on transitively, and those that cannot go since others cannot.

    A dependency that is no candidate, or that depends on its dependent, holds back all that stand on it.
    """
    known = {candidate.id: candidate for candidate in candidates}
    waiting = sorted(known.values(), key=lambda c: (-c.priority, c.begun, natural(c.id)))
    order: list[str] = []
    depends: dict[str, frozenset[str]] = {}
    while waiting:
        # The first in line whose dependencies stand in front of it already.
        free = next((c for c in waiting if c.depends <= depends.keys()), None)
        if free is None:
            break
        waiting.remove(free)
        order.append(free.id)
        depends[free.id] = free.depends.union(*(depends[d] for d in free.depends))
    return tuple(order), depends, {c.id: _missing(c, depends) for c in waiting}


def _missing(candidate: Candidate, depends: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted((d for d in candidate.depends if d not in depends), key=natural))
