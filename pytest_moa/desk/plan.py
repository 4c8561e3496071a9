"""What a run of the plugin is going to do: agents, their tests and own code, and how pytest-cov has to be asked."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from pytest_moa.desk.measure import core_that_switches, watched
from pytest_moa.desk.orders import Orders
from pytest_moa.desk.own import Changes, OwnCode, modules_of
from pytest_moa.desk.place import Place
from pytest_moa.desk.typed import Typed, outside, reaches_further
from pytest_moa.rules.gate import Doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """One agent of this run. `tests` are absolute paths; none: the whole suite is its own."""

    id: str
    name: str
    tests: tuple[Path, ...]
    own: OwnCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything known before the tests run. `alone` names the one agent of `--moa-agent`, None under `--moa`."""

    place: Place
    rootdir: Path
    here: Path
    agents: tuple[AgentPlan, ...]
    changes: Changes
    threshold: Decimal
    typed: Typed
    includes: bool = False
    alone: str | None
    report: Path | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def own_files(self) -> tuple[str, ...]:
        return tuple(sorted({path for agent in self.agents for path in agent.own.files}))


def orders_for(plan: Plan, options: argparse.Namespace) -> Orders:
    """What to insert into pytest's arguments, and what each process that runs tests has to know."""
    tests = _selection(plan, options)
    files = dict.fromkeys(plan.own_files)
    return Orders(
        insert=(*_cov_options(plan, options), *tests),
        groups=tuple((agent.id, tuple(map(str, agent.tests))) for agent in plan.agents),
        modules=modules_of(files, plan.place.root),
        root=str(plan.place.root),
        contexts=_needs_contexts(plan, options),
    )


def _selection(plan: Plan, options: argparse.Namespace) -> tuple[str, ...]:
    """The agents' tests as arguments where no path is given; none where somebody's tests are the whole suite."""
    if options.file_or_dir or any(not agent.tests for agent in plan.agents):
        return ()
    # Sorted: pytest collects in the order of the arguments, and one agent after another would take packages apart.
    tests = sorted({test for agent in plan.agents for test in agent.tests})
    return tuple(os.path.relpath(test, plan.here) for test in tests)


def _needs_contexts(plan: Plan, options: argparse.Namespace) -> bool:
    """Whether tests may run that are not everybody's: then lines have to be told apart."""
    if not can_measure(options):
        return False
    if len({agent.tests for agent in plan.agents}) > 1:
        return True
    return any(
        agent.tests and reaches_further(options.file_or_dir, agent.tests, plan.here) for agent in plan.agents
    )


def can_measure(options: argparse.Namespace) -> bool:
    return hasattr(options, "cov_source") and not options.no_cov


def _cov_options(plan: Plan, options: argparse.Namespace) -> tuple[str, ...]:
    """pytest-cov's own options for the folders of own code that the user's `--cov` does not already watch."""
    if not can_measure(options) or not plan.own_files:
        return ()
    given = list(options.cov_source)
    if True in given:
        return ()
    quiet = () if given or options.cov_report else ("--cov-report=",)
    if plan.includes and not given:
        # Coverage ignores its `include` setting beside a source, and warns: an error where warnings are errors.
        return ("--cov", *quiet)
    folders = _folders(plan, given)
    return (*(f"--cov={folder}" for folder in folders), *quiet)


def _folders(plan: Plan, given: Sequence[object]) -> tuple[str, ...]:
    unseen = [path for path in plan.own_files if not watched(plan.place.root / path, given, plan.here)]
    relative = OwnCode(files=dict.fromkeys(unseen)).folders()
    return tuple(os.path.relpath(plan.place.root / folder, plan.here) for folder in relative)


def doubts_of(options: argparse.Namespace) -> tuple[Doubt, ...]:
    """Why this command line cannot give a figure."""
    if not hasattr(options, "cov_source"):
        return (
            Doubt(
                reason="pytest-cov is not there (not installed, or switched off by -p no:cov), so nothing is measured",
                remedy="Install pytest-cov beside pytest, and leave `-p no:cov` out.",
            ),
        )
    if options.no_cov:
        return (
            Doubt(reason="--no-cov switches the measuring off", remedy="Leave --no-cov out of this run."),
        )
    if getattr(options, "cov_append", False):
        return (
            Doubt(
                reason="--cov-append mixes in what earlier runs covered",
                remedy="Leave --cov-append out of this run.",
            ),
        )
    return ()


def with_command_line(plan: Plan, options: argparse.Namespace) -> Plan:
    """The plan with what the command line means for it: doubts, and which of the agents' tests were left out."""
    tests = [test for agent in plan.agents for test in agent.tests]
    whole = any(not agent.tests for agent in plan.agents)
    paths = options.file_or_dir
    left = outside(paths, [*tests, *([plan.place.working] if whole else [])], plan.here)
    # A project's own `testpaths` or addopts decide what its whole suite is.
    if whole and not plan.typed.paths:
        left = ()
    return replace(plan, doubts=(*plan.doubts, *doubts_of(options)), left_out=left)


def environment_for(orders: Orders, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables to set for the time of the session."""
    core = core_that_switches(environ) if orders.contexts else None
    return {"COVERAGE_CORE": core} if core else {}
