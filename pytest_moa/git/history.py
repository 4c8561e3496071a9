"""Questions about a history that several verbs ask: the default branch, the first-parent line, a merge's paths."""

from __future__ import annotations

from pytest_moa.git.command import decode
from pytest_moa.git.handle import Repository
from pytest_moa.model.agents import ObjectId


def default_branch(repo: Repository, remote: str) -> str | None:
    """The branch that a remote's HEAD names, as last told; None where nobody told."""
    prefix = f"refs/remotes/{remote}/"
    found = repo.git.run("symbolic-ref", "-q", f"{prefix}HEAD", check=False)
    return decode(found.stdout).strip().removeprefix(prefix) if found.ok else None


def on_first_parent_line(repo: Repository, commit: ObjectId, tip: ObjectId) -> bool:
    """Whether a commit is one that the branch at `tip` itself went through, and not one that a merge brought."""
    # Without the commit's parents the walk ends at it at the latest, however long the history is.
    said = repo.git.text("rev-list", "--first-parent", tip, "--not", f"{commit}^@", doing="walk the history")
    return commit in said.split("\n")


def paths_of_merge(repo: Repository, commit: ObjectId) -> tuple[str, ...]:
    """The paths that a commit changed against its first parent."""
    return tuple(
        repo.git.lines0(
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-commit-id",
            "--no-renames",
            "--end-of-options",
            f"{commit}^1",
            commit,
        )
    )
