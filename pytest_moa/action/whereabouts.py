"""What git and the policy say about an event: whose branch it is about, and where work lands. Runs nothing of an agent's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_moa.action.inputs import Inputs
from pytest_moa.errors import NoAgentError
from pytest_moa.git import repository as git
from pytest_moa.github.context import Context
from pytest_moa.services.project import OpenOptions, Project, agent_here, open_project


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`agent` is whose branch the event is about, None for nobody's; `nobody` says so in a sentence.

    `at_target`: the event is about the target itself. `pushes`: landing takes a token, since the target is on a remote that
    is not reached through ssh. `branches` has each agent's branch.
    """

    target: str
    agent: str | None = None
    nobody: str = ""
    at_target: bool = False
    pushes: bool = False
    checks: bool = False
    branches: Mapping[str, str] = field(default_factory=dict)


def facts_of(inputs: Inputs, context: Context, environ: Mapping[str, str]) -> Facts:
    """Raises what opening the project raises: no repository, no target, a config that cannot be used."""
    project = open_project(
        OpenOptions(
            start=inputs.directory,
            environ=environ,
            config=Path(inputs.config) if inputs.config else None,
            target=inputs.target or None,
            fetch=False,
        )
    )
    agent, nobody = _whose(project, context)
    if inputs.artifacts is not None and context.run is not None and project.remote is not None:
        # A fork's commit, as an object alone: its evidence cannot be judged without it.
        git.fetch_commit(project.repo, project.remote, context.run.head)
    return Facts(
        target=project.target.name,
        agent=agent,
        nobody=nobody,
        at_target=context.branch == project.target.name,
        pushes=_pushes(project),
        checks=project.policy.integration.executor == "checks",
        branches={a.id: a.branch.name for a in project.agents if a.branch is not None},
    )


def _whose(project: Project, context: Context) -> tuple[str | None, str]:
    """The branch that the event is about, or, where it is about none, the one that is checked out."""
    try:
        return agent_here(project, context.branch), ""
    except NoAgentError as error:
        return None, str(error)


def _pushes(project: Project) -> bool:
    if project.remote is None:
        return False
    url = git.push_url(project.repo, project.remote)
    return not (url.startswith("ssh://") or ("@" in url.partition(":")[0] and "://" not in url))
