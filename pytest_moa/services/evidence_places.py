"""Where evidence lies below some folders, and whom it says it is of. What is found there is untrusted, and judged elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import RefusedError, UsageError
from pytest_moa.git import repository as git
from pytest_moa.services.evidence_folder import MANIFEST, SMALL, SUMS, decoded
from pytest_moa.services.project import Project
from pytest_moa.testing.untrusted import OddFileError, contents

_ENTRIES, _FOLDERS, _DEPTH = 200_000, 2_000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder of evidence. `agent` is whom it says it is of; where it says nothing that can be read, whom its name tells."""

    folder: Path
    agent: str


def evidence_below(project: Project, places: Sequence[Path]) -> tuple[Place, ...]:
    """The evidence folders at any depth below these, in the order of their names. No link is followed.

    Raises UsageError for a place that is no folder, RefusedError for one that holds the work tree, for evidence that is a
    part of the repository (a branch may have brought it), and for more than anybody's fleet leaves.
    """
    found: dict[Path, None] = {}
    seen = 0
    for place in places:
        root = _root(project, place)
        for folder, names in _walked(root):
            seen += len(names)
            if seen > _ENTRIES or len(found) > _FOLDERS:
                raise RefusedError(
                    f"There is too much below {place}",
                    reason=f"more than {_ENTRIES} entries, or {_FOLDERS} evidence folders",
                    remedy="Name the folder that the gates' evidence was put in, and nothing else.",
                )
            if {MANIFEST, SUMS} & set(names):
                found[folder] = None
    _require_untracked(project, list(found))
    known = {agent.id for agent in project.agents}
    return tuple(Place(folder=folder, agent=_agent(folder, known)) for folder in sorted(found))


def _root(project: Project, place: Path) -> Path:
    if not place.is_dir():
        raise UsageError(
            f"{place} is no folder", remedy="Name the folder that the gates' evidence was put in."
        )
    root = place.resolve()
    for own in (project.root.resolve(), project.repo.common_dir.resolve()):
        if own == root or root in own.parents or root == own / ".git":
            raise RefusedError(
                f"{place} holds the repository itself",
                reason="what a branch brought there is no evidence",
                remedy="Name the folder that the gates' evidence was put in.",
            )
    return root


def _walked(root: Path) -> Iterator[tuple[Path, list[str]]]:
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        names: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if len(names) > _ENTRIES:
                        break
                    if depth < _DEPTH and entry.is_dir(follow_symlinks=False):
                        waiting.append((folder / entry.name, depth + 1))
        except OSError as error:
            raise RefusedError(
                f"{folder} cannot be read",
                reason=error.strerror or str(error),
                remedy="Give moa the right to read the evidence, or leave it out.",
            ) from error
        yield folder, names


def _require_untracked(project: Project, folders: Sequence[Path]) -> None:
    """Evidence inside the work tree is taken only where no commit that is checked out could have put it there."""
    top = project.repo.top.resolve() if project.repo.top is not None else None
    inside = [folder.relative_to(top).as_posix() for folder in folders if top and top in folder.parents]
    if not inside:
        return
    here = git.resolve(project.repo, "HEAD")
    commits = [project.target.head, *([here] if here else [])]
    for commit in commits:
        if tracked := git.tree_paths(project.repo, commit, inside):
            raise RefusedError(
                f"{tracked[0]} is a file of the repository",
                reason="evidence that a commit brought is nobody's word",
                remedy="Put the gates' evidence into a folder of its own, outside of what is committed.",
            )


def _agent(folder: Path, known: set[str]) -> str:
    try:
        return decoded(contents(folder / MANIFEST, SMALL)).agent
    except OddFileError:
        name = folder.name
        told = [agent for agent in known if name == agent or name.endswith(("-" + agent, "_" + agent))]
        return max(told, key=len, default=name)
