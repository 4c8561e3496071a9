"""A repository as found: where its parts lie. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import RepositoryError
from pytest_moa.git.command import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository as found from some folder.

    `top` is the work tree's root, None for a bare one. `git_dir` is this work tree's own folder, `common_dir`
    the one that all linked work trees share. `partial`: objects are fetched from a promisor when needed.
    """

    top: Path | None
    git_dir: Path
    common_dir: Path
    bare: bool = False
    shallow: bool = False
    partial: bool = False
    object_format: str = "sha1"
    hermetic: bool = False

    @property
    def git(self) -> Git:
        return Git(cwd=self.top or self.git_dir, hermetic=self.hermetic)

    @property
    def work_tree(self) -> Path:
        """The work tree's root. Raises RepositoryError for a bare repository."""
        if self.top is None:
            raise RepositoryError(
                f"{self.git_dir} is a bare repository",
                reason="it has no work tree",
                remedy="Run moa in a clone of it.",
            )
        return self.top
