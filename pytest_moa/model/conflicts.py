"""The conflict matrix: which branches conflict with the target and with each other, in which files and lines."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_moa.model.agents import ObjectId


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `start` to `end` of one side's file, 1-based and inclusive.

    An `end` of `start - 1` is no line at all: that side has nothing there, between lines `end` and `start`.
    """

    start: int
    end: int

    @property
    def empty(self) -> bool:
        return self.end < self.start


@dataclass(frozen=True, slots=True)
class Place:
    """One conflicting region: where it lies in the file of each side."""

    a: Span
    b: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConflict:
    """A file in conflict. `kind` is git's word for it (`contents`, `modify/delete`, `rename/rename`, …).

    `places` is empty where no lines tell of it: a binary file, a link, a mode, a removal, a rename. `more` counts
    the places beyond those that are listed.
    """

    path: str
    kind: str
    places: tuple[Place, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairConflict:
    """Two agents whose work conflicts once both are on the target; `a` stands before `b` in the agents' order."""

    a: str
    b: str
    files: tuple[FileConflict, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetConflict:
    """An agent whose branch conflicts with the target; side `a` of its places is the agent's, `b` the target's."""

    agent: str
    files: tuple[FileConflict, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncompared:
    """An agent of whose branch nothing can be said, and why."""

    agent: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An agent whose branch was compared, as it was pinned."""

    agent: str
    name: str
    branch: str
    head: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Who conflicts with whom. `branch` and `target` are the target's name and commit.

    `merges_tried` counts the merges that git made for this answer; what was known from before costs none.
    `paired_all` says whether branches that conflict with the target were paired with the others, too.
    """

    branch: str
    target: ObjectId
    rows: tuple[Row, ...] = ()
    pairs: tuple[PairConflict, ...] = ()
    with_target: tuple[TargetConflict, ...] = ()
    uncompared: tuple[Uncompared, ...] = ()
    merges_tried: int = 0
    pairs_met: int = 0
    paired_all: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
