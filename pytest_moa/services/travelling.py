"""What a gate leaves for a judge elsewhere, and how the judge makes traces of it again. Decides nothing.

The layout of the folder is `evidence_folder`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from pytest_moa import __version__
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence, ProcessEnd
from pytest_moa.model.results import EnvironmentFacts, GateResult
from pytest_moa.render.fleet import result_json
from pytest_moa.render.json_contract import dumps
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.probes.record import ProbeRecord, from_json, to_json
from pytest_moa.services.evidence_folder import (
    RESULT,
    SCHEMA,
    End,
    EvidenceFolder,
    Manifest,
    Reason,
    Run,
    write_folder,
)
from pytest_moa.services.old_tests import OldTestsRun
from pytest_moa.services.project import Project
from pytest_moa.services.raw_coverage import cleaned
from pytest_moa.services.subject import Subject
from pytest_moa.services.suite import PLACES as SUITE_PLACES
from pytest_moa.services.suite import SuiteRun
from pytest_moa.services.traces import Traces
from pytest_moa.testing.command_run import KEPT, read_command
from pytest_moa.testing.evidence import read_evidence
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.untrusted import OddFileError, contents, entries, opened, strict_json

# The run's name in the folder, and the run's own folder in the quarantine.
_PLACES = {
    "main": "run",
    "old": "old-run",
    "again": "old-again",
    "base": "base-run",
    "new": "new-run",
    **SUITE_PLACES,
}
_RECORD, _PROBES = "record.jsonl", "probes.json"
_PROBES_LIMIT = 64 << 20
_OUTPUT_COUNTS = 4  # pytest's status for a conftest that cannot be loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the caller of the gate asked for: a threshold, and trailers that let findings through."""

    threshold: Decimal | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What of a gate lies around its run: notes of the call, what changed in the real repository."""

    around: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A gate's result, what its runs left (a Doubt: it could not be started; None: none was due), and the rest."""

    result: GateResult
    traces: Traces | Doubt | None
    suite: SuiteRun | None
    asked: Asked
    circumstances: Circumstances


def leave(folder: Path, project: Project, quarantine: Quarantine | None, left: Left) -> None:
    """Writes the evidence of a gate; without a quarantine nothing ran. Raises RefusedError."""
    result, traces, asked = left.result, left.traces, left.asked
    files: dict[str, Path | bytes] = {RESULT: result_text(result)}
    if isinstance(traces, Traces) and quarantine is not None:
        files |= dict(files_of(quarantine, traces, left.suite))
        files |= probes_file(traces.probes)
    manifest = Manifest(
        schema=SCHEMA,
        moa=__version__,
        agent=result.agent,
        branch=result.branch,
        head=result.head or "",
        target_branch=project.target.name,
        target=project.target.head,
        candidate=result.candidate,
        threshold=None if asked.threshold is None else str(asked.threshold),
        allow=asked.allow,
        seconds=result.seconds,
        around=left.circumstances.around,
        touched=left.circumstances.touched,
        files=tuple(sorted(files)),
        **run_facts(traces, left.suite),
    )
    write_folder(folder, plain(manifest), files)


def result_text(result: GateResult) -> bytes:
    """The object that `moa gate --json` prints, as bytes that always encode."""
    return (dumps(result_json(result)) + "\n").encode("utf-8", "backslashreplace")


def plain(manifest: Manifest) -> Manifest:
    """The manifest without lone surrogates (undecodable names), which no JSON in UTF-8 could hold."""
    return msgspec.convert(_without_surrogates(msgspec.to_builtins(manifest)), Manifest)


def plain_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def traces_of(
    project: Project, quarantine: Quarantine, subject: Subject, evidence: EvidenceFolder, python: Path
) -> Traces | Doubt:
    """The traces of the run that a folder tells of; a Doubt for a run that could not be started.

    `python` analyses the coverage data; nothing of the candidate is run.
    """
    manifest = evidence.manifest
    if manifest.not_run is not None:
        return doubt_of(manifest.not_run)
    runs = {run.name: run for run in manifest.runs}
    if not _makes_sense(manifest):
        return Doubt(
            reason="the evidence tells of no run, or of runs that no gate makes",
            remedy="Gate the agent again with `--evidence`.",
        )
    work = quarantine.make_folder("repo")
    folder = work / project.prefix if project.prefix else work
    run_dir = quarantine.make_folder("run")
    for place in (folder, run_dir / "tmp"):
        place.mkdir(parents=True, exist_ok=True)
    request = ChildRequest(python=python, work=work, project=folder, run_dir=run_dir, environ=project.environ)
    doubts = tuple(doubt_of(reason) for reason in manifest.doubts)
    read = {name: evidence_of(run, evidence) for name, run in runs.items()}
    if subject.foreign is None:
        request, more = cleaned(
            quarantine, subject, request, raw=evidence.copies, work=manifest.work, evidence=read["main"]
        )
        doubts += more
    else:
        request = replace(request, run_dir=evidence.copies)
        main = runs["main"]
        read["main"] = read_command(evidence.copies, _process_end(main.end), main.problems).evidence
    return Traces(
        request=request,
        evidence=read["main"],
        environment=EnvironmentFacts(python=manifest.python, key=manifest.environment),
        work=manifest.work,
        doubts=doubts,
        notes=manifest.notes,
        old_tests=old_tests_of(read),
        new_tests=read.get("new"),
        probes=probes_of(evidence),
        runs=len(runs.keys() - SUITE_PLACES.keys()),
    )


def suite_of(evidence: EvidenceFolder) -> SuiteRun | None:
    """The whole suite's run that a folder tells of."""
    runs = {run.name: run for run in evidence.manifest.runs if run.name in SUITE_PLACES}
    if "whole" not in runs or not _makes_sense(evidence.manifest):
        return None
    read = {name: evidence_of(run, evidence) for name, run in runs.items()}
    return SuiteRun(evidence=read["whole"], again=read.get("wholeagain"), base=read.get("wholebase"))


def run_facts(traces: Traces | Doubt | None, suite: SuiteRun | None) -> dict[str, Any]:
    ran = traces if isinstance(traces, Traces) else None
    return {
        "python": ran.environment.python if ran else "",
        "environment": ran.environment.key if ran else None,
        "work": ran.work if ran else "",
        "runs": tuple(run_told(name, evidence) for name, evidence in _evidences(ran, suite)) if ran else (),
        "not_run": reason_told(traces) if isinstance(traces, Doubt) else None,
        "doubts": tuple(reason_told(doubt) for doubt in ran.doubts) if ran else (),
        "notes": ran.notes if ran else (),
    }


def _evidences(traces: Traces, suite: SuiteRun | None) -> Iterator[tuple[str, Evidence]]:
    yield "main", traces.evidence
    old = traces.old_tests
    found = (("old", old.evidence), ("again", old.again), ("base", old.baseline)) if old else ()
    for name, evidence in (*found, ("new", traces.new_tests)):
        if evidence is not None:
            yield name, evidence
    if suite is not None:
        yield from suite.evidences()


def files_of(quarantine: Quarantine, traces: Traces, suite: SuiteRun | None) -> Iterator[tuple[str, Path]]:
    """The files of the runs, as far as they are files at all: one that is not is a problem in its run already."""
    for name, _ in _evidences(traces, suite):
        if (record := record_file(quarantine, name)) is not None:
            yield record_name(name), record
    folder = traces.request.run_dir
    command = traces.evidence.tool != "pytest"
    for name in entries(folder, 100_000):
        if KEPT.fullmatch(name) if command else name.startswith("coverage."):
            yield name, folder / name


def record_file(quarantine: Quarantine, run: str) -> Path | None:
    """Where a run's record lies; None where it is no regular file, which is a problem in its run already."""
    record = quarantine.folder_path(_PLACES[run]) / _RECORD
    try:
        with opened(record):
            return record
    except OddFileError:
        return None


def probes_file(record: ProbeRecord | None, name: str = _PROBES) -> dict[str, Path | bytes]:
    return {} if record is None else {name: json.dumps(to_json(record), indent=1).encode("ascii") + b"\n"}


def probes_of(evidence: EvidenceFolder, name: str = _PROBES) -> ProbeRecord | None:
    """The record of the probes; none where it cannot be read, which the judgement takes for a lost one."""
    try:
        data = contents(evidence.copies / name, _PROBES_LIMIT)
        record = from_json(strict_json(data))
    except (OddFileError, ValueError):
        return None
    return record if probes_file(record, name) == {name: data} else None


def record_name(run: str, place: int | None = None) -> str:
    """The record's file; `place` is a train member's."""
    number = "" if place is None else f"-{place:04}"
    return _RECORD if run == "main" else f"record-{run}{number}.jsonl"


def evidence_of(run: Run, evidence: EvidenceFolder, place: int | None = None) -> Evidence:
    end = _process_end(run.end)
    name = record_name(run.name, place)
    if name not in evidence.manifest.files:
        return Evidence(end=end, problems=run.problems)
    read = read_evidence(evidence.copies / name, end, run.problems)
    if run.name == "main" and read.python and read.python != evidence.manifest.python:
        problem = f"The run's Python was {read.python}, the evidence says {evidence.manifest.python}."
        return replace(read, problems=(*read.problems, problem))
    return read


def old_tests_of(read: Mapping[str, Evidence]) -> OldTestsRun | None:
    if "old" not in read:
        return None
    return OldTestsRun(evidence=read["old"], again=read.get("again"), baseline=read.get("base"))


def run_told(name: str, evidence: Evidence) -> Run:
    end = evidence.end
    kept = End(
        status=end.status,
        signal=end.signal,
        timed_out=end.timed_out,
        seconds=end.seconds,
        survivors=end.survivors,
        output=_output(name, end.status, end.output),
    )
    return Run(name=name, end=kept, problems=evidence.problems)


def _process_end(end: End) -> ProcessEnd:
    return ProcessEnd(
        status=end.status,
        signal=end.signal,
        timed_out=end.timed_out,
        seconds=end.seconds,
        survivors=end.survivors,
        output=end.output,
    )


def _makes_sense(manifest: Manifest) -> bool:
    """Whether the runs are those of one gate: each once, the agent's own among them, none longer than the whole."""
    known = {"main"} if manifest.members else _PLACES.keys()
    return (
        any(run.name == "main" for run in manifest.runs)
        and _are_of(manifest.runs, known, manifest.seconds)
        and all(
            _are_of(member.runs, {"old", "again", "base"}, manifest.seconds) for member in manifest.members
        )
    )


def _are_of(runs: Sequence[Run], known: Collection[str], seconds: float) -> bool:
    names = [run.name for run in runs]
    return (
        len(set(names)) == len(names)
        and all(name in known for name in names)
        and all(0 <= run.end.seconds <= seconds for run in runs)
        and all(run.end.output == _output(run.name, run.end.status, run.end.output) for run in runs)
    )


def _output(run: str, status: int | None, output: str) -> str:
    """Only where an old conftest could not be loaded does a judgement read what was printed."""
    return output if run != "main" and status == _OUTPUT_COUNTS else ""


def reason_told(doubt: Doubt) -> Reason:
    return Reason(reason=doubt.reason, remedy=doubt.remedy, whole=doubt.whole)


def doubt_of(reason: Reason) -> Doubt:
    return Doubt(reason=reason.reason, remedy=reason.remedy, whole=reason.whole)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_surrogates(item) for name, item in value.items()}
    return value
