"""What must hold after whatever happened, checked by plain git and plain pytest against what the world knows."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from invariants.world import LEDGER, TARGET, Head, Place, World
from support.faults import Answer

ENDS = {0, 1, 2, 3, 4, 5, 130}
"""Exit codes that say something; 70 is a bug of moa's."""
NOBODYS_FAULT = {"held", "moved", "infrastructure", "target"}


@dataclass(frozen=True, slots=True)
class Move:
    """A step of the target, as its reflog tells it."""

    old: str
    new: str
    by_people: bool


@dataclass(kw_only=True)
class Call:
    """One or more calls of moa at the same time, and the world as they found it.

    `moved` are heads that branches got meanwhile; `gone` are those that were no branch's before the first test ran.
    `unsure`: a call's landing was told to have failed; two that built the same commit may both take it for their own.
    `litter` is what dead calls had left in the temporary folders: whoever gets as far as an answer removes it.
    """

    answers: Sequence[Answer]
    before: dict[str, Head]
    start: int
    places: Sequence[Place]
    moved: tuple[Head, ...] = ()
    gone: tuple[Head, ...] = ()
    frozen: bool = False
    held: frozenset[str] = frozenset()
    quiet: bool = False
    litter: frozenset[str] = frozenset()
    unsure: bool = False

    @property
    def died(self) -> bool:
        return any(answer.code < 0 for answer in self.answers)


@dataclass(kw_only=True)
class Promises:
    """`seen` is how much of the target's reflog was looked at; `landings` every landing that there ever was.

    `excused` are heads that may land again, since somebody asked for it. `untold` are those that a call landed which died
    before it could tell: where people take them back before the next call, nobody knows.
    """

    world: World
    seen: int = 0
    dropped: set[str] = field(default_factory=set)
    landings: dict[str, list[str]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    excused: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)

    # The target

    def moves(self) -> list[Move]:
        """Every move of the target so far."""
        repo = self.world.repo.path
        log = (repo / ".git" if self.world.local else repo) / "logs" / TARGET
        found = []
        for row in log.read_text().splitlines():
            facts, _, why = row.partition("\t")
            old, new = facts.split(" ")[:2]
            found.append(Move(old, new, why.startswith("story")))
        return found

    def people_moved(self) -> None:
        """Looks at what people did to the target."""
        for move in self._news():
            assert move.by_people, f"moa moved the target although nobody called it: {move}"
            self._by_people(move)

    def _news(self) -> list[Move]:
        news = self.moves()[self.seen :]
        self.seen += len(news)
        return news

    def _by_people(self, move: Move) -> None:
        if set(move.old) != {"0"}:
            self.dropped |= self.world.truth.reachable(move.old, f"^{move.new}")
        self.dropped -= self.world.truth.reachable(move.new)

    def holds(self, call: Call) -> None:
        """Everything, after a call."""
        self._all_ended(call)
        fresh: set[str] = set()
        at = self.moves()[call.start - 1].new
        landed: dict[str, str] = {}
        for move in self._news():
            assert move.old == at, f"the target went from {at} to {move.old} without a word"
            at = move.new
            if move.by_people:
                known = set(self.dropped)
                self._by_people(move)
                fresh |= self.dropped - known
            else:
                landed |= self._landing(move, call, fresh)
        assert self.world.target() == at, "the target is elsewhere than its reflog says"
        self._branches_stand()
        self._answers(call, landed)
        self._verdicts(call)
        self._nothing_left(call)
        self._ledger(call)

    def _landing(self, move: Move, call: Call, fresh: set[str]) -> dict[str, str]:
        """One landing: built on what was there, of heads that may land, passing when run plainly."""
        truth = self.world.truth
        assert truth.is_ancestor(move.old, move.new), f"a landing dropped commits: {move}"
        brought = truth.reachable(move.new, f"^{move.old}")
        assert not brought & fresh, f"what people took back meanwhile returned: {brought & fresh}"
        line = truth.git("rev-list", "--first-parent", f"{move.old}..{move.new}").split()[::-1]
        assert line, f"{move} is no landing"
        assert truth.git("rev-parse", f"{line[0]}^1") == move.old, f"{move} was not built on what it replaced"
        landed = {}
        for commit in line:
            landed[commit] = self._link(commit, call)
        own = {head for heads in landed.values() for head in truth.reachable(heads)}
        returned = (brought & self.dropped) - own
        assert not returned, f"what people took back returned: {returned}"
        self.dropped -= brought
        assert truth.passes(truth.tree(move.new)), f"{move.new} landed and its suite fails:\n{_told(call)}"
        return landed

    def _link(self, commit: str, call: Call) -> str:
        truth = self.world.truth
        parents = truth.git("rev-list", "--parents", "-n1", commit).split()[1:]
        head, agent = (truth.trailer(commit, name) for name in ("Moa-Head", "Moa-Agent"))
        assert len(parents) == 2, f"{commit} is no merge of two"
        assert parents[1] == head, f"{commit} says that it brings {head} and brings {parents[1]}"
        known = self.world.known.get(head)
        assert known is not None, f"{commit}: nobody ever had {head}"
        assert known.agent == agent, f"{commit}: {head} was never agent {agent}'s"
        assert known in [*call.before.values(), *call.moved], f"{commit} landed a head that was old before"
        assert known not in call.gone, f"{commit} landed {head}, which its branch had left before"
        assert not known.low, f"{commit} landed {head}, whose lines are not tested"
        assert agent not in call.held, f"{commit} landed agent {agent}, who was held back"
        assert not call.frozen, f"{commit} landed on a frozen target"
        assert truth.tree(commit) == truth.merged(*parents), f"the tree of {commit} is not its parents' merge"
        before = self.landings.setdefault(head, [])
        again = head in self.excused or head in self.untold
        assert not before or again, f"{head} landed twice: {[*before, commit]}"
        self.excused.discard(head)
        before.append(commit)
        return head

    # What moa said

    def _answers(self, call: Call, landed: dict[str, str]) -> None:
        for answer in call.answers:
            assert answer.code < 0 or answer.code in ENDS, f"an end that says nothing: {answer}"
            assert "Traceback" not in answer.err, str(answer)
            if answer.code in {0, 1, 4}:
                assert answer.data, f"no JSON: {answer}"
            data = answer.data
            kinds = [row["class"] for row in data.get("rejected", ())]
            if answer.code == 0:
                assert not kinds, str(answer)
            if answer.code == 4:
                assert set(kinds) == {"conflict"}, str(answer)
            for row in data.get("landed", ()):
                self.told[row["commit"]] += 1
                assert landed.get(row["commit"]) == row["head"], f"said that {row} landed: {answer}"
                assert self.told[row["commit"]] == 1 or call.unsure, f"landed twice by their words: {row}"
        if not call.died and all(answer.data.get("target") for answer in call.answers):
            said = {row["commit"] for answer in call.answers for row in answer.data["landed"]}
            assert said == landed.keys(), f"landed {landed} and said {said}:\n{_told(call)}"

    def _verdicts(self, call: Call) -> None:
        """Nobody is told something untrue of its work."""
        for answer in call.answers:
            for row in answer.data.get("rejected", ()):
                head = self.world.known.get(row["head"] or "")
                if row["class"] in NOBODYS_FAULT or head is None:
                    continue
                self._verdict(row["class"], head, row["with"], answer, call)

    def _verdict(self, kind: str, head: Head, others: list[str], answer: Answer, call: Call) -> None:
        truth, told = self.world.truth, f"{head} is told {kind!r}, with {others}:\n{answer}"
        bases = [move.new for move in self.moves()[max(0, call.start - 1) :]]
        company = [
            known.commit
            for known in self.world.known.values()
            if known.agent in others and known.agent != head.agent
        ]
        match kind:
            case "coverage":
                assert head.low or self._brings_others(head, bases), told
            case "conflict":
                clashing = any(truth.merged(base, head.commit) is None for base in bases)
                pairs = [truth.merged_all(base, other, head.commit) for base in bases for other in company]
                assert clashing or None in pairs, told
            case "red":
                assert self._red(bases, [head.commit]) or any(
                    self._red(bases, [other, head.commit]) for other in company
                ), told
            case "undetermined" | "integrity" | "flaky" | "hang":
                # Nothing of this kind is in this world; where a disk is full or a process was killed, moa may not know.
                assert kind == "undetermined", told
                assert not call.quiet, told
            case _:
                raise AssertionError(f"an unknown class: {told}")

    def _brings_others(self, head: Head, bases: Iterable[str]) -> bool:
        """Whether it stands on what people took from the target: that code is its own now, and no test of its own runs it."""
        own = {known.commit for known in self.world.known.values() if known.agent == head.agent}
        return any(self.world.truth.reachable(head.commit, f"^{base}") - own for base in bases)

    def _red(self, bases: Iterable[str], commits: Sequence[str]) -> bool:
        """Whether something fails with them on a target on which it does not fail without them."""
        truth = self.world.truth
        trees = [(base, truth.merged_all(base, *commits)) for base in dict.fromkeys(bases)]
        return any(
            tree is not None and truth.failing(tree) - truth.failing(truth.tree(base)) for base, tree in trees
        )

    # What is left

    def _branches_stand(self) -> None:
        world = self.world
        there = {n: c for n, c in world.repo.refs().items() if n.startswith("refs/heads/agent-")}
        wanted = {world.branch(agent): head.commit for agent, head in world.heads.items()}
        assert there == wanted, f"branches were moved or lost: {there} instead of {wanted}"
        assert world.changed_outside() == [], "moa changed what is not moa's"

    def _all_ended(self, call: Call) -> None:
        """No process lives on. A git that a killed moa had begun may still land something, and is waited for."""
        deadline = time.monotonic() + 8
        while (alive := self.world.alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive, f"processes live on: {alive}\n{_told(call)}"

    def _nothing_left(self, call: Call) -> None:
        if call.died:
            return
        for place in call.places:
            left = [path.name for path in place.temporary.iterdir()]
            if any(answer.code not in {0, 1, 4} for answer in call.answers):
                left = [name for name in left if name not in call.litter]
            assert left == [], f"left in the temporary folder: {left}\n{_told(call)}"

    def _ledger(self, call: Call) -> None:
        """Each landing that is told is told once; after a quiet call each is."""
        told = Counter(event["data"]["commit"] for event in self.events() if event["kind"] == "landed")
        every = Counter(commit for commits in self.landings.values() for commit in commits)
        assert told.keys() <= every.keys(), (
            f"the ledger tells of what never landed: {told.keys() - every.keys()}"
        )
        twice = [commit for commit, times in told.items() if times > every[commit]]
        assert not twice, f"the ledger tells a landing twice: {twice}\n{_told(call)}"
        self.untold = {head for head in self.untold if self.landings[head][-1] not in told}
        if call.died:
            self.untold |= {head for head, commits in self.landings.items() if commits[-1] not in told}
        if call.quiet:
            line = set(self.world.truth.git("rev-list", "--first-parent", self.world.target()).split())
            lacks = every.keys() & line - told.keys()
            assert not lacks, f"the ledger lacks {lacks}\n{_told(call)}"

    def events(self) -> list[dict[str, Any]]:
        """The ledger that everybody shares, read by plain git."""
        repo = self.world.repo
        if not repo.has(LEDGER):
            return []
        names = repo.git("ls-tree", "-r", "--name-only", LEDGER).split()
        return [json.loads(repo.shows(name, LEDGER)) for name in names]

    def waiting(self) -> list[Head]:
        """Who has not landed and could, on the target as it is now and on its own."""
        world, truth, at = self.world, self.world.truth, self.world.target()
        line = truth.reachable(at)
        return [
            head
            for head in world.heads.values()
            if head.commit not in line
            and not head.low
            and head.agent not in world.held
            and not self._taken_back(head)
            and not truth.reachable(head.commit, f"^{at}") & self.dropped
            and (tree := truth.merged(at, head.commit)) is not None
            and truth.passes(tree)
        ]

    def _taken_back(self, head: Head) -> bool:
        """Whether it landed, people took that back, and nobody asked for it again."""
        return head.commit in self.landings and head.commit not in self.excused


def _told(call: Call) -> str:
    return "\n".join(map(str, call.answers))
