"""Bad input gets a clear message, the right exit code, and changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.repos import Repo
from support.teams import Team

VERBS = [["gate", "03"], ["integrate", "03"], ["status"], ["status", "03"]]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_repository(tmp_path: Path, verb: list[str]) -> None:
    answer = Team(Repo(tmp_path)).moa(*verb, "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "repository")
    assert answer.data["error"]["remedy"]
    assert "not in a git repository" in answer.err


def test_a_bare_repository(tmp_path: Path) -> None:
    answer = Team(Repo.create(tmp_path / "bare.git", bare=True)).moa("gate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "repository")
    assert "bare" in answer.data["error"]["message"]


def test_an_empty_repository(tmp_path: Path) -> None:
    answer = Team(Repo.create(tmp_path / "repo")).moa("gate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "repository")
    assert "empty" in answer.data["error"]["message"]
    assert "git branch develop" in answer.data["error"]["remedy"]


def test_a_detached_head_is_no_hindrance(team: Team) -> None:
    team.green("03", "inc")
    team.repo.checkout("develop", detach=True)
    assert team.moa("gate", "03", "--json").data["verdict"] == "passed"
    assert team.moa("gate", "auto", "--json").data["error"]["kind"] == "no-agent"
    assert team.moa("gate", "auto", "--json", env={"GITHUB_HEAD_REF": "agent-03-inc"}).code == 0


@pytest.mark.parametrize("verb", [["gate", "99"], ["integrate", "99"], ["status", "99"]], ids=" ".join)
def test_no_such_agent(team: Team, verb: list[str]) -> None:
    team.green("03", "inc")
    answer = team.moa(*verb, "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "agent")
    assert "'99'" in answer.data["error"]["message"]
    assert "known agents: 03" in answer.data["error"]["reason"]


def test_two_branches_for_one_agent_are_both_named(team: Team) -> None:
    team.green("03", "inc")
    team.agent("03", "other").writes({"README.md": "x\n"}).commits()
    refs = team.repo.refs()
    for verb in ("gate", "integrate"):
        answer = team.moa(verb, "03", "--json")
        assert (answer.code, answer.data["error"]["kind"]) == (2, "agent")
        assert answer.data["error"]["reason"] == "agent-03-inc, agent-03-other"
    assert team.repo.refs() == refs
    (agent,) = team.moa("status", "--json").data["agents"]
    assert "2 branches claim this id" in agent["blockers"][0]


def test_a_config_with_five_mistakes_names_all_five_at_once(tmp_path: Path) -> None:
    config = (
        "agents:\n  timeout: soon\n  test_threshold: 900\n  treshold: 90\n"
        'integration:\n  method: rebase\nregistry:\n  - {id: "03", depends_on: ["77"]}\n'
    )
    team = Team.create(tmp_path / "repo", {"moa.yaml": config})
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "config")
    problems = answer.data["error"]["problems"]
    assert len(problems) == 5
    paths = (
        "agents.timeout",
        "agents.test_threshold",
        "agents.treshold",
        "integration.method",
        "registry[0].depends_on",
    )
    for path in paths:
        assert any(path in problem for problem in problems), path
        assert path in answer.err


def test_a_config_that_is_a_folder(team: Team, tmp_path: Path) -> None:
    answer = team.moa("gate", "03", "--json", "--config", str(tmp_path))
    assert (answer.code, answer.data["error"]["kind"]) == (2, "config")
    assert str(tmp_path) in answer.data["error"]["message"] + answer.data["error"]["reason"]


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["gate"],
        ["gate", "03", "--threshold", "nan"],
        ["gate", "03", "--threshold", "101"],
        ["gate", "03", "--nonsense"],
        ["gate", "03", "-C", "/nonexistent"],
        ["integrate", "03", "--staged", "x"],
        ["integrate"],
    ],
    ids=" ".join,
)
def test_wrong_words_are_a_usage_error_with_the_error_object(team: Team, words: list[str]) -> None:
    answer = team.moa(*words, "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "usage")
    assert answer.data["error"]["remedy"]
    assert answer.err


def test_a_hundred_megabytes_of_output_are_bounded(team: Team) -> None:
    loud = "import sys\n\n\ndef test_loud(capsys):\n    with capsys.disabled():\n        for _ in range(100):\n            sys.stdout.write('x' * 2**20 + '\\n')\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": loud}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, len(answer.out) < 100_000) == (0, True)


def test_a_red_test_with_a_huge_message_is_bounded(team: Team) -> None:
    loud = "def test_loud():\n    print('y' * 10_000_000)\n    assert 'x' * 1_000_000 == 'z' * 1_000_000\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": loud}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, len(answer.out) < 100_000) == (1, True)


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="root alone can become another user"
)
def test_a_repository_that_may_only_be_read(team: Team, isolated: Path) -> None:
    team.green("03", "inc")
    for folder in (isolated / "home", isolated / "cache", isolated / "tmp"):
        folder.chmod(0o777)
    for parent in team.path.parents:
        if parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    refs = team.repo.refs()
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-P",
        "-m",
        "pytest_moa",
    ]
    probing = "import subprocess, sys, pytest_moa; subprocess.run([sys.executable, '-c', 'import coverage'], check=True)"
    probe = subprocess.run(
        [*command[:4], sys.executable, "-c", probing], cwd="/", check=False, capture_output=True
    )
    if probe.returncode:
        pytest.skip("another user cannot read this installation")
    env = {
        **os.environ,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    config = Path(os.environ["GIT_CONFIG_GLOBAL"])
    config.write_text(config.read_text() + "[safe]\n\tdirectory = *\n")

    def moa(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *args], cwd=team.path, env=env, capture_output=True, text=True, check=False
        )

    assert moa("gate", "03", "--json").returncode == 0, moa("gate", "03").stderr
    landing = moa("integrate", "03", "--json")
    assert landing.returncode == 2, landing.stdout
    assert "may only be read" in landing.stderr
    assert "Running" not in landing.stderr
    assert moa("bootstrap").returncode == 1
    assert team.repo.refs() == refs
    assert list((isolated / "tmp").glob("moa-*")) == []
