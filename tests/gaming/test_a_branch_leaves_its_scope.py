"""Trick: an agent changes what another agent, or nobody, was asked to do. Told by `outside-scope`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

from pytest_moa.rules.integrity.kit import Owner, Ownership

OWNERS = Ownership(
    agent="03",
    owners=(
        Owner(agent="03", paths=("src/core", "tests/core", "pyproject.toml")),
        Owner(agent="04", paths=("src/billing/**", "tests/billing", "pyproject.toml")),
    ),
)


def changes(path: str) -> dict[str, str | None]:
    return {path: "x = 1\n"}


@pytest.mark.parametrize(
    "path",
    [
        "src/billing/rates.py",
        "src/billing/deep/down/rates.py",
        "tests/billing/test_rates.py",
        "setup_helpers.py",
        "src/core_of_another.py",
        "src/coreless/x.py",
        "tests/conftest.py",
        ".github/workflows/ci.yml",
    ],
)
def test_a_file_of_others_or_of_nobody_is_told(path: str) -> None:
    Trick("scope", changes(path), "outside-scope", "warn", ownership=OWNERS).check()


@pytest.mark.parametrize("path", ["src/billing/rates.py", "tests/billing/test_rates.py"])
def test_removing_a_file_of_others_is_told(path: str) -> None:
    before = {path: "x = 1\n"}
    Trick("scope", {path: None}, "outside-scope", "warn", before=before, ownership=OWNERS).check()


@pytest.mark.parametrize(
    "path",
    [
        "src/core/engine.py",
        "src/core/deep/engine.py",
        "tests/core/data/x.json",
        "README.md",
        "docs/guide.rst",
        "CHANGES.txt",
    ],
)
def test_its_own_files_and_everybodys_pass(path: str) -> None:
    Trick("honest", changes(path), None, ownership=OWNERS).check()


def test_a_file_that_agents_share_passes() -> None:
    Trick("honest", {"pyproject.toml": "[project]\nname = 'x'\n"}, None, ownership=OWNERS).check()


def test_nothing_is_told_where_nobody_said_who_owns_what() -> None:
    Trick("honest", changes("anywhere.py"), None).check()
    nobody = Ownership(agent="03", owners=(Owner(agent="03", paths=()), Owner(agent="04", paths=())))
    Trick("honest", changes("anywhere.py"), None, ownership=nobody).check()
