"""Where we are and who is meant: the repository's root, the working directory, the policy, the agent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_moa.config import config_files, load_from_disk
from pytest_moa.errors import AgentError, ConfigError, MoaError, UsageError
from pytest_moa.model.policy import LoadedPolicy, Policy
from pytest_moa.rules.agents import agent_of_branch

if TYPE_CHECKING:
    from pytest_moa.git.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`root`: the repository's root, without one the folder of the config; paths of own code are relative to it.

    `working` is the Python project inside, as an absolute path; `repo` tells whether there is a repository.
    """

    root: Path
    working: Path
    loaded: LoadedPolicy
    repo: bool

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    @property
    def working_directory(self) -> str:
        return Path(os.path.relpath(self.working, self.root)).as_posix()

    def exists(self, path: str) -> bool:
        return (self.working / path).exists()


def find_place(rootdir: Path, *, file: str | None, here: Path, environ: Mapping[str, str]) -> Place:
    """The place of a run whose rootdir is given; `file` is `--moa-config`, relative to `here`."""
    rootdir = rootdir.resolve()
    top = repository_above(rootdir)
    home = rootdir if top is None or _has_config(rootdir) or not _has_config(top) else top
    named = (here / file).resolve() if file is not None else None
    loaded = load_from_disk(home, file=named, environ=environ)
    inner = loaded.policy.project.working_directory
    # A config in a subfolder that pytest takes for its root speaks of that folder.
    working = (home / inner).resolve() if (home / inner).is_dir() else home
    if loaded.origin is None or (named is not None and home != top and not rootdir.is_relative_to(working)):
        working = rootdir
    return Place(root=top or home, working=working, loaded=loaded, repo=top is not None)


def repository_above(folder: Path) -> Path | None:
    """The nearest folder upwards that holds `.git`; file lookups only."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def threshold_word(text: str | None) -> Decimal | None:
    """What `--moa-threshold` says, 0 to 100."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 <= value <= 100):
        raise UsageError(
            f"--moa-threshold {text!r} is no percentage",
            reason="it takes a number from 0 to 100",
            remedy="For example --moa-threshold 95.",
        )
    return value


def who(asked: str, place: Place, environ: Mapping[str, str]) -> str:
    """The agent that is meant by an id or by `auto`; an AgentError names the known ones."""
    if asked == "auto":
        return _from_branch(place, environ)
    if asked in {entry.id for entry in place.policy.registry} or place.exists(f"tests/agent{asked}"):
        return asked
    known = known_agents(place)
    if asked in known:
        return asked
    raise AgentError(
        f"there is no agent {asked!r} here",
        reason=f"known are {', '.join(known)}" if known else "no agents are known",
        remedy=(
            "Name one of them, make `tests/agent<id>/` or a branch `agent-<id>-…`, or enter it in the config's"
            " `registry`. If AGENT_ID belongs to another system, unset it for pytest."
        ),
    )


def known_agents(place: Place) -> tuple[str, ...]:
    """Every agent of the registry, of the branches here and on the remote, and of `tests/agent<id>/` folders."""
    ids = [entry.id for entry in place.policy.registry]
    ids += [i for name in _branch_names(place) if (i := agent_of_branch(place.policy, name)) is not None]
    folders = sorted(place.working.glob("tests/agent*/"))
    ids += [folder.name.removeprefix("agent") for folder in folders if folder.name != "agent"]
    return tuple(dict.fromkeys(ids))


def branch_here(place: Place) -> str | None:
    """The checked-out branch; None on a detached checkout, without a repository or without git."""
    if not place.repo:
        return None
    from pytest_moa.git.repository import current_branch  # noqa: PLC0415 - no git where there is no repository

    return current_branch(open_git(place.root))


@cache
def open_git(root: Path) -> Repository:
    from pytest_moa.git.repository import open_repository  # noqa: PLC0415 - no git where there is no repository

    return open_repository(root)


def _branch_names(place: Place) -> Iterator[str]:
    if not place.repo:
        return
    from pytest_moa.git.repository import branches  # noqa: PLC0415 - no git where there is no repository

    repo = open_git(place.root)
    yield from (ref.name for ref in branches(repo))
    yield from (ref.name for ref in branches(repo, remote=place.policy.git.remote))


def _from_branch(place: Place, environ: Mapping[str, str]) -> str:
    name = branch_here(place)
    if name is None and place.repo:
        name = environ.get("GITHUB_HEAD_REF") or None
    agent = agent_of_branch(place.policy, name) if name is not None else None
    if agent is not None:
        return agent
    reason = f"the branch {name!r} is no agent's" if name else "no branch is checked out"
    raise AgentError(
        "--moa-agent auto finds no agent",
        reason=reason if place.repo else "there is no repository here",
        remedy="Check an agent's branch out (`agent-<id>-…`, or a pattern of `agents.branches`), or name the agent.",
    )


def _has_config(folder: Path) -> bool:
    return any((folder / name).is_file() for name in config_files()) or _has_table(folder / "pyproject.toml")


def _has_table(file: Path) -> bool:
    try:
        return b"\n[tool.moa" in b"\n" + file.read_bytes()
    except OSError:
        return False


def in_words(error: MoaError) -> str:
    """An error of ours for pytest's own usage message: all problems, the reason and the remedy."""
    lines = [str(error)]
    if isinstance(error, ConfigError) and error.problems:
        lines = [error.message, *(f"  - {problem}" for problem in error.problems)]
    return "\n".join([*lines, *([error.remedy] if error.remedy else [])])
