"""The round of the queue as a pure state machine: which candidate to test next, what to land, whom to blame.

`Round.course()` yields steps and is sent what came of them; `services/queue.py` carries them out. Steps that are
yielded together do not depend on each other, so that they can be carried out at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import ceil, log2

from pytest_moa.model.results import RejectionClass
from pytest_moa.rules.queue.steps import (
    Again,
    Because,
    Blame,
    Ended,
    Forgive,
    Land,
    Landed,
    Limits,
    Member,
    OnTarget,
    Outcome,
    OutOfTime,
    Part,
    SeenAgain,
    SeenOnTarget,
    Step,
    Tried,
    Try,
)

FEW = 2
"""So many suspects are each tried alone, at the same time; more of them are searched by halves."""

BISECTIONS = 2
"""So many culprits are searched for by halves; where there are more, each run had better decide one member."""


def most_runs(members: int) -> int:
    """The most children that a round of so many members may run: one each, or where they are few what a search costs."""
    return max(members, 5 + ceil(log2(max(members, 1))))


class Round:
    """One round over pinned members in their order. What it decides follows from the outcomes alone."""

    def __init__(self, members: Sequence[Member], limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.members = {member.id: member for member in members}
        self.order = [member.id for member in members]
        self.most = self.limits.runs if self.limits.runs is not None else most_runs(len(members))
        # A confirmation is a kindness: it must not make the search dearer than bisection with its evidence.
        self.kind_until = 4 + ceil(log2(max(len(members), 1)))
        self.runs = 0
        self.landed: list[str] = []
        self.blamed: dict[str, Blame] = {}
        self.flaky: dict[str, None] = {}
        self.ended = False
        self.raced = False
        self.confirmed: dict[str, None] = {}
        self.suspects: dict[str, tuple[str, ...]] = {}
        self.standing: set[str] = set()
        self.authors: dict[str, str] = {}
        self.cleared: set[str] = set()
        self.accused: dict[str, int] = {}
        self.charges: dict[str, tuple[str, ...]] = {}
        self.unexplained: set[str] = set()
        self.by_elimination: set[str] = set()
        self.alone: dict[str, Tried] = {}
        self.unstable: Counter[str] = Counter()
        self.leaving: dict[str, tuple[str, ...]] = {}
        self.doubtful: dict[str, tuple[str, ...]] = {}
        self.bisections = 0
        self.seen_red: set[frozenset[str]] = set()
        self.killed_once = False
        self.target_asked = False

    def course(self) -> Part[Ended]:
        """The round, until everybody is decided or nothing more may be done."""
        waiting = list(self.order)
        while waiting and not self._over():
            before = len(self._undecided())
            yield from self._settle(waiting)
            waiting = [m for m in self._undecided() if not self._is_doubtful(m)]
            if waiting and len(self._undecided()) == before:
                # Nobody was decided by what was run: the floor, each by itself.
                yield from self._one_by_one(waiting)
                break
        yield from self._settle_doubtful()
        return Ended(
            landed=tuple(self.landed),
            blamed=dict(self.blamed),
            flaky=tuple(self.flaky),
            runs=self.runs,
            open=tuple(self._undecided()),
            raced=self.raced,
        )

    # The joint candidate

    def _settle(self, todo: list[str]) -> Part[None]:
        """Lands what can land together; some of those set aside may be left to be tried on top of it."""
        aside: list[str] = []
        while todo and not self._over():
            if not self._affordable():
                self._give_up("runs")
                break
            tried = yield from self._try(todo, beside=self._to_be_told_apart(aside))
            if self._over() or tried is None:
                break
            if tried.kind in {"red", "hang", "killed", "unable"}:
                found = yield from self._search(todo, tried)
                if found is not None:
                    dropped = [m for m in todo if m not in found and self._is_open(m)]
                    todo, aside = found, aside + dropped
                    continue
                tried = yield from self._forgiven(todo, tried)
            if tried is not None:
                todo = yield from self._green(todo, tried)
        if not self._over():
            yield from self._tell_apart(aside)

    def _green(self, todo: list[str], tried: Tried) -> Part[list[str]]:
        """Lands a green candidate, or drops those whose own verdict is not: what lands must be what ran."""
        if tried.kind == "conflict" and tried.member is not None:
            self._reject(tried.member, Blame(kind="conflict", because="conflict"))
        elif tried.kind == "touched":
            for member in self._undecided():
                self._reject(member, Blame(kind="undetermined", because="touched"))
            self.ended = True
        elif tried.short:
            for member in (m for m in todo if m in tried.short):
                self._reject(member, Blame(kind=tried.short[member], because="short"))
        else:
            self._clear()
            yield from self._land(todo)
        return self._left(todo)

    def _try(self, todo: Sequence[str], beside: Sequence[str] = ()) -> Part[Tried | None]:
        """A run of the whole suite; what something killed is run once more, since that may be the machine's fault.

        `beside` are members that have to be tried alone anyway: at the same time is sooner.
        """
        steps = (Try(tuple(todo)), *(Try(self._with_dependencies(m), first=True) for m in beside))
        outcomes = yield steps
        self._take(steps, outcomes)
        for member, found in zip(beside, outcomes[1:], strict=True):
            if isinstance(found, Tried):
                self.alone[member] = found
        tried = outcomes[0]
        if (
            isinstance(tried, Tried)
            and tried.kind == "killed"
            and not self.killed_once
            and self._affordable()
        ):
            self.killed_once = True
            tried = yield from self._one(Try(tuple(todo)))
        return tried if isinstance(tried, Tried) else None

    def _to_be_told_apart(self, aside: Sequence[str]) -> list[str]:
        """Those set aside who have to be tried alone, if they are few and the round may run so much."""
        unclear = [m for m in self._left(aside) if m in self.charges and not self._is_clear(m)]
        asked = [
            m for m in unclear if m not in self.alone and not self.members[m].depends.intersection(aside)
        ]
        known = {test for m in asked for test in self.charges[m] if test in self.standing - self.cleared}
        if len(unclear) > FEW or known or self.runs + 1 + len(asked) > self.most:
            return []  # whether the target itself is red is not known yet, or it would be too dear
        return asked

    def _is_clear(self, member: str) -> bool:
        """Whether the evidence names nobody else, and nobody else changed what it cannot see."""
        charged = self.charges.get(member, ())
        sure = not any(test in self.by_elimination for test in charged)
        return sure and not self._others(member) and not self._unseen_by(member)

    def _land(self, todo: Sequence[str]) -> Part[None]:
        came = yield from self._one(Land(tuple(todo)))
        if not isinstance(came, Landed):
            return
        if came.kind == "landed":
            self.landed += todo
        elif came.kind == "moved":
            for member in came.members:
                self._reject(member, Blame(kind="moved", because="moved"))
        elif came.kind == "raced":
            self.raced = self.ended = True
        else:
            for member in self._undecided():
                self._reject(member, Blame(kind="held", because="stopped"))
            self.ended = True

    # Red

    def _search(self, todo: list[str], tried: Tried) -> Part[list[str] | None]:
        """The members to go on with after a red run; None where nothing but tolerated flaky tests was red."""
        failing = tried.failing or ((tried.running,) if tried.running else ())
        if tried.kind != "unable":
            yield from self._confirm(tuple(todo), failing)
        if self._over():
            return self._left(todo)
        red = [i for i in failing if i in self.confirmed]
        if failing and not red:
            return (yield from self._after_flaky(todo, failing))
        dropped = self._named(todo, red)
        if dropped:
            rest = [m for m in todo if m not in dropped]
            # Of several that are all accused the earliest goes on, once it was seen that it may.
            return rest or [m for m in todo[:1] if len(todo) > 1 and self._may_go_on(m)]
        if (yield from self._is_target(red)):
            return []
        if self.bisections >= BISECTIONS:
            yield from self._one_by_one(todo)
        else:
            self.bisections += 1
            # A run that broke without a failing test was not seen twice: nobody is blamed before it is.
            yield from self._bisect(todo, red, seen=bool(red))
        return self._left(todo)

    def _confirm(
        self, members: tuple[str, ...], failing: Sequence[str], *, first: bool = False
    ) -> Part[None]:
        """Flake check and evidence in one, for failing ids that were not confirmed yet."""
        unknown = tuple(i for i in failing if i not in self.confirmed and not self.unstable[i])
        if not unknown or not self._affordable():
            return
        seen = yield from self._one(Again(members, unknown, first))
        if not isinstance(seen, SeenAgain):
            return
        self.confirmed.update(dict.fromkeys(seen.still))
        self.flaky.update(dict.fromkeys(i for i in unknown if i not in seen.still))
        self.suspects.update(seen.suspects)
        self.standing |= seen.standing
        self.authors.update(seen.authors)
        self.leaving.update(seen.leaving)

    def _named(self, todo: Sequence[str], red: Sequence[str]) -> set[str]:
        """Whom the evidence says to leave out: for each failing test one, the author of a new one; all when that failed.

        Leaving the author out takes a new test away with it, so that the rest cannot fail by it.
        """
        self._suspect_the_unseen(todo, red)
        named = {i: [m for m in self.suspects.get(i, ()) if m in todo] for i in red}
        named = {i: members for i, members in named.items() if members and i not in self.unexplained}
        out: dict[str, None] = {}
        for test in sorted(named, key=lambda i: len(named[i])):
            wrong_before = self.accused.get(test, 0)
            if wrong_before or test in self.by_elimination:
                chosen = named[test]
            elif any(member in out for member in named[test]):
                chosen = [next(m for m in named[test] if m in out)]
            else:
                author = self.authors.get(test)
                chosen = [author if author in named[test] and test not in self.standing else named[test][0]]
            for member in chosen:
                out[member] = None
                self.charges[member] = (*self.charges.get(member, ()), test)
            self.accused[test] = wrong_before + 1
        self.unexplained |= {i for i in red if i not in named}
        return self._with_dependents(out, todo)

    def _suspect_the_unseen(self, todo: Sequence[str], red: Sequence[str]) -> None:
        """Where no line names anybody, those who changed what no line tells of are all left out, if others remain."""
        unseen = tuple(m for m in todo if self.members[m].opaque)
        if not 0 < len(unseen) < len(todo):
            return
        for test in red:
            if not self.suspects.get(test) and test not in self.unexplained:
                self.suspects[test] = unseen
                self.by_elimination.add(test)

    def _after_flaky(self, todo: list[str], failing: Sequence[str]) -> Part[list[str] | None]:
        """What failed passes alone: it is flaky, or the tests of a member leave something behind that makes it fail.

        The next run tells. The authors of new tests, and those whose tests may be what makes others fail, do not take part
        in it; where there are none, it is the same again. Who fails twice so is searched for whoever makes it fail.
        """
        unknown = [i for i in failing if i not in self.limits.known_flaky]
        if len(unknown) <= self.limits.flaky_cap:
            return None
        self.unstable.update(unknown)
        authors = {i: self.authors.get(i) for i in unknown if i not in self.standing}
        lasting = tuple(i for i in unknown if self.unstable[i] > 1 and authors.get(i) not in todo)
        if lasting:
            yield from self._bisect(todo, lasting, leaves=True)
            return self._left(todo)
        for member in (m for m in dict.fromkeys(authors.values()) if m in todo):
            self.doubtful[str(member)] = tuple(i for i in unknown if authors.get(i) == member)
        rest = [m for m in todo if not self._is_doubtful(m)]
        leaving = self._with_dependents({m for i in unknown for m in self.leaving.get(i, ())}, rest)
        return [m for m in rest if m not in leaving] or rest

    def _is_doubtful(self, member: str) -> bool:
        return member in self.doubtful or bool(self.members[member].depends & self.doubtful.keys())

    def _settle_doubtful(self) -> Part[None]:
        """Authors of tests that failed and passed alone: flaky, unless it fails again beside those that landed."""
        for member, tests in list(self.doubtful.items()):
            if not self._is_open(member) or self.raced:
                continue
            others = {m for i in tests for m in self.leaving.get(i, ()) if m in self.landed}
            if others and self._affordable() and not self._over():
                tried = yield from self._one(Try((member,)))
                if isinstance(tried, Tried) and set(tried.failing) & set(tests):
                    together = tuple(self._in_order(others))
                    self._reject(
                        member, Blame(kind="red", because="leaves", tests=tests, with_agents=together)
                    )
            self._reject(member, Blame(kind="flaky", because="flaky", tests=tests))

    def _leaver(self, member: str, tests: tuple[str, ...], *, sure: bool) -> Part[None]:
        """The one beside whose tests others fail that pass alone. `sure`: it was red with it, green without, red with it."""
        if not self.landed and (yield from self._is_target(())):
            return
        if not sure:
            if not self._affordable():
                self._reject(member, Blame(kind="held", because="runs", tests=tests))
                return
            tried = yield from self._one(Try((member,)))
            if not isinstance(tried, Tried) or self._over():
                return
            if tried.kind in _NOT_RED:
                yield from self._green([member], tried)
                return
            if not set(tried.failing) & set(tests):
                yield from self._culprit(member, tried.failing)
                return
        self._reject(member, Blame(kind="red", because="leaves", tests=tests))
        # What failed beside it is judged anew without it.
        for test in chain(tests, *self.doubtful.values()):
            self.flaky.pop(test, None)
        self.unstable.clear()
        self.doubtful.clear()

    def _forgiven(self, todo: Sequence[str], tried: Tried) -> Part[Tried | None]:
        came = yield from self._one(Forgive(tuple(todo), tried.failing))
        return came if isinstance(came, Tried) else None

    def _is_target(self, red: Sequence[str]) -> Part[bool]:
        """Whether the target alone is red, or cannot run anything: then nobody is blamed, and nothing can land."""
        wanted = tuple(i for i in red if i in self.standing and i not in self.cleared)
        if (red and not wanted) or (not red and self.target_asked) or self.landed or not self._affordable():
            return False
        self.target_asked = self.target_asked or not red
        seen = yield from self._one(OnTarget(wanted))
        if not isinstance(seen, SeenOnTarget):
            return True
        if seen.able and not seen.red:
            self.cleared.update(wanted)
            return False
        for member in self._undecided():
            self._reject(member, Blame(kind="target", because="target", tests=seen.red))
        self.ended = True
        return True

    # Halving: the floor where evidence names nobody

    def _bisect(
        self, todo: list[str], red: Sequence[str], *, seen: bool = True, leaves: bool = False
    ) -> Part[None]:
        """Finds the first member that makes the candidate red; the good prefix lands on the way.

        `seen`: this very candidate was seen red; where it is only likely, it is seen before anybody is blamed.
        `leaves`: what is red is so only beside others' tests.
        """
        members, bad = list(todo), len(todo)
        failing = tuple(red)
        while bad > 1:
            if not self._affordable():
                self._give_up("runs")
                return
            middle = bad // 2
            tried = yield from self._one(Try(tuple(members[:middle])))
            if not isinstance(tried, Tried) or self._over():
                return
            if tried.kind != "green":
                bad, failing, seen = middle, tried.failing or failing, True
                continue
            prefix = members[:middle]
            yield from self._green(prefix, tried)
            if self._over() or any(m not in self.landed for m in prefix):
                return  # with fewer of them everything is another candidate: from the beginning
            members, bad = members[middle:], bad - middle
        if leaves:
            yield from self._leaver(members[0], tuple(red), sure=len(todo) == 1)
        elif seen or (yield from self._is_red(members[:bad])):
            yield from self._culprit(members[bad - 1], failing)

    def _is_red(self, members: Sequence[str]) -> Part[bool]:
        """Whether a candidate that is likely to be red is; one that is green lands."""
        if not self._affordable():
            self._give_up("runs")
            return False
        tried = yield from self._one(Try(tuple(members)))
        if not isinstance(tried, Tried) or self._over():
            return False
        if tried.kind in _NOT_RED:
            yield from self._green(list(members), tried)
            return False
        return True

    def _culprit(self, culprit: str, failing: tuple[str, ...]) -> Part[None]:
        """The one that makes a good candidate red: by itself, or only on top of what landed before it."""
        self.charges[culprit] = failing
        if self.landed and self.runs + 2 <= self.kind_until:
            yield from self._apart(culprit, list(self.landed))
        else:
            because: Because = "on top" if self.landed else "itself"
            self._reject(culprit, Blame(kind="red", because=because, tests=failing))

    def _one_by_one(self, todo: Sequence[str]) -> Part[None]:
        """Each by itself on top of what landed: every run decides one."""
        for member in todo:
            if self._over() or not self._is_open(member):
                continue
            if not self._affordable():
                self._give_up("runs")
                return
            tried = yield from self._one(Try((member,)))
            if not isinstance(tried, Tried):
                return
            if tried.kind in _NOT_RED:
                yield from self._green([member], tried)
                continue
            yield from self._confirm((member,), tried.failing)
            red = tuple(i for i in tried.failing if i in self.confirmed)
            if (yield from self._is_target(red)):
                return
            if tried.failing and not red:
                kind: RejectionClass = "flaky" if any(i in self.flaky for i in tried.failing) else "held"
                because: Because = "flaky" if kind == "flaky" else "runs"
                self._reject(member, Blame(kind=kind, because=because, tests=tried.failing))
            else:
                self._reject(member, _red(tried, red, because="on top" if self.landed else "itself"))

    # Those set aside

    def _tell_apart(self, aside: Sequence[str]) -> Part[None]:
        """Who of those set aside is red by itself, and who only together with whom."""
        accused = self._left([m for m in aside if m in self.charges])
        tests = dict.fromkeys(chain.from_iterable(self.charges[m] for m in accused))
        if accused and (yield from self._is_target(list(tests))):
            return
        unclear = []
        for member in accused:
            if self._is_clear(member):
                self._reject(member, Blame(kind="red", because="itself", tests=self.charges[member]))
            else:
                unclear.append(member)
        if len(unclear) > FEW:
            # One run each would be dearer than halving; what turns out to be good lands on the way.
            yield from self._bisect(self._left(aside), list(tests), seen=False)
            return
        asked = [
            m for m in unclear if m not in self.alone and not self.members[m].depends.intersection(unclear)
        ]
        asked = asked[: max(0, self.most - self.runs)]
        if asked:
            steps = tuple(Try(self._with_dependencies(m), first=True) for m in asked)
            outcomes = yield steps
            self._take(steps, outcomes)
            for member, tried in zip(asked, outcomes, strict=True):
                if isinstance(tried, Tried):
                    self.alone[member] = tried
        for member in unclear:
            if self._is_open(member) and not self._over():
                yield from self._apart(member, self._others(member))

    def _apart(self, member: str, others: Sequence[str]) -> Part[None]:
        """One member: red alone on the target it is a culprit, green alone one of a pair."""
        tests = self.charges[member]
        if member not in self.alone and self._affordable():
            tried = yield from self._one(Try(self._with_dependencies(member), first=True))
            if isinstance(tried, Tried):
                self.alone[member] = tried
        found = self.alone.get(member)
        if self._over():
            return
        if found is None:
            seen = frozenset([*self.landed, member]) in self.seen_red
            known = Blame(kind="red", because="on top", tests=tests)
            self._reject(member, known if seen else Blame(kind="held", because="runs", tests=tests))
        elif found.kind == "green" and found.short:
            self._reject(member, Blame(kind=next(iter(found.short.values())), because="short"))
        elif found.kind == "green":
            yield from self._pair(member, others)
        elif found.kind in {"conflict", "touched"}:
            yield from self._green([member], found)
        elif not found.failing or set(found.failing) & set(self.confirmed):
            self._reject(member, _red(found, tuple(i for i in found.failing if i in self.confirmed)))
        else:
            yield from self._confirm(self._with_dependencies(member), found.failing, first=True)
            red = tuple(i for i in found.failing if i in self.confirmed)
            kind: RejectionClass = "red" if red else "flaky"
            because: Because = "itself" if red else "flaky"
            self._reject(member, Blame(kind=kind, because=because, tests=red or found.failing))

    def _pair(self, member: str, others: Sequence[str]) -> Part[None]:
        """A member that is green alone: red on top of what landed it is one of a pair, with whom is asked by halves."""
        tests = self.charges[member]
        if frozenset([*self.landed, member]) not in self.seen_red:
            if not self._affordable():
                self._reject(member, Blame(kind="held", because="runs", tests=tests))
                return
            tried = yield from self._one(Try((member,)))
            if not isinstance(tried, Tried) or self._over():
                return
            if tried.kind in _NOT_RED:
                yield from self._green([member], tried)
                return
        # In the queue's order, so that nobody is named for what came with it as a dependency.
        partners = self._in_order(m for m in others if m in self.landed) or list(self.landed)
        while len(partners) > 1 and self.runs < min(self.most, self.kind_until):
            half = partners[: (len(partners) + 1) // 2]
            tried = yield from self._one(Try(self._with_dependencies(*half, member), first=True))
            if not isinstance(tried, Tried) or self._over():
                return
            partners = partners[len(half) :] if tried.kind == "green" else half
        named = tuple(partners) if len(partners) <= FEW else ()
        because: Because = "together" if named else "on top"
        self._reject(member, Blame(kind="red", because=because, tests=tests, with_agents=named))

    def _others(self, member: str) -> list[str]:
        """The other suspects of the tests that a member was set aside for, the most suspect first."""
        named = chain.from_iterable(self.suspects.get(i, ()) for i in self.charges[member])
        return [m for m in dict.fromkeys(named) if m != member]

    def _unseen_by(self, member: str) -> bool:
        """Whether somebody else changed what no executed line tells of."""
        return any(other.opaque for other in self.members.values() if other.id != member)

    # Small words

    def _one(self, step: Step) -> Part[Outcome]:
        outcomes = yield (step,)
        self._take((step,), outcomes)
        return outcomes[0]

    def _take(self, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> None:
        for step, outcome in zip(steps, outcomes, strict=True):
            if isinstance(outcome, OutOfTime):
                self._give_up(outcome.because)
            elif not isinstance(outcome, Landed):
                self.runs += outcome.runs
            if isinstance(step, Try) and isinstance(outcome, Tried) and outcome.kind not in _NOT_RED:
                self.seen_red.add(frozenset([*(() if step.first else self.landed), *step.members]))

    def _over(self) -> bool:
        return self.ended

    def _affordable(self) -> bool:
        return self.runs < self.most

    def _give_up(self, because: Because) -> None:
        for member in self._undecided():
            self._reject(member, Blame(kind="held", because=because))
        self.ended = True

    def _clear(self) -> None:
        """A green run of the whole suite: a test of the target that failed with others is green without these."""
        self.cleared |= {i for i in self.confirmed if i in self.standing}

    def _reject(self, member: str, blame: Blame) -> None:
        if not self._is_open(member):
            return
        self.blamed[member] = blame
        for other in self.order:
            if member in self.members[other].depends and self._is_open(other):
                self.blamed[other] = Blame(kind="held", because="dependency", with_agents=(member,))

    def _may_go_on(self, member: str) -> bool:
        alone = self.alone.get(member)
        return alone is not None and alone.kind == "green" and not alone.short

    def _is_open(self, member: str) -> bool:
        return member not in self.blamed and member not in self.landed

    def _undecided(self) -> list[str]:
        return [m for m in self.order if self._is_open(m)]

    def _left(self, members: Sequence[str]) -> list[str]:
        return self._in_order(m for m in members if self._is_open(m))

    def _in_order(self, members: Iterable[str]) -> list[str]:
        wanted = set(members)
        return [m for m in self.order if m in wanted]

    def _with_dependents(self, members: Iterable[str], todo: Sequence[str]) -> set[str]:
        out = set(members)
        return out | {m for m in todo if self.members[m].depends & out}

    def _with_dependencies(self, *members: str) -> tuple[str, ...]:
        needed = chain.from_iterable(self.members[m].depends for m in members)
        return tuple(self._in_order([*needed, *members]))


_NOT_RED = frozenset({"green", "conflict", "touched"})


def _red(tried: Tried, red: tuple[str, ...], because: Because = "itself") -> Blame:
    kinds: Mapping[str, RejectionClass] = {
        "hang": "hang",
        "killed": "infrastructure",
        "unable": "undetermined",
    }
    kind: RejectionClass = kinds.get(tried.kind, "red" if red else "undetermined")
    return Blame(kind=kind, because=because, tests=red or tried.failing)
