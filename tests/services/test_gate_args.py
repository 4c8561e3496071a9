"""`--pytest-args`: the words reach the run, and those that would make it another one end the call before it."""

from __future__ import annotations

import pytest
from support.teams import Team, module, whole_test


@pytest.fixture
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team.create(tmp_path_factory.mktemp("team") / "repo")


def test_words_for_pytest_reach_the_run(team: Team) -> None:
    asks = "\n\ndef test_asked(pytestconfig):\n    assert pytestconfig.getoption('verbose') == 2\n"
    files = {"src/calc/inc.py": module("inc"), "tests/agent03/test_inc.py": whole_test("inc") + asks}
    team.agent("03", "inc").writes(files).commits()
    assert team.moa("gate", "03", "--json").data["verdict"] == "failed"
    assert team.moa("gate", "03", "--json", "--pytest-args", "-v '-v'").data["verdict"] == "passed"
    staged = team.moa("integrate", "03", "--json", "--pytest-args=-vv")
    assert [row["agent"] for row in staged.data["landed"]] == ["03"]


def test_words_that_would_switch_something_off_are_a_usage_error(team: Team) -> None:
    team.green("03", "inc")
    for words in ("-p no:moa", "-k nothing", "'half"):
        answer = team.moa("gate", "03", "--json", f"--pytest-args={words}")
        assert (answer.code, answer.data["error"]["kind"]) == (2, "usage")
