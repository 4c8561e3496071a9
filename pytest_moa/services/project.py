"""The project as one call sees it: repository, target, policy and agents, each pinned when it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_moa import config
from pytest_moa.errors import AgentError, ConfigError, NoAgentError, RepositoryError
from pytest_moa.git import repository as git
from pytest_moa.git.history import default_branch
from pytest_moa.git.repository import Repository
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.policy import LoadedPolicy, Policy
from pytest_moa.rules.agents import agent_of_branch, discover

Where = Literal["local", "remote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """How to open: `config` is the operator's own file, `target` a name that beats the policy's, `fetch` the network.

    `pytest_args` are further words for every run of pytest on a candidate.
    """

    start: Path
    environ: Mapping[str, str]
    config: Path | None = None
    target: str | None = None
    fetch: bool = True
    pytest_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Everything read at one moment. `target` is the branch that work lands on, pinned; `where` says whose it is."""

    options: OpenOptions
    repo: Repository
    loaded: LoadedPolicy
    where: Where
    target: BranchRef
    agents: tuple[Agent, ...]
    notes: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    @property
    def environ(self) -> Mapping[str, str]:
        return self.options.environ

    @property
    def root(self) -> Path:
        return self.repo.top or self.repo.common_dir

    @property
    def prefix(self) -> str:
        """The working directory as the beginning of a path below the root: empty, or ending in a slash."""
        folder = self.policy.project.working_directory.removeprefix("./").strip("/")
        return "" if folder in {"", "."} else folder + "/"

    @property
    def remote(self) -> str | None:
        return self.policy.git.remote if self.where == "remote" else None

    def agent(self, wanted: str) -> tuple[Agent, BranchRef]:
        """The agent of that id and its one branch.

        Raises AgentError: unknown, without a branch, or with more than one.
        """
        known = [agent.id for agent in self.agents]
        agent = next((a for a in self.agents if a.id == wanted), None)
        if agent is None:
            listed = ", ".join(known) if known else "none"
            raise AgentError(
                f"There is no agent {wanted!r}",
                reason=f"no branch agent-{wanted}-… and no registry entry; known agents: {listed}",
                remedy="Check the id with `moa status`, push the branch, or name it under `registry`.",
            )
        if agent.rivals and agent.branch is not None:
            names = ", ".join(ref.name for ref in (agent.branch, *agent.rivals))
            raise AgentError(
                f"Agent {wanted} has {1 + len(agent.rivals)} branches",
                reason=names,
                remedy=f'Delete or rename all but one, or name the right one under `registry: - id: "{wanted}"`, `branch:`.',
            )
        if agent.branch is None:
            raise AgentError(
                f"Agent {wanted} has no branch yet",
                reason=f"nothing matches {self.policy.entry(wanted).branch or f'agent-{wanted}-…'}",
                remedy=f"Create it: `git switch -c agent-{wanted}-what-it-does {self.target.name}`.",
            )
        return agent, agent.branch


def open_project(options: OpenOptions) -> Project:
    """Opens the repository, finds the target, reads the policy from it, and lists the agents.

    Raises RepositoryError (none, bare, empty, no target), ConfigError, and whatever git refuses.
    """
    repo = git.open_repository(options.start)
    refuse_bare(repo)
    first, read = _first_words(repo, options)
    notes: list[str] = list(first.warnings)
    remote = first.policy.git.remote
    if options.fetch and first.policy.integration.where != "local" and git.has_remote(repo, remote):
        notes += _fetch(repo, remote)
    where, target = _target(repo, first, options)
    known = (target.name, target.head) == read
    loaded = first if known else _policy(repo, target, options, first)
    if not _operator(options) and options.target is None and "GIT_DEVELOP_BRANCH" not in options.environ:
        where, target, loaded = _follow(repo, where, target, loaded, options)
    policy = loaded.policy
    local = git.branches(repo)
    far = git.branches(repo, remote) if git.has_remote(repo, remote) else ()
    return Project(
        options=options,
        repo=repo,
        loaded=loaded,
        where=where,
        target=target,
        agents=discover(policy, local, far, truth=where),
        notes=tuple(dict.fromkeys([*notes, *loaded.warnings])),
    )


def agent_here(project: Project, branch: str | None = None) -> str:
    """The id of the agent whose branch is `branch`, or the checked-out one, or `GITHUB_HEAD_REF` on a detached head.

    Raises NoAgentError where that branch is nobody's.
    """
    name = branch or git.current_branch(project.repo) or project.environ.get("GITHUB_HEAD_REF") or ""
    agent = agent_of_branch(project.policy, name) if name else None
    if agent is None:
        what = f"The branch {name} belongs to no agent" if name else "No branch is checked out"
        raise NoAgentError(
            what,
            reason="no registry entry and no pattern of `agents.branches` matches it"
            if name
            else "the head is detached",
            remedy="Name the agent's id, switch to its branch, or add its pattern to `agents.branches`.",
        )
    return agent


def reread(project: Project) -> Project:
    """The same project, with target and heads read afresh (after a race)."""
    return open_project(replace(project.options, target=project.target.name))


def refuse_bare(repo: Repository) -> None:
    if repo.bare:
        raise RepositoryError(
            f"{repo.common_dir} is a bare repository",
            reason="moa needs one with a work tree, to find the project and its environment",
            remedy="Clone it (`git clone`), and run moa in the clone.",
        )


def _operator(options: OpenOptions) -> bool:
    return options.config is not None or bool(options.environ.get("MOA_CONFIG"))


def _first_words(repo: Repository, options: OpenOptions) -> tuple[LoadedPolicy, tuple[str, ObjectId] | None]:
    """The policy that says where the target is, and the branch and commit that it was read from.

    The operator's file; else the config of the first usual base branch that has one; else, where the checked-out
    branch is no agent's, the work tree's. An agent's own branch never names the target.
    """
    top = repo.top or repo.common_dir
    if _operator(options):
        return config.load_from_disk(top, file=options.config, environ=options.environ), None
    defaults = config.load_from_reader(lambda _: None, origin="", environ=options.environ)
    for name in _base_names(repo, defaults.policy, options):
        commit = _either(repo, name, defaults.policy.git.remote)
        if commit is not None:
            loaded = _from_commit(repo, commit, name, options)
            if loaded.origin is not None or name == _named_target(options, defaults):
                return loaded, (name, commit)
    head = git.current_branch(repo)
    if head is not None and agent_of_branch(defaults.policy, head) is None:
        return config.load_from_disk(top, environ=options.environ), None
    return defaults, None


def _base_names(repo: Repository, policy: Policy, options: OpenOptions) -> tuple[str, ...]:
    wanted = options.target or policy.git.develop_branch
    default = default_branch(repo, policy.git.remote)
    names = [wanted, *([default] if default else []), policy.git.main_branch, "main", "master"]
    return tuple(dict.fromkeys(names))


def _named_target(options: OpenOptions, defaults: LoadedPolicy) -> str:
    return options.target or defaults.policy.git.develop_branch


def _either(repo: Repository, name: str, remote: str) -> ObjectId | None:
    return git.resolve(repo, f"refs/remotes/{remote}/{name}") or git.resolve(repo, f"refs/heads/{name}")


def _from_commit(repo: Repository, commit: ObjectId, name: str, options: OpenOptions) -> LoadedPolicy:
    files = git.read_blobs(repo, commit, config.config_files())
    missing = [path for path in config.config_files() if path not in files]
    # What is there all the same is a folder, or larger than anything that is read.
    there = git.tree_paths(repo, commit, missing) if missing else ()
    if there:
        raise _no_config_file(name, there[0], missing)
    return config.load_from_reader(files.get, origin=name, environ=options.environ)


def _no_config_file(name: str, there: str, missing: list[str]) -> ConfigError:
    if there in missing:
        return ConfigError(
            f"{there} on {name} is too large to read",
            reason=f"at most {git.MAX_BLOB} bytes are read",
            remedy="Keep the settings alone in it.",
        )
    path = next(path for path in missing if there.startswith(path + "/"))
    return ConfigError(
        f"{path} is a folder on {name}",
        reason="a config file is looked for there",
        remedy=f"Rename the folder, or put the settings into a file called {path}.",
    )


def _target(repo: Repository, first: LoadedPolicy, options: OpenOptions) -> tuple[Where, BranchRef]:
    name = options.target or first.policy.git.develop_branch
    remote, where = first.policy.git.remote, first.policy.integration.where
    far = f"refs/remotes/{remote}/{name}"
    near = f"refs/heads/{name}"
    if where != "local" and (head := git.resolve(repo, far)) is not None:
        return "remote", BranchRef(name=name, ref=far, head=head, remote=remote)
    if where != "remote" and (head := git.resolve(repo, near)) is not None:
        return "local", BranchRef(name=name, ref=near, head=head)
    raise _no_target(repo, name, remote, where)


def _no_target(repo: Repository, name: str, remote: str, where: str) -> RepositoryError:
    if not git.branches(repo) and not git.branches(repo, remote):
        return RepositoryError(
            "The repository is empty",
            reason="it has no commit yet",
            remedy=f"Make a first commit, and the branch that work lands on: `git branch {name}`.",
        )
    place = (
        f"on the remote {remote}"
        if where == "remote"
        else "here"
        if where == "local"
        else f"here or on {remote}"
    )
    shallow = " (this is a shallow clone: check out with fetch-depth: 0)" if repo.shallow else ""
    return RepositoryError(
        f"There is no target branch {name!r}",
        reason=f"no branch of that name {place}{shallow}",
        remedy=f"Create it (`git branch {name}`), fetch it (`git fetch {remote}`), or name another: git.develop_branch, GIT_DEVELOP_BRANCH.",
    )


def _policy(repo: Repository, target: BranchRef, options: OpenOptions, first: LoadedPolicy) -> LoadedPolicy:
    if _operator(options):
        return first
    loaded = _from_commit(repo, target.head, target.name, options)
    if loaded.origin is None and first.origin is not None:
        # Where the target is comes from elsewhere; what holds comes from the target, where nothing was written yet.
        warning = f"{first.origin} is not on {target.name} yet: until it is, defaults hold"
        policy = replace(loaded.policy, git=first.policy.git)
        return replace(loaded, policy=policy, warnings=(*loaded.warnings, warning))
    return loaded


def _follow(
    repo: Repository, where: Where, target: BranchRef, loaded: LoadedPolicy, options: OpenOptions
) -> tuple[Where, BranchRef, LoadedPolicy]:
    """The target's own config may name another target; one step, so that two branches cannot point in a circle."""
    named = loaded.policy.git.develop_branch
    if named == target.name:
        return where, target, loaded
    next_where, next_target = _target(repo, loaded, options)
    next_loaded = _policy(repo, next_target, options, loaded)
    if next_loaded.policy.git.develop_branch != next_target.name:
        raise ConfigError(
            "Two branches name different targets",
            problems=(
                f"{target.name}: git.develop_branch is {named}",
                f"{next_target.name}: git.develop_branch is {next_loaded.policy.git.develop_branch}",
            ),
            remedy="Let both say the same, or set GIT_DEVELOP_BRANCH.",
        )
    return next_where, next_target, next_loaded


def _fetch(repo: Repository, remote: str) -> list[str]:
    try:
        git.fetch(repo, remote)
    except RepositoryError as error:
        return [
            f"{remote} could not be fetched, what was fetched before counts: {error.reason or error.message}"
        ]
    return []
