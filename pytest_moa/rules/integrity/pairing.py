"""Which test of the candidate is which test of the target: by name, then by what it does, across files.

A test that was folded into another one (parametrised, merged) is found there; what remains is gone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_moa.rules.integrity.kit import Change, Side
from pytest_moa.rules.integrity.tests_model import Test, function_nodes, tests_of

RENAMED = 0.70
"""Share of equal words in a test's body that makes a rename in the same file the same test."""

MOVED = 0.50
"""The same for a test that kept its name and went to another class or file."""

FOLDED = 0.80
"""Share of a lost test's own words that have to be in the test that took it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """`pairs` (target's, candidate's), `folded` (target's, the one that took it in), `gone` and `new`."""

    pairs: tuple[tuple[Test, Test], ...]
    folded: tuple[tuple[Test, Test], ...]
    gone: tuple[Test, ...]
    new: tuple[Test, ...]


def pairing(change: Change) -> Pairing:
    """The pairing of all tests in the changed files; made once a change."""
    if "pairing" not in change.memo:
        change.memo["pairing"] = _Matcher(change).match()
    found: Pairing = change.memo["pairing"]
    return found


def words_of(test: Test) -> Counter[str]:
    """What a test's body consists of: names, attributes, constants and kinds of node, each counted."""
    return words(function_nodes(test))


def words(nodes: Iterable[ast.AST]) -> Counter[str]:
    counted: Counter[str] = Counter()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        counted[_word(node)] += 1
        stack.extend(ast.iter_child_nodes(node))
    return counted


def likeness(a: Counter[str], b: Counter[str]) -> float:
    """Share of common words, 0 to 1 (Dice)."""
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


def _word(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name):
            return name
        case ast.Attribute(attr=attr):
            return "." + attr
        case ast.Constant(value=value):
            return repr(value)[:80]
        case ast.keyword(arg=arg):
            return f"{arg}="
    return type(node).__name__


class _Matcher:
    def __init__(self, change: Change) -> None:
        self.base = dict(_all(change, "base"))
        self.head = dict(_all(change, "head"))
        self._words: dict[int, Counter[str]] = {}

    def words(self, test: Test) -> Counter[str]:
        key = id(test.place.node)
        if key not in self._words:
            self._words[key] = words_of(test)
        return self._words[key]

    def match(self) -> Pairing:
        pairs = [(test, self.head[id_]) for id_, test in self.base.items() if id_ in self.head]
        left = [test for id_, test in self.base.items() if id_ not in self.head]
        free = {id_: test for id_, test in self.head.items() if id_ not in self.base}
        for step in (self._same_body, self._same_name, self._same_file):
            for test in list(left):
                twin = step(test, free)
                if twin is not None:
                    pairs.append((test, twin))
                    left.remove(test)
                    del free[twin.id]
        folded = self._folded(left, self._takers(pairs, free))
        found = {test.id for test, _ in folded}
        return Pairing(
            pairs=tuple(pairs),
            folded=tuple(folded),
            gone=tuple(t for t in left if t.id not in found),
            new=tuple(free.values()),
        )

    def _same_body(self, test: Test, free: dict[str, Test]) -> Test | None:
        mine = self.words(test)
        twins = [t for t in free.values() if self.words(t) == mine]
        return min(twins, key=lambda t: (t.name != test.name, t.path != test.path), default=None)

    def _same_name(self, test: Test, free: dict[str, Test]) -> Test | None:
        return self._nearest(test, (t for t in free.values() if t.name == test.name), MOVED)

    def _same_file(self, test: Test, free: dict[str, Test]) -> Test | None:
        return self._nearest(test, (t for t in free.values() if t.path == test.path), RENAMED)

    def _nearest(self, test: Test, among: Iterable[Test], least: float) -> Test | None:
        mine = self.words(test)
        ranked = [(likeness(mine, self.words(t)), t) for t in among]
        best = max(ranked, key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] >= least else None

    def _folded(self, left: list[Test], takers: list[tuple[Test, Counter[str]]]) -> list[tuple[Test, Test]]:
        """Lost tests with those that took them in: of the same file first, and each takes from one file only."""
        folded: list[tuple[Test, Test]] = []
        took: dict[str, str] = {}
        for near in (True, False):
            known = {test.id for test, _ in folded}
            for test in (t for t in left if t.id not in known):
                open_to = [(t, grown) for t, grown in takers if took.get(t.id, test.path) == test.path]
                taker = self._taker(test, [(t, g) for t, g in open_to if (t.path == test.path) is near])
                if taker is not None:
                    took[taker.id] = test.path
                    folded.append((test, taker))
        return folded

    def _takers(
        self, pairs: list[tuple[Test, Test]], free: dict[str, Test]
    ) -> list[tuple[Test, Counter[str]]]:
        """New tests with all that they hold, and changed ones with what was added, their decorators included."""
        takers = [(t, self.words(t) + _around(t)) for t in free.values()]
        for before, after in pairs:
            grown = (self.words(after) + _around(after)) - (self.words(before) + _around(before))
            if grown:
                takers.append((after, grown))
        return takers

    def _taker(self, test: Test, takers: list[tuple[Test, Counter[str]]]) -> Test | None:
        mine = Counter(dict.fromkeys(self.words(test), 1))
        own = Counter({w: 1 for w in mine if w[:1] in "'\"0123456789-b" or w[:1] == "."})
        for taker, grown in takers:
            whole = self.words(taker) + _around(taker)
            new = sum(1 for w in own if w in grown)
            there = sum(1 for w in mine if w in whole)
            if mine and there >= FOLDED * len(mine) and (not own or new > 0):
                return taker
        return None


def _around(test: Test) -> Counter[str]:
    """Words of decorators, where parametrised values stand."""
    return words(getattr(test.place.node, "decorator_list", []))


def _all(change: Change, side: Side) -> Iterator[tuple[str, Test]]:
    for file in change.python():
        for test in tests_of(change, file.path, side).tests.values():
            if test.off is None or side == "head":
                yield test.id, test
