"""What is true of a tree: plain git merges it, plain pytest runs it in a fresh checkout. Nothing of moa's is asked."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from support.faults import GIT, Forking

_PLAIN = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}


@dataclass
class Suites:
    """What fails in the suite of a tree (None: it passes), found out once for each tree that there ever is."""

    pytest: Forking = field(default_factory=lambda: Forking("pytest"))
    known: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def failing(self, truth: Truth, tree: str) -> frozenset[str] | None:
        if tree not in self.known:
            self.known[tree] = self._runs(truth, tree)
        return self.known[tree]

    def _runs(self, truth: Truth, tree: str) -> frozenset[str] | None:
        place = Path(tempfile.mkdtemp(dir=truth.place))
        try:
            with tarfile.open(fileobj=io.BytesIO(truth.git_bytes("archive", tree))) as archive:
                archive.extractall(place / "tree", filter="data")
            environ = {**_PLAIN, "PATH": os.environ["PATH"], "TMPDIR": str(place), "HOME": str(place)}
            argv = ["-q", "-rfE", "-p", "no:cacheprovider"]
            answer = self.pytest.begins(argv, cwd=place / "tree", environ=environ, marks=place).answer()
            assert answer.code in {0, 1, 2}, f"plain pytest could not say anything: {answer}"
            rows = [row.split() for row in answer.out.splitlines() if row.startswith(("FAILED ", "ERROR "))]
            return None if answer.code == 0 else frozenset(row[1] for row in rows)
        finally:
            shutil.rmtree(place, ignore_errors=True)


@dataclass
class Truth:
    """A repository looked at through another one that borrows its objects, so that looking changes nothing."""

    place: Path
    repository: Path
    suites: Suites
    merges: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place.mkdir()
        git_dir = self.repository / ".git"
        objects = (git_dir if git_dir.is_dir() else self.repository) / "objects"
        subprocess.run([GIT, "init", "-q", "--bare", str(self.place / "git")], check=True, env=self._env())
        (self.place / "git/objects/info/alternates").write_text(f"{objects}\n")

    def _env(self) -> dict[str, str]:
        return {**_PLAIN, "PATH": os.environ["PATH"], "HOME": str(self.place)}

    def run(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [GIT, "--git-dir", str(self.place / "git"), *args],
            capture_output=True,
            check=False,
            env=self._env(),
        )

    def git_bytes(self, *args: str) -> bytes:
        done = self.run(*args)
        assert done.returncode == 0, f"git {' '.join(args)}: {done.stderr.decode()}"
        return done.stdout

    def git(self, *args: str) -> str:
        return self.git_bytes(*args).decode().strip()

    def tree(self, commit: str) -> str:
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}")

    def merged(self, one: str, other: str) -> str | None:
        """The tree of a plain merge of two commits, None where it has conflicts."""
        if (one, other) not in self.merges:
            done = self.run("merge-tree", "--write-tree", one, other)
            assert done.returncode in {0, 1}, done.stderr.decode()
            self.merges[one, other] = done.stdout.split()[0].decode() if done.returncode == 0 else None
        return self.merges[one, other]

    def merged_all(self, first: str, *others: str) -> str | None:
        """The tree of merging them one after the other, None where one of the merges has conflicts."""
        at, tree = first, None
        for other in others:
            tree = self.merged(at, other)
            if tree is None:
                return None
            at = self._commit(tree, at, other)
        return tree or self.tree(first)

    def _commit(self, tree: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        who = "-c", "user.name=Judge", "-c", "user.email=judge@example.invalid"
        return self.git(*who, "commit-tree", tree, *words, "-m", "asked")

    def passes(self, tree: str) -> bool:
        return self.suites.failing(self, tree) is None

    def failing(self, tree: str) -> frozenset[str]:
        """The ids that fail; empty where everything passes."""
        return self.suites.failing(self, tree) or frozenset()

    def reachable(self, *words: str) -> set[str]:
        """Commits as `rev-list` selects them."""
        return set(self.git("rev-list", *words).split())

    def is_ancestor(self, old: str, new: str) -> bool:
        return self.run("merge-base", "--is-ancestor", old, new).returncode == 0

    def trailer(self, commit: str, name: str) -> str:
        return self.git("show", "-s", f"--format=%(trailers:key={name},valueonly)", commit)
