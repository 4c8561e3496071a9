"""The work trees of a repository that have a branch checked out: are they clean, and do they follow it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import RefusedError
from pytest_moa.git.changes import dirty_in, without_filters
from pytest_moa.git.command import Git, decode
from pytest_moa.git.handle import Repository
from pytest_moa.git.repository import read_objects
from pytest_moa.model.agents import ObjectId

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A work tree with a branch checked out; `git_dir` is its own folder, where its index lies."""

    path: Path
    git_dir: Path

    @property
    def git(self) -> Git:
        return without_filters(Git(cwd=self.path))


def checkouts(repo: Repository, branch: str) -> tuple[Checkout, ...]:
    """The work trees, this one and linked ones, whose HEAD is the branch. Vanished ones are left out."""
    said = repo.git.run("worktree", "list", "--porcelain", "-z").stdout
    trees = [_facts(block) for block in decode(said).split("\0\0") if block]
    paths = [
        Path(facts["worktree"])
        for facts in trees
        if facts.get("branch") == f"refs/heads/{branch}" and "bare" not in facts
    ]
    return tuple(_checkout(path) for path in paths if path.is_dir())


def _facts(block: str) -> dict[str, str]:
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in block.split("\0") if line}


def _checkout(path: Path) -> Checkout:
    return Checkout(path=path, git_dir=Path(Git(cwd=path).text("rev-parse", "--absolute-git-dir")))


def require_clean(checkout: Checkout, objects: Repository, old: ObjectId, new: ObjectId, branch: str) -> None:
    """Raises RefusedError, naming the files, where the work tree could not follow the branch from `old` to `new`.

    `objects` is where both commits are: the new one may not be in the real repository yet.
    """
    dirty = dirty_in(checkout.path)
    if dirty:
        raise RefusedError(
            f"{branch} is checked out in {checkout.path} with changes that are not committed",
            reason=_listed(dirty),
            remedy="Commit or stash them, or check out another branch there, and run the command again.",
        )
    in_the_way = untracked_in_the_way(checkout, objects, old, new)
    if in_the_way:
        raise RefusedError(
            f"{branch} is checked out in {checkout.path}, where untracked files are in the way of the landing",
            reason=_listed(in_the_way),
            remedy="Move or remove them, and run the command again.",
        )


def untracked_in_the_way(
    checkout: Checkout, objects: Repository, old: ObjectId, new: ObjectId
) -> tuple[str, ...]:
    """Untracked files where `new` has files that `old` has not."""
    added = objects.git.lines0(
        "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=A", old, new
    )
    return tuple(path for path in added if _occupied(checkout.path, path))


def _occupied(top: Path, path: str) -> bool:
    place = top / path
    if place.is_symlink() or place.is_file():
        return True
    if place.is_dir():
        return any(not found.is_dir() or found.is_symlink() for found in place.rglob("*"))
    return False


def follow(checkout: Checkout, old: ObjectId, new: ObjectId, branch: str) -> str:
    """Bring a work tree from `old` to `new` where it still stands clean at `old`; says what was done."""
    git = checkout.git
    head = git.run("symbolic-ref", "-q", "HEAD", check=False)
    if decode(head.stdout).strip() != f"refs/heads/{branch}":
        return f"the work tree {checkout.path} is no longer on {branch} and was left alone"
    # Two-tree read-tree: refuses where an affected file differs from `old`, and where an untracked one is in the way.
    git.run("update-index", "-q", "--refresh", check=False)
    moved = git.run("read-tree", "-m", "-u", old, new, check=False)
    if not moved.ok:
        return (
            f"the work tree {checkout.path} could not follow {branch} ({moved.said}); "
            f"your changes there are kept, bring it up to date with: git -C {checkout.path} reset --keep {new}"
        )
    return f"the work tree {checkout.path} follows {branch}"


def finish_following(path: Path, branch: str, old: ObjectId, new: ObjectId) -> str | None:
    """Complete a `follow` that was killed half way: only where every file is as `old` or `new` has it, or half
    written as git leaves it; None where there is nothing to do, a sentence where something was done or left.
    """
    checkout = _checkout(path)
    git = checkout.git
    head = git.run("rev-parse", "--symbolic-full-name", "HEAD", check=False)
    at = git.run("rev-parse", "HEAD", check=False)
    if decode(head.stdout).strip() != f"refs/heads/{branch}" or decode(at.stdout).strip() != new:
        return None
    if not dirty_in(path):
        return None
    if not _explained(git, path, old, new):
        return (
            f"the work tree {path} has changes beside the interrupted landing on {branch}, and was left alone"
        )
    git.run("read-tree", "--reset", "-u", new, doing=f"bring {path} up to date")
    return f"the work tree {path} was brought up to date after an interrupted landing on {branch}"


def _explained(git: Git, path: Path, old: ObjectId, new: ObjectId) -> bool:
    if not any(
        git.run("diff-index", "--cached", "--quiet", tree, "--", check=False).ok for tree in (old, new)
    ):
        return False
    versions = _versions(git, old, new)
    return all(
        name in versions and _is_between(path / name, *versions[name])
        for name in dirty_in(path, untracked=False)
    )


def _versions(git: Git, old: ObjectId, new: ObjectId) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Each path that differs, with both contents; None where one of them lacks it."""
    fields = git.lines0("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    facts = [(row.split(" "), name) for row, name in zip(fields[::2], fields[1::2], strict=True)]
    blobs = {blob for row, _ in facts for blob in row[2:4] if set(blob) != {"0"}}
    contents: dict[str, bytes | None] = dict(zip(blobs, read_objects(git, list(blobs)), strict=True))
    return {name: (contents.get(row[2]), contents.get(row[3])) for row, name in facts}


def _is_between(file: Path, old: bytes | None, new: bytes | None) -> bool:
    try:
        found = bytes(file.readlink()) if file.is_symlink() else file.read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return found == old or (new is not None and new.startswith(found))


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(repr(path)[1:-1] for path in paths[:_SHOWN])
    return shown if len(paths) <= _SHOWN else f"{shown} and {len(paths) - _SHOWN} more"
