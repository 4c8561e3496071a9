"""What a run needs before it begins: the candidate checked out, an interpreter, and the request. Runs no tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import UndeterminedError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.rules import own_code as rules
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.selection import missing_tests
from pytest_moa.services.environment import Interpreter, interpreter_for
from pytest_moa.services.generated import write_version_files
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject, exists_in, source_roots
from pytest_moa.testing.made_environment import discard, verify
from pytest_moa.testing.request import ChildRequest, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A work tree of the candidate; `folder` is the Python project in it, `notes` say what was generated there."""

    work: Path
    folder: Path
    interpreter: Interpreter
    notes: tuple[str, ...] = ()


def absent_tests(project: Project, subject: Subject) -> Doubt | None:
    """Why an agent's tests cannot be run at all: the registry names some that are not there."""
    absent = missing_tests(subject.tests, exists_in(subject.tree, project.prefix))
    if not absent:
        return None
    return Doubt(
        reason=f"the registry names tests that are not there: {', '.join(absent)}",
        remedy="Add them on the branch, or correct `registry: tests` on the target.",
    )


def prepared(
    project: Project,
    quarantine: Quarantine,
    candidate: ObjectId,
    settings: Callable[[str], bytes | None],
    python: str | None,
) -> Prepared | Doubt:
    """A Doubt where nothing can be run there at all. `python` counts where the policy names none."""
    prefix = project.prefix
    work = quarantine.checkout(candidate)
    folder = work / prefix if prefix else work
    if not folder.is_dir():
        return Doubt(
            reason=f"the candidate has no folder {prefix}",
            remedy="Correct `project.working_directory` on the target.",
        )
    generated = write_version_files(work, folder, settings)
    try:
        interpreter = interpreter_for(project, work, folder, python)
    except UndeterminedError as error:
        return Doubt(reason=str(error), remedy=error.remedy)
    return Prepared(work=work, folder=folder, interpreter=interpreter, notes=tuple(generated))


def request_for(
    project: Project,
    quarantine: Quarantine,
    ready: Prepared,
    subjects: Sequence[Subject],
    *,
    tests: tuple[str, ...],
    groups: tuple[Group, ...],
    slot: int = 0,
    name: str = "run",
) -> ChildRequest:
    """A run of these tests that measures the own code of all the subjects; `name` is the folder of its traces.

    No two runs share one: a record that another run goes on with would say of each what the other did.
    """
    policy = project.policy
    own = tuple(dict.fromkeys(path for s in subjects if s.foreign is None for path in s.own))
    tree = subjects[0].tree
    return ChildRequest(
        python=ready.interpreter.python,
        work=ready.work,
        project=ready.folder,
        run_dir=_fresh(quarantine, name),
        tests=tests,
        source_dirs=rules.folders_of(own),
        groups=groups,
        source_roots=source_roots(own, tree, project.prefix),
        elsewhere=(project.root,),
        own_modules=tuple((rules.module_name(path, tree), path) for path in own),
        timeout=float(policy.agents.timeout),
        slot=slot,
        keep=policy.environment.keep,
        drop=policy.environment.drop,
        environ=project.environ,
        branch_coverage=subjects[0].coverage.branch,
        extra_args=project.options.pytest_args,
    )


def _fresh(quarantine: Quarantine, name: str) -> Path:
    """A folder for the traces of one run alone."""
    number = 0
    while quarantine.folder_path(f"{name}-{number}" if number else name).exists():
        number += 1
    return quarantine.make_folder(f"{name}-{number}" if number else name)


def environment_doubts(interpreter: Interpreter) -> tuple[Doubt, ...]:
    """Whether the tests left a made environment as it was; one that they wrote into is thrown away."""
    made = interpreter.made
    if made is None or made.key is None or verify(made):
        return ()
    discard(made)
    remedy = "Look for a test that installs or writes into site-packages; the environment was thrown away."
    return (Doubt(reason="the tests wrote into the environment that was made for them", remedy=remedy),)
