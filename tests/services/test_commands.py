"""An agent in another language at the queue: the project's pytest suite and the agent's command, both on the candidate."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import Team

pytestmark = pytest.mark.slow  # two suites a story

CONFIG = 'registry:\n  - {id: "03", source: [web], command: [sh, web.sh], junit: out.xml}\n'
PASSES = 'echo \'<testsuite tests="1"><testcase name="adds"/></testsuite>\' > out.xml\n'


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo", {"moa.yaml": CONFIG, "web.sh": PASSES})


def test_both_have_to_pass_and_both_are_counted(team: Team) -> None:
    team.agent("03", "web").writes({"web/a.js": "one();\n"}).commits()
    data = team.moa("integrate", "03", "--json").data
    assert [landed["tests"]["passed"] for landed in data["landed"]] == [2], data
    assert (data["runs"], data["landed"][0]["coverage"]) == (2, None)
    assert any("names no `coverage` for agent 03" in note for note in data["notes"]), data["notes"]


def test_a_red_pytest_suite_keeps_the_command_s_agent_out(team: Team) -> None:
    team.agent("03", "web").writes({"src/calc/core.py": "def double(x):\n    return 3 * x\n"}).commits()
    data = team.moa("integrate", "03", "--json").data
    assert [(r["class"], r["tests"]) for r in data["rejected"]] == [
        ("red", ["tests/test_core.py::test_double"])
    ]
    assert data["runs"] == 1


def test_a_project_without_pytest_tests_has_no_suite(team: Team) -> None:
    team.repo.writes({"tests/test_core.py": None}).commits()
    team.agent("03", "web").writes({"web/a.js": "one();\n"}).commits()
    data = team.moa("integrate", "03", "--json").data
    assert (data["runs"], [landed["tests"]["passed"] for landed in data["landed"]]) == (1, [1]), data


def test_a_command_that_is_not_there_is_told(team: Team) -> None:
    team.repo.writes({"moa.yaml": CONFIG.replace("[sh, web.sh]", "[no-such-program]")}).commits()
    team.agent("03", "web").writes({"web/a.js": "one();\n"}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, "'no-such-program' is not there" in answer.data["reason"]) == (3, True)
