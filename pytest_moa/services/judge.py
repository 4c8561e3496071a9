"""`moa judge DIR`: the gate's verdict once more, from the repository and an evidence folder alone. Runs no agent's code.

It checks that the evidence is whole, consistent and of this very candidate. It cannot prove that a hostile process told
the truth about itself: docs/evidence.md says what follows from that.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pytest_moa import __version__
from pytest_moa.errors import AgentError, ConflictError, UndeterminedError, UsageError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import BranchRef
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import GateResult
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.gate import judge as verdict_of
from pytest_moa.services.allowing import trailers
from pytest_moa.services.chain import Work, chain_of
from pytest_moa.services.environment import find_python
from pytest_moa.services.evidence_folder import EvidenceFolder, Manifest, Member, read_folder
from pytest_moa.services.examine import Examination
from pytest_moa.services.gate import (
    GateOptions,
    blank_result,
    finished,
    judge_candidate,
    nothing_to_judge,
    pinned,
    threshold_of,
    undetermined,
    with_suite,
)
from pytest_moa.services.joint import JointOptions, subjects_of, union_of
from pytest_moa.services.look import Looked, LookOptions, judged_old, look
from pytest_moa.services.probing import ProbesAsked, probe_request, wish_of
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject, subject_of
from pytest_moa.services.suite import SuiteRun
from pytest_moa.services.telling import Telling
from pytest_moa.services.traces import Traces
from pytest_moa.services.train import TrainRun, examined_train, train_result
from pytest_moa.services.travelling import (
    Circumstances,
    doubt_of,
    plain_text,
    result_text,
    suite_of,
    traces_of,
)
from pytest_moa.services.travelling_train import old_tests_in, replayed_joint
from pytest_moa.testing.made_environment import check_interpreter

_AGAIN = "Gate the agent again: `moa gate ID --evidence DIR`."
_AGAIN_TRAIN = "Gate the train again: `moa gate train --evidence DIR`."


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """`threshold` is the least that the gate must have been asked for; `allow` what its caller let through, said again.

    `head` is the commit that was gated with `--head`, `probes` what was asked for with `--probes`; `python` analyses the
    coverage data.
    """

    threshold: Decimal | None = None
    python: str | None = None
    head: str | None = None
    allow: tuple[Allowance, ...] = ()
    probes: ProbesAsked | None = None
    tell: Telling = field(default_factory=Telling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A folder's result, and what a landing asks beside it. `stale`: of another target, or of other heads, than there are now.

    `examination` is an agent's own, `suite` the whole suite's run beside it; `train` is a train's run.
    """

    result: GateResult
    manifest: Manifest | None = None
    stale: bool = False
    examination: Examination | None = None
    subject: Subject | None = None
    suite: SuiteRun | None = None
    train: TrainRun | None = None


def judge(project: Project, folder: Path, options: JudgeOptions) -> GateResult:
    """The verdict that the gate gave, or why it cannot be given again. Raises UsageError where there is no folder.

    Evidence that is not whole, not consistent, or not of this target, head and candidate is UNDETERMINED.
    """
    return judged_folder(project, folder, options).result


def judged_folder(project: Project, folder: Path, options: JudgeOptions) -> Judged:
    """The same with everything that it was made from."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder",
            remedy="Name the folder that `moa gate ID --evidence DIR` wrote.",
        )
    with Quarantine.open(project.repo) as quarantine:
        options.tell.step(f"Reading the evidence in {folder}")
        try:
            evidence = read_folder(folder, quarantine.make_folder("evidence"))
        except UndeterminedError as error:
            return Judged(result=_of_nobody(error))
        if evidence.manifest.agent == TRAIN:
            judged = _judged_train(project, quarantine, evidence, options)
        else:
            judged = _judged(project, quarantine, evidence, options)
        return replace(judged, manifest=evidence.manifest)


def _judged(
    project: Project, quarantine: Quarantine, evidence: EvidenceFolder, options: JudgeOptions
) -> Judged:
    manifest = evidence.manifest
    try:
        agent, branch = pinned(project, manifest.agent, options.head)
    except AgentError as error:
        return Judged(result=_of_evidence(manifest, str(error), error.remedy))
    blank = blank_result(project, agent, branch)
    refused = next(_refusals(project, manifest, branch, options), None)
    if refused is not None:
        return _not_judged(blank, refused)
    circumstances = Circumstances(around=manifest.around, touched=manifest.touched)
    if (nothing := nothing_to_judge(project, blank, branch)) is not None:
        return Judged(result=_as_recorded(nothing, evidence))
    try:
        judged = judge_candidate(
            project,
            quarantine,
            branch,
            _gate_options(manifest, options),
            blank,
            replay=lambda subject: _traces(project, quarantine, subject, evidence, options),
        )
    except UndeterminedError as error:
        return Judged(result=undetermined(blank, str(error), error.remedy))
    suite = suite_of(evidence)
    return Judged(
        result=_as_recorded(finished(with_suite(judged.result, suite), circumstances), evidence),
        examination=judged.examination,
        subject=judged.subject,
        suite=suite,
    )


def _judged_train(
    project: Project, quarantine: Quarantine, evidence: EvidenceFolder, options: JudgeOptions
) -> Judged:
    manifest = evidence.manifest
    blank = _of_evidence(manifest, "", "")
    refused = next(_refusals_of_train(project, manifest, options), None)
    if refused is not None:
        return _not_judged(blank, refused)
    try:
        ran = _train_run(project, quarantine, evidence, options)
    except (UndeterminedError, ConflictError) as error:
        return Judged(result=undetermined(blank, str(error), error.remedy))
    notes = threshold_of(project, _threshold(manifest))[1]
    circumstances = Circumstances(around=manifest.around, touched=manifest.touched)
    result = finished(train_result(project, ran, notes), circumstances)
    return Judged(result=_as_recorded(result, evidence), train=ran)


def _train_run(
    project: Project, quarantine: Quarantine, evidence: EvidenceFolder, options: JudgeOptions
) -> TrainRun:
    """The train's run again, from the members' pinned heads and the folder. Raises UndeterminedError, ConflictError."""
    manifest = evidence.manifest
    asked = LookOptions(allow=options.allow, tell=options.tell)
    works = [_work(project, member) for member in manifest.members]
    chain = chain_of(project, quarantine, works, trailers(options.allow))
    if (manifest.candidate, manifest.head) != (chain.top, chain.top):
        raise _another_candidate(manifest, chain.top)
    looked = {
        work.id: _looked(project, quarantine, evidence, place, look(project, quarantine, work, asked))
        for place, work in enumerate(works, start=1)
    }
    union = union_of(subjects_of(project, quarantine, chain))
    python = _analyst(project, union, manifest, options.python)
    joint_options = JointOptions(threshold=threshold_of(project, _threshold(manifest))[0], tell=options.tell)
    joint = replayed_joint(project, quarantine, chain, looked, evidence, joint_options, python)
    if isinstance(joint, Doubt):
        return TrainRun(chain=chain, looked=looked, unable=joint)
    own = {
        agent: replace(
            traces,
            doubts=(
                *traces.doubts,
                *_doubts_about_probes(
                    project, quarantine, joint.cases[agent].subject, traces, options.probes
                ),
            ),
        )
        for agent, traces in joint.own_traces.items()
    }
    ran = TrainRun(chain=chain, looked=looked, joint=replace(joint, own_traces=own))
    return examined_train(quarantine, ran)


def _work(project: Project, member: Member) -> Work:
    agent, branch = project.agent(member.agent)
    return Work(agent=agent, branch=branch)


def _looked(
    project: Project, quarantine: Quarantine, evidence: EvidenceFolder, place: int, looked: Looked
) -> Looked:
    """A member with what its own runs left. Runs that are due and missing, or there and not due, are a doubt."""
    member = evidence.manifest.members[place - 1]
    if not looked.old_tests:
        if not member.runs and not member.doubts:
            return looked
        odd = Doubt(
            reason=f"the evidence tells of old tests of agent {looked.work.id}, and none were due",
            remedy=_AGAIN,
        )
        return replace(looked, doubts=(*looked.doubts, odd))
    if member.doubts:
        doubts = tuple(doubt_of(reason) for reason in member.doubts)
        return replace(looked, doubts=(*looked.doubts, *doubts), old_tests=False)
    subject = subject_of(project, quarantine, looked.work.id, project.target.head, looked.candidate)
    ran = old_tests_in(evidence, place, member)
    return judged_old(project, quarantine, subject, looked, ran)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """Why evidence is of something else than what would be judged here; `stale`: since something moved."""

    reason: str
    remedy: str
    stale: bool = False


def _not_judged(blank: GateResult, refusal: _Refusal) -> Judged:
    return Judged(result=undetermined(blank, refusal.reason, refusal.remedy), stale=refusal.stale)


def _refusals_of_train(project: Project, manifest: Manifest, options: JudgeOptions) -> Iterator[_Refusal]:
    yield from _refusals_of_any(project, manifest, options)
    if (
        len({member.agent for member in manifest.members}) != len(manifest.members)
        or len(manifest.members) < 2
    ):
        yield _Refusal(reason="the evidence names no train of two or more agents", remedy=_AGAIN_TRAIN)
    if manifest.branch != manifest.target_branch:
        yield _Refusal(reason="the evidence names another branch than the train's", remedy=_AGAIN_TRAIN)
    for member in manifest.members:
        try:
            _, branch = project.agent(member.agent)
        except AgentError as error:
            yield _Refusal(reason=str(error), remedy=error.remedy, stale=True)
            continue
        if (member.branch, member.head) != (plain_text(branch.name), branch.head):
            yield _moved(branch.name, member.head, branch.head)


def _refusals(
    project: Project, manifest: Manifest, branch: BranchRef, options: JudgeOptions
) -> Iterator[_Refusal]:
    """Why evidence is of something else than what would be judged here. A branch or target that moved blames nobody."""
    yield from _refusals_of_any(project, manifest, options)
    if (manifest.branch, manifest.head) != (plain_text(branch.name), branch.head):
        yield _moved(branch.name, manifest.head, branch.head)
    if manifest.members:
        yield _Refusal(reason="the evidence names agents of a train, and is of one agent", remedy=_AGAIN)


def _refusals_of_any(project: Project, manifest: Manifest, options: JudgeOptions) -> Iterator[_Refusal]:
    target = project.target
    if manifest.moa != __version__:
        yield _Refusal(
            reason=f"the evidence was made by moa {manifest.moa[:40]}, this is {__version__}",
            remedy="Use the same version of moa in both jobs.",
        )
    if manifest.target_branch != plain_text(target.name):
        yield _Refusal(
            reason=f"the evidence is of a merge into {manifest.target_branch[:200]}, the target is {target.name}",
            remedy=_AGAIN,
        )
    if manifest.target != target.head:
        yield _moved(target.name, manifest.target, target.head)
    if manifest.allow != tuple(plain_text(word) for word in trailers(options.allow)):
        said = ", ".join(manifest.allow)[:500] or "nothing"
        yield _Refusal(
            reason=f"the gate was told to let through {said}, and the judge was told otherwise",
            remedy="Say the same --allow and --because to both: the folder is nobody's word.",
        )
    asked = _threshold(manifest)
    if (manifest.threshold is not None and asked is None) or (
        options.threshold is not None and (asked is None or asked < options.threshold)
    ):
        yield _Refusal(
            reason=f"the gate was asked for a threshold of {str(manifest.threshold)[:40]}, not of {options.threshold}",
            remedy="Say the same --threshold to both.",
        )
    if not 0 <= manifest.seconds < 1e9:
        yield _Refusal(reason="the gate took a time that is no duration", remedy=_AGAIN)


def _moved(name: str, then: str, now: str) -> _Refusal:
    return _Refusal(
        reason=f"{name} moved: the evidence is of {then[:10]}, it is at {now[:10]} now",
        remedy=_AGAIN,
        stale=True,
    )


def _threshold(manifest: Manifest) -> Decimal | None:
    try:
        value = Decimal(manifest.threshold or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value <= 100 else None


def _gate_options(manifest: Manifest, options: JudgeOptions) -> GateOptions:
    return GateOptions(threshold=_threshold(manifest), allow=options.allow, tell=options.tell)


def _traces(
    project: Project,
    quarantine: Quarantine,
    subject: Subject,
    evidence: EvidenceFolder,
    options: JudgeOptions,
) -> Traces | Doubt:
    """The traces of the folder. Raises UndeterminedError where they are not of this candidate, or cannot be analysed here."""
    manifest = evidence.manifest
    if manifest.candidate != subject.candidate:
        raise _another_candidate(manifest, subject.candidate)
    python = _analyst(project, subject, manifest, options.python)
    traces = traces_of(project, quarantine, subject, evidence, python)
    if isinstance(traces, Traces):
        more = tuple(_doubts_about_probes(project, quarantine, subject, traces, options.probes))
        return replace(traces, doubts=(*traces.doubts, *more))
    return traces


def _another_candidate(manifest: Manifest, here: str) -> UndeterminedError:
    return UndeterminedError(
        f"The evidence is of the candidate {str(manifest.candidate)[:10]}",
        reason=f"target and head make {here[:10]} here",
        remedy="Use the same version of moa in both jobs, and gate the agent again.",
    )


def _doubts_about_probes(
    project: Project, quarantine: Quarantine, subject: Subject, traces: Traces, asked: ProbesAsked | None
) -> Iterator[Doubt]:
    """What the course of the probes, followed again, does not show."""
    if _fewer_probes(project, quarantine, subject, traces, asked):
        yield Doubt(
            reason="the gate asked fewer probes than the policy wants",
            remedy="Say the same --probes to both: the folder is nobody's word.",
        )
    named = {entry.answer.test for entry in traces.probes.entries} if traces.probes is not None else set()
    if strange := sorted(test for test in named.difference(traces.evidence.collected) if test):
        yield Doubt(reason=f"the probes name {strange[0][:300]}, which was not collected", remedy=_AGAIN)


def _fewer_probes(
    project: Project, quarantine: Quarantine, subject: Subject, traces: Traces, asked: ProbesAsked | None
) -> bool:
    record, wish = traces.probes, wish_of(project.policy.integrity.probes, asked)
    if record is None:
        # Where tests are known to run the lines, absence is a doubt of its own. Coverage data that name no test would
        # leave nothing to ask: a gate that asks leaves a record even then.
        wanted = probe_request(quarantine, subject, (), wish, labels=None)
        return wanted is not None and verdict_of(traces.evidence, coverage=None).verdict == "passed"
    fewer = record.count is not None and (wish.count is None or record.count < wish.count)
    return fewer or (wish.thorough and wish.count != 0 and not record.thorough)


def _analyst(project: Project, subject: Subject, manifest: Manifest, asked: str | None) -> Path:
    """The interpreter that analyses the coverage data: of the same minor version as the tests', since lines depend on it."""
    policy = project.policy.environment
    named = asked or (None if policy.setup else policy.python)
    python, version = Path(sys.executable), platform.python_version()
    if named is not None:
        python = find_python(named, project)
        version = check_interpreter(python, project.environ).python
    needed = subject.own and subject.foreign is None and manifest.not_run is None
    if needed and version.split(".")[:2] != manifest.python.split(".")[:2]:
        raise UndeterminedError(
            f"The tests ran on Python {manifest.python[:40]}, and {version} would analyse their coverage",
            reason="which lines count depends on the version",
            remedy="Name an interpreter of that version, with coverage, to the judge: `--python PATH`.",
        )
    return python


def _as_recorded(result: GateResult, evidence: EvidenceFolder) -> GateResult:
    """The result, where the gate printed the same; else one that says in what they differ."""
    result = replace(result, seconds=evidence.manifest.seconds)
    if result_text(result).decode() == evidence.result:
        return result
    differing = _differing(evidence.result, result_text(result).decode())
    return undetermined(
        result,
        f"the evidence proves another result than result.json tells: {differing} differ",
        result.remedy or "Look at what changed the folder on its way; gate the agent again.",
    )


def _differing(before: str, now: str) -> str:
    """The keys that have other values, as far as the text is an object at all."""
    try:
        told: Any = json.loads(before)
    except (ValueError, RecursionError):
        return "its bytes"
    made = json.loads(now)
    if not isinstance(told, dict):
        return "its bytes"
    names = [name for name in made if told.get(name, _NONE) != made[name]]
    return ", ".join(names[:5]) or "its bytes"


_NONE = object()


def _of_nobody(error: UndeterminedError) -> GateResult:
    """A result of evidence that cannot be read at all, so that nobody's."""
    return GateResult(
        agent="",
        name="",
        branch="",
        verdict="undetermined",
        head=None,
        target=None,
        candidate=None,
        reason=str(error),
        remedy=error.remedy,
    )


def _of_evidence(manifest: Manifest, reason: str, remedy: str) -> GateResult:
    """A result of an agent that is not known here."""
    return GateResult(
        agent=manifest.agent,
        name=manifest.agent,
        branch=manifest.branch,
        verdict="undetermined",
        head=manifest.head or None,
        target=manifest.target or None,
        candidate=None,
        reason=reason,
        remedy=remedy,
    )
