"""What a train's gate leaves for a judge elsewhere, and how the judge makes the run of it again. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_moa import __version__
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.results import GateResult
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.probes.record import NONE_ASKED, ProbeRecord
from pytest_moa.rules.selection import groups_of
from pytest_moa.services.chain import Chain, Work
from pytest_moa.services.evidence_folder import (
    RESULT,
    SCHEMA,
    EvidenceFolder,
    Manifest,
    Member,
    write_folder,
)
from pytest_moa.services.joint import Joint, JointOptions, subjects_of, union_of
from pytest_moa.services.look import Looked
from pytest_moa.services.old_tests import OldTestsRun
from pytest_moa.services.project import Project
from pytest_moa.services.traces import Traces
from pytest_moa.services.travelling import (
    Asked,
    Circumstances,
    evidence_of,
    files_of,
    old_tests_of,
    plain,
    probes_file,
    probes_of,
    reason_told,
    record_file,
    record_name,
    result_text,
    run_facts,
    run_told,
    traces_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRuns:
    """What one agent's own runs and probes left. `quarantine` holds the old tests' records, `unable` is why there are none."""

    work: Work
    old: OldTestsRun | None
    quarantine: Quarantine | None
    unable: tuple[Doubt, ...]
    probes: ProbeRecord | None
    none_asked: bool = False

    @property
    def record(self) -> ProbeRecord | None:
        return NONE_ASKED if self.none_asked else self.probes


@dataclass(frozen=True, kw_only=True)
class LeftTrain:
    """A train's result, its run (a Doubt: it could not be started), its members' in their order, and the rest."""

    result: GateResult
    traces: Joint | Doubt
    members: tuple[MemberRuns, ...]
    asked: Asked
    circumstances: Circumstances


def leave_train(folder: Path, project: Project, quarantine: Quarantine, left: LeftTrain) -> None:
    """Writes the evidence of a train's gate. Raises RefusedError."""
    result = left.result
    traces = left.traces.traces if isinstance(left.traces, Joint) else left.traces
    files: dict[str, Path | bytes] = {RESULT: result_text(result)}
    if isinstance(traces, Traces):
        files |= dict(files_of(quarantine, traces, None))
    for place, member in enumerate(left.members, start=1):
        files |= dict(_member_files(place, member))
    manifest = Manifest(
        schema=SCHEMA,
        moa=__version__,
        agent=TRAIN,
        branch=result.branch,
        head=result.head or "",
        target_branch=project.target.name,
        target=project.target.head,
        candidate=result.candidate,
        threshold=None if left.asked.threshold is None else str(left.asked.threshold),
        allow=left.asked.allow,
        seconds=result.seconds,
        around=left.circumstances.around,
        touched=left.circumstances.touched,
        files=tuple(sorted(files)),
        members=tuple(_member(member) for member in left.members),
        **run_facts(traces, None),
    )
    write_folder(folder, plain(manifest), files)


def old_tests_in(evidence: EvidenceFolder, place: int, member: Member) -> OldTestsRun | None:
    """The run of a member's old tests that a folder tells of."""
    return old_tests_of({run.name: evidence_of(run, evidence, place) for run in member.runs})


def replayed_joint(  # noqa: PLR0917 - what a run is made from, and where its traces lie
    project: Project,
    quarantine: Quarantine,
    chain: Chain,
    looked: Mapping[str, Looked],
    evidence: EvidenceFolder,
    options: JointOptions,
    python: Path,
) -> Joint | Doubt:
    """The train's run as a folder tells of it; a Doubt for one that could not be started. Nothing of the candidate is run."""
    subjects = subjects_of(project, quarantine, chain)
    traces = traces_of(project, quarantine, union_of(subjects), evidence, python)
    if isinstance(traces, Doubt):
        return traces
    _, labels = groups_of({agent: subject.tests for agent, subject in subjects.items()})
    own = {
        agent: replace(
            traces,
            labels=labels[agent],
            probes=probes_of(evidence, _probes_name(place)),
            runs=0,
            notes=(),
        )
        for place, agent in enumerate(chain.ids, start=1)
    }
    cases = {agent: looked[agent].case(subjects[agent], options.threshold) for agent in chain.ids}
    return Joint(chain=chain, project=project, options=options, traces=traces, cases=cases, own_traces=own)


def _member(member: MemberRuns) -> Member:
    runs = _evidences(member.old)
    return Member(
        agent=member.work.id,
        branch=member.work.branch.name,
        head=member.work.branch.head,
        runs=tuple(run_told(name, evidence) for name, evidence in runs),
        doubts=tuple(reason_told(doubt) for doubt in member.unable),
    )


def _evidences(old: OldTestsRun | None) -> list[tuple[str, Evidence]]:
    if old is None:
        return []
    found = (("old", old.evidence), ("again", old.again), ("base", old.baseline))
    return [(name, evidence) for name, evidence in found if evidence is not None]


def _member_files(place: int, member: MemberRuns) -> Iterator[tuple[str, Path | bytes]]:
    if member.quarantine is not None:
        for name, _ in _evidences(member.old):
            if (file := record_file(member.quarantine, name)) is not None:
                yield record_name(name, place), file
    yield from probes_file(member.record, _probes_name(place)).items()


def _probes_name(place: int) -> str:
    return f"probes-{place:04}.json"
