"""What a test wrote into the real repository is not forgotten by the next run, which would find it there before."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import Team, module, whole_test


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def _writes(team: Team, key: str) -> None:
    attack = f"""
import subprocess

def test_elsewhere():
    subprocess.run(["git", "-C", {str(team.repo.path)!r}, "config", {key!r}, "/tmp/evil"], check=True)
"""
    team.agent("04", "dec").writes(
        {"src/calc/dec.py": module("dec"), "tests/agent04/test_dec.py": whole_test("dec") + attack}
    ).commits()


def test_nothing_lands_until_what_a_test_wrote_is_undone(team: Team) -> None:
    team.green("03", "inc")
    _writes(team, "core.hooksPath")
    first = team.moa("integrate", "--all", "--json")
    assert first.data["landed"] == []
    assert "config was changed (core.hookspath)" in first.data["rejected"][0]["reason"]
    again = team.moa("integrate", "--all", "--json")
    assert (again.code, again.data["error"]["kind"]) == (2, "refused")
    assert "core.hookspath" in again.data["error"]["reason"]
    assert team.moa("gate", "03", "--json").code == 2
    team.repo.git("config", "--unset", "core.hooksPath")
    assert team.moa("gate", "03", "--json").code == 0


def test_what_git_itself_notes_of_a_persons_branch_holds_nobody_up(team: Team) -> None:
    _writes(team, "branch.mine.description")
    assert team.moa("gate", "04", "--json").data["verdict"] == "undetermined"
    assert team.moa("gate", "04", "--json").data["verdict"] == "passed"
