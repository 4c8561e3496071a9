"""A project in a quarantine of its own, and a run of its tests."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.run import analyse, run_child
from pytest_moa.testing.settings import CoverageSettings

# Third-party plugins cost most of a start; a test that needs one names it with `-p`.
BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class Project:
    """Files in a work tree; `runs` runs their tests, `lines` says what that run traced."""

    def __init__(self, place: Path) -> None:
        self.work = place / "work"
        self.work.mkdir()
        self.place = place
        self.runs_done = 0
        self.request: ChildRequest | None = None

    def has(self, path: str, text: str) -> Project:
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return self

    def asks(self, *extra_args: str, **facts: Any) -> ChildRequest:
        self.runs_done += 1
        environ = {name: os.environ[name] for name in ("PATH", "HOME")} | BARE
        defaults: dict[str, Any] = {
            "python": Path(sys.executable),
            "work": self.work,
            "project": self.work,
            "run_dir": self.place / f"r{self.runs_done}",
            "extra_args": extra_args,
            "environ": environ,
            "keep": tuple(BARE),
            "timeout": 60.0,
        }
        self.request = ChildRequest(**(defaults | facts))
        return self.request

    def runs(self, *extra_args: str, **facts: Any) -> Evidence:
        return run_child(self.asks(*extra_args, **facts))

    def lines(
        self, *paths: str, settings: CoverageSettings | None = None, contexts: list[str] | None = None
    ) -> dict[str, FileLines]:
        assert self.request is not None
        files = analyse(self.request, paths, settings or CoverageSettings(), contexts)
        assert files is not None
        return {file.path: file for file in files}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def outcomes(evidence: Evidence) -> dict[str, str]:
    """The outcome of each test by its bare name."""
    return {outcome.id.rpartition("::")[2]: outcome.outcome for outcome in evidence.outcomes}


@pytest.fixture(name="outcomes")
def outcomes_by_name() -> Any:
    return outcomes
