"""`moa report`: the project from what there is; and where texts for GitHub go."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import Team


@pytest.fixture
def team(tmp_path: Path) -> Team:
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    team.green("04", "dec")
    return team


def test_the_report_is_the_status_with_landings_and_conflicts_beside_it(team: Team) -> None:
    head = team.repo.head("refs/heads/agent-03-inc")
    commit = team.moa("integrate", "03", "--json").data["landed"][0]["commit"]
    answer = team.moa("report", "--json")
    data = answer.data
    assert (answer.code, data["schema"], data["alerts"]) == (0, 1, [])
    assert {row["id"]: row["status"] for row in data["agents"]}["03"] == "completed"
    assert data["target"] == {"branch": "develop", "commit": team.target()}
    assert [(row["agent"], row["head"], row["commit"]) for row in data["landed"]] == [("03", head, commit)]
    assert data["landed"][0]["coverage"] == "100.00"
    assert data["conflicts"]["pairs"] == []
    assert "1 landed so far" in team.moa("report").out


def test_a_landing_without_a_ledger_is_told_without_figures(team: Team) -> None:
    team.moa("integrate", "03", "--json")
    team.repo.git("update-ref", "-d", "refs/heads/moa/ledger")
    row = team.moa("report", "--json").data["landed"][0]
    assert (row["agent"], row["passed"], row["coverage"]) == ("03", None, None)


def test_gate_and_report_add_to_the_steps_summary_where_nothing_is_named(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = tmp_path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    team.moa("gate", "03", "--comments", str(tmp_path / "told"), "--json")
    team.moa("report", "--json")
    text = step.read_text()
    assert text.startswith("before\n## ✅ PASSED: agent `03`")
    assert "## 📋 repo:" in text
    assert (tmp_path / "told" / "gate-03.md").read_text().startswith("## ✅ PASSED: agent `03`")
    named = tmp_path / "named.md"
    team.moa("gate", "03", "--summary", str(named), "--json")
    assert step.read_text() == text
    assert named.read_text().startswith("## ✅ PASSED")


def test_comments_say_the_same_when_nothing_changed(team: Team, tmp_path: Path) -> None:
    texts = []
    for place in (tmp_path / "one", tmp_path / "two"):
        team.moa("gate", "03", "--comments", str(place), "--json")
        texts.append((place / "gate-03.md").read_text())
    assert texts[0] == texts[1]


def test_the_queue_tells_each_pull_request_its_own(team: Team, tmp_path: Path) -> None:
    place = tmp_path / "told"
    team.agent("05", "red").writes(
        {"tests/agent05/test_red.py": "def test_red():\n    assert False\n"}
    ).commits()
    team.moa("integrate", "--all", "--comments", str(place), "--json")
    assert sorted(file.name for file in place.iterdir()) == ["queue-03.md", "queue-04.md", "queue-05.md"]
    assert "Landed: agent `03` is on `develop`" in (place / "queue-03.md").read_text()
    assert "Not landed: agent `05`" in (place / "queue-05.md").read_text()


def test_templates_are_read_from_the_target_and_never_from_the_branch(team: Team, tmp_path: Path) -> None:
    config = "report:\n  templates: .moa\n"
    team.repo.writes({"moa.yaml": config, ".moa/summary_gate.md.j2": "TEAM {{ r.agent | code }}\n"}).commits()
    team.agent("06", "mine").writes({".moa/summary_gate.md.j2": "BRANCH\n"}).commits()
    summary = tmp_path / "summary.md"
    team.moa("gate", "03", "--summary", str(summary), "--json")
    assert summary.read_text() == "TEAM `03`\n"
    team.moa("gate", "06", "--summary", str(summary), "--json")
    assert summary.read_text() == "TEAM `06`\n"
