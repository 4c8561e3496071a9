"""An agent in another language: its command's run, and the lines of its own files by the report that the command wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pytest_moa.errors import UndeterminedError
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.model.policy import RegistryEntry
from pytest_moa.rules.gate import failures, incomplete
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject
from pytest_moa.testing.command_run import CommandRequest, bases_of, command_lines, run_command
from pytest_moa.testing.junit import JUnitEvidence
from pytest_moa.testing.request import ChildRequest

NO_TESTS = 5
"""pytest's exit status where it collects nothing."""


def run_the_command(
    entry: RegistryEntry, request: ChildRequest, suite: Callable[[], Evidence] | None
) -> tuple[JUnitEvidence, int]:
    """The command's evidence and how many children ran tests. `suite` runs the project's pytest suite: first, where it is given.

    A suite that did not pass is the evidence itself; what passed is counted with the command's tests. A project without
    any pytest test has no suite. Raises UndeterminedError where the command cannot be started.
    """
    before = suite() if suite is not None else None
    runs = 0 if before is None else 1
    if before is not None and before.session_status != NO_TESTS and (incomplete(before) or failures(before)):
        return JUnitEvidence(before), runs
    read = run_command(
        CommandRequest(
            argv=entry.command,
            work=request.work,
            project=request.project,
            run_dir=request.run_dir,
            junit=entry.junit or "",
            coverage=entry.coverage,
            timeout=request.timeout,
            slot=request.slot,
            keep=request.keep,
            drop=request.drop,
            environ=request.environ,
        )
    )
    return replace(read, evidence=_with_suite(before, read.evidence)), runs + 1


def lines_of_command(
    project: Project, quarantine: Quarantine, subject: Subject, *, run_dir: Path, work: str
) -> tuple[FileLines, ...]:
    """Lines of the own files by the report kept in `run_dir`, in which absolute names lie below `work`; none without a `coverage` key.

    Raises UndeterminedError where the report cannot be read.
    """
    entry = subject.foreign
    if entry is None or entry.coverage is None or not subject.own:
        return ()
    texts = git.read_blobs(quarantine.repository, subject.candidate, list(subject.own))
    lost = sorted(set(subject.own) - texts.keys())
    if lost:
        raise UndeterminedError(
            f"{lost[0]} is too large to be read, or no file",
            reason="its lines cannot be counted",
            remedy="Leave it out of the registry's `source`.",
        )
    return command_lines(
        run_dir,
        work=work,
        bases=bases_of(project.prefix, entry.coverage),
        texts=texts,
        tree=subject.tree,
    )


def _with_suite(suite: Evidence | None, command: Evidence) -> Evidence:
    if suite is None:
        return command
    return replace(
        command,
        collected=(*suite.collected, *command.collected),
        outcomes=(*suite.outcomes, *command.outcomes),
        python=suite.python,
    )
