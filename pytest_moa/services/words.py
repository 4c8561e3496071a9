"""Sentences that gate and integration both say."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.git.quarantine import sweep
from pytest_moa.services.project import Project


def swept() -> list[str]:
    """Clears what dead runs left, and says what that was."""
    return [f"Removed what a dead run had left: {name}" for name in sweep()]


def conflict_words(project: Project, branch: str, paths: Sequence[str]) -> tuple[str, str]:
    """Reason and remedy of a branch that conflicts with the target."""
    target = project.target.name
    return (
        f"{branch} conflicts with {target} in {', '.join(paths[:5])}",
        f"Merge {target} into {branch}, resolve the conflicts there, and commit.",
    )


def touched_words(differences: Sequence[str]) -> tuple[str, str]:
    """Reason and remedy of a run after which the real repository is not as it was (law 7)."""
    return (
        f"the real repository was changed during the run: {', '.join(differences)}",
        "Look at these before you trust the repository; a test wrote there.",
    )
