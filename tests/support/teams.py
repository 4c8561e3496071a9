"""A small project with agents, for tests that run the whole of moa; and moa itself, run as a person would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked import forked
from support.repos import Line, Repo

MOA = (sys.executable, "-P", "-m", "pytest_moa")

CORE = "def double(x):\n    return 2 * x\n"
TEST_CORE = "from calc.core import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
# Hypothesis' plugin imports all of Hypothesis at the end of each session, which is most of a small one's time.
PYTEST = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "-p no:hypothesispytest"\n'
PROJECT = {
    "pyproject.toml": f'[project]\nname = "calc"\nversion = "1"\n\n{PYTEST}',
    "src/calc/__init__.py": "",
    "src/calc/core.py": CORE,
    "tests/test_core.py": TEST_CORE,
    ".gitignore": "__pycache__/\n.pytest_cache/\n",
}


def module(name: str) -> str:
    return f"def {name}(x):\n    if x < 0:\n        return 0\n    return x + 1\n"


def whole_test(name: str) -> str:
    return f"from calc.{name} import {name}\n\n\ndef test_{name}():\n    assert {name}(1) == 2\n    assert {name}(-1) == 0\n"


def half_test(name: str) -> str:
    return f"from calc.{name} import {name}\n\n\ndef test_{name}():\n    assert {name}(1) == 2\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call of `moa` gave. `data` is standard output as JSON."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Team:
    """A repository with a target and agents; `moa(...)` runs the real command line in it."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str] | None = None) -> Team:
        return cls(Repo.create(path, files={**PROJECT, **(files or {})}))

    @property
    def path(self) -> Path:
        return self.repo.path

    def agent(self, agent: str, name: str) -> Line:
        return self.repo.agent(agent, slug=name)

    def green(self, agent: str, name: str) -> Line:
        """An agent whose module is whole and wholly tested."""
        line = self.agent(agent, name)
        line.writes(
            {f"src/calc/{name}.py": module(name), f"tests/agent{agent}/test_{name}.py": whole_test(name)}
        )
        line.commits(f"Add {name}")
        return line

    def moa(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Run a command line; `fresh` starts an interpreter for it, as a shell would, and takes a second longer."""
        place, environ = cwd or self.path, {**os.environ, **(env or {})}
        if not fresh:
            return Answer(*forked(args, place, environ, 120))
        command = [*MOA, *args]
        done = subprocess.run(
            command, cwd=place, env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def starts(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """The same, left running."""
        return subprocess.Popen(
            [*MOA, *args],
            cwd=self.path,
            env={**os.environ, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def target(self) -> str:
        return self.repo.head("refs/heads/develop")


class Kept:
    """A team at one moment, made once for several tests: each call of `again` brings that moment back.

    Always at the same place, since moa's cache knows a repository by its path.
    """

    def __init__(self, team: Team, place: Path) -> None:
        self.team = team
        self.place = place
        shutil.copytree(team.path, place / "repo", symlinks=True)
        shutil.copytree(os.environ["XDG_CACHE_HOME"], place / "cache")

    def again(self) -> Team:
        shutil.rmtree(self.team.path)
        shutil.copytree(self.place / "repo", self.team.path, symlinks=True)
        shutil.copytree(self.place / "cache", os.environ["XDG_CACHE_HOME"], dirs_exist_ok=True)
        return Team(Repo(self.team.path, copy(self.team.repo.clock)))
