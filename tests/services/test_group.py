"""`moa group`: what another merge queue built is judged as it is, and the agents in it from one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import Team, module, whole_test


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def _merged(team: Team, *branches: str) -> str:
    """What GitHub's queue does: one merge commit a pull request, each on the one before."""
    team.repo.git("checkout", "-q", "-B", "gh-readonly-queue", "develop")
    for branch in branches:
        team.repo.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
    head = team.repo.head()
    team.repo.git("checkout", "-q", "develop")
    return head


def test_each_agent_in_the_group_is_judged_from_one_run_of_the_whole_suite(team: Team) -> None:
    team.green("03", "inc")
    team.green("04", "dec")
    team.repo.branch("somebody").writes({"src/calc/untested.py": module("untested")}).commits()
    base = team.target()
    head = _merged(team, "agent-03-inc", "somebody", "agent-04-dec")
    answer = team.moa("group", head, "--base", base, "--json")
    data = answer.data
    assert (answer.code, data["verdict"], data["agent"]) == (0, "passed", "group")
    assert (data["head"], data["candidate"], data["target"]) == (head, head, base)
    assert data["tests"]["passed"] == 3
    assert [(m["agent"], m["verdict"], m["coverage"]["percent"]) for m in data["agents"]] == [
        ("03", "passed", "100.00"),
        ("04", "passed", "100.00"),
    ]
    assert team.target() == base


def test_one_agents_low_coverage_fails_the_group_and_is_named(team: Team) -> None:
    team.green("03", "inc")
    half = f"{module('dec')}\n\n{module('never')}"
    team.agent("04", "dec").writes(
        {"src/calc/dec.py": half, "tests/agent04/test_dec.py": whole_test("dec")}
    ).commits()
    base = team.target()
    answer = team.moa("group", _merged(team, "agent-03-inc", "agent-04-dec"), "--base", base, "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert "agent 04" in answer.data["reason"]
    assert {m["agent"]: m["verdict"] for m in answer.data["agents"]} == {"03": "passed", "04": "failed"}


def test_a_group_of_one_agent_is_that_agents_and_its_suite_the_whole(team: Team) -> None:
    team.agent("03", "inc").writes(
        {
            "src/calc/core.py": "def double(x):\n    return 2 * x + 1\n",
            "tests/agent03/test_x.py": "def test_x():\n    pass\n",
        }
    ).commits()
    base = team.target()
    answer = team.moa("group", _merged(team, "agent-03-inc"), "--base", base, "--json")
    assert (answer.code, answer.data["verdict"], answer.data["agent"]) == (1, "failed", "03")
    assert [failure["id"] for failure in answer.data["failures"]] == ["tests/test_core.py::test_double"]


def test_a_group_stands_on_what_did_not_land_yet(team: Team) -> None:
    team.green("03", "inc")
    team.green("04", "dec")
    first = _merged(team, "agent-03-inc")
    second = _merged(team, "agent-03-inc", "agent-04-dec")
    below = team.repo.git("rev-parse", f"{second}^1").strip()
    assert team.repo.git("rev-parse", f"{below}^{{tree}}") == team.repo.git("rev-parse", f"{first}^{{tree}}")
    answer = team.moa("group", second, "--base", below, "--json")
    assert (answer.code, answer.data["verdict"], answer.data["agent"]) == (0, "passed", "04")


@pytest.mark.parametrize(("text", "code", "verdict"), [("x * 2", 0, "passed"), ("x * 3", 1, "failed")])
def test_without_an_agents_head_the_suite_alone_is_asked(
    team: Team, text: str, code: int, verdict: str
) -> None:
    base = team.target()
    team.repo.branch("squashed").writes(
        {"src/calc/core.py": f"def double(x):\n    return {text}\n"}
    ).commits()
    answer = team.moa("group", "squashed", "--base", base, "--json")
    assert (answer.code, answer.data["verdict"], answer.data["agent"]) == (code, verdict, "group")
    assert "No agent's head" in " ".join(answer.data["notes"])


def test_a_group_that_does_not_stand_on_its_base_is_refused(team: Team) -> None:
    team.green("03", "inc")
    base = team.target()
    for head, below in (("develop", "agent-03-inc"), ("develop", base), ("0" * 40, base)):
        answer = team.moa("group", head, "--base", below, "--json")
        assert (answer.code, answer.data["error"]["kind"]) == (2, "refused")
