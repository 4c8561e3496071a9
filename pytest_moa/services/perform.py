"""Runs the tests of a candidate. Decides nothing: what the run left are traces, and `examine` judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from pytest_moa.errors import UndeterminedError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Finding
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.probes.record import NONE_ASKED
from pytest_moa.rules.selection import NOBODYS, suite_arguments
from pytest_moa.services.commands import run_the_command
from pytest_moa.services.environment import Interpreter
from pytest_moa.services.no_new_failure import run_new_tests
from pytest_moa.services.old_tests import OldTestsOptions, OldTestsRun, run_old_tests
from pytest_moa.services.prepare import absent_tests, environment_doubts, prepared, request_for
from pytest_moa.services.probing import ProbesAsked, probe_request, wish_of
from pytest_moa.services.project import Project
from pytest_moa.services.raw_coverage import cleaned
from pytest_moa.services.subject import Subject
from pytest_moa.services.telling import Telling
from pytest_moa.services.traces import Traces
from pytest_moa.testing.junit import JUnitEvidence
from pytest_moa.testing.probing import Prober
from pytest_moa.testing.request import ChildRequest, Group
from pytest_moa.testing.run import run_child


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformOptions:
    """`python` counts where the policy names none; `slot` is MOA_SLOT; `suite`: the integration suite as well.

    `replay` gives the traces of a run that was made elsewhere: nothing is run then. `probes` is how many the caller
    asked for (None: as the policy says); `findings` are what the rules saw, since warnings direct the probes.
    """

    suite: bool
    python: str | None = None
    slot: int = 0
    tell: Telling = field(default_factory=Telling)
    replay: Callable[[Subject], Traces | Doubt] | None = None
    probes: ProbesAsked | None = None
    findings: tuple[Finding, ...] = ()


def perform(
    project: Project, quarantine: Quarantine, subject: Subject, options: PerformOptions
) -> Traces | Doubt:
    """Runs the agent's tests (`suite`: the integration suite and the agent's tests, in one run).

    A Doubt where nothing could be started. Nothing is raised for what the candidate does; git's failures are raised.
    """
    if options.replay is not None:
        return options.replay(subject)
    if (absent := absent_tests(project, subject)) is not None:
        return absent
    ready = prepared(project, quarantine, subject.candidate, subject.settings.get, options.python)
    if isinstance(ready, Doubt):
        return ready
    tests, groups = _arguments(project, subject, suite=options.suite)
    request = request_for(
        project, quarantine, ready, [subject], tests=tests, groups=groups, slot=options.slot
    )
    labels = (subject.agent,) if groups else None
    interpreter, work = ready.interpreter, ready.work
    prober = _prober(project, quarantine, subject, options, labels=labels)
    try:
        ran, runs = _run(quarantine, subject, request, options, prober)
    except UndeterminedError as error:
        return Doubt(reason=str(error), remedy=error.remedy)
    evidence = ran.evidence
    old = (
        _old_tests(project, quarantine, subject, interpreter, options)
        if _goes_on(evidence, options)
        else None
    )
    unprepared = (old,) if isinstance(old, Doubt) else ()
    old = None if isinstance(old, Doubt) else old
    old_options = OldTestsOptions(options.slot, options.tell)
    green = evidence.session_status == 0
    new = run_new_tests(project, quarantine, subject, interpreter, old_options) if green else None
    unclean: tuple[Doubt, ...] = ()
    if subject.foreign is None:
        request, unclean = cleaned(
            quarantine, subject, request, raw=request.run_dir, work=str(work.resolve()), evidence=evidence
        )
    return Traces(
        request=request,
        evidence=evidence,
        environment=interpreter.facts,
        work=str(work.resolve()),
        doubts=(*environment_doubts(interpreter), *unclean, *unprepared),
        notes=(*ready.notes, *ran.notes, *_without_coverage(subject)),
        old_tests=old,
        new_tests=new,
        labels=labels,
        probes=NONE_ASKED
        if options.probes == 0
        else prober.records.get(subject.agent)
        if prober is not None
        else None,
        runs=runs + (old.runs if old is not None else 0) + (new is not None),
    )


def _without_coverage(subject: Subject) -> tuple[str, ...]:
    if subject.foreign is None or subject.foreign.coverage is not None:
        return ()
    return (
        f"The registry names no `coverage` for agent {subject.agent}: its code is not measured, no threshold applies.",
    )


def _prober(
    project: Project,
    quarantine: Quarantine,
    subject: Subject,
    options: PerformOptions,
    *,
    labels: tuple[str, ...] | None,
) -> Prober | None:
    wish = wish_of(project.policy.integrity.probes, options.probes)
    wanted = probe_request(quarantine, subject, options.findings, wish, labels=labels)
    return None if wanted is None else Prober({subject.agent: wanted})


def _run(
    quarantine: Quarantine,
    subject: Subject,
    request: ChildRequest,
    options: PerformOptions,
    prober: Prober | None,
) -> tuple[JUnitEvidence, int]:
    """pytest, or the agent's own command; and how many children ran tests."""
    if subject.foreign is None:
        return JUnitEvidence(run_child(request, progress=options.tell.tick, prober=prober)), 1
    suite = _suite(quarantine, subject, request, options) if options.suite else None
    return run_the_command(subject.foreign, request, suite)


def _suite(
    quarantine: Quarantine, subject: Subject, request: ChildRequest, options: PerformOptions
) -> Callable[[], Evidence] | None:
    """The project's pytest suite beside an agent's command, with a folder of its own for its traces."""
    if not request.tests and not any(_is_pytest_file(path, subject) for path in subject.tree):
        return None
    apart = replace(request, run_dir=quarantine.make_folder("suite-run"))
    return lambda: run_child(apart, progress=options.tell.tick)


def _is_pytest_file(path: str, subject: Subject) -> bool:
    return any(fnmatchcase(path.rpartition("/")[2], pattern) for pattern in subject.pytest.python_files)


def _goes_on(evidence: Evidence, options: PerformOptions) -> bool:
    """At a gate people want all the news at once; in the queue a red run is news enough, and each run is counted."""
    return evidence.session_status == 0 if options.suite else evidence.session_status is not None


def _old_tests(
    project: Project,
    quarantine: Quarantine,
    subject: Subject,
    interpreter: Interpreter,
    options: PerformOptions,
) -> OldTestsRun | Doubt | None:
    try:
        old_options = OldTestsOptions(options.slot, options.tell)
        return run_old_tests(project, quarantine, subject, interpreter, old_options)
    except UndeterminedError as error:
        return Doubt(reason=str(error), remedy=error.remedy)


def _arguments(
    project: Project, subject: Subject, *, suite: bool
) -> tuple[tuple[str, ...], tuple[Group, ...]]:
    if not suite:
        return subject.tests, ()
    if subject.foreign is not None:  # its tests are no business of pytest's
        return suite_arguments(project.policy.integration.suite, subject.pytest.testpaths, ()), ()
    # In a run of the whole suite the agent's own lines count only where its own tests ran them: the others' lines get
    # a label, too, since lines without one are those of import time, which count for everyone.
    own = Group(label=subject.agent, paths=tuple(test.split("::", 1)[0] for test in subject.tests))
    groups = (own, Group(label=NOBODYS, paths=("",))) if subject.tests else ()
    wanted = suite_arguments(project.policy.integration.suite, subject.pytest.testpaths, subject.tests)
    return wanted, groups
