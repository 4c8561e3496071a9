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
from pytest_moa.errors import AgentError, UndeterminedError, UsageError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import BranchRef
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import GateResult
from pytest_moa.rules.gate import Doubt
from pytest_moa.services.allowing import trailers
from pytest_moa.services.environment import find_python
from pytest_moa.services.evidence_folder import EvidenceFolder, Manifest, read_folder
from pytest_moa.services.gate import (
    GateOptions,
    blank_result,
    finished,
    judge_candidate,
    nothing_to_judge,
    pinned,
    undetermined,
    with_suite,
)
from pytest_moa.services.probing import ProbesAsked, wish_of
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject
from pytest_moa.services.telling import Telling
from pytest_moa.services.traces import Traces
from pytest_moa.services.travelling import Circumstances, plain_text, result_text, suite_of, traces_of
from pytest_moa.testing.made_environment import check_interpreter

_AGAIN = "Gate the agent again: `moa gate ID --evidence DIR`."


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


def judge(project: Project, folder: Path, options: JudgeOptions) -> GateResult:
    """The verdict that the gate gave, or why it cannot be given again. Raises UsageError where there is no folder.

    Evidence that is not whole, not consistent, or not of this target, head and candidate is UNDETERMINED.
    """
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
            return _of_nobody(error)
        return _judged(project, quarantine, evidence, options)


def _judged(
    project: Project, quarantine: Quarantine, evidence: EvidenceFolder, options: JudgeOptions
) -> GateResult:
    manifest = evidence.manifest
    try:
        agent, branch = pinned(project, manifest.agent, options.head)
    except AgentError as error:
        return _of_evidence(manifest, str(error), error.remedy)
    blank = blank_result(project, agent, branch)
    refused = next(_refusals(project, manifest, branch, options), None)
    if refused is not None:
        return undetermined(blank, refused.reason, refused.remedy)
    circumstances = Circumstances(around=manifest.around, touched=manifest.touched)
    result = nothing_to_judge(project, blank, branch)
    if result is None:
        try:
            judged = judge_candidate(
                project,
                quarantine,
                branch,
                _gate_options(manifest, options),
                blank,
                replay=lambda subject: _traces(project, quarantine, subject, evidence, options),
            )
            result = with_suite(judged.result, suite_of(evidence))
        except UndeterminedError as error:
            return undetermined(blank, str(error), error.remedy)
        result = finished(result, circumstances)
    result = replace(result, seconds=manifest.seconds)
    return _as_recorded(result, evidence)


def _refusals(
    project: Project, manifest: Manifest, branch: BranchRef, options: JudgeOptions
) -> Iterator[Doubt]:
    """Why evidence is of something else than what would be judged here. A branch or target that moved blames nobody."""
    target = project.target
    if manifest.moa != __version__:
        yield Doubt(
            reason=f"the evidence was made by moa {manifest.moa[:40]}, this is {__version__}",
            remedy="Use the same version of moa in both jobs.",
        )
    if manifest.target_branch != plain_text(target.name):
        yield Doubt(
            reason=f"the evidence is of a merge into {manifest.target_branch[:200]}, the target is {target.name}",
            remedy=_AGAIN,
        )
    if manifest.target != target.head:
        yield _moved(target.name, manifest.target, target.head)
    if (manifest.branch, manifest.head) != (plain_text(branch.name), branch.head):
        yield _moved(branch.name, manifest.head, branch.head)
    if manifest.allow != tuple(plain_text(word) for word in trailers(options.allow)):
        said = ", ".join(manifest.allow)[:500] or "nothing"
        yield Doubt(
            reason=f"the gate was told to let through {said}, and the judge was told otherwise",
            remedy="Say the same --allow and --because to both: the folder is nobody's word.",
        )
    asked = _threshold(manifest)
    if (manifest.threshold is not None and asked is None) or (
        options.threshold is not None and (asked is None or asked < options.threshold)
    ):
        yield Doubt(
            reason=f"the gate was asked for a threshold of {str(manifest.threshold)[:40]}, not of {options.threshold}",
            remedy="Say the same --threshold to both.",
        )
    if not 0 <= manifest.seconds < 1e9:
        yield Doubt(reason="the gate took a time that is no duration", remedy=_AGAIN)


def _moved(name: str, then: str, now: str) -> Doubt:
    return Doubt(
        reason=f"{name} moved: the evidence is of {then[:10]}, it is at {now[:10]} now",
        remedy=_AGAIN,
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
        raise UndeterminedError(
            f"The evidence is of the candidate {str(manifest.candidate)[:10]}",
            reason=f"target and head make {subject.candidate[:10]} here",
            remedy="Use the same version of moa in both jobs, and gate the agent again.",
        )
    python = _analyst(project, subject, manifest, options.python)
    traces = traces_of(project, quarantine, subject, evidence, python)
    if isinstance(traces, Traces):
        more = tuple(_doubts_about_probes(project, traces, options.probes))
        return replace(traces, doubts=(*traces.doubts, *more))
    return traces


def _doubts_about_probes(project: Project, traces: Traces, asked: ProbesAsked | None) -> Iterator[Doubt]:
    """What the course of the probes, followed again, does not show."""
    if _fewer_probes(project, traces, asked):
        yield Doubt(
            reason="the gate asked fewer probes than the policy wants",
            remedy="Say the same --probes to both: the folder is nobody's word.",
        )
    named = {entry.answer.test for entry in traces.probes.entries} if traces.probes is not None else set()
    if strange := sorted(test for test in named.difference(traces.evidence.collected) if test):
        yield Doubt(reason=f"the probes name {strange[0][:300]}, which was not collected", remedy=_AGAIN)


def _fewer_probes(project: Project, traces: Traces, asked: ProbesAsked | None) -> bool:
    record, wish = traces.probes, wish_of(project.policy.integrity.probes, asked)
    if record is None:
        return False  # where some are due, their absence is a doubt of its own
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
