"""`moa bootstrap`: whether moa can work here; each check with its remedy. Changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pytest_moa.errors import ConfigError, MoaError
from pytest_moa.git import repository as git
from pytest_moa.git.command import require_git
from pytest_moa.git.repository import Repository
from pytest_moa.model.results import BootstrapReport, Check
from pytest_moa.services.environment import cache_root, find_python
from pytest_moa.services.project import OpenOptions, Project, open_project
from pytest_moa.testing.made_environment import check_interpreter

_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "requirements.txt")


def bootstrap(options: OpenOptions) -> BootstrapReport:
    """All checks that can be made: what one failed check makes impossible is left out, the rest is still told."""
    return BootstrapReport(checks=tuple(_checks(options)))


def _checks(options: OpenOptions) -> Iterator[Check]:
    yield _tried("Git Version", lambda: "git " + ".".join(map(str, require_git())))
    found: list[Repository] = []

    def repository() -> str:
        found.append(git.open_repository(options.start))
        repo = found[0]
        return "bare" if repo.bare else str(repo.top or repo.common_dir)

    yield _tried("Git Repository", repository)
    if not found:
        return
    opened: list[Project] = []

    def target() -> str:
        opened.append(open_project(replace(options, fetch=False)))
        project = opened[0]
        return f"{project.target.name} at {project.target.head[:10]} ({project.where})"

    yield _tried("Target Branch", target, config_as="Configuration")
    yield from _repository_checks(found[0])
    if opened:
        yield from _project_checks(opened[0])


def _repository_checks(repo: Repository) -> Iterator[Check]:
    yield _check(
        "Full History",
        not repo.shallow,
        "complete" if not repo.shallow else "a shallow clone: merge bases may be missing",
        "Run `git fetch --unshallow`; in a workflow check out with `fetch-depth: 0`.",
    )
    yield _writable(
        "Write Access",
        repo.common_dir / "objects",
        "Give yourself write permission, or run moa as the owner.",
    )


def _project_checks(project: Project) -> Iterator[Check]:
    yield _config(project)
    yield _agents(project)
    yield _branches(project)
    yield _structure(project)
    yield _submodules(project)
    yield _interpreter(project)
    yield _writable("Temporary Folder", Path(tempfile.gettempdir()), "Set TMPDIR to a writable folder.")
    yield _cache(project.environ)


def _config(project: Project) -> Check:
    origin = project.loaded.origin
    detail = origin or "none, defaults hold"
    warnings = "; ".join(project.loaded.warnings)
    return _check("Configuration", ok=True, detail=f"{detail}; {warnings}" if warnings else detail, remedy="")


def _agents(project: Project) -> Check:
    known = [agent.id for agent in project.agents]
    return _check(
        "Agents Initialized",
        bool(known),
        f"{len(known)}: {', '.join(known[:20])}" if known else "no agent",
        f"Create a branch such as `agent-01-name` from {project.target.name}, or fill `registry` (`moa init` writes a config).",
    )


def _branches(project: Project) -> Check:
    with_branch = [a for a in project.agents if a.branch is not None]
    doubled = [a.id for a in project.agents if a.rivals]
    if doubled:
        return _check(
            "Agent Branches",
            False,
            f"more than one branch for agent {', '.join(doubled)}",
            "Delete or rename all but one, or name the right one under `registry`.",
        )
    return _check(
        "Agent Branches",
        bool(with_branch),
        f"{len(with_branch)} of {len(project.agents)} agents have one",
        "Push the agents' branches, or correct `registry: branch` and `agents.branches`.",
    )


def _structure(project: Project) -> Check:
    prefix = project.prefix
    paths = git.tree_paths(project.repo, project.target.head, [prefix])
    python = sum(1 for path in paths if path.endswith(".py"))
    settings = [name for name in _PROJECT_FILES if prefix + name in paths]
    return _check(
        "Project Structure",
        bool(python),
        f"{python} Python files, {', '.join(settings) or 'no settings file'}",
        "Set `project.working_directory` to the folder of the Python project.",
    )


def _submodules(project: Project) -> Check:
    found = git.submodules(project.repo, project.target.head)
    return _check(
        "Submodules",
        not found,
        "none" if not found else f"{', '.join(found[:5])}: their files are not in a quarantine",
        "Tests that need them belong into `environment.setup`, or the team's own CI (`integration.executor: checks`).",
    )


def _interpreter(project: Project) -> Check:
    environment = project.policy.environment
    if environment.setup:
        return _check("Test Environment", True, f"made by `{' '.join(environment.setup[0])}`", "")

    def facts() -> str:
        if environment.python is None:
            python = Path(sys.executable)
        else:
            python = find_python(environment.python, project)
        found = check_interpreter(python, project.environ)
        return f"Python {found.python}, pytest {found.pytest}, coverage {found.coverage}"

    return _tried("Test Environment", facts)


def _cache(environ: Mapping[str, str]) -> Check:
    folder = cache_root(environ)
    # os.path.exists says no, where Path.exists raises: in a folder that may not be looked into.
    while not os.path.exists(folder) and folder != folder.parent:  # noqa: PTH110
        folder = folder.parent
    return _writable("Cache Folder", folder, "Set XDG_CACHE_HOME to a writable folder.")


def _writable(name: str, folder: Path, remedy: str) -> Check:
    ok = os.access(folder, os.W_OK | os.X_OK)
    detail = f"{folder} cannot be written"
    if ok:
        detail = f"{folder} can be written, {shutil.disk_usage(folder).free // 2**20} MiB free"
    return _check(name, ok, detail, remedy)


def _check(name: str, ok: bool, detail: str, remedy: str) -> Check:
    return Check(name=name, ok=ok, detail=detail, remedy="" if ok else remedy)


def _tried(name: str, ask: Callable[[], str], config_as: str | None = None) -> Check:
    """A check that passes where nothing is raised; `config_as` is its name where the config is what is wrong."""
    try:
        return Check(name=name, ok=True, detail=ask())
    except MoaError as error:
        problems = getattr(error, "problems", ())
        detail = "; ".join((error.message, *problems)) if problems else str(error)
        if config_as is not None and isinstance(error, ConfigError):
            name = config_as
        return Check(name=name, ok=False, detail=detail, remedy=error.remedy)
