"""The course of the probes: which question comes next, and what the answers mean. The same when it is judged again."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pytest_moa.rules.probes.decide import Decision, decide
from pytest_moa.rules.probes.faults import Fault, Splice, spliced
from pytest_moa.rules.probes.plan import Plan, Warned

Purpose = Literal["fault", "placebo", "unchanged", "canary"]
Outcome = Literal["passed", "failed", "crashed", "late", "void"]
Meaning = Literal["noticed", "unnoticed", "void"]

CONFIRMING = 3
"""So many faults are tried for one warning, and all of them have to go unnoticed."""
FEWEST = 2
"""A warning that fewer faults than this could be tried for is not confirmed."""
SILENT = 5
"""So many times the wished number of probes may be asked where most of them only make the code crash."""
DIRECTED = 12
"""So many probes may follow warnings before the sample is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`splice` is None where nothing is changed; `until` is the last test to run, `without` are left out."""

    purpose: Purpose
    fault: Fault
    splice: Splice | None
    tests: tuple[str, ...]
    until: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`failed` is an assertion that failed, `crashed` any other end of a test: nobody had to look for that.

    `test` is the one that did not pass; `marked`: the canary left its mark; `ran` counts tests.
    """

    outcome: Outcome
    test: str = ""
    marked: bool = False
    ran: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    fault: Fault
    meaning: Meaning
    by: str = ""
    looked: bool = False
    """`by` is the test that noticed; `looked`: by an assertion."""


Course = Generator[Question, Answer, None]


@dataclass(slots=True)
class Probing:
    """`results` grows while the course runs; `decision` is the sample's, `confirmed` counts probes a warning."""

    plan: Plan
    results: dict[str, Probed] = field(default_factory=dict)
    decision: Decision | None = None
    confirmed: dict[Warned, int] = field(default_factory=dict)
    _sample: list[str] = field(default_factory=list)
    _left_out: dict[str, None] = field(default_factory=dict)
    _dependent: set[str] = field(default_factory=set)
    _cleared: set[tuple[str, int, str]] = field(default_factory=set)
    _alive: set[tuple[str, int]] = field(default_factory=set)

    def course(self) -> Course:
        """Yields questions, takes answers, and ends where the answers suffice. Ending it earlier loses nothing."""
        yield from self._directed()
        wish = self.plan.wish
        for fault in self.plan.order:
            if self._enough():
                break
            yield from self._settle(fault)
            self._sample.append(fault.id)
            self.decision = self.decision or decide(self._outcomes())
            if self.decision and not wish.thorough:
                break

    def _enough(self) -> bool:
        """Whether the cap is reached. Probes that say nothing about who looks cost little, but are not asked for ever."""
        wish = self.plan.wish
        if wish.count is None:
            return False
        telling = sum(1 for p in self.results.values() if p.looked or p.meaning == "unnoticed")
        asked = len(self.results)
        return asked >= wish.count * (1 if wish.thorough else SILENT) or telling >= wish.count

    def _outcomes(self) -> Iterator[bool]:
        for name in self._sample:
            probed = self.results.get(name)
            if probed is None or probed.fault.strength == "fine":
                continue
            if probed.looked or probed.meaning == "unnoticed":
                yield probed.looked

    def _directed(self) -> Course:
        """Warned places first: a warning is confirmed where every fault there goes unnoticed."""
        for warned, faults in self.plan.directed.items():
            unnoticed = 0
            for fault in faults:
                if len(self.results) >= DIRECTED or unnoticed >= CONFIRMING:
                    break
                yield from self._settle(fault)
                probed = self.results.get(fault.id)
                if probed is not None and probed.meaning == "noticed":
                    unnoticed = 0
                    break
                unnoticed += probed is not None and probed.meaning == "unnoticed"
            if unnoticed >= FEWEST:
                self.confirmed[warned] = unnoticed

    def _settle(self, fault: Fault) -> Course:
        """Asks what has to be asked about one fault, once."""
        text = self.plan.sources[fault.path].text
        if (
            fault.id in self.results
            or spliced(text, fault.splice) is None
            or spliced(text, fault.placebo) is None
        ):
            return
        touchy = False
        while True:
            answer = yield self._question("fault", fault, fault.splice)
            if answer.outcome in {"void", "passed"}:
                break
            suspect = yield from self._clear(fault, answer.test)
            if suspect is None:
                self._tell(fault, "noticed", by=answer.test, looked=answer.outcome == "failed")
                return
            if suspect in self._left_out:  # it was left out and failed again: the answers make no sense
                self._tell(fault, "void")
                return
            self._left_out[suspect] = None
            touchy = touchy or suspect not in self._dependent
        if answer.outcome == "void":
            # Nobody is left. Tests that react to any change at all, and to nothing else, notice nothing.
            self._tell(fault, "unnoticed" if touchy or self._only_touchy(fault) else "void")
            return
        yield from self._ask_canary(fault)

    def _clear(self, fault: Fault, test: str) -> Generator[Question, Answer, str | None]:
        """None where the test passes under the placebo; else the test that is to be left out."""
        key = (fault.path, fault.first, test)
        if key in self._cleared:
            return None
        answer = yield self._question("placebo", fault, fault.placebo, until=test)
        if answer.outcome == "passed":
            self._cleared.add(key)
            return None
        suspect = answer.test or test
        again = yield self._question("unchanged", fault, None, until=suspect)
        if again.outcome != "passed":
            suspect = again.test or suspect
            self._dependent.add(suspect)
        return suspect

    def _only_touchy(self, fault: Fault) -> bool:
        tests = self.plan.tests[fault.id]
        return all(test in self._left_out and test not in self._dependent for test in tests)

    def _ask_canary(self, fault: Fault) -> Course:
        """An unnoticed fault counts only where changed code of its function was seen to run."""
        place = (fault.path, fault.first)
        if place not in self._alive:
            canary = self.plan.sources[fault.path].canaries.get(fault.first)
            answer = yield self._question("canary", fault, canary)
            if not answer.marked:
                self._tell(fault, "void")
                return
            self._alive.add(place)
        self._tell(fault, "unnoticed")

    def _question(
        self, purpose: Purpose, fault: Fault, splice: Splice | None, until: str | None = None
    ) -> Question:
        return Question(
            purpose=purpose,
            fault=fault,
            splice=splice,
            tests=self.plan.tests[fault.id],
            until=until,
            without=tuple(self._left_out),
        )

    def _tell(self, fault: Fault, meaning: Meaning, by: str = "", *, looked: bool = False) -> None:
        self.results[fault.id] = Probed(fault=fault, meaning=meaning, by=by, looked=looked)


def meanings(results: Iterable[Probed], meaning: Meaning) -> list[Probed]:
    return [probed for probed in results if probed.meaning == meaning]
