"""The words of a round: its members, the steps that it asks for, what comes of them, and why somebody does not land."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pytest_moa.model.results import RejectionClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent of the round. `depends` are members that have to land before it, transitively.

    `opaque`: it changes something that no line of Python tells of (a data file, settings), so that a test may fail by
    it although it ran none of its lines.
    """

    id: str
    depends: frozenset[str] = frozenset()
    opaque: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`runs`: the most children that may run tests in this round (None: as `most_runs` says)."""

    flaky_cap: int = 0
    known_flaky: frozenset[str] = frozenset()
    runs: int | None = None


# Steps: what is wanted.


@dataclass(frozen=True, slots=True)
class Try:
    """Run the whole suite on the candidate of these members; `first`: on the target as the round found it."""

    members: tuple[str, ...]
    first: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Run these failing ids once more, alone, on the same tree, with a coverage context for each test."""

    members: tuple[str, ...]
    ids: tuple[str, ...]
    first: bool = False


@dataclass(frozen=True, slots=True)
class OnTarget:
    """Run these ids on the target as the round found it; none: whether anything can be run there at all."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgive:
    """Judge the last run of these members again, with the flaky ids as they came out when they were run once more."""

    members: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Land:
    members: tuple[str, ...]


Step = Try | Again | OnTarget | Forgive | Land


# Outcomes: what came of a step.


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a run of the whole suite.

    green: every test passed; `short` names members that do not pass all the same, and why. red: `failing` are test ids
    (empty: it cannot be told which). killed: something ended the process; `running` was at it. unable: nothing could be
    run. conflict: `member` does not merge. touched: the real repository was changed meanwhile.
    """

    kind: Literal["green", "red", "hang", "killed", "unable", "conflict", "touched"]
    failing: tuple[str, ...] = ()
    short: Mapping[str, RejectionClass] = field(default_factory=dict)
    running: str | None = None
    member: str | None = None
    runs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgain:
    """What came of the failing ids alone: those that fail again, and for each the members that the evidence names.

    `suspects` are ordered, the most suspect first. `standing` are the ids that stand on the target, too; `authors` tells
    for the others which member brought the test. `leaving` are, for what passes alone, the members whose tests ran before it
    and seem to change what outlives them.
    """

    still: tuple[str, ...]
    suspects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    standing: frozenset[str] = frozenset()
    authors: Mapping[str, str] = field(default_factory=dict)
    leaving: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOnTarget:
    """`red` are the ids that fail on the target alone; `able`: whether anything can be run there."""

    red: tuple[str, ...] = ()
    able: bool = True
    runs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """landed: it did. moved: heads of `members` are elsewhere. raced: the target is. stopped: refused, for `reason`."""

    kind: Literal["landed", "moved", "raced", "stopped"]
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """Nothing further is begun: the time budget is used up, or what was staged has to land before it."""

    because: Literal["time", "staged"] = "time"


Outcome = Tried | SeenAgain | SeenOnTarget | Landed | OutOfTime
Result = TypeVar("Result")
Part = Generator[tuple[Step, ...], tuple[Outcome, ...], Result]
"""A stretch of the course: yields steps, is sent their outcomes in the same order, returns a result."""

Because = Literal[
    "itself",  # red alone on the target, or by evidence that names nobody else
    "together",  # red only together with `with_agents`
    "on top",  # red on top of what landed before it; whether alone as well was not tried
    "leaves",  # its tests leave something behind; with `with_agents`: theirs do
    "short",  # the run was green, its own verdict is not
    "dependency",
    "target",  # the target itself is red, or cannot run anything
    "flaky",
    "runs",  # the round's budget of runs is used up
    "time",
    "staged",  # others passed first and wait to be landed; it can be tried only on top of them
    "moved",
    "conflict",
    "touched",
    "stopped",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Why a member does not land in this round."""

    kind: RejectionClass
    because: Because
    tests: tuple[str, ...] = ()
    with_agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The round's result. `open`: members that were not decided, since the target moved (`raced`) or nothing may land."""

    landed: tuple[str, ...]
    blamed: Mapping[str, Blame]
    flaky: tuple[str, ...]
    runs: int
    open: tuple[str, ...] = ()
    raced: bool = False
