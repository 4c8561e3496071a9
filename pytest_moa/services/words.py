"""Sentences that gate and integration both say."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.git.quarantine import sweep
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.asking import Said
from pytest_moa.model.evidence import ProcessEnd
from pytest_moa.services.landings import squashed_before
from pytest_moa.services.project import Project


def swept() -> list[str]:
    """Clears what dead runs left, and says what that was."""
    return [f"Removed what a dead run had left: {name}" for name in sweep()]


def conflict_words(
    project: Project, branch: str, head: ObjectId | None, paths: Sequence[str]
) -> tuple[str, str]:
    """Reason and remedy of a branch that conflicts with the target."""
    target = project.target.name
    reason = f"{branch} conflicts with {target} in {', '.join(paths[:5])}"
    landed = squashed_before(project, head) if head else None
    if landed is not None:
        return (
            f"{reason}; its commits up to {landed[:10]} landed as a squash, which git cannot tell from others' work",
            f"Take what has landed off the branch: `git rebase --onto {target} {landed[:10]} {branch}`.",
        )
    return (
        reason,
        f"Merge {target} into {branch}, resolve the conflicts there, and commit.",
    )


def frozen_words(target: str, said: Said) -> tuple[str, str]:
    """Reason and remedy of work that waits since the target is frozen."""
    return f"{target} is frozen {since_words(said)}", "When it is over: `moa unfreeze`."


def since_words(said: Said) -> str:
    """Since when a word holds, by whom, and why."""
    return f"since {said.at[:16]} by {said.by}: {said.because or 'no reason was given'}"


def held_words(said: Said) -> str:
    return f"{said.by} held it back on {said.at[:10]}: {said.because}"


def taken_back_words(target: str, landing: ObjectId) -> str:
    return f"its landing {landing[:10]} was taken back from {target}"


def survivors_words(end: ProcessEnd) -> tuple[str, ...]:
    """A sentence where the tests left processes running."""
    left = end.survivors
    return (f"The tests left processes running, which were ended: {', '.join(left[:5])}",) if left else ()


def touched_words(differences: Sequence[str]) -> tuple[str, str]:
    """Reason and remedy of a run after which the real repository is not as it was (law 7)."""
    return (
        f"the real repository was changed during the run: {', '.join(differences)}",
        "Look at these and undo them before you trust the repository; a test wrote there.",
    )
