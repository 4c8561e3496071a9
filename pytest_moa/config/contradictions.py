"""What a policy says against itself, though each of its values alone is possible."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pytest_moa.config.shown import shown, under
from pytest_moa.model.policy import Policy, RegistryEntry

_MOST_TOLD = 20


def contradictions(policy: Policy, data: Any) -> tuple[str, ...]:
    """The problems, each with its key path; `data` tell whether the registry was written as a list."""
    registry = policy.registry
    places = _places(data, len(registry))
    return (
        *_twice(registry, places),
        *_dependencies(registry, places),
        *_weeks(registry, places),
        *_commands(registry, places),
        *_outside(policy, places),
    )


def _places(data: Any, count: int) -> Sequence[str]:
    written = data.get("registry") if isinstance(data, dict) else None
    if isinstance(written, dict):
        return [under("registry", name) for name in written]
    return [f"registry[{place}]" for place in range(count)]


def _twice(registry: Sequence[RegistryEntry], places: Sequence[str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for entry, place in zip(registry, places, strict=True):
        if entry.id in first:
            yield f"{place}.id: {shown(entry.id)} is the id of {first[entry.id]} already (give each agent its own)"
        elif entry.id:
            first[entry.id] = place


def _dependencies(registry: Sequence[RegistryEntry], places: Sequence[str]) -> Iterator[str]:
    ids = {entry.id for entry in registry if entry.id}
    known = sorted(ids)
    told = ", ".join(known[:_MOST_TOLD]) + (", …" if len(known) > _MOST_TOLD else "")
    for entry, place in zip(registry, places, strict=True):
        for number, other in enumerate(entry.depends_on):
            where = f"{place}.depends_on[{number}]"
            if other == entry.id:
                yield f"{where}: {shown(other)} is the agent itself (leave it out)"
            elif other not in ids:
                yield f"{where}: {shown(other)} is no id of the registry (add it there; known: {told})"
    yield from _cycles(registry, dict(zip((entry.id for entry in registry), places, strict=True)))


def _cycles(registry: Sequence[RegistryEntry], places: dict[str, str]) -> Iterator[str]:
    """A cycle, then another one among the agents that were not in it, until none is left."""
    left = {e.id: [o for o in e.depends_on if o in places and o != e.id] for e in registry if e.id}
    while cycle := _cycle(left):
        yield f"{places[cycle[0]]}.depends_on: {' -> '.join(cycle)} is a cycle (nobody could land first)"
        left = {a: [o for o in others if o not in cycle] for a, others in left.items() if a not in cycle}


def _cycle(left: dict[str, list[str]]) -> list[str]:
    """Agents, each of which depends on the next, from the one that is registered first back to it."""
    try:
        TopologicalSorter(left).prepare()
    except CycleError as error:
        ring = error.args[1][:0:-1]  # graphlib names whom the next one depends on, and its start twice
        first = ring.index(next(agent for agent in left if agent in ring))
        return [*ring[first:], *ring[:first], ring[first]]
    return []


def _weeks(registry: Sequence[RegistryEntry], places: Sequence[str]) -> Iterator[str]:
    for entry, place in zip(registry, places, strict=True):
        if entry.start_week and entry.due_week and entry.due_week < entry.start_week:
            yield f"{place}.due_week: {entry.due_week} is before its start_week {entry.start_week}"


def _commands(registry: Sequence[RegistryEntry], places: Sequence[str]) -> Iterator[str]:
    """A command without a report proves nothing, and a report that no command writes would be somebody's word."""
    for entry, place in zip(registry, places, strict=True):
        if len(entry.command) == 1 and " " in entry.command[0]:
            named = shown(entry.command[0])
            yield f"{place}.command: {named} is no program's name (write a list, a word each: `[npm, test]`)"
        if entry.command and entry.junit is None:
            yield f"{place}.junit: a command needs it (name the JUnit XML files that the command writes)"
        for name in ("junit", "coverage"):
            if getattr(entry, name) is not None and not entry.command:
                yield f"{place}.command: {name} needs it (name the command that writes that file)"


def _outside(policy: Policy, places: Sequence[str]) -> Iterator[str]:
    """Paths that lead out of the repository: what lies there is not in the candidate."""
    lists = [
        *((f"{p}.tests", e.tests) for e, p in zip(policy.registry, places, strict=True)),
        *((f"{p}.source", e.source) for e, p in zip(policy.registry, places, strict=True)),
        ("environment.cache_on", policy.environment.cache_on),
        ("integration.suite", policy.integration.suite),
    ]
    for where, paths in lists:
        for number, path in enumerate(paths):
            whole = posixpath.normpath(
                posixpath.join(policy.project.working_directory, path.partition("::")[0])
            )
            if whole == ".." or whole.startswith("../"):
                yield f"{where}[{number}]: {shown(path)} leaves the repository (name a path inside it)"
