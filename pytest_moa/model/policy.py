"""The policy: every key of a config file, its type, default, bounds and one line of documentation.

The decoder, the JSON Schema, the commented file of `moa init` and the table in the docs are all made from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pytest_moa.model import integrity

Severity = integrity.Severity
_RULE = "|".join(integrity.DEFAULT_SEVERITY)
_RULE_WORDS = "the name of a rule that `moa explain` lists"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Requirement = str
"""`requested`, `approved`, `not-draft` or `checks:NAME`."""

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
ID_WORDS = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"

NAME_PATTERN = r"[^\s-]\S*"
NAME_WORDS = "a name without blanks that does not begin with `-`"

# Absolute paths would be read from the user's checkout instead of the candidate; `-x` would be an option.
PATH_PATTERN = r"(?![-/]|[A-Za-z]:[\\/]).*\S.*"
PATH_WORDS = "a relative path that does not begin with `-`"

INSIDE_PATTERN = r"(?![-/~]|[A-Za-z]:)(?!(?:.*/)?\.\.(?:/|$))[^\\\s](?:[^\\\n]*[^\\\s])?"
INSIDE_WORDS = "a folder of the repository, relative to its root and without `..`"

LONGEST_PROJECT = 5200
"""Weeks, a century: a calendar made from it still has dates."""


def key(default: Any, doc: str, **bounds: Any) -> Any:
    """A documented key. Bounds: `minimum`, `maximum` (inclusive), `pattern` (whole match), `unit`.

    `allowed` says the pattern in words; `example` is shown where the default says nothing (None, an empty list).
    """
    return field(default=default, metadata={"doc": doc, **bounds})


def section(kind: type, doc: str) -> Any:
    return field(default_factory=kind, metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class MoaKeys:
    log_level: LogLevel = key("INFO", "How much `logs/moa.log` and standard error tell.")
    report_interval: int = key(
        3600, "Seconds between two reports of a long-running watch.", minimum=1, unit="seconds"
    )
    auto_resolve: bool = key(True, "Whether conflicts of a safe class may be resolved without a person.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitKeys:
    remote: str = key(
        "origin",
        "The remote that is the truth where it has the target branch.",
        pattern=NAME_PATTERN,
        allowed=NAME_WORDS,
    )
    develop_branch: str = key(
        "develop", "The target: the branch that work lands on.", pattern=NAME_PATTERN, allowed=NAME_WORDS
    )
    main_branch: str = key(
        "main",
        "The branch that releases are made from; moa never moves it.",
        pattern=NAME_PATTERN,
        allowed=NAME_WORDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsKeys:
    timeout: int = key(300, "Time limit of one test run.", minimum=1, unit="seconds")
    test_threshold: Decimal = key(
        Decimal(90), "Least coverage of an agent's own code.", minimum=0, maximum=100, unit="percent"
    )
    max_parallel_integrations: int = key(3, "Candidates tested at once.", minimum=1, maximum=64)
    branches: tuple[str, ...] = key(
        (),
        "Further branch patterns with `{id}`, beside `agent-{id}-…`: for example `copilot/{id}`.",
        pattern=r"[^{}\s]*\{id\}[^{}\s]*",
        allowed="a branch pattern with exactly one `{id}` and no blanks",
        example=("copilot/{id}",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringKeys:
    health_check_interval: int = key(
        60, "Seconds between two looks at the watched services.", minimum=1, unit="seconds"
    )
    alert_email: str | None = key(
        None,
        "Who is told of critical alerts.",
        pattern=r"[^@\s]+@[^@\s]+",
        allowed="an e-mail address",
        example="team@example.org",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectKeys:
    name: str | None = key(
        None, "The project's name in reports; by default the repository folder's.", example="My project"
    )
    start: date | None = key(None, "The first day of week 1 (YYYY-MM-DD).", example="2026-01-05")
    weeks: int | None = key(
        None, "How many weeks the project is planned for.", minimum=1, maximum=LONGEST_PROJECT, example=12
    )
    working_directory: str = key(
        ".",
        "The Python project inside a monorepo, relative to the repository's root.",
        pattern=INSIDE_PATTERN,
        allowed=INSIDE_WORDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    id: str = key(
        "",
        'The agent\'s id, as written (`"03"`).',
        pattern=ID_PATTERN,
        allowed=ID_WORDS,
        required=True,
        example="03",
    )
    name: str | None = key(None, "A name for people.", example="Core engine")
    branch: str | None = key(
        None,
        "Its branch, or a glob that matches exactly one.",
        pattern=NAME_PATTERN,
        allowed=NAME_WORDS,
        example="agent-03-*",
    )
    tests: tuple[str, ...] = key(
        (),
        "Its tests: files or folders, relative to the working directory.",
        pattern=PATH_PATTERN,
        allowed=PATH_WORDS,
        example=("tests/core",),
    )
    source: tuple[str, ...] = key(
        (),
        "The files and folders that are its own code, whole; with a `command` of any language, globs included.",
        pattern=PATH_PATTERN,
        allowed=PATH_WORDS,
        example=("src/core",),
    )
    command: tuple[str, ...] = key(
        (),
        "For an agent in another language: the argument list that runs its tests, in place of pytest.",
        example=("npm", "test"),
    )
    junit: str | None = key(
        None,
        "The JUnit XML files that `command` writes: a path or a glob, relative to the working directory.",
        pattern=INSIDE_PATTERN,
        allowed="a path or glob inside the repository, relative and without `..`",
        example="reports/*.xml",
    )
    coverage: str | None = key(
        None,
        "The coverage that `command` writes, LCOV or Cobertura XML; without it no threshold applies.",
        pattern=INSIDE_PATTERN,
        allowed="a path inside the repository, relative and without `..`",
        example="coverage/lcov.info",
    )
    depends_on: tuple[str, ...] = key(
        (), "Ids of agents that have to land first.", pattern=ID_PATTERN, allowed=ID_WORDS, example=("01",)
    )
    priority: int = key(0, "Higher lands first.")
    start_week: int | None = key(
        None, "The week in which its work starts.", minimum=1, maximum=LONGEST_PROJECT, example=1
    )
    due_week: int | None = key(
        None, "The week in which its work is due.", minimum=1, maximum=LONGEST_PROJECT, example=4
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentKeys:
    setup: tuple[tuple[str, ...], ...] = key(
        (),
        "Argument lists run before the tests to make their environment; `{environment}` stands for its folder.",
        example=(("uv", "sync", "--no-install-project"),),
    )
    prepare: tuple[tuple[str, ...], ...] = key(
        (),
        "Argument lists run in every candidate's tree after `setup`, never cached: what generates files there."
        " `{python}` stands for the tests' interpreter.",
        example=(("{python}", "-m", "setuptools_scm", "--force-write-version-files"),),
    )
    cache_on: tuple[str, ...] = key(
        (),
        "Files whose contents key the made environment (globs).",
        pattern=PATH_PATTERN,
        allowed=PATH_WORDS,
        example=("uv.lock",),
    )
    python: str | None = key(
        None, "The interpreter that runs the tests; by default moa's own.", example="python3.12"
    )
    keep: tuple[str, ...] = key((), "Further variables that the tests see (globs).", example=("DATABASE_*",))
    drop: tuple[str, ...] = key(
        (), "Variables that the tests must not see (globs); beats `keep`.", example=("DATABASE_PASSWORD",)
    )
    timeout: int = key(900, "Time limit of making the environment.", minimum=1, unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationKeys:
    suite: tuple[str, ...] = key(
        (),
        "The integration suite; by default all that the project's pytest settings collect.",
        pattern=PATH_PATTERN,
        allowed=PATH_WORDS,
        example=("tests",),
    )
    executor: Literal["child", "checks"] = key(
        "child", "Who runs the tests of a candidate. `checks`, the team's own CI, is refused in this version."
    )
    require: tuple[Requirement, ...] = key(
        (),
        "What an agent needs besides a passing gate: `requested`, `approved`, `not-draft`, `checks:NAME`.",
        pattern=r"requested|approved|not-draft|checks:\S.*",
        allowed="`requested`, `approved`, `not-draft` or `checks:NAME`",
        example=("requested",),
    )
    method: Literal["merge", "squash"] = key("merge", "How a branch lands.")
    where: Literal["auto", "local", "remote"] = key(
        "auto", "Where the target is the truth: `auto` takes the remote where it has the target."
    )
    flaky_cap: int = key(0, "How many flaky tests a round tolerates.", minimum=0)
    known_flaky: tuple[str, ...] = key(
        (),
        "Test ids that are tolerated when they fail and pass on the same tree.",
        example=("tests/test_net.py::test_slow",),
    )
    budget: int | None = key(
        None, "Time budget of one `moa integrate --all`.", minimum=1, example=3600, unit="seconds"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A person's word that one finding may pass: rule, place, and for how long."""

    rule: str = key(
        "",
        "The rule's name.",
        pattern=rf"{_RULE}|\*",
        allowed=f"{_RULE_WORDS}, or `*`",
        required=True,
        example="settings-changed",
    )
    path: str = key("**", "Glob of the files that it is given for.")
    agent: str | None = key(
        None,
        "The agent that it is given to; by default any.",
        pattern=ID_PATTERN,
        allowed=ID_WORDS,
        example="03",
    )
    until: date | None = key(None, "The last day on which it holds (YYYY-MM-DD).", example="2026-12-31")
    content: str | None = key(
        None,
        "The blob id of the file that it was given for.",
        pattern=r"[0-9a-f]{7,64}",
        allowed="7 to 64 lower-case hexadecimal digits",
        example="1f7a7a472abf3dd9",
    )
    because: str | None = key(None, "Why, in a sentence.", example="The marker was agreed on.")


ProbesAsked = int | Literal["all"]
"""How many probes a caller asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeKeys:
    count: int = key(20, "Probes of a gate that may say something about who looks; 0 asks none.", minimum=0)
    seconds: int = key(30, "Time budget of all probes of a gate.", minimum=1, unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityKeys:
    severity: Mapping[str, Severity] = field(
        default_factory=dict,
        metadata={
            "doc": "Severity per rule, where it should differ from the default.",
            "example": {"agent-instructions": "note"},
            "pattern": _RULE,
            "allowed": _RULE_WORDS,
        },
    )
    allow: tuple[Allowance, ...] = key((), "Findings that a person let through.")
    probes: ProbeKeys = section(ProbeKeys, "Deliberate faults that ask whether the tests notice anything.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoute:
    kind: Literal["email", "webhook"] = key("email", "How the alert travels.", required=True)
    to: str = key(
        "",
        "The address or URL.",
        pattern=r"\S+",
        allowed="an address without blanks",
        required=True,
        example="team@example.org",
    )
    severity: Literal["critical", "warning", "info"] = key("critical", "The least severity that is sent.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKeys:
    routes: tuple[AlertRoute, ...] = key((), "Where alerts go.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedService:
    name: str = key(
        "", "The service's name.", pattern=r"\S.*", allowed="a name on one line", required=True, example="api"
    )
    url: str = key(
        "",
        "The address that answers 2xx while it is well.",
        pattern=r"https?://\S+",
        allowed="an http or https address",
        required=True,
        example="http://localhost:8000/health",
    )
    timeout: int = key(5, "Seconds to wait for its answer.", minimum=1, unit="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthKeys:
    services: tuple[WatchedService, ...] = key((), "Services whose health is watched.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKeys:
    templates: str | None = key(
        None,
        "A folder of templates that take the place of ours of the same name; read from the target's commit.",
        pattern=INSIDE_PATTERN,
        allowed=INSIDE_WORDS,
        example=".github/moa",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    moa: MoaKeys = section(MoaKeys, "moa itself.")
    git: GitKeys = section(GitKeys, "The repository.")
    agents: AgentsKeys = section(AgentsKeys, "What holds for every agent.")
    monitoring: MonitoringKeys = section(MonitoringKeys, "Watching.")
    project: ProjectKeys = section(ProjectKeys, "The project and its calendar.")
    registry: tuple[RegistryEntry, ...] = key(
        (), "The agents, where more is to be said than their branch's name says."
    )
    environment: EnvironmentKeys = section(EnvironmentKeys, "What the tests run in.")
    integration: IntegrationKeys = section(IntegrationKeys, "How work lands.")
    integrity: IntegrityKeys = section(IntegrityKeys, "The rules against gamed gates.")
    alerts: AlertKeys = section(AlertKeys, "Where alerts go.")
    health: HealthKeys = section(HealthKeys, "Which services are watched.")
    report: ReportKeys = section(ReportKeys, "What people read.")

    def entry(self, agent: str) -> RegistryEntry:
        """The registry's entry of an agent; an empty one for an agent that is only discovered."""
        return next((e for e in self.registry if e.id == agent), RegistryEntry(id=agent))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """A policy and where it came from. `origin` is None where no config was found and defaults hold.

    `warnings` are sentences for people: a variable that was ignored because it would lower the threshold, …
    """

    policy: Policy
    origin: str | None
    warnings: tuple[str, ...] = ()
