"""Branches that touch tests, told as files before and after; and what the target's versions of these say of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.results import EnvironmentFacts, Finding
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.old_tests import OldTests
from pytest_moa.services.environment import Interpreter
from pytest_moa.services.old_tests import (
    OldTestsOptions,
    OldTestsRun,
    old_tests_findings,
    planned,
    run_old_tests,
)
from pytest_moa.services.project import OpenOptions, Project, open_project
from pytest_moa.services.subject import Subject, subject_of
from support.repos import Content, Repo

SHOP: Mapping[str, str] = {
    "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
    "src/shop/__init__.py": "",
    "src/shop/cart.py": """
        def total(prices):
            found = 0
            for price in prices:
                found = found + price
            return found


        def count(prices):
            return len(list(prices))
        """,
    "tests/conftest.py": """
        import pytest


        @pytest.fixture
        def prices():
            return [1, 2]
        """,
    "tests/helpers.py": """
        def same(left, right):
            assert left == right
        """,
    "tests/data/total.txt": "3\n",
    "tests/test_cart.py": """
        from pathlib import Path

        from helpers import same
        from shop.cart import count, total


        def test_total(prices):
            same(total(prices), 3)


        def test_golden(prices):
            assert str(total(prices)) == (Path(__file__).parent / "data/total.txt").read_text().strip()


        def test_count(prices):
            assert count(prices) == 2
        """,
}
QUICK = "environment:\n  keep: [PYTEST_DISABLE_PLUGIN_AUTOLOAD]\n"
"""A child without the plugins that lie about here starts in a third of the time."""

CART, TEST_CART = dedent(SHOP["src/shop/cart.py"]), dedent(SHOP["tests/test_cart.py"])
WRONG = CART.replace("found = 0", "found = 1")
"""The cart with a fault in `total`."""


@dataclass(frozen=True)
class Said:
    """What came of it: the plan, the runs (None: nothing had to run), the findings and doubts."""

    plan: OldTests | None
    ran: OldTestsRun | None
    findings: list[Finding]
    doubts: list[Doubt]

    @property
    def blocks(self) -> list[str]:
        """The old tests that block, each as `path::function`, or the path where a whole file does."""
        return [
            f.message.split("`")[1] if f.message.startswith("the target's `") else f.path
            for f in self.findings
            if f.severity == "block"
        ]

    @property
    def runs(self) -> int:
        return 0 if self.ran is None else self.ran.runs


def asked(
    path: Path,
    after: Mapping[str, Content],
    before: Mapping[str, str] | None = None,
    *,
    config: str | None = None,
) -> Said:
    """A target of SHOP (`before` adds to it) and a branch that writes `after` (None removes): what the old tests say."""
    with standing(path, after, before, config=config) as (project, quarantine, subject):
        interpreter = Interpreter(python=Path(sys.executable), facts=EnvironmentFacts(python=""))
        ran = run_old_tests(project, quarantine, subject, interpreter, OldTestsOptions())
        found, doubts = old_tests_findings(project, quarantine, subject, ran)
        return Said(planned(project, quarantine, subject), ran, found, doubts)


@contextmanager
def standing(
    path: Path,
    after: Mapping[str, Content],
    before: Mapping[str, str] | None = None,
    *,
    config: str | None = None,
) -> Iterator[tuple[Project, Quarantine, Subject]]:
    files = {**SHOP, **(before or {}), "moa.yaml": QUICK + (config or "")}
    repo = Repo.create(path / "repo", files={name: dedent(text) for name, text in files.items()})
    line = repo.agent("03").writes({n: dedent(c) if isinstance(c, str) else c for n, c in after.items()})
    head = line.commits()
    project = open_project(
        OpenOptions(
            start=repo.path, environ={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, fetch=False
        )
    )
    with Quarantine.open(project.repo) as quarantine:
        candidate = quarantine.candidate(project.target.head, head, agent="03")
        yield project, quarantine, subject_of(project, quarantine, "03", project.target.head, candidate)
