"""One run for many agents: the whole suite on the top of a chain, and each agent's verdict from that run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pytest_moa.errors import UndeterminedError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.model.results import Failure
from pytest_moa.rules.gate import Doubt, failures, incomplete
from pytest_moa.rules.selection import groups_of, suite_arguments
from pytest_moa.services.chain import Chain
from pytest_moa.services.examine import Case, Examination, Measured, concluded, judged, measured_files
from pytest_moa.services.look import Looked
from pytest_moa.services.perform import PerformOptions, perform
from pytest_moa.services.prepare import absent_tests, environment_doubts, prepared, request_for
from pytest_moa.services.probing import ProbesAsked, probe_request, wish_of
from pytest_moa.services.project import Project
from pytest_moa.services.raw_coverage import cleaned
from pytest_moa.services.subject import Subject, ground_of, subject_in
from pytest_moa.services.telling import Telling
from pytest_moa.services.traces import Traces
from pytest_moa.testing.probing import Prober, ProbeRequest
from pytest_moa.testing.run import Question, analyse_each, run_child


@dataclass(frozen=True, slots=True, kw_only=True)
class JointOptions:
    """`python` counts where the policy names none; `slot` is MOA_SLOT; `cancelled` is asked while the tests run."""

    threshold: Decimal
    python: str | None = None
    slot: int = 0
    probes: ProbesAsked | None = None
    tell: Telling = field(default_factory=Telling)
    cancelled: Callable[[], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A run on a chain. Exactly one of three: `unable` says why nothing could be run; `absent` why agents' tests cannot be;
    else `traces` is what the run left, and `cases` what is judged by it.
    """

    chain: Chain
    project: Project
    options: JointOptions
    unable: Doubt | None = None
    absent: Mapping[str, Doubt] = field(default_factory=dict)
    traces: Traces | None = None
    cases: Mapping[str, Case] = field(default_factory=dict)
    own_traces: Mapping[str, Traces] = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        return self.traces.evidence if self.traces is not None else Evidence()

    @property
    def runs(self) -> int:
        return 0 if self.traces is None else self.traces.runs

    @property
    def red(self) -> tuple[Failure, ...]:
        return failures(self.evidence)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why the run as a whole proves nothing."""
        return () if self.traces is None else (*incomplete(self.evidence), *self.traces.doubts)


def run_joint(
    project: Project,
    quarantine: Quarantine,
    chain: Chain,
    looked: Mapping[str, Looked],
    options: JointOptions,
) -> Joint:
    """Runs the suite and every agent's tests once. Judges nothing; nothing is raised for what the candidate does."""
    subjects = subjects_of(project, quarantine, chain)
    absent = {i: doubt for i, s in subjects.items() if (doubt := absent_tests(project, s)) is not None}
    joint = Joint(chain=chain, project=project, options=options, absent=absent)
    if absent:
        return joint
    first = next(iter(subjects.values()))
    if first.foreign is not None:
        return _by_command(joint, quarantine, first, looked)
    ready = prepared(project, quarantine, chain.top, first.settings.get, options.python)
    if isinstance(ready, Doubt):
        return replace(joint, unable=ready)
    tests = {i: s.tests for i, s in subjects.items()}
    groups, labels = groups_of(tests)
    suite = suite_arguments(
        project.policy.integration.suite,
        first.pytest.testpaths,
        tuple(dict.fromkeys(test for some in tests.values() for test in some)),
    )
    request = request_for(
        project, quarantine, ready, list(subjects.values()), tests=suite, groups=groups, slot=options.slot
    )
    request = replace(request, keep_going=True)
    cases = {i: looked[i].case(subjects[i], options.threshold) for i in chain.ids}
    wanted = _probes(project, quarantine, cases, labels, options)
    prober = Prober(wanted) if wanted else None
    options.tell.step(f"Running the integration suite on {_whose(chain)}")
    evidence = run_child(request, progress=options.tell.tick, prober=prober, cancelled=options.cancelled)
    turned, unclean = cleaned(
        quarantine,
        union_of(subjects),
        request,
        raw=request.run_dir,
        work=str(ready.work.resolve()),
        evidence=evidence,
    )
    traces = Traces(
        request=turned,
        evidence=evidence,
        environment=ready.interpreter.facts,
        work=str(ready.work.resolve()),
        doubts=(*environment_doubts(ready.interpreter), *unclean),
        notes=ready.notes,
    )
    records = {} if prober is None else prober.records
    own = {i: replace(traces, labels=labels[i], probes=records.get(i), runs=0, notes=()) for i in chain.ids}
    return replace(joint, traces=traces, cases=cases, own_traces=own)


def _by_command(
    joint: Joint, quarantine: Quarantine, subject: Subject, looked: Mapping[str, Looked]
) -> Joint:
    """An agent whose tests a command of its own runs: its command, and the project's suite beside it."""
    options, agent = joint.options, subject.agent
    case = looked[agent].case(subject, options.threshold)
    asked = PerformOptions(
        suite=True,
        python=options.python,
        slot=options.slot,
        tell=options.tell,
        probes=options.probes,
        findings=case.reviewed.findings,
    )
    options.tell.step(f"Running the command of agent {agent} on {_whose(joint.chain)}")
    traces = perform(joint.project, quarantine, subject, asked)
    if isinstance(traces, Doubt):
        return replace(joint, unable=traces)
    return replace(joint, traces=traces, cases={agent: case}, own_traces={agent: traces})


def judged_joint(quarantine: Quarantine, joint: Joint) -> dict[str, Examination]:
    """Every agent's verdict from the one run."""
    if any(case.subject.foreign is not None for case in joint.cases.values()):
        return {
            agent: judged(quarantine, case, joint.own_traces[agent], probes=joint.options.probes)
            for agent, case in joint.cases.items()
        }
    measured = _measured(quarantine, joint)
    return {
        agent: concluded(
            quarantine, case, joint.own_traces[agent], measured[agent], probes=joint.options.probes
        )
        for agent, case in joint.cases.items()
    }


def forgiven(joint: Joint, again: Evidence, ids: Sequence[str]) -> Joint:
    """The same run, with these flaky ids as they came out when they were run once more on the same tree."""
    if joint.traces is None:
        return joint
    better = {o.id: o for o in again.outcomes if o.id in ids}
    evidence = joint.evidence
    end = replace(evidence.end, status=0) if evidence.end.status == 1 else evidence.end
    mended = replace(
        evidence,
        outcomes=tuple(better.get(o.id, o) for o in evidence.outcomes),
        session_status=0 if evidence.session_status == 1 else evidence.session_status,
        end=end,
    )
    traces = replace(joint.traces, evidence=mended)
    own = {agent: replace(t, evidence=mended) for agent, t in joint.own_traces.items()}
    return replace(joint, traces=traces, own_traces=own)


def subjects_of(project: Project, quarantine: Quarantine, chain: Chain) -> dict[str, Subject]:
    """Each agent's part at the chain's top: its own lines are never those that another of them brought."""
    ground = ground_of(project, quarantine, chain.base, chain.top)
    added = {
        agent: {path: change.added for path, change in changes.items()}
        for agent, changes in chain.changes.items()
    }
    everybodys: dict[str, frozenset[int]] = {}
    for of_agent in added.values():
        for path, lines in of_agent.items():
            everybodys[path] = everybodys.get(path, frozenset()) | lines
    # A line of the top is the last one's that brought it, so that no two share one.
    return {
        agent: subject_in(
            project,
            quarantine,
            ground,
            agent,
            own,
            others={path: lines - own.get(path, frozenset()) for path, lines in everybodys.items()},
        )
        for agent, own in added.items()
    }


def union_of(subjects: Mapping[str, Subject]) -> Subject:
    """All members' own files, as one run measures them."""
    first = next(iter(subjects.values()))
    return replace(first, own={path: None for subject in subjects.values() for path in subject.own})


def _whose(chain: Chain) -> str:
    if len(chain.ids) == 1:
        return f"the candidate of agent {chain.ids[0]}"
    return f"the candidate of {len(chain.ids)} agents"


def _probes(
    project: Project,
    quarantine: Quarantine,
    cases: Mapping[str, Case],
    labels: Mapping[str, tuple[str, ...] | None],
    options: JointOptions,
) -> dict[str, ProbeRequest]:
    wish = wish_of(project.policy.integrity.probes, options.probes)
    wanted = {
        agent: probe_request(quarantine, case.subject, case.reviewed.findings, wish, labels=labels[agent])
        for agent, case in cases.items()
    }
    return {agent: request for agent, request in wanted.items() if request is not None}


def _measured(quarantine: Quarantine, joint: Joint) -> dict[str, Measured]:
    """The lines of everybody's own files, by one analysis."""
    traces = joint.traces
    if traces is None or traces.evidence.session_status is None:
        return {agent: Measured() for agent in joint.cases}
    request = traces.request
    own = {agent: tuple(case.subject.own) for agent, case in joint.cases.items()}
    paths = tuple(dict.fromkeys(path for some in own.values() for path in some))
    if not paths:
        return {agent: Measured() for agent in joint.cases}
    quarantine.restore(request.work, joint.chain.top, paths)
    questions = {
        agent: Question(paths=some, contexts=joint.own_traces[agent].labels)
        for agent, some in own.items()
        if some
    }
    coverage = next(iter(joint.cases.values())).subject.coverage
    try:
        answers = analyse_each(request, questions, coverage)
    except UndeterminedError as error:
        doubt = Doubt(reason=str(error), remedy=error.remedy)
        return {agent: Measured(doubts=(doubt,) if own[agent] else ()) for agent in joint.cases}
    return {agent: _of_agent(quarantine, joint, agent, answers) for agent in joint.cases}


def _of_agent(
    quarantine: Quarantine,
    joint: Joint,
    agent: str,
    answers: Mapping[str, tuple[FileLines, ...] | UndeterminedError | None],
) -> Measured:
    if agent not in answers:  # no own file, no question
        return Measured()
    files = answers[agent]
    if isinstance(files, UndeterminedError):
        return Measured(doubts=(Doubt(reason=str(files), remedy=files.remedy),))
    return measured_files(quarantine, joint.cases[agent].subject, joint.own_traces[agent], files)
