"""What a test run left: what was collected, what came of it, how the process ended, what ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["passed", "failed", "skipped", "error", "xfailed", "xpassed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """The terminal outcome of one collected id. `message` is a short reason, at most a few thousand characters."""

    __test__ = False  # pytest would collect a class of this name

    id: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """How the child ended, as its parent saw it.

    `status` is its exit status, None when a signal ended it (`signal`) or the time limit did (`timed_out`).
    `survivors` names the processes that the tests had left behind and that were killed.
    `output` is the head and tail of what it printed, bounded; `output_cut` counts the bytes left out.
    """

    status: int | None
    signal: int | None = None
    timed_out: bool = False
    seconds: float = 0.0
    survivors: tuple[str, ...] = ()
    output: str = ""
    output_cut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModule:
    """A module of the branch's own name that was imported from somewhere else than the candidate."""

    name: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLines:
    """Line coverage of one file of the candidate; `path` is relative to the repository's root.

    `contexts` are the labels under which the lines ran that `executed` holds (empty: all of them).
    Branches are pairs (from line, to line), a negative target is an exit; empty without branch coverage.
    """

    path: str
    executed: frozenset[int]
    missing: frozenset[int]
    excluded: frozenset[int] = frozenset()
    executed_branches: frozenset[tuple[int, int]] = frozenset()
    missing_branches: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a judgement rests on, already parsed as untrusted input.

    `collected` holds the ids in order, each once. `session_status` is what pytest itself said, None when
    it never got so far. `running` is the id that had started and not ended. `problems` are contradictions
    that the reader found, as sentences. `files` is None where coverage data are missing or unreadable. `tool` is what
    ran the tests, as sentences name it: only pytest's exit statuses have pytest's meanings.
    """

    collected: tuple[str, ...] = ()
    outcomes: tuple[TestOutcome, ...] = ()
    session_status: int | None = None
    running: str | None = None
    end: ProcessEnd = field(default_factory=lambda: ProcessEnd(status=None))
    foreign: tuple[ForeignModule, ...] = ()
    collection_errors: tuple[TestOutcome, ...] = ()
    files: tuple[FileLines, ...] | None = None
    problems: tuple[str, ...] = ()
    python: str = ""
    tool: str = "pytest"
