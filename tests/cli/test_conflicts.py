"""`moa conflicts` on the command line."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click
import pytest
from support.teams import Team

from pytest_moa.cli import app

CORE = "".join(f"line {number}\n" for number in range(20))


@pytest.fixture
def team(tmp_path: Path) -> Team:
    team = Team.create(tmp_path / "repo", {"core.txt": CORE})
    for agent in ("03", "04", "05"):
        team.agent(agent, "work").writes({"core.txt": CORE.replace("line 7\n", f"{agent}\n")}).commits()
    team.agent("06", "apart").writes({"new.txt": CORE}).commits()
    return team


def test_the_matrix_by_the_contract(team: Team) -> None:
    answer = team.moa("conflicts", "--json")
    assert answer.code == 0, answer.err
    data = answer.data
    assert (data["schema"], data["target"], data["branches"]) == (1, team.target(), 4)
    assert [(p["a"], p["b"], p["files"]) for p in data["pairs"]] == [
        ("03", "04", ["core.txt"]),
        ("03", "05", ["core.txt"]),
        ("04", "05", ["core.txt"]),
    ]
    assert data["pairs"][0]["conflicts"][0]["lines"] == [{"a": [8, 8], "b": [8, 8]}]
    assert (data["with_target"], data["merges_tried"]) == ([], 4 + 3)
    assert team.moa("conflicts", "--json").data["merges_tried"] == 0


def test_people_see_a_table_and_the_steps_on_standard_error(team: Team) -> None:
    answer = team.moa("conflicts")
    assert answer.code == 0
    assert answer.out.startswith("🔀 4 branches: 3 pairs conflict with each other.\n")
    assert "03 × 04   core.txt   03: 8; 04: 8" in answer.out  # noqa: RUF001 - the sign of a pair
    assert "merging 4 branches with the target" in answer.err


def test_some_agents_by_id_or_branch(team: Team) -> None:
    data = team.moa("conflicts", "--agents", "05, agent-03-work", "--json").data
    assert [(p["a"], p["b"]) for p in data["pairs"]] == [("03", "05")]
    assert data["branches"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agents", "99"], "99"),
        (["--agents", " , "], "names nobody"),
        (["--json", "--markdown", "-"], "standard output"),
    ],
)
def test_wrong_words_are_refused(team: Team, words: list[str], said: str) -> None:
    answer = team.moa("conflicts", *words)
    assert answer.code == 2
    assert said in answer.err


def test_markdown_goes_to_a_file_or_to_standard_output(team: Team, tmp_path: Path) -> None:
    out = team.moa("conflicts", "--markdown", "-").out
    assert out.startswith("### Conflicts on `develop`\n")
    assert "```mermaid\ngraph LR\n" in out
    answer = team.moa("conflicts", "--json", "--markdown", str(tmp_path / "matrix.md"))
    assert json.loads(answer.out)["schema"] == 1
    assert (tmp_path / "matrix.md").read_text(encoding="utf-8").rstrip() == out.rstrip()
    assert team.moa("conflicts", "--markdown", str(tmp_path / "no/such/folder.md")).code == 2


def test_a_project_without_agents_gets_a_friendly_answer(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo")
    answer = team.moa("conflicts")
    assert (answer.code, answer.out.rstrip()) == (
        0,
        "🔀 No branch to compare yet: a branch called agent-01-name makes an agent.",
    )
    assert "No branch to compare yet" in team.moa("conflicts", "--markdown", "-").out
    assert team.moa("conflicts", "--json").data["pairs"] == []


def test_an_agent_that_was_asked_for_and_has_no_branch_is_told(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": 'registry:\n  - {id: "05", name: Later}\n'})
    assert "no branch yet" in team.moa("conflicts", "--agents", "05").out
    assert team.moa("conflicts", "--json").data["uncompared"] == []


def test_branches_in_conflict_with_the_target_are_paired_on_request(team: Team) -> None:
    team.repo.writes({"core.txt": CORE.replace("line 7\n", "target\n")}).commits()
    data = team.moa("conflicts", "--json").data
    assert [one["agent"] for one in data["with_target"]] == ["03", "04", "05"]
    assert (data["pairs"], data["with_target_paired"]) == ([], False)
    assert len(team.moa("conflicts", "--json", "--with-target-conflicts").data["pairs"]) == 3


def test_every_verb_is_a_command_of_its_own_name() -> None:
    context = click.Context(app.moa)
    for name in app.moa.list_commands(context):
        command = app.moa.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert importlib.import_module(f"pytest_moa.cli.{name}").__doc__
    assert app.moa.get_command(context, "no-such-verb") is None
