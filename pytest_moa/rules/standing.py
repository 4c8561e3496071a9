"""What people's words in the ledger come to: who asked, who is held back, whether the target is frozen. Pure.

A word may hold work back; none alone ever lets any in, since whoever can push can write events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A word that holds: why, by whom, and when (UTC, ISO 8601)."""

    because: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`asked` are agents whose last word is ready, `held` those whose last word is unready.

    `taken_back`: heads whose landing the target does not hold any more, to that landing; nobody asked for them since.
    """

    frozen: Said | None = None
    asked: frozenset[str] = frozenset()
    held: Mapping[str, Said] = field(default_factory=dict)
    taken_back: Mapping[ObjectId, ObjectId] = field(default_factory=dict)


def standing_of(events: Iterable[Event], target: str) -> tuple[Standing, dict[ObjectId, ObjectId]]:
    """The words that hold on a target, in the events' order; and every landing there since which nobody asked again.

    The landings are head to commit: which of them the target still holds is git's to say.
    """
    frozen: Said | None = None
    words: dict[str, tuple[str, Said]] = {}
    landings: dict[str, dict[ObjectId, ObjectId]] = {}
    for event in events:
        said = Said(because=_text(event, "because"), by=_text(event, "by") or "somebody", at=event.at)
        if event.kind in {"freeze", "unfreeze"} and _text(event, "target") in {"", target}:
            frozen = said if event.kind == "freeze" else None
        elif event.kind in {"ready", "unready"} and event.agent is not None:
            words[event.agent] = (event.kind, said)
            if event.kind == "ready":
                landings.pop(event.agent, None)
        elif event.kind == "landed" and event.agent is not None and _text(event, "target") == target:
            head, commit = _text(event, "head"), _text(event, "commit")
            if head and commit:
                landings.setdefault(event.agent, {})[head] = commit
    found = Standing(
        frozen=frozen,
        asked=frozenset(agent for agent, (word, _) in words.items() if word == "ready"),
        held={agent: said for agent, (word, said) in words.items() if word == "unready"},
    )
    return found, {head: commit for of_agent in landings.values() for head, commit in of_agent.items()}


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""
