"""A world for rounds of the queue: who breaks what is known, so that every verdict can be checked against it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_moa.model.results import RejectionClass
from pytest_moa.rules.queue.round import Round
from pytest_moa.rules.queue.steps import (
    Again,
    Ended,
    Forgive,
    Land,
    Landed,
    Limits,
    Member,
    OnTarget,
    Outcome,
    SeenAgain,
    SeenOnTarget,
    Step,
    Tried,
    Try,
)

Breaks = Callable[[Collection[str]], bool]


@dataclass(frozen=True)
class Case:
    """One test: whose it is (None: it stands on the target), in which company it fails, whose lines it runs.

    `beside`: it fails only after others' tests, and passes alone; `leaving` are those whose tests seem to be the reason.
    """

    author: str | None
    fails: Breaks
    lines: Sequence[str] = ()
    beside: bool = False
    leaving: Sequence[str] = ()


def by(*members: str) -> Breaks:
    """Red where all of these are in the candidate."""
    return lambda company: all(member in company for member in members)


@dataclass
class World:
    """Answers the steps of a round. `flakes` says how often a test that should pass fails nevertheless."""

    size: int
    tests: Mapping[str, Case]
    short: Mapping[str, RejectionClass] = field(default_factory=dict)
    opaque: Collection[str] = ()
    depends: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flakes: dict[str, int] = field(default_factory=dict)
    answers: Mapping[type[Step], list[Outcome]] = field(default_factory=dict)
    landed: list[str] = field(default_factory=list)
    log: list[Step] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [f"{number:02}" for number in range(1, self.size + 1)]

    def red(self, company: Collection[str]) -> list[str]:
        return [
            name
            for name, case in self.tests.items()
            if (case.author is None or case.author in company) and (case.fails(company) or self._flakes(name))
        ]

    def _flakes(self, name: str) -> bool:
        left = self.flakes.get(name, 0)
        self.flakes[name] = max(0, left - 1)
        return left > 0

    def answer(self, step: Step) -> Outcome:
        self.log.append(step)
        if self.answers.get(type(step)):
            return self.answers[type(step)].pop(0)
        company = [*self.landed, *getattr(step, "members", ())]
        match step:
            case Try(members, first):
                red = self.red(members if first else company)
                short = {m: self.short[m] for m in members if m in self.short}
                return Tried(kind="red", failing=tuple(red)) if red else Tried(kind="green", short=short)
            case Again(members, ids, first):
                return self._again(members if first else company, ids)
            case OnTarget(ids):
                return SeenOnTarget(red=tuple(i for i in self.red(()) if not ids or i in ids))
            case Forgive():
                return Tried(kind="green", runs=0)
            case Land(members):
                assert not self.red(company), "something red was landed"
                self.landed += members
                return Landed(kind="landed")

    def _again(self, company: Collection[str], ids: Sequence[str]) -> SeenAgain:
        return SeenAgain(
            still=tuple(i for i in ids if not self.tests[i].beside and i in self.red(company)),
            suspects={i: tuple(m for m in self.tests[i].lines if m in company) for i in ids},
            standing=frozenset(i for i in ids if self.tests[i].author is None),
            leaving={i: tuple(m for m in self.tests[i].leaving if m in company) for i in ids},
            authors={i: author for i in ids if (author := self.tests[i].author)},
        )

    def round(self, limits: Limits | None = None) -> Ended:
        members = [
            Member(id=i, depends=self.depends.get(i, frozenset()), opaque=i in self.opaque) for i in self.ids
        ]
        course = Round(members, limits).course()
        steps = next(course)
        while True:
            try:
                steps = course.send(tuple(self.answer(step) for step in steps))
            except StopIteration as stop:
                ended: Ended = stop.value
                return ended
