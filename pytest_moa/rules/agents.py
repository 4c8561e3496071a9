"""Which branch belongs to which agent: names and registry entries to agents. Reads no repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pytest_moa.model.agents import Agent, BranchRef
from pytest_moa.model.policy import ID_PATTERN, Policy, RegistryEntry

_DEFAULT = re.compile(r"agent-(?P<id>[A-Za-z0-9][A-Za-z0-9._]*)(?:-(?P<slug>.+))?", re.DOTALL)
_OURS = "moa/"


def discover(
    policy: Policy, local: Iterable[BranchRef], remote: Iterable[BranchRef], *, truth: str
) -> tuple[Agent, ...]:
    """All agents of the registry and of the branches' names, in the order of their ids (9 before 10).

    `truth` is `remote` or `local`: where an agent's branch is in both places, the one that is read from there
    counts. A branch that only the other place has is taken too; under `remote` it is marked `unpushed`.
    """
    first, second = (remote, local) if truth == "remote" else (local, remote)
    here, there = _by_agent(policy, first), _by_agent(policy, second)
    ids = {*(entry.id for entry in policy.registry), *here, *there}
    return tuple(
        _agent(policy, agent, here.get(agent, ()), there.get(agent, ()), truth)
        for agent in sorted(ids, key=natural)
    )


def agent_of_branch(policy: Policy, name: str) -> str | None:
    """The id of the agent whose branch is called `name`; None for a branch that is nobody's."""
    if _is_reserved(policy, name):
        return None
    for entry in policy.registry:
        if entry.branch is not None and fnmatchcase(name, entry.branch):
            return entry.id
    for pattern in policy.agents.branches:
        if match := _pattern(pattern).fullmatch(name):
            return _unless_bound_elsewhere(policy, match["id"])
    match = _DEFAULT.fullmatch(name)
    return _unless_bound_elsewhere(policy, match["id"]) if match else None


def propose_patterns(names: Iterable[str]) -> tuple[str, ...]:
    """Branch patterns that would make agents of existing branches of well-known tools, by their prefix."""
    tools = ("copilot", "claude", "codex", "cursor", "devin", "jules", "openhands", "aider", "agent")
    prefixes = {name.split("/", 1)[0] for name in names if "/" in name}
    return tuple(f"{tool}/{{id}}" for tool in tools if tool in prefixes)


def _is_reserved(policy: Policy, name: str) -> bool:
    return name in {policy.git.develop_branch, policy.git.main_branch} or name.startswith(_OURS)


def _unless_bound_elsewhere(policy: Policy, agent: str) -> str | None:
    # The registry gave this id another branch: a stray branch of the same number is not that agent's.
    return None if policy.entry(agent).branch is not None else agent


def _by_agent(policy: Policy, refs: Iterable[BranchRef]) -> dict[str, list[BranchRef]]:
    found: dict[str, list[BranchRef]] = {}
    for ref in refs:
        agent = agent_of_branch(policy, ref.name)
        if agent is not None:
            found.setdefault(agent, []).append(ref)
    return found


def _agent(
    policy: Policy, agent: str, mine: Sequence[BranchRef], others: Sequence[BranchRef], truth: str
) -> Agent:
    """The agent with its branch out of `mine`; out of `others` where it has none there."""
    entry = policy.entry(agent)
    fallback = () if mine else others
    refs = sorted(mine or fallback, key=lambda ref: ref.name)
    branch = refs[0] if refs else None
    return Agent(
        id=agent,
        name=entry.name or _name(entry, branch),
        branch=branch,
        rivals=tuple(refs[1:]),
        unpushed=bool(fallback) and truth == "remote",
    )


def _name(entry: RegistryEntry, branch: BranchRef | None) -> str:
    """A name for people out of the branch's slug: `agent-03-core-engine` is Core Engine."""
    match = _DEFAULT.fullmatch(branch.name) if branch is not None else None
    slug = match["slug"] if match else None
    if not slug:
        return entry.id
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[-_/\s]+", slug) if word) or entry.id


def _pattern(pattern: str) -> re.Pattern[str]:
    parts = [
        f"(?P<id>{ID_PATTERN})" if p == "{id}" else ".*" if p == "*" else re.escape(p)
        for p in _split(pattern)
    ]
    return re.compile("".join(parts), re.DOTALL)


def _split(pattern: str) -> list[str]:
    return [part for part in re.split(r"(\{id\}|\*)", pattern) if part]


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts ids as people count: 9 before 10."""
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", text) if p)
