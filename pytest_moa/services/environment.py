"""Which interpreter runs the tests of a candidate: moa's own, the policy's, the caller's, or a made one."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.policy import EnvironmentKeys
from pytest_moa.model.results import EnvironmentFacts
from pytest_moa.services.caches import cache_root as cache_root  # noqa: PLC0414 - services ask for it here, too
from pytest_moa.services.project import Project
from pytest_moa.testing.made_environment import (
    MadeEnvironment,
    check_interpreter,
    make_environment,
    prepare_tree,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The tests' interpreter and what is told of it; `made` is the environment that `environment.setup` made."""

    python: Path
    facts: EnvironmentFacts
    made: MadeEnvironment | None = None


def interpreter_for(project: Project, work: Path, folder: Path, asked: str | None) -> Interpreter:
    """The interpreter for a checked-out candidate; `asked` is the caller's word where the policy has none.

    Raises UndeterminedError: it is not there, lacks pytest or coverage, or the set-up failed.
    """
    found = _interpreter(project, work, folder, asked)
    policy = project.policy.environment
    if policy.prepare:
        prepare_tree(
            policy.prepare,
            project=folder,
            timeout=policy.timeout,
            environ=project.environ,
            python=found.python,
            keep=policy.keep,
            drop=policy.drop,
        )
    return found


def _interpreter(project: Project, work: Path, folder: Path, asked: str | None) -> Interpreter:
    policy = project.policy.environment
    if policy.setup:
        made = _make(project, work, folder, policy)
        facts = check_interpreter(made.python, project.environ)
        return Interpreter(
            python=made.python, facts=EnvironmentFacts(python=facts.python, key=made.key), made=made
        )
    named = policy.python or asked
    if named is None:
        return Interpreter(
            python=Path(sys.executable), facts=EnvironmentFacts(python=platform.python_version())
        )
    python = find_python(named, project)
    facts = check_interpreter(python, project.environ)
    return Interpreter(python=python, facts=EnvironmentFacts(python=facts.python))


def find_python(named: str, project: Project) -> Path:
    """An interpreter by name (on PATH) or by path, relative to the working directory or the repository's root.

    Raises UndeterminedError where there is none.
    """
    if "/" not in named:
        found = shutil.which(named, path=project.environ.get("PATH"))
        if found:
            return Path(found)
    else:
        bases = (project.root / project.policy.project.working_directory, project.root)
        for path in (
            [Path(named).expanduser()] if named.startswith(("/", "~")) else [b / named for b in bases]
        ):
            if path.is_file() and os.access(path, os.X_OK):
                # Never resolved: a virtual environment is known by the path of its link.
                return path.absolute()
    raise UndeterminedError(
        f"The tests' interpreter {named!r} is not there",
        reason="environment.python (or --python) names no executable file",
        remedy="Create that environment, or name another interpreter.",
    )


def _make(project: Project, work: Path, folder: Path, policy: EnvironmentKeys) -> MadeEnvironment:
    return make_environment(
        setup=policy.setup,
        cache_on=policy.cache_on,
        work=work,
        project=folder,
        cache_root=cache_root(project.environ),
        timeout=policy.timeout,
        environ=project.environ,
        keep=policy.keep,
        drop=policy.drop,
        python=find_python(policy.python, project) if policy.python else Path(sys.executable),
    )
