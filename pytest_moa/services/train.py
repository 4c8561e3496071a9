"""`moa gate train`: the joint candidate of all that may go in, one run, every agent's verdict. Lands nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from pytest_moa.errors import RefusedError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.results import (
    Allowed,
    EnvironmentFacts,
    GateResult,
    MemberVerdict,
    Verdict,
)
from pytest_moa.rules.gate import Doubt, Judgement, counts, failures, judge
from pytest_moa.services.allowing import trailers
from pytest_moa.services.boarding import Boarding, boarding
from pytest_moa.services.chain import Chain, chain_of
from pytest_moa.services.evidence_folder import require_place
from pytest_moa.services.examine import Examination
from pytest_moa.services.gate import GateOptions, finished, taken_in, threshold_of
from pytest_moa.services.joint import Joint, JointOptions, judged_joint, run_joint
from pytest_moa.services.landings import ahead_of_pushed
from pytest_moa.services.look import Looked, LookOptions, OldNews, run_old
from pytest_moa.services.project import Project
from pytest_moa.services.travelling import Asked, Circumstances
from pytest_moa.services.travelling_train import LeftTrain, MemberRuns, leave_train
from pytest_moa.services.watch import Watch, require_undone
from pytest_moa.services.words import survivors_words, swept

_WHOSE = Doubt(
    reason="the train's run did not pass, and whose fault that is cannot be told from it",
    remedy="Each agent's own gate tells.",
)


@dataclass(frozen=True, kw_only=True)
class TrainRun:
    """A train's run, or why there was none (`unable`). `examined` is everybody's verdict where the run passed."""

    chain: Chain
    looked: Mapping[str, Looked]
    joint: Joint | None = None
    unable: Doubt | None = None
    examined: Mapping[str, Examination] = field(default_factory=dict)

    @property
    def judgement(self) -> Judgement:
        """What the run as a whole came to."""
        if self.joint is None or self.joint.traces is None:
            return judge(None, coverage=None, doubts=[self.unable] if self.unable else [])
        return judge(self.joint.evidence, coverage=None, doubts=self.joint.traces.doubts)


def gate_train(project: Project, wanted: Sequence[str] | None, options: GateOptions) -> GateResult:
    """The verdict on the joint candidate of those that a plan would put on the train (or `wanted`).

    Raises RefusedError where there is no train, or where it is not the one that `options.head` names; AgentError for an
    unknown id. What the candidate does is never raised: it is the verdict.
    """
    started = time.monotonic()
    if options.evidence is not None:
        require_place(options.evidence)
    require_undone(project)
    watch = Watch(project)
    removed = swept()
    look_options = LookOptions(allow=options.allow, python=options.python, tell=options.tell)
    options.tell.step("Looking at who may go in together")
    found = boarding(project, wanted, look_options)
    _require_train(found, wanted, options.head)
    with ExitStack() as opened:
        members = [_with_old_tests(project, opened, one, look_options) for one in found.train]
        quarantine = opened.enter_context(Quarantine.open(project.repo))
        ran = _run(project, quarantine, [member.news.looked for member in members], options)
        differences = (
            *watch.differences(),
            *(word for one in found.train for word in taken_in(project, one.work.branch)),
        )
        ahead = (note for one in found.train for note in ahead_of_pushed(project, one.work.branch))
        around = Circumstances(around=(*project.notes, *ahead, *removed), touched=differences)
        notes = threshold_of(project, options.threshold)[1]
        result = finished(train_result(project, ran, notes), around)
        result = replace(result, seconds=time.monotonic() - started)
        if options.evidence is not None:
            leave_train(
                options.evidence,
                project,
                quarantine,
                LeftTrain(
                    result=result,
                    traces=_left(ran),
                    members=tuple(_runs_of(member, ran, options) for member in members),
                    asked=Asked(threshold=options.threshold, allow=trailers(options.allow)),
                    circumstances=around,
                ),
            )
    return result


def examined_train(quarantine: Quarantine, ran: TrainRun) -> TrainRun:
    """With everybody's verdict, where the run as a whole passed: another one says nothing of any of them."""
    joint = ran.joint
    if joint is None or ran.judgement.verdict != "passed":
        return ran
    # What could not be run of a member's old tests stands against that member alone.
    own = {
        agent: replace(traces, doubts=(*traces.doubts, *ran.looked[agent].doubts))
        for agent, traces in joint.own_traces.items()
    }
    return replace(ran, examined=judged_joint(quarantine, replace(joint, own_traces=own)))


def train_result(project: Project, ran: TrainRun, notes: Sequence[str]) -> GateResult:
    """The gate's object for the train: passed only where the run and every agent passed."""
    members = tuple(_member(ran, agent) for agent in ran.chain.ids)
    whole = ran.judgement
    verdict, reason, remedy = _together(whole, members)
    joint, top = ran.joint, ran.chain.top
    traces = joint.traces if joint is not None else None
    evidence = traces.evidence if traces is not None else Evidence()
    return GateResult(
        agent=TRAIN,
        name=TRAIN,
        branch=project.target.name,
        verdict=verdict,
        head=top,
        target=ran.chain.base,
        candidate=top,
        tests=counts(evidence),
        failures=failures(evidence),
        findings=tuple(dict.fromkeys(finding for member in members for finding in member.findings)),
        allowed=_allowed(ran),
        environment=traces.environment if traces is not None else EnvironmentFacts(python=""),
        reason=reason,
        remedy=remedy,
        notes=(*notes, *_notes(ran)),
        output=evidence.end.output,
        members=members,
    )


def _require_train(found: Boarding, wanted: Sequence[str] | None, head: str | None) -> None:
    train = [one.work.id for one in found.train]
    missing = [agent for agent in wanted or () if agent not in train]
    if not train or missing:
        who = {one.agent: one.reason for one in found.waiting}
        why = [f"agent {agent}: {who[agent]}" for agent in missing if agent in who]
        raise RefusedError(
            "There is no such train" if wanted else "There is no train",
            reason="; ".join(why) or f"{len(found.alone)} may go in, and a train takes two or more",
            remedy="`moa plan` says who may go in, and why the others wait.",
        )
    if head is not None and head != found.top:
        raise RefusedError(
            "The train is another one than was planned",
            reason=f"planned was {head[:10]}, {', '.join(train)} make {str(found.top)[:10]} now",
            remedy="A branch or the target moved meanwhile, or other findings are let through: plan again.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A member, and the quarantine that holds its old tests' records."""

    news: OldNews
    quarantine: Quarantine | None = None


def _with_old_tests(project: Project, opened: ExitStack, looked: Looked, options: LookOptions) -> _Member:
    """Runs them where they are due; their records stay until `opened` is closed."""
    if not looked.old_tests:
        return _Member(news=OldNews(looked=looked))
    quarantine = opened.enter_context(Quarantine.open(project.repo))
    return _Member(news=run_old(project, quarantine, looked, options), quarantine=quarantine)


def _run(
    project: Project, quarantine: Quarantine, members: Sequence[Looked], options: GateOptions
) -> TrainRun:
    looked = {one.work.id: one for one in members}
    options.tell.step(f"Merging {len(looked)} branches with {project.target.name}")
    chain = chain_of(project, quarantine, [one.work for one in members], trailers(options.allow))
    asked = JointOptions(
        threshold=threshold_of(project, options.threshold)[0],
        python=options.python,
        probes=options.probes,
        tell=options.tell,
    )
    joint = run_joint(project, quarantine, chain, looked, asked)
    ran = TrainRun(chain=chain, looked=looked)
    for agent, doubt in joint.absent.items():
        return replace(ran, unable=replace(doubt, reason=f"agent {agent}: {doubt.reason}"))
    if joint.unable is not None:
        return replace(ran, unable=joint.unable)
    return examined_train(quarantine, replace(ran, joint=joint))


def _left(ran: TrainRun) -> Doubt | Joint:
    if ran.joint is not None:
        return ran.joint
    return ran.unable or Doubt(reason="nothing was run", remedy="")


def _runs_of(member: _Member, ran: TrainRun, options: GateOptions) -> MemberRuns:
    work = member.news.looked.work
    own = ran.joint.own_traces.get(work.id) if ran.joint is not None else None
    return MemberRuns(
        work=work,
        old=member.news.ran,
        quarantine=member.quarantine,
        unable=member.news.unable,
        probes=own.probes if own is not None else None,
        none_asked=options.probes == 0,
    )


def _member(ran: TrainRun, agent: str) -> MemberVerdict:
    looked, found = ran.looked[agent], ran.examined.get(agent)
    if found is not None:
        judgement, findings = found.judgement, found.findings
    else:
        findings = looked.reviewed.findings
        why = ran.unable or _WHOSE
        judgement = judge(None, coverage=None, findings=findings, doubts=[*looked.doubts, why])
    branch = looked.work.branch
    return MemberVerdict(
        agent=agent,
        branch=branch.name,
        head=branch.head,
        verdict=judgement.verdict,
        coverage=found.figure if found is not None else None,
        findings=tuple(findings),
        probes=found.probes if found is not None else None,
        reason=judgement.reason,
        remedy=judgement.remedy,
    )


def _together(whole: Judgement, members: Sequence[MemberVerdict]) -> tuple[Verdict, str | None, str | None]:
    """Verdict, reason and remedy of all of it: the run's own, then those of agents that say more than the run does."""
    said = [(whole.verdict, whole.reason, whole.remedy)] if whole.verdict != "passed" else []
    said += [
        (member.verdict, f"agent {member.agent}: {member.reason}", member.remedy)
        for member in members
        if member.verdict == "failed" or (member.verdict == "undetermined" and whole.verdict == "passed")
    ]
    if not said:
        return "passed", None, None
    verdict: Verdict = "failed" if any(one[0] == "failed" for one in said) else "undetermined"
    first = next(one for one in said if one[0] == verdict)
    return verdict, "; ".join(reason for _, reason, _ in said if reason), first[2]


def _allowed(ran: TrainRun) -> tuple[Allowed, ...]:
    found = [
        allowed
        for agent in ran.chain.ids
        for allowed in (
            ran.examined[agent].allowed if agent in ran.examined else ran.looked[agent].reviewed.allowed
        )
    ]
    return tuple(dict.fromkeys(found))


def _notes(ran: TrainRun) -> Iterator[str]:
    traces = ran.joint.traces if ran.joint is not None else None
    if traces is not None:
        yield from traces.notes
        yield from survivors_words(traces.evidence.end)
    for agent, found in ran.examined.items():
        for note in found.notes:
            yield f"Agent {agent}: {note}"
