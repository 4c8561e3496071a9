"""Whose lines are whose in a chain of merges: what each link adds, in the line numbers of the chain's top. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hunk:
    """A changed place: `old` lines from `old_start` became `new` lines from `new_start`, as in a unified diff without context.

    A start is 1-based; where a count is 0 it is the line after which the place lies (0: before the first).
    """

    old_start: int
    old: int
    new_start: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What one link changes in a file. `added` are lines of the top, `replaced` those among them that took others' place.

    `beside` are lines around a place where some were taken out. `whole`: no line can be told (a binary file, a link).
    """

    added: frozenset[int] = frozenset()
    replaced: frozenset[int] = frozenset()
    beside: frozenset[int] = frozenset()
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What one link does to its paths: hunks by new path, None where a change has no lines; old path to new; removed paths."""

    hunks: Mapping[str, tuple[Hunk, ...] | None] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    @property
    def paths(self) -> frozenset[str]:
        return frozenset([*self.hunks, *self.renames, *self.gone])


def changes_at_top(patches: Sequence[Patch]) -> list[dict[str, Changed]]:
    """For each link, from the first to the top, the changes that are still its own at the top, by the top's paths.

    A line that a later link changed again belongs to the later one; what a later one removed is nobody's.
    """
    found = []
    for number, patch in enumerate(patches):
        at_top = {path: _own(hunks) for path, hunks in patch.hunks.items()}
        for later in patches[number + 1 :]:
            at_top = dict(_followed(at_top, later))
        found.append(at_top)
    return found


def _own(hunks: tuple[Hunk, ...] | None) -> Changed:
    if hunks is None:
        return Changed(whole=True)
    shrunk = [hunk for hunk in hunks if hunk.old > hunk.new]
    around = [line for hunk in shrunk for line in (_before(hunk), _before(hunk) + 1 + hunk.new)]
    return Changed(
        added=_lines(hunks),
        replaced=_lines(hunk for hunk in hunks if hunk.old),
        beside=frozenset(line for line in around if line > 0),
    )


def _lines(hunks: Iterable[Hunk]) -> frozenset[int]:
    return frozenset(line for hunk in hunks for line in range(hunk.new_start, hunk.new_start + hunk.new))


def _followed(changes: Mapping[str, Changed], later: Patch) -> Iterator[tuple[str, Changed]]:
    for old_path, change in changes.items():
        if old_path in later.gone:
            continue
        path = later.renames.get(old_path, old_path)
        hunks = later.hunks.get(path, ())
        if hunks is None or change.whole:
            yield path, Changed(whole=True)
        else:
            yield (
                path,
                Changed(
                    added=moved(change.added, hunks),
                    replaced=moved(change.replaced, hunks),
                    beside=moved(change.beside, hunks),
                ),
            )


def _before(hunk: Hunk) -> int:
    """The line in front of a place, in the new text."""
    return hunk.new_start if hunk.new == 0 else hunk.new_start - 1


def moved(lines: Iterable[int], hunks: Sequence[Hunk]) -> frozenset[int]:
    """Where lines of the old text are in the new one; those that the hunks replace are gone."""
    ordered = sorted(hunks, key=lambda hunk: hunk.old_start)
    found = set()
    at, shift = 0, 0
    for line in sorted(lines):
        while at < len(ordered) and _last(ordered[at]) < line:
            shift += ordered[at].new - ordered[at].old
            at += 1
        if at == len(ordered) or ordered[at].old == 0 or line < ordered[at].old_start:
            found.add(line + shift)
    return frozenset(found)


def _last(hunk: Hunk) -> int:
    """The last old line that a place replaces; of a pure insertion the one that it comes after."""
    return hunk.old_start if hunk.old == 0 else hunk.old_start + hunk.old - 1
