"""`moa conflicts`: which agents' branches conflict with the target, and which with each other once they are on it.

Looks only: lands nothing, and decides about nobody.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_moa.errors import AgentError, RepositoryError
from pytest_moa.model.agents import Agent, ObjectId
from pytest_moa.model.conflicts import (
    FileConflict,
    Matrix,
    PairConflict,
    Place,
    Row,
    TargetConflict,
    Uncompared,
)
from pytest_moa.services.conflict_memory import Files, Memory, Pair, folder_of, forget, recall, remember
from pytest_moa.services.conflict_search import Search, searching
from pytest_moa.services.project import Project
from pytest_moa.services.telling import Telling


def matrix_of(
    project: Project,
    agents: Sequence[Agent] | None = None,
    *,
    all_pairs: bool = False,
    tell: Telling | None = None,
) -> Matrix:
    """The conflict matrix of these agents (default: all of the project's).

    A branch of which nothing can be said gets an entry in `uncompared`, and stops nobody else. Branches that conflict
    with the target are paired with the others only with `all_pairs`: they have to take the target in anyway.
    """
    started = time.monotonic()
    rows, uncompared = _rows(project, agents)
    heads = list(dict.fromkeys(row.head for row in rows))
    search, met = _searched(project, heads, tell or Telling(), all_pairs=all_pairs)
    memory = search.memory
    remember(project, memory, heads)
    compared, lost = _sorted_out(project, rows, search)
    return Matrix(
        branch=project.target.name,
        target=project.target.head,
        rows=compared,
        pairs=_pairs(compared, memory, all_pairs=all_pairs),
        with_target=_with_target(compared, memory),
        uncompared=(*uncompared, *lost),
        merges_tried=search.tried,
        pairs_met=met,
        paired_all=all_pairs,
        notes=(*project.notes, *_notes(compared, search)),
        seconds=time.monotonic() - started,
    )


def chosen(project: Project, ids: Iterable[str]) -> tuple[Agent, ...]:
    """The agents of these ids, in the project's order. Raises AgentError where one is unknown."""
    wanted = set(ids)
    for unknown in sorted(wanted - {agent.id for agent in project.agents}):
        project.agent(unknown)
    return tuple(agent for agent in project.agents if agent.id in wanted)


def _searched(
    project: Project, heads: Sequence[ObjectId], tell: Telling, *, all_pairs: bool
) -> tuple[Search, int]:
    """What is found out, and how many pairs meet. A cache whose objects are damaged is thrown away, once."""
    memory = recall(project) if heads else Memory()
    doubtful = bool(memory.heads)
    try:
        search, met = _search(project, memory, heads, tell, all_pairs=all_pairs)
    except RepositoryError:
        if not doubtful:
            raise
    else:
        if not (doubtful and search.unknown):
            return search, met
    forget(project)
    return _search(project, Memory(), heads, tell, all_pairs=all_pairs)


def _search(
    project: Project, memory: Memory, heads: Sequence[ObjectId], tell: Telling, *, all_pairs: bool
) -> tuple[Search, int]:
    with searching(project.repo, project.target.head, memory, folder_of(project), tell) as search:
        search.heads(heads)
        met = search.pairs(heads)
        if all_pairs:
            search.raw_pairs(heads)
    return search, met


def _rows(project: Project, agents: Sequence[Agent] | None) -> tuple[tuple[Row, ...], tuple[Uncompared, ...]]:
    """An agent without a branch is told where it was asked for by name; else it has nothing that could conflict."""
    rows, uncompared = [], []
    for agent in project.agents if agents is None else agents:
        if agents is None and agent.branch is None:
            continue
        try:
            _, branch = project.agent(agent.id)
        except AgentError as error:
            uncompared.append(Uncompared(agent=agent.id, reason=str(error), remedy=error.remedy))
            continue
        rows.append(Row(agent=agent.id, name=agent.name, branch=branch.name, head=branch.head))
    return tuple(rows), tuple(uncompared)


def _sorted_out(
    project: Project, rows: Sequence[Row], search: Search
) -> tuple[tuple[Row, ...], tuple[Uncompared, ...]]:
    """The rows that were compared, and of the others why not."""
    compared, lost = [], []
    for row in rows:
        error = search.failures.get(row.head)
        if error is not None:
            lost.append(Uncompared(agent=row.agent, reason=str(error), remedy=error.remedy))
        elif not search.memory.heads[row.head].outside.rooted:
            lost.append(_unrelated(project, row))
        else:
            compared.append(row)
    return tuple(compared), tuple(lost)


def _unrelated(project: Project, row: Row) -> Uncompared:
    """Git would call every file of such a merge a conflict: in a shallow clone that accuses an innocent branch."""
    target = project.target.name
    if project.repo.shallow:
        return Uncompared(
            agent=row.agent,
            reason=f"this clone is too shallow to know what {row.branch} and {target} have in common",
            remedy="Fetch the whole history: `git fetch --unshallow`; in a workflow check out with `fetch-depth: 0`.",
        )
    return Uncompared(
        agent=row.agent,
        reason=f"{row.branch} and {target} have no common history",
        remedy=f"Start the branch again from {target}, and bring its commits there.",
    )


def _with_target(rows: Sequence[Row], memory: Memory) -> tuple[TargetConflict, ...]:
    hurt = [row for row in rows if not memory.heads[row.head].clean]
    return tuple(TargetConflict(agent=row.agent, files=memory.heads[row.head].files) for row in hurt)


def _pairs(rows: Sequence[Row], memory: Memory, *, all_pairs: bool) -> tuple[PairConflict, ...]:
    """The conflicts of these rows, in their order. The work grows with the pairs that are known, not with all pairs."""
    at: dict[ObjectId, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        at[row.head].append(number)
    found: list[tuple[int, int, Files]] = []
    turned: dict[Files, Files] = {}
    for pairs in (memory.pairs, memory.raw) if all_pairs else (memory.pairs,):
        for pair, files in pairs.items():
            if files:
                found += _placed(at, pair, files, turned)
    found.sort(key=lambda row: row[:2])
    return tuple(PairConflict(a=rows[a].agent, b=rows[b].agent, files=files) for a, b, files in found)


def _placed(
    at: Mapping[ObjectId, list[int]], pair: Pair, files: Files, turned: dict[Files, Files]
) -> list[tuple[int, int, Files]]:
    found = []
    for a in at.get(pair[0], ()):
        for b in at.get(pair[1], ()):
            if a < b:
                found.append((a, b, files))
            else:
                if files not in turned:
                    turned[files] = tuple(_turned(file) for file in files)
                found.append((b, a, turned[files]))
    return found


def _turned(file: FileConflict) -> FileConflict:
    return replace(file, places=tuple(Place(place.b, place.a) for place in file.places))


def _notes(rows: Sequence[Row], search: Search, most: int = 10) -> list[str]:
    """Pairs of which nothing can be said: git could not read what it needed."""
    at = {row.head: number for number, row in enumerate(rows)}
    unknown = sorted(
        (min(at[a], at[b]), max(at[a], at[b]), str(error))
        for (a, b), error in search.unknown.items()
        if a in at and b in at
    )
    said = [f"{rows[a].agent} and {rows[b].agent} could not be compared: {error}" for a, b, error in unknown]
    more = [f"and {len(said) - most} more pairs could not be compared"] if len(said) > most else []
    return [*said[:most], *more]
