"""`moa status`, `moa bootstrap` and `moa init`, in the runbook's form and by the contract."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.apart import apart
from support.repos import Repo
from support.teams import Kept, Team

pytestmark = pytest.mark.xdist_group("status")  # one worker makes what they share


@pytest.fixture(scope="module")
def some_days_in(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """One agent has landed, one has passed its gate: made once, since each takes a run of tests."""
    place = tmp_path_factory.mktemp("days")
    start = date.today() - timedelta(days=15)  # noqa: DTZ011 - the calendar of the machine is what is shown
    config = f'project:\n  start: {start}\n  weeks: 11\nregistry:\n  - {{id: "05", name: Later}}\n'
    (place / "apart").mkdir()
    with apart(place / "apart"):
        team = Team.create(place / "repo", {"moa.yaml": config})
        team.green("01", "done")
        team.green("02", "ready")
        team.agent("03", "begun").writes({"README.md": "x\n"}).commits()
        team.agent("04", "idle")
        for verb, agent in (("integrate", "01"), ("gate", "02")):
            answer = team.moa(verb, agent)
            assert answer.code == 0, answer.err
        return Kept(team, place / "kept")


@pytest.fixture
def team(some_days_in: Kept) -> Team:
    return some_days_in.again()


def test_status_is_the_runbooks_report(team: Team) -> None:
    out = team.moa("status").out
    assert out.startswith("📊 DAILY AGENT STATUS REPORT\nDate: ")
    assert "\nWeek: 3/11\n" in out
    assert re.search(r"🎯 Overall Progress: \d+\.\d%", out)
    assert "   ✅ Agent 01: Done (completed, 100.0%)" in out
    assert "   🟢 Agent 02: Ready (ready_for_integration, 95.0%)" in out
    assert "   🔨 Agent 03: Begun (in_progress, 20.0%)" in out
    assert "   💤 Agent 04: Idle (not_started, 0.0%)" in out
    assert "   💤 Agent 05: Later (not_started, 0.0%)" in out


def test_status_by_the_contract(team: Team) -> None:
    data = team.moa("status", "--json").data
    assert (data["schema"], data["week"], data["weeks"]) == (1, 3, 11)
    assert [a["status"] for a in data["agents"]] == [
        "completed",
        "ready_for_integration",
        "in_progress",
        "not_started",
        "not_started",
    ]
    assert [a["next"] for a in data["agents"]][:3] == [None, "moa integrate 02", "moa gate 03"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_one_agents_status_can_be_grepped_as_the_runbooks_script_does(team: Team, form: list[str]) -> None:
    assert '"status": "ready_for_integration"' in team.moa("status", "02", *form).out
    assert '"status": "in_progress"' in team.moa("status", "03", *form).out


def test_a_verdict_on_an_older_target_is_stale(team: Team) -> None:
    team.repo.writes({"NEWS": "x\n"}).commits()
    agent = team.moa("status", "02", "--json").data
    assert (agent["status"], agent["flags"]) == ("ready_for_integration", ["stale"])


def test_a_branch_that_goes_on_after_landing_is_in_progress_again(team: Team) -> None:
    team.agent("01", "done").writes({"MORE": "x\n"}).commits()
    assert team.moa("status", "01", "--json").data["status"] == "in_progress"


def test_a_branch_deleted_after_landing_is_still_completed(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": 'registry: [{id: "03"}]\n'})
    team.green("03", "inc")
    team.moa("integrate", "03")
    team.repo.git("branch", "-D", "agent-03-inc")
    assert team.moa("status", "03", "--json").data["status"] == "completed"


def test_blockers_and_held_work_are_told(team: Team) -> None:
    line = team.agent("06", "stuck").writes({"A": "x\n"})
    line.commits(trailers={"Moa-Blocker": "waits for the schema", "Moa-Ready": "no"})
    agent = team.moa("status", "06", "--json").data
    assert (agent["flags"], agent["blockers"]) == (["blocked", "held"], ["waits for the schema"])


@pytest.mark.parametrize("rev", ["", "^{tree}"])
@pytest.mark.parametrize("argv", [["status"], ["status", "--json"]])
def test_a_branch_that_cannot_be_read_has_a_row_that_says_so_and_spoils_nobody_else_s(
    team: Team, argv: list[str], rev: str
) -> None:
    before = {agent["id"]: agent for agent in team.moa("status", "--json").data["agents"]}
    team.repo.loses(f"agent-03-begun{rev}")
    said = team.moa(*argv)
    assert said.code == 0
    if "--json" not in argv:
        assert "missing from the repository" in said.out
        return
    after = {agent["id"]: agent for agent in said.data["agents"]}
    broken = after.pop("03")
    del before["03"]
    assert after == before
    assert broken["flags"] == ["error"]
    assert "missing from the repository" in broken["blockers"][0]
    assert "git fsck" in broken["next"]
    assert team.moa("status", "03", "--json").data == {"schema": 1, **broken}
    assert team.moa("status", "02", "--json").data["status"] == "ready_for_integration"


def test_control_characters_of_a_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": 'registry: [{id: "03", name: "a\\e[2Jb"}]\n'})
    out = team.moa("status").out
    assert "\x1b" not in out


def test_bootstrap_has_every_check_with_its_result(team: Team) -> None:
    answer = team.moa("bootstrap", "--json")
    assert (answer.code, answer.data["ok"]) == (0, True)
    names = {check["name"] for check in answer.data["checks"]}
    assert names >= {
        "Git Repository",
        "Git Version",
        "Agent Branches",
        "Project Structure",
        "Agents Initialized",
        "Target Branch",
        "Configuration",
        "Test Environment",
        "Full History",
        "Submodules",
        "Write Access",
    }
    out = team.moa("bootstrap").out
    assert out.startswith("🔍 Running bootstrap validation...\n📋 Bootstrap Validation Results\n" + "=" * 40)
    assert "✅ Bootstrap successful!" in out


def test_bootstrap_names_each_failed_check_with_its_remedy(tmp_path: Path) -> None:
    team = Team(
        Repo.create(tmp_path / "repo", files={"moa.yaml": "environment:\n  python: /nowhere/python\n"})
    )
    answer = team.moa("bootstrap", "--json")
    assert (answer.code, answer.data["ok"]) == (1, False)
    failed = {c["name"]: c for c in answer.data["checks"] if not c["ok"]}
    assert set(failed) == {"Agents Initialized", "Agent Branches", "Project Structure", "Test Environment"}
    assert all(check["remedy"] for check in failed.values())
    assert "❌ Bootstrap failed!" in team.moa("bootstrap").out


def test_bootstrap_tells_a_shallow_clone(team: Team, tmp_path: Path) -> None:
    clone = Repo(tmp_path / "clone")
    team.repo.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{team.path}", str(clone.path))
    checks = {c["name"]: c for c in Team(clone).moa("bootstrap", "--json").data["checks"]}
    assert not checks["Full History"]["ok"]
    assert "--unshallow" in checks["Full History"]["remedy"]


def test_init_writes_what_is_missing_and_overwrites_nothing(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"AGENTS.md": "# Ours\n"})
    team.repo.branch("copilot/fix-1").writes({"A": "x\n"}).commits()
    answer = team.moa("init", "--json")
    assert (answer.code, answer.data["patterns"]) == (0, ["copilot/{id}"])
    assert {f["path"]: f["done"] for f in answer.data["files"]} == {
        "moa.yaml": "written",
        ".github/workflows/moa.yml": "written",
        "AGENTS.md": "added",
    }
    text = (team.path / "AGENTS.md").read_text()
    assert text.startswith("# Ours\n")
    assert text.count("<!-- moa:begin -->") == 1
    before = {p: p.read_bytes() for p in (team.path / "moa.yaml", team.path / "AGENTS.md")}
    again = team.moa("init", "--json").data
    assert {f["done"] for f in again["files"]} == {"kept"}
    assert {p: p.read_bytes() for p in before} == before
    # What was written holds: the pattern makes an agent of the branch once it is on the target.
    team.repo.commits("Set up moa")
    assert [a["id"] for a in team.moa("status", "--json").data["agents"]] == ["fix-1"]


def test_a_config_that_is_not_on_the_target_yet_is_told(team: Team) -> None:
    team.repo.git("rm", "-q", "moa.yaml")
    team.repo.commits("No config")
    team.repo.git("checkout", "-q", "-b", "topic")
    data = team.moa("bootstrap", "--json").data
    assert data["ok"]


def test_bootstrap_calls_a_broken_config_by_its_name_and_tells_each_problem_once(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": "agents: {timeout: soon}\nfoo: 1\n"})
    checks = {c["name"]: c for c in team.moa("bootstrap", "--json").data["checks"]}
    assert not checks["Configuration"]["ok"]
    assert "Target Branch" not in checks
    assert checks["Configuration"]["detail"].count("agents.timeout") == 1


def test_a_folder_where_a_config_is_looked_for_is_no_reason_for_defaults(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml/x": ""})
    team.green("03", "inc")
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "config")
    assert "moa.yaml is a folder" in answer.data["error"]["message"]
