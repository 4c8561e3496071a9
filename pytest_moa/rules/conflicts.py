"""Which branches' changes meet, what two of them share, and where in a file their changes collide. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.conflicts import Place, Span
from pytest_moa.rules.queue.lines import Hunk


@dataclass(frozen=True, slots=True)
class Touched:
    """What a tree changes of the tree that it is compared with. Renames are a removal and an addition.

    `files` are all paths that differ, `added` those of them that the other tree has not (nor as a folder's name),
    `gone` the folders of which nothing is left.
    """

    files: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def meeting(touched: Sequence[Touched]) -> set[tuple[int, int]]:
    """The pairs (by position, the smaller first) whose changes can conflict; of no other pair can a merge conflict.

    They meet where both change a path, where one adds below a folder that the other removed or moved away (git
    suggests to move the new file along), and where one adds a file at whose name the other adds a folder.
    The work grows with the pairs that meet.
    """
    return {*_same_path(touched), *_below(touched)}


def _same_path(touched: Sequence[Touched]) -> Iterator[tuple[int, int]]:
    by_path: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(touched):
        for path in one.files:
            by_path[path].append(number)
    for numbers in by_path.values():
        yield from combinations(numbers, 2)


def _below(touched: Sequence[Touched]) -> Iterator[tuple[int, int]]:
    claimed: dict[str, set[int]] = defaultdict(set)
    for number, one in enumerate(touched):
        for path in (*one.gone, *one.added):
            claimed[path].add(number)
    for number, one in enumerate(touched):
        folders = {folder for path in one.added for folder in _folders(path)}
        for folder in folders & claimed.keys():
            yield from (
                (min(number, other), max(number, other)) for other in claimed[folder] if other != number
            )


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)


@dataclass(frozen=True, slots=True)
class Outside:
    """The commits of a head that the target has not, each with its parents.

    `rooted`: one of them stands on a commit of the target, or there is none: the two have a history in common.
    """

    commits: Mapping[ObjectId, tuple[ObjectId, ...]]
    rooted: bool


def outside_of(
    heads: Iterable[ObjectId], graph: Mapping[ObjectId, tuple[ObjectId, ...]]
) -> dict[ObjectId, Outside]:
    """For each head its part of the graph of commits that the target has not (their parents as git tells them)."""
    return {head: _outside(head, graph) for head in heads}


def _outside(head: ObjectId, graph: Mapping[ObjectId, tuple[ObjectId, ...]]) -> Outside:
    found: dict[ObjectId, tuple[ObjectId, ...]] = {}
    rooted = head not in graph
    waiting = [head]
    while waiting:
        commit = waiting.pop()
        if commit in found:
            continue
        if commit not in graph:
            rooted = True
            continue
        found[commit] = graph[commit]
        waiting += graph[commit]
    return Outside(found, rooted)


def sharing(outside: Mapping[ObjectId, Outside]) -> dict[tuple[ObjectId, ObjectId], tuple[ObjectId, ...]]:
    """The pairs of heads that have commits in common which the target has not, and the newest of these commits.

    Where one of a pair contains the other, that one itself is what they share. Heads of a pair are in the mapping's order.
    """
    holders: dict[ObjectId, list[ObjectId]] = defaultdict(list)
    for head, one in outside.items():
        for commit in one.commits:
            holders[commit].append(head)
    pairs = {pair for heads in holders.values() for pair in combinations(heads, 2)}
    return {(a, b): _newest(outside[a].commits, outside[b].commits) for a, b in pairs}


def _newest(
    a: Mapping[ObjectId, tuple[ObjectId, ...]], b: Mapping[ObjectId, tuple[ObjectId, ...]]
) -> tuple[ObjectId, ...]:
    common = a.keys() & b.keys()
    older = {parent for commit in common for parent in a[commit]}
    return tuple(sorted(common - older))


def collisions(base_a: Sequence[Hunk], base_b: Sequence[Hunk], a_b: Sequence[Hunk]) -> tuple[Place, ...]:
    """Where two changes of one file collide, in each side's lines.

    `base_a` and `base_b` lead from the common version to either side, `a_b` from one side to the other. Changes collide
    where they overlap or touch (git merges those that have an unchanged line between them); what both sides did
    alike is no collision.
    """
    found: list[Place] = []
    for group in _groups(base_a, base_b):
        found += _differing(group, a_b)
    return tuple(found)


def whole_collisions(a_b: Sequence[Hunk]) -> tuple[Place, ...]:
    """The same for a file that both sides added: there, whatever differs collides."""
    return tuple(Place(_span(h.old_start, h.old), _span(h.new_start, h.new)) for h in a_b)


def _span(start: int, count: int) -> Span:
    """A hunk's lines; of none, the empty span behind the line that the hunk names."""
    return Span(start, start + count - 1) if count else Span(start + 1, start)


@dataclass(frozen=True, slots=True)
class _Group:
    """A region of the base that both sides changed, as half-open ranges of zero-based lines of either side."""

    a: tuple[int, int]
    b: tuple[int, int]


def _groups(base_a: Sequence[Hunk], base_b: Sequence[Hunk]) -> Iterator[_Group]:
    moved_a = moved_b = 0
    at_a = at_b = 0
    while at_a < len(base_a) and at_b < len(base_b):
        start = min(_start(base_a[at_a]), _start(base_b[at_b]))
        end = start
        first_a, first_b = at_a, at_b
        before_a, before_b = moved_a, moved_b
        # A group grows as long as the next change of either side begins where it ends, or before.
        while True:
            if at_a < len(base_a) and _start(base_a[at_a]) <= end:
                end = max(end, _end(base_a[at_a]))
                moved_a += base_a[at_a].new - base_a[at_a].old
                at_a += 1
            elif at_b < len(base_b) and _start(base_b[at_b]) <= end:
                end = max(end, _end(base_b[at_b]))
                moved_b += base_b[at_b].new - base_b[at_b].old
                at_b += 1
            else:
                break
        if at_a > first_a and at_b > first_b:
            yield _Group((start + before_a, end + moved_a), (start + before_b, end + moved_b))


def _start(hunk: Hunk) -> int:
    return hunk.old_start - 1 if hunk.old else hunk.old_start


def _end(hunk: Hunk) -> int:
    return _start(hunk) + hunk.old


def _differing(group: _Group, a_b: Sequence[Hunk]) -> Iterator[Place]:
    for hunk in a_b:
        start_a, start_b = _start(hunk), hunk.new_start - 1 if hunk.new else hunk.new_start
        a = max(start_a, group.a[0]), min(start_a + hunk.old, group.a[1])
        b = max(start_b, group.b[0]), min(start_b + hunk.new, group.b[1])
        # A hunk that only touches the region from outside is a change of one side alone.
        if a[0] <= a[1] and b[0] <= b[1] and (a[0] < a[1] or b[0] < b[1]):
            yield Place(Span(a[0] + 1, a[1]), Span(b[0] + 1, b[1]))


def foreign(paths: Iterable[str], known: Collection[str], touched: Collection[str]) -> frozenset[str]:
    """Paths of a conflict that are not between two branches: one has it with the target, and the other is not in it."""
    return frozenset(path for path in paths if path in known and path not in touched)
