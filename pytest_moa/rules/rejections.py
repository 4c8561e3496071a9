"""Which heads a landing step refused for a fault of their own, and nobody asked for since. Pure.

Such a word may hold work back; none lets any in. No clock decides: whoever asks again names the refusals that are meant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Event

FAULTS = frozenset({"red", "coverage", "integrity", "hang"})
"""Classes that the same head would earn again."""

TARGET_KEY = "target_branch"
"""Names the branch that a head was refused for. Queues that test anew each time write no such key, and hold nobody back."""

ANSWER_KEY = "rejections"
"""Where a `ready` names the refusals that it answers."""

_OBJECT_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`id` follows from what the event says."""

    id: str
    agent: str
    head: ObjectId
    kind: str
    reason: str
    at: str


def refusals(events: Iterable[Event], target: str) -> Mapping[ObjectId, tuple[Refusal, ...]]:
    """By head what stands against it on that target; malformed events count for nothing."""
    found: dict[str, Refusal] = {}
    answered: set[str] = set()
    for event in events:
        if event.kind == "ready":
            said = event.data.get(ANSWER_KEY)
            answered |= {one for one in said if isinstance(one, str)} if isinstance(said, list) else set()
        elif event.kind == "rejected" and (refusal := _refusal(event, target)) is not None:
            found[refusal.id] = refusal
    standing: dict[ObjectId, tuple[Refusal, ...]] = {}
    for refusal in found.values():
        if refusal.id not in answered:
            standing[refusal.head] = (*standing.get(refusal.head, ()), refusal)
    return standing


def _refusal(event: Event, target: str) -> Refusal | None:
    head, kind, reason = (event.data.get(name) for name in ("head", "class", "reason"))
    if event.data.get(TARGET_KEY) != target or not event.agent:
        return None
    if not isinstance(head, str) or not _OBJECT_ID.match(head):
        return None
    if not isinstance(kind, str) or kind not in FAULTS:
        return None
    said = reason if isinstance(reason, str) else ""
    facts = json.dumps([event.agent, head, kind, said, event.at, target])
    return Refusal(
        id=hashlib.sha256(facts.encode()).hexdigest()[:16],
        agent=event.agent,
        head=head,
        kind=kind,
        reason=said,
        at=event.at,
    )
