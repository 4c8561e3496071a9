"""One candidate's examination: the rules on its text, a run, and the verdict over both.

`judged` is the half that decides; it runs no agents' code, so that a judge elsewhere can call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pytest_moa.errors import UndeterminedError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import (
    Allowed,
    CoverageFigure,
    EnvironmentFacts,
    Finding,
    ProbeFigure,
    TestCounts,
)
from pytest_moa.rules.figures import coverage_figure
from pytest_moa.rules.gate import Doubt, Judgement, counts, early_exit, judge
from pytest_moa.services.commands import lines_of_command
from pytest_moa.services.hidden import with_hidden
from pytest_moa.services.no_new_failure import new_tests_findings
from pytest_moa.services.old_tests import old_tests_findings
from pytest_moa.services.perform import PerformOptions, perform
from pytest_moa.services.probing import ProbesAsked, probe_news, wish_of
from pytest_moa.services.project import Project
from pytest_moa.services.review import Judges, Reviewed, judges_for, seen_by_rules
from pytest_moa.services.subject import Subject, subject_of
from pytest_moa.services.traces import Traces
from pytest_moa.testing.run import analyse


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineOptions:
    """`threshold` may only raise the policy's; `allow` are the caller's allowances.

    `news_first`: a block finding of the rules is a verdict before anything runs (the queue); without it the tests run
    all the same, since people want all the news at once, except where a rule forbids that anything runs.
    """

    threshold: Decimal
    perform: PerformOptions
    allow: tuple[Allowance, ...] = ()
    news_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A run and what follows from it. `runs` is 0 where nothing could be started (then `judgement` says why)."""

    judgement: Judgement
    evidence: Evidence = field(default_factory=Evidence)
    figure: CoverageFigure | None = None
    findings: tuple[Finding, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    probes: ProbeFigure | None = None
    tests: TestCounts = field(default_factory=TestCounts)
    environment: EnvironmentFacts = field(default_factory=lambda: EnvironmentFacts(python=""))
    notes: tuple[str, ...] = ()
    runs: int = 0
    traces: Traces | Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged: the agent's part in a candidate, what the rules saw in its text, and how that counts."""

    subject: Subject
    seen: tuple[Finding, ...]
    judges: Judges
    threshold: Decimal

    @property
    def reviewed(self) -> Reviewed:
        return self.judges.apply(self.seen)


def case_of(
    project: Project,
    quarantine: Quarantine,
    agent: str,
    candidate: ObjectId,
    options: ExamineOptions,
) -> Case:
    """Everything about a candidate that git and the policy say, without running anything."""
    base = project.target.head
    return Case(
        subject=subject_of(project, quarantine, agent, base, candidate),
        seen=seen_by_rules(project, quarantine, agent, base, candidate),
        judges=judges_for(project, quarantine, agent, candidate, options.allow),
        threshold=options.threshold,
    )


def examine(project: Project, quarantine: Quarantine, case: Case, options: ExamineOptions) -> Examination:
    """Runs what the case needs and judges. Nothing is raised for what the candidate does: that is a verdict."""
    reviewed = case.reviewed
    blocked = any(f.severity == "block" for f in reviewed.findings)
    if reviewed.forbids_running or (options.news_first and blocked):
        return Examination(
            judgement=judge(None, coverage=None, findings=reviewed.findings),
            findings=reviewed.findings,
            allowed=reviewed.allowed,
        )
    asked = replace(options.perform, findings=reviewed.findings)
    traces = perform(project, quarantine, case.subject, asked)
    return judged(quarantine, case, traces, probes=options.perform.probes)


def judged(
    quarantine: Quarantine, case: Case, traces: Traces | Doubt, *, probes: ProbesAsked | None = None
) -> Examination:
    """The verdict over what a run left and what the rules saw; a Doubt is a run that could not be started."""
    if isinstance(traces, Doubt):
        reviewed = case.reviewed
        judgement = judge(None, coverage=None, findings=reviewed.findings, doubts=[traces])
        return Examination(
            judgement=judgement, findings=reviewed.findings, allowed=reviewed.allowed, traces=traces
        )
    measured = _measured(case.judges.project, quarantine, case.subject, traces)
    old, doubts_of_old = _old_tests(quarantine, case, traces)
    measured = replace(measured, doubts=(*measured.doubts, *doubts_of_old))
    return concluded(quarantine, case, traces, measured, news=old, probes=probes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The lines of the own files that ran, and what is doubtful about them."""

    files: tuple[FileLines, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def concluded(
    quarantine: Quarantine,
    case: Case,
    traces: Traces,
    measured: Measured,
    *,
    news: Sequence[Finding] = (),
    probes: ProbesAsked | None = None,
) -> Examination:
    """The verdict once the lines are known; `news` are what further runs found."""
    subject, evidence, files = case.subject, traces.evidence, measured.files
    figure = coverage_figure(subject.own, files, case.threshold)
    wish = wish_of(case.judges.project.policy.integrity.probes, probes)
    executed = {file.path: file.executed for file in files}
    probed = probe_news(quarantine, subject, traces, case.reviewed.findings, wish, executed=executed)
    reviewed = case.judges.apply([*case.seen, *_seen_in_run(traces), *news, *probed.findings])
    findings = probed.confirm(reviewed.findings)
    all_doubts = [*measured.doubts, *traces.doubts, *probed.doubts]
    judgement = judge(evidence, coverage=figure, findings=findings, doubts=all_doubts)
    return Examination(
        judgement=judgement,
        evidence=evidence,
        figure=figure,
        findings=findings,
        allowed=reviewed.allowed,
        probes=probed.figure,
        tests=counts(evidence),
        environment=traces.environment,
        notes=(*traces.notes, *probed.notes),
        runs=traces.runs,
        traces=traces,
    )


def _seen_in_run(traces: Traces) -> list[Finding]:
    """The findings that only a run can give."""
    exited = early_exit(traces.evidence)
    return [exited] if exited is not None else []


def _old_tests(
    quarantine: Quarantine, case: Case, traces: Traces
) -> tuple[Sequence[Finding], Sequence[Doubt]]:
    """The old tests' news. A run that is not green may have done without them: it does not pass anyway."""
    if traces.old_tests is None and traces.evidence.session_status != 0:
        return (), ()
    project = case.judges.project
    found, doubts = old_tests_findings(project, quarantine, case.subject, traces.old_tests)
    return [*found, *new_tests_findings(project, quarantine, case.subject, traces.new_tests)], doubts


def _measured(project: Project, quarantine: Quarantine, subject: Subject, traces: Traces) -> Measured:
    """Coverage of the own files from raw data and git's sources; the tests may have rewritten the work tree's."""
    request = traces.request
    paths = tuple(subject.own)
    if not paths or traces.evidence.session_status is None:
        return Measured()
    quarantine.restore(request.work, subject.candidate, paths)
    try:
        if subject.foreign is not None:
            own = lines_of_command(project, quarantine, subject, run_dir=request.run_dir, work=traces.work)
            return Measured(files=own)
        files = analyse(request, paths, subject.coverage, traces.labels)
    except UndeterminedError as error:
        return Measured(doubts=(Doubt(reason=str(error), remedy=error.remedy),))
    return measured_files(quarantine, subject, traces, files)


def measured_files(
    quarantine: Quarantine, subject: Subject, traces: Traces, files: tuple[FileLines, ...] | None
) -> Measured:
    """What an analysis of the own files comes to: with the lines that the branch hides, and what is doubtful about it."""
    if files is None:
        remedy = "Look for code that stops or patches the tracer."
        return Measured(doubts=(Doubt(reason="the run left no readable coverage data", remedy=remedy),))
    try:
        files = with_hidden(
            quarantine,
            subject,
            files,
            lambda some, settings: analyse(traces.request, some, settings, traces.labels),
        )
    except UndeterminedError as error:
        return Measured(doubts=(Doubt(reason=str(error), remedy=error.remedy),))
    absent = sorted(set(subject.own) - {file.path for file in files})
    if not absent:
        return Measured(files=files)
    reason = f"coverage says nothing of {', '.join(absent[:3])}"
    doubt = Doubt(reason=reason, remedy="A coverage setting of the target may hide it.")
    return Measured(files=files, doubts=(doubt,))
