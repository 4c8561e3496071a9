"""Finds out which heads merge with the target and with each other, and remembers it. Knows heads, not agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pytest_moa.errors import MoaError
from pytest_moa.git.conflicts import Bench, outside_graph
from pytest_moa.git.merge_tree import Conflict, MergeTree, own_name
from pytest_moa.git.repository import Repository, merge_base
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.conflicts import FileConflict
from pytest_moa.model.text import plural
from pytest_moa.rules import conflicts as rules
from pytest_moa.rules.queue.lines import Hunk
from pytest_moa.services.conflict_memory import Files, Head, Memory, Pair
from pytest_moa.services.patience import patiently
from pytest_moa.services.telling import Telling

Blobs = tuple[ObjectId | None, ObjectId]

MOST_PLACES = 50
"""Places of a file that are told one by one."""
_REGULAR = ("100644", "100755")


@dataclass(frozen=True, slots=True)
class _Hurt:
    """A file that a merge left in conflict, with its three versions where they are files of lines."""

    path: str
    kind: str
    base: ObjectId | None = None
    a: ObjectId | None = None
    b: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class _Merged:
    tree: ObjectId
    clean: bool
    hurt: tuple[_Hurt, ...]


@dataclass(kw_only=True)
class Search:
    """What is known is not asked again. `failures` are heads that git could not read, `unknown` pairs, with git's words.

    `kept` is a folder for the objects of merges with this target: a later call need not merge them again.
    """

    repo: Repository
    target: ObjectId
    memory: Memory
    kept: Path
    tell: Telling
    stack: ExitStack
    tried: int = 0
    failures: dict[ObjectId, MoaError] = field(default_factory=dict)
    unknown: dict[Pair, MoaError] = field(default_factory=dict)
    _bench: Bench | None = None
    _trees: dict[ObjectId, ObjectId | None] = field(default_factory=dict)
    _same: dict[Files, Files] = field(default_factory=dict)

    @property
    def bench(self) -> Bench:
        """Opened where something has to be merged, and not before."""
        if self._bench is None:
            self._bench = self.stack.enter_context(Bench.open(self.repo, self.kept))
        return self._bench

    def heads(self, heads: Sequence[ObjectId]) -> None:
        """Merge every head with the target that was not merged with it before."""
        new = [head for head in heads if head not in self.memory.heads]
        if not new:
            return
        self.tell.step(f"merging {plural(len(new), 'branch')} with the target".replace("branchs", "branches"))
        self.memory.changed = True
        outside = {}
        for head, one in zip(new, patiently(self._outside, new), strict=True):
            if isinstance(one, MoaError):
                self.failures[head] = one
            elif one.commits and one.rooted:
                outside[head] = one
            else:
                # What the target has already changes nothing of it; what shares no history with it cannot be merged.
                tree = self._tree_of_target() if one.rooted else None
                self.memory.heads[head] = Head(rules.Outside({}, one.rooted), tree)
        self._merge_heads(outside)

    def pairs(self, heads: Sequence[ObjectId]) -> int:
        """Compare all pairs of heads that merge with the target and whose changes meet; returns how many meet."""
        clean = [head for head in heads if head in self.memory.heads and self.memory.heads[head].clean]
        known = self.memory.heads
        shared = {
            pair_of(a, b): tips
            for (a, b), tips in rules.sharing({head: known[head].outside for head in clean}).items()
        }
        met = _met(clean, [known[head].touched for head in clean]) - shared.keys()
        new: dict[Pair, ObjectId | None] = {
            pair: self.target for pair in met if pair not in self.memory.pairs
        }
        new |= self._on_shared({pair: t for pair, t in shared.items() if pair not in self.memory.pairs})
        if new:
            self.tell.step(f"comparing {plural(len(new), 'pair')} whose changes meet")
            self._compare(new)
        return len(met) + sum(1 for pair in shared if pair in new or self.memory.pairs.get(pair))

    def raw_pairs(self, heads: Sequence[ObjectId]) -> None:
        """Compare, as they are, the pairs of which one conflicts with the target and whose own changes meet."""
        known = self.memory.heads
        related = [head for head in heads if head in known and known[head].outside.rooted]
        hurt = [head for head in related if not known[head].clean]
        if not hurt:
            return
        touched = {head: known[head].touched for head in related} | self._own_changes(hurt)
        met = _met(related, [touched[head] for head in related])
        behind = {head: {file.path for file in known[head].files} for head in hurt}
        pairs = sorted(p for p in met if behind.keys() & set(p) and p not in self.memory.raw)
        pairs = [p for p in pairs if not _contained(p, known)]
        if not pairs:
            return
        self.tell.step(f"comparing {plural(len(pairs), 'pair')} with a branch that conflicts with the target")
        found = self._merged(pairs)
        files = self._files([one.hurt for one in found.values()])
        for pair, all_files in zip(found, files, strict=True):
            own = self._between(pair, all_files, touched, behind)
            self.memory.raw[pair] = self._same.setdefault(own, own)
        self.memory.changed = True

    def _between(
        self,
        pair: Pair,
        files: Files,
        touched: Mapping[ObjectId, rules.Touched],
        behind: Mapping[ObjectId, set[str]],
    ) -> Files:
        """Without those that one has with the target, and that the other did not touch."""
        foreign: set[str] = set()
        for one, other in (pair, pair[::-1]):
            foreign |= rules.foreign((f.path for f in files), behind.get(one, ()), touched[other].files)
        return tuple(file for file in files if file.path not in foreign)

    def _own_changes(self, heads: Sequence[ObjectId]) -> dict[ObjectId, rules.Touched]:
        bases = [merge_base(self.repo, self.target, head) or self.target for head in heads]
        trees = self.bench.trees([*bases, *heads])
        pairs = list(zip(trees[: len(heads)], trees[len(heads) :], strict=True))
        return dict(zip(heads, self.bench.touched(pairs), strict=True))

    def _outside(self, heads: Sequence[ObjectId]) -> list[rules.Outside]:
        found = rules.outside_of(heads, outside_graph(self.repo, self.target, heads))
        return [found[head] for head in heads]

    def _tree_of_target(self) -> ObjectId:
        if self.target not in self._trees:
            self._trees[self.target] = self.bench.trees([self.target])[0]
        tree = self._trees[self.target]
        if tree is None:
            raise AssertionError  # pragma: no cover - a commit has a tree
        return tree

    def _merge_heads(self, outside: Mapping[ObjectId, rules.Outside]) -> None:
        merged: dict[ObjectId, _Merged] = {}
        pairs = [(head, self.target) for head in outside]
        self.tried += len(pairs)
        for head, one in zip(
            outside, patiently(partial(self.bench.merges, keep=_reduced, lasting=True), pairs), strict=True
        ):
            if isinstance(one, MoaError):
                self.failures[head] = one
            else:
                merged[head] = one
                self._trees[head] = one.tree if one.clean else None
        base = self._tree_of_target()
        clean = [head for head, one in merged.items() if one.clean]
        touched: dict[ObjectId, rules.Touched] = {}
        compared = patiently(self.bench.touched, [(base, merged[head].tree) for head in clean])
        for head, change in zip(clean, compared, strict=True):
            if isinstance(change, MoaError):
                self.failures[head] = change
                del merged[head]
            else:
                touched[head] = change
        hurt = [head for head, one in merged.items() if not one.clean]
        files = dict(zip(hurt, self._files([merged[head].hurt for head in hurt]), strict=True))
        for head, one in merged.items():
            self.memory.heads[head] = Head(
                outside[head],
                one.tree if one.clean else None,
                touched.get(head, rules.Touched()),
                files.get(head, ()),
            )

    def _on_shared(self, shared: Mapping[Pair, tuple[ObjectId, ...]]) -> dict[Pair, ObjectId | None]:
        """The pairs that have to be compared, each with the commit that both stand on; None where git shall find out.

        Work that two branches have in common is no conflict between them: they are compared on the target with that work.
        """
        asked: dict[Pair, ObjectId | None] = {}
        groups: dict[ObjectId, list[Pair]] = defaultdict(list)
        for pair, tips in shared.items():
            if tips[0] in pair:
                self._keep(pair, ())
            elif len(tips) == 1:
                groups[tips[0]].append(pair)
            else:
                asked[pair] = None
        trees = self._merged_trees(
            [*groups, *(head for pairs in groups.values() for p in pairs for head in p)]
        )
        grounds = [tip for tip in groups if trees[tip] is not None]
        asked |= {pair: None for tip, pairs in groups.items() if trees[tip] is None for pair in pairs}
        bases = (
            self.bench.commits([(_there(trees[tip]), [self.target]) for tip in grounds]) if grounds else []
        )
        for tip, base in zip(grounds, bases, strict=True):
            asked |= self._on_ground(_there(trees[tip]), base, groups[tip], trees)
        return asked

    def _on_ground(
        self,
        tree: ObjectId,
        base: ObjectId,
        pairs: Sequence[Pair],
        trees: Mapping[ObjectId, ObjectId | None],
    ) -> dict[Pair, ObjectId | None]:
        heads = list(dict.fromkeys(head for pair in pairs for head in pair))
        met = _met(heads, self.bench.touched([(tree, _there(trees[head])) for head in heads]))
        for pair in pairs:
            if pair not in met:
                self._keep(pair, ())
        return {pair: base for pair in pairs if pair in met}

    def _compare(self, asked: Mapping[Pair, ObjectId | None]) -> None:
        trees = self._merged_trees([head for pair in asked for head in pair])
        alike = [pair for pair in asked if trees[pair[0]] == trees[pair[1]]]
        for pair in alike:
            self._keep(pair, ())
        places = dict.fromkeys((head, base) for pair, base in asked.items() for head in pair)
        rows = [
            (_there(trees[head]), [self.target, head] if base is None else [base]) for head, base in places
        ]
        made = dict(zip(places, self.bench.commits(rows), strict=True))
        # Neighbours share a side, so that git has read most of what it needs.
        order = sorted(pair for pair in asked if trees[pair[0]] != trees[pair[1]])
        commits = {pair: (made[pair[0], asked[pair]], made[pair[1], asked[pair]]) for pair in order}
        found = self._merged(order, commits)
        for pair, files in zip(found, self._files([one.hurt for one in found.values()]), strict=True):
            self._keep(pair, files)

    def _merged(
        self, pairs: Sequence[Pair], commits: Mapping[Pair, Pair] | None = None
    ) -> dict[Pair, _Merged]:
        """The merges of pairs, or of the commits that stand for them; those that git could not try are noted."""
        self.tried += len(pairs)
        asked = [commits[pair] if commits else pair for pair in pairs]
        found = {}
        for pair, one in zip(pairs, patiently(partial(self.bench.merges, keep=_reduced), asked), strict=True):
            if isinstance(one, MoaError):
                self.unknown[pair] = one
            else:
                found[pair] = one
        return found

    def _merged_trees(self, commits: Sequence[ObjectId]) -> dict[ObjectId, ObjectId | None]:
        """The trees of commits merged with the target, in this call's own store; None where they conflict."""
        wanted = list(dict.fromkeys(commits))
        self._trees |= self._kept_trees([commit for commit in wanted if commit not in self._trees])
        new = [commit for commit in wanted if commit not in self._trees]
        if new:
            self.tried += len(new)
            merges = self.bench.merges([(commit, self.target) for commit in new], _reduced, lasting=True)
            for commit, one in zip(new, merges, strict=True):
                self._trees[commit] = one.tree if one.clean else None
        return {commit: self._trees[commit] for commit in wanted}

    def _kept_trees(self, heads: Sequence[ObjectId]) -> dict[ObjectId, ObjectId | None]:
        """The trees that earlier calls made of these heads, where they are still there."""
        known = [(head, self.memory.heads[head].tree) for head in heads if head in self.memory.heads]
        trees = [(head, tree) for head, tree in known if tree is not None]
        there = self.bench.has([tree for _, tree in trees])
        return {head: tree for (head, tree), is_there in zip(trees, there, strict=True) if is_there}

    def _keep(self, pair: Pair, files: Files) -> None:
        self.memory.pairs[pair] = self._same.setdefault(files, files)
        self.memory.changed = True

    def _files(self, merges: Sequence[Sequence[_Hurt]]) -> list[Files]:
        """The files of each merge with the lines where they collide; all files are compared together."""
        wanted = list(
            dict.fromkeys(pair for hurts in merges for hurt in hurts for pair in _comparisons(hurt))
        )
        # What git merged on its way to a conflict (both sides of a rename, say) is not there any more.
        blobs = list(dict.fromkeys(blob for pair in wanted for blob in pair if blob is not None))
        there = {
            blob
            for blob, is_there in zip(blobs, self.bench.has(blobs) if blobs else (), strict=True)
            if is_there
        }
        wanted = [pair for pair in wanted if there.issuperset(blob for blob in pair if blob is not None)]
        answers = patiently(self.bench.hunks, wanted)
        hunks = {
            blobs: answer
            for blobs, answer in zip(wanted, answers, strict=True)
            if not isinstance(answer, MoaError)
        }
        one = {hurt: _file(hurt, hunks) for hurts in merges for hurt in hurts}
        return [tuple(one[hurt] for hurt in hurts) for hurts in merges]


@contextmanager
def searching(
    repo: Repository, target: ObjectId, memory: Memory, kept: Path, tell: Telling
) -> Iterator[Search]:
    with ExitStack() as stack:
        yield Search(repo=repo, target=target, memory=memory, kept=kept, tell=tell, stack=stack)


def pair_of(a: ObjectId, b: ObjectId) -> Pair:
    return (a, b) if a < b else (b, a)


def _met(heads: Sequence[ObjectId], touched: Sequence[rules.Touched]) -> set[Pair]:
    return {pair_of(heads[a], heads[b]) for a, b in rules.meeting(touched)}


def _contained(pair: Pair, known: Mapping[ObjectId, Head]) -> bool:
    a, b = pair
    return a in known[b].outside.commits or b in known[a].outside.commits


def _there(tree: ObjectId | None) -> ObjectId:
    if tree is None:
        raise AssertionError  # pragma: no cover - only heads that merged come here
    return tree


def _reduced(merge: MergeTree) -> _Merged:
    if merge.clean:
        return _Merged(merge.tree, clean=True, hurt=())
    sides = {conflict.path: conflict for conflict in merge.conflicts}
    hurts: dict[str, _Hurt] = {}
    for path in merge.paths:
        hurt = _hurt(path, sides.get(path), _kind(merge, path))
        if hurts.get(hurt.path, hurt).a is None or hurt.path not in hurts:
            hurts[hurt.path] = hurt
    return _Merged(merge.tree, clean=False, hurt=tuple(hurts.values()))


def _hurt(path: str, conflict: Conflict | None, kind: str) -> _Hurt:
    shown = own_name(path)
    sides = {side.stage: side for side in conflict.sides} if conflict is not None else {}
    if not {2, 3} <= sides.keys() or any(side.mode not in _REGULAR for side in sides.values()):
        return _Hurt(shown, kind)
    if 1 not in sides:
        return _Hurt(shown, "add/add" if kind == "contents" else kind, None, sides[2].blob, sides[3].blob)
    return _Hurt(shown, kind, sides[1].blob, sides[2].blob, sides[3].blob)


def _kind(merge: MergeTree, path: str) -> str:
    """Git's stable word for it: `CONFLICT (modify/delete)` and the like (git-merge-tree manual, INFORMATIONAL MESSAGES)."""
    kinds = [m.kind for m in merge.messages if m.kind.startswith("CONFLICT") and path in m.paths]
    return kinds[0].removeprefix("CONFLICT (").removesuffix(")") if kinds else "contents"


def _comparisons(hurt: _Hurt) -> tuple[Blobs, ...]:
    if hurt.a is None or hurt.b is None:
        return ()
    sides: Blobs = (hurt.a, hurt.b)
    return (sides,) if hurt.base is None else ((hurt.base, hurt.a), (hurt.base, hurt.b), sides)


def _file(hurt: _Hurt, hunks: Mapping[Blobs, tuple[Hunk, ...] | None]) -> FileConflict:
    found = [hunks.get(blobs) for blobs in _comparisons(hurt)]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return FileConflict(path=hurt.path, kind=hurt.kind)
    places = rules.whole_collisions(*known) if len(known) == 1 else rules.collisions(*known)
    return FileConflict(
        path=hurt.path,
        kind=hurt.kind,
        places=places[:MOST_PLACES],
        more=max(0, len(places) - MOST_PLACES),
    )
