"""An agent's own code in the work tree: the registry's source, and what changed since the merge base."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_moa.desk.place import Place, branch_here, open_git
from pytest_moa.errors import MoaError
from pytest_moa.rules.agents import agent_of_branch
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.own_code import SourceRules, folders_of, module_name, own_code, statement_lines

Lines = frozenset[int] | None
_SKIPPED = frozenset({"__pycache__", "node_modules", "build", "dist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the checked-out branch changed since `base`: added lines, and `paths`, removed ones too. `doubt`: why that cannot be told. `owner`: whose branch it is."""

    lines: Mapping[str, frozenset[int]]
    branch: str | None = None
    owner: str | None = None
    head: str | None = None
    target: str | None = None
    base: str | None = None
    paths: tuple[str, ...] = ()
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCode:
    """`files` are relative to the place's root, None for a whole file. `absent`: it is not in this tree at all."""

    files: Mapping[str, Lines]
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()
    absent: bool = False

    def folders(self) -> tuple[str, ...]:
        return folders_of(self.files)


def changes_here(place: Place) -> Changes:
    """The lines of the work tree that are not in the target, and whose they are."""
    if not place.repo:
        return Changes(
            lines={},
            doubt=Doubt(
                reason="there is no repository here, so nobody can tell what the agent changed",
                remedy="Enter the agent's files under `registry: source` in the config, or run in its repository.",
            ),
        )
    try:
        return _changes(place)
    except MoaError as error:
        return Changes(lines={}, doubt=Doubt(reason=str(error), remedy=error.remedy))


def _changes(place: Place) -> Changes:
    # No git where there is no repository.
    from pytest_moa.git import repository as git  # noqa: PLC0415
    from pytest_moa.git.changes import changes_of_work_tree  # noqa: PLC0415

    repo, keys = open_git(place.root), place.policy.git
    branch = branch_here(place)
    name = branch or os.environ.get("GITHUB_HEAD_REF") or None
    owner = agent_of_branch(place.policy, name) if name else None
    head = git.resolve(repo, "HEAD")
    told = Changes(lines={}, branch=name, owner=owner, head=head)
    revs = (f"refs/remotes/{keys.remote}/{keys.develop_branch}", f"refs/heads/{keys.develop_branch}")
    target = next((oid for rev in revs if (oid := git.resolve(repo, rev)) is not None), None)
    if target is None or head is None:
        return replace(told, doubt=_no_target(place))
    base = git.merge_base(repo, target, head)
    if base is None:
        return replace(
            told,
            target=target,
            doubt=Doubt(
                reason=f"the checked-out branch and {keys.develop_branch} have no common history here",
                remedy="In a shallow clone, fetch more of it: `git fetch --unshallow`.",
            ),
        )
    lines, paths = changes_of_work_tree(repo, base)
    return replace(told, target=target, base=base, lines=lines, paths=paths)


def _no_target(place: Place) -> Doubt:
    keys = place.policy.git
    return Doubt(
        reason=f"the target {keys.develop_branch!r} is neither here nor on {keys.remote!r}, so nobody can tell what changed",
        remedy=(
            f"Fetch it (`git fetch {keys.remote} {keys.develop_branch}`), name another with `git.develop_branch`,"
            " or enter the agent's files under `registry: source`."
        ),
    )


def own_of(agent: str, place: Place, changes: Changes, rules: SourceRules, *, alone: bool) -> OwnCode:
    """The agent's own code. `alone`: the run is this agent's, so the work on a nobody's branch is taken for its."""
    registered = place.policy.entry(agent).source
    mine = changes.owner == agent or (changes.owner is None and alone)
    added = changes.lines if mine and changes.doubt is None else {}
    tree = list(_tree(place, registered)) if registered else []
    found = own_code(added=added, registered=registered, tree=tree, rules=rules)
    files = {path: _statements(place.root / path, lines) for path, lines in found.items()}
    files = {path: lines for path, lines in files.items() if (place.root / path).is_file()}
    if registered:
        return _of_registry(agent, files, changes)
    if not mine:
        return _elsewhere(agent, changes, alone=alone)
    if changes.doubt is not None:
        return OwnCode(files={}, doubts=(changes.doubt,))
    return OwnCode(files=files, doubts=_on_target(agent, place, changes, files))


def _of_registry(agent: str, files: Mapping[str, Lines], changes: Changes) -> OwnCode:
    notes = (f"Only the registry's source is judged: {changes.doubt.reason}.",) if changes.doubt else ()
    if not any(lines is None for lines in files.values()):
        doubt = Doubt(
            reason=f"the registry's source of agent {agent} matches no file here",
            remedy="Correct `registry: source` (relative to the working directory), or check the agent's branch out.",
        )
        return OwnCode(files=files, doubts=(doubt,), notes=notes)
    return OwnCode(files=files, notes=notes)


def _elsewhere(agent: str, changes: Changes, *, alone: bool) -> OwnCode:
    whose = f"agent {changes.owner}'s" if changes.owner else "no agent's"
    doubt = Doubt(
        reason=(
            f"the registry names no source for agent {agent}, and the checked-out branch"
            f" {changes.branch or '(none)'} is {whose}"
        ),
        remedy=f"Enter the agent's files under `registry: source`, or check its branch out and run --moa-agent {agent}.",
    )
    return OwnCode(files={}, doubts=(doubt,), absent=not alone)


def _on_target(agent: str, place: Place, changes: Changes, files: Mapping[str, Lines]) -> tuple[Doubt, ...]:
    if files or changes.owner == agent or changes.branch != place.policy.git.develop_branch:
        return ()
    doubt = Doubt(
        reason=f"the target itself is checked out and nothing is changed: agent {agent}'s work is not here",
        remedy="Check the agent's branch out, or enter its files under `registry: source`.",
    )
    return (doubt,)


def _statements(file: Path, lines: Lines) -> Lines:
    if lines is None:
        return None
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return lines
    return statement_lines(text, lines)


def _tree(place: Place, registered: Sequence[str]) -> Iterator[str]:
    """The Python files below the registered places; for a pattern, below the working directory."""
    plain = [place.working / name for name in registered if not set(name) & set("*?[")]
    starts = plain if len(plain) == len(registered) else [place.working]
    for start in starts:
        files = [start] if start.is_file() else walk(start)
        for file in files:
            if file.is_relative_to(place.root):
                yield file.relative_to(place.root).as_posix()


def walk(start: Path) -> Iterator[Path]:
    """Python files below a folder, without hidden folders, environments and what builds leave."""
    for folder, inner, names in os.walk(start):
        inner[:] = sorted(
            name
            for name in inner
            if name not in _SKIPPED
            and not name.startswith(".")
            and not Path(folder, name, "pyvenv.cfg").exists()
        )
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def modules_of(files: Mapping[str, Lines], root: Path) -> dict[str, str]:
    """Dotted names of own files, and the real paths that they have to come from.

    A module outside of any package is left out unless its folder is a usual root: its bare name says too little.
    """
    tree = _packages(files, root)
    names = {}
    for path in files:
        name = module_name(path, tree)
        if "." in name or path.endswith("/__init__.py") or path.count("/") == 0 or path.startswith("src/"):
            names[name] = str((root / path).resolve())
    return names


def _packages(files: Mapping[str, Lines], root: Path) -> frozenset[str]:
    folders = {folder for path in files for folder in Path(path).parents if str(folder) != "."}
    return frozenset(f"{f.as_posix()}/__init__.py" for f in folders if (root / f / "__init__.py").is_file())
