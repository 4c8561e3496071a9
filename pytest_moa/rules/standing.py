"""What people's words in the ledger come to: who asked, who is held back, whether the target is frozen. Pure.

A word may hold work back; none alone ever lets any in, since whoever can push can write events.
No clock decides: a word names those that it answers, and of words that answer nothing of each other the careful one holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.asking import Said
from pytest_moa.model.results import Event

Subject = tuple[str, str]
"""What a word is about: an agent (`("agent", ID)`) or a target's freeze (`("target", NAME)`)."""

_CAREFUL = {"unready", "freeze"}
_AGENT_WORDS = {"ready", "unready"}
_TARGET_WORDS = {"freeze", "unfreeze"}
_OBJECT_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`asked` are agents whose last word is ready, `held` those whose last word is unready.

    `taken_back`: heads whose landing the target does not hold any more, to that landing; nobody asked for them since.
    `notes` are sentences on what could not be read.
    """

    frozen: Said | None = None
    asked: frozenset[str] = frozenset()
    held: Mapping[str, Said] = field(default_factory=dict)
    taken_back: Mapping[ObjectId, ObjectId] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word in the ledger. `id` follows from what it says; `answers` are the ids of words that it takes the place of.

    `landings` are the ids of landings that were taken back, and that it asks for again.
    """

    id: str
    kind: str
    subject: Subject
    said: Said
    answers: frozenset[str]
    landings: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What the ledger says of a landing. The same commit can land twice, so it is no name for it: see `landing_id`."""

    id: str
    commit: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words that hold, by subject; and by head the landings on the target that nobody asked for again.

    `commits` are by head those of all its landings; `again` says of a head and a commit how many of its landings somebody
    asked for again.
    """

    standing: Mapping[Subject, tuple[Word, ...]]
    landings: Mapping[ObjectId, tuple[Landing, ...]]
    commits: Mapping[ObjectId, frozenset[ObjectId]]
    again: Mapping[tuple[ObjectId, ObjectId], int]

    def tells(self, head: ObjectId, commit: ObjectId) -> bool:
        """Whether a landing of this head as this commit is told that nobody asked for again."""
        return any(landing.commit == commit for landing in self.landings.get(head, ()))

    def of(self, subject: Subject) -> Word | None:
        """The word that holds: the latest of the careful ones, else the latest."""
        words = self.standing.get(subject, ())
        careful = [word for word in words if word.kind in _CAREFUL]
        return max(careful or words, key=lambda word: (word.said.at, word.id), default=None)


def agent_subject(agent: str) -> Subject:
    return ("agent", agent)


def target_subject(target: str) -> Subject:
    return ("target", target)


def words_of(events: Iterable[Event], target: str) -> Words:
    """What was said about a target and its agents; events of another target and malformed ones count for nothing."""
    words: dict[Subject, dict[str, Word]] = {}
    landings: dict[ObjectId, dict[str, Landing]] = {}
    for event in events:
        if event.kind == "landed":
            head, commit, name = _oid(event, "head"), _oid(event, "commit"), landing_id(event)
            if head and commit and name and _text(event, "target") == target:
                landings.setdefault(head, {})[name] = Landing(id=name, commit=commit)
        elif (word := _word(event, target)) is not None:
            words.setdefault(word.subject, {})[word.id] = word
    again = frozenset[str]().union(
        *(w.landings for of_subject in words.values() for w in of_subject.values())
    )
    return Words(
        standing={subject: _unanswered(of_subject) for subject, of_subject in words.items()},
        landings={
            head: tuple(one for one in of.values() if one.id not in again) for head, of in landings.items()
        },
        commits={head: frozenset(one.commit for one in of.values()) for head, of in landings.items()},
        again=Counter(
            (head, one.commit) for head, of in landings.items() for one in of.values() if one.id in again
        ),
    )


def landing_id(event: Event) -> str | None:
    """What a landing is known by: the same whoever tells it, and when; None where the event tells of none.

    The same commit lands again only where somebody asked for it: `again` says how often that was, and tells them apart.
    """
    head, commit, target = _oid(event, "head"), _oid(event, "commit"), _text(event, "target")
    if event.kind != "landed" or not (head and commit and target):
        return None
    again = event.data.get("again")
    return _digest("landed", target, head, commit, str(again if type(again) is int else 0))


def standing_of(words: Words, target: str) -> Standing:
    """The words that hold on a target; what was taken back is `taken_back`'s to say, since git has to be asked."""
    agents = {subject[1]: words.of(subject) for subject in words.standing if subject[0] == "agent"}
    freeze = words.of(target_subject(target))
    return Standing(
        frozen=freeze.said if freeze is not None and freeze.kind == "freeze" else None,
        asked=frozenset(agent for agent, word in agents.items() if word and word.kind == "ready"),
        held={agent: word.said for agent, word in agents.items() if word and word.kind == "unready"},
    )


def taken_back(
    words: Words, heads: Collection[ObjectId], there: Collection[ObjectId]
) -> dict[ObjectId, tuple[Landing, ...]]:
    """Of these heads those that landed, of whose landings the target holds none (`there`: the commits that it holds)."""
    return {
        head: words.landings[head]
        for head in heads
        if words.landings.get(head) and not any(commit in there for commit in words.commits[head])
    }


def _unanswered(words: Mapping[str, Word]) -> tuple[Word, ...]:
    answered = frozenset[str]().union(*(word.answers for word in words.values()))
    return tuple(word for name, word in words.items() if name not in answered)


def _word(event: Event, target: str) -> Word | None:
    # A freeze that names no target is taken for one of every target: it may hold, and `moa unfreeze` answers it here.
    if event.kind in _TARGET_WORDS and _text(event, "target") in {"", target}:
        subject = target_subject(target)
    elif event.kind in _AGENT_WORDS and event.agent:
        subject = agent_subject(event.agent)
    else:
        return None
    answers, landings = _texts(event, "answers"), _texts(event, "landings")
    said = Said(because=_text(event, "because"), by=_text(event, "by") or "somebody", at=event.at)
    return Word(
        id=_digest(
            event.kind, *subject, said.because, said.by, said.at, _text(event, "head"), answers, landings
        ),
        kind=event.kind,
        subject=subject,
        said=said,
        answers=frozenset(answers),
        landings=frozenset(landings) if event.kind == "ready" else frozenset(),
    )


def _digest(*facts: str | list[str]) -> str:
    # Flat facts only: what else an event holds may nest deeper than can be written.
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _texts(event: Event, name: str) -> list[str]:
    value = event.data.get(name)
    return sorted({one for one in value if isinstance(one, str)}) if isinstance(value, list) else []


def _oid(event: Event, name: str) -> ObjectId | None:
    value = _text(event, name)
    return value if _OBJECT_ID.match(value) else None
