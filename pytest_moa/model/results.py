"""What a command answers: verdicts, figures, findings and landings. Rendering and JSON are made from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from pytest_moa.model.agents import AgentStatus, ObjectId

Verdict = Literal["passed", "failed", "undetermined"]
FindingSeverity = Literal["block", "warn", "note"]
RejectionClass = Literal[
    "red",
    "conflict",
    "integrity",
    "coverage",
    "hang",
    "flaky",
    "undetermined",
    "moved",
    "infrastructure",
    "held",
    "target",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule saw. `line` is 1-based, None where no line is meant."""

    rule: str
    severity: FindingSeverity
    path: str
    line: int | None
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A finding's rule and path that a person let through, and why; `because` is empty where nobody said."""

    rule: str
    path: str
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCounts:
    """How many ids were collected and what came of them; xfailed counts as skipped, xpassed as passed."""

    __test__ = False  # pytest would collect a class of this name

    collected: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFigure:
    """Coverage of the own lines of one file. `percent` is rounded down to two places."""

    path: str
    percent: Decimal
    covered: int
    statements: int
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFigure:
    """Coverage of an agent's own code: `covered` of `statements` (with branch coverage: branches added to both)."""

    percent: Decimal
    threshold: Decimal
    covered: int
    statements: int
    files: tuple[FileFigure, ...]

    @property
    def enough(self) -> bool:
        # Compared exactly, without the rounding of `percent`: covered / statements >= threshold / 100.
        return self.covered * 100 >= self.threshold * self.statements


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """The interpreter that ran the tests and the key of its made environment (None: an existing one)."""

    python: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnoticedProbe:
    """`tests` ran the line and looked away; a name with a leading `@` is a fixture that several tests share."""

    path: str
    line: int
    fault: str
    function: str = ""
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFigure:
    """`tried` is `noticed` and those `unnoticed`; `voids` are probes that say nothing, since the changed code did not run."""

    tried: int
    noticed: int
    unnoticed: tuple[UnnoticedProbe, ...]
    seed: str
    voids: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberVerdict:
    """What the run of a train says of one agent on it."""

    agent: str
    branch: str
    head: ObjectId
    verdict: Verdict
    coverage: CoverageFigure | None = None
    findings: tuple[Finding, ...] = ()
    probes: ProbeFigure | None = None
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """A gate's verdict. `candidate` is None where the branch conflicts with the target (`conflicts` names files).

    `members` are the agents of a train, in their order; then head and candidate are both the joint candidate.
    """

    agent: str
    name: str
    branch: str
    verdict: Verdict | None
    head: ObjectId | None
    target: ObjectId | None
    candidate: ObjectId | None
    tests: TestCounts = field(default_factory=TestCounts)
    failures: tuple[Failure, ...] = ()
    coverage: CoverageFigure | None = None
    findings: tuple[Finding, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    probes: ProbeFigure | None = None
    environment: EnvironmentFacts = field(default_factory=lambda: EnvironmentFacts(python=""))
    reason: str | None = None
    remedy: str | None = None
    seconds: float = 0.0
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""
    advisory: bool = False
    partial: bool = False
    members: tuple[MemberVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A branch that landed: its pinned head and the merge commit that the target now holds.

    `allow` are the caller's words that the commit carries as `Moa-Allow`.
    """

    agent: str
    name: str
    head: ObjectId
    commit: ObjectId
    tests: TestCounts = field(default_factory=TestCounts)
    coverage: CoverageFigure | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    agent: str
    name: str
    head: ObjectId | None
    kind: RejectionClass
    reason: str
    remedy: str = ""
    with_agents: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    counts: TestCounts = field(default_factory=TestCounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationResult:
    """What a call of `moa integrate` did. `already` names agents that had landed before it began.

    `staged` holds candidates that passed and wait for a landing by another step (`moa integrate --stage`). A `dry_run`
    tested and landed nothing: `would_test` are the agents whose joint candidate would be tested, in their order.
    """

    branch: str
    before: ObjectId
    after: ObjectId
    runs: int
    landed: tuple[Landed, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    already: tuple[Landed, ...] = ()
    staged: tuple[Landed, ...] = ()
    flaky: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False
    would_test: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """One agent in a status report. `progress` is 0 to 100, `next` the next command that makes sense."""

    id: str
    name: str
    branch: str | None
    head: ObjectId | None
    status: AgentStatus
    progress: Decimal
    flags: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """`date` is ISO 8601; `week` and `weeks` are None where the policy names no start or length."""

    date: str
    week: int | None
    weeks: int | None
    overall_progress: Decimal
    agents: tuple[AgentState, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of `moa bootstrap`; `remedy` is empty where it passed."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapReport:
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the ledger. `at` is UTC, ISO 8601 with microseconds; `data` holds JSON values only."""

    kind: str
    at: str
    agent: str | None = None
    data: dict[str, object] = field(default_factory=dict)
    schema: int = 1
