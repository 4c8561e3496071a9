"""`--moa-config`, `--moa-threshold`, `--moa-report`, AGENT_ID."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.desks import CONFIG, FILES, Desk

from pytest_moa.desk.misled import joined


def test_a_threshold_may_raise_the_policys(desk: Desk) -> None:
    desk.shop("agents: {test_threshold: 80}\n" + CONFIG)
    assert desk.runs("--moa-agent", "03").status == 0
    ran = desk.runs("--moa-agent", "03", "--moa-threshold", "83.34")
    assert (ran.status, ran.gate["coverage"]["threshold"]) == (1, "83.34")


def test_a_threshold_never_lowers_the_policys_and_says_so(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "03", "--moa-threshold", "10")
    assert (ran.status, ran.gate["coverage"]["threshold"]) == (1, "90")
    assert "--moa-threshold 10 is ignored: the policy asks for 90" in ran.out


@pytest.mark.parametrize("word", ["ninety", "-1", "101", "nan", "inf", ""])
def test_an_impossible_threshold_is_a_usage_error(desk: Desk, word: str) -> None:
    assert "is no percentage" in desk.shop().refuses("--moa-agent", "03", f"--moa-threshold={word}")


def test_the_config_may_lie_elsewhere(desk: Desk) -> None:
    desk.shop(None).has({"ci/gates.yaml": CONFIG})
    assert (
        desk.runs("--moa-agent", "04", "--moa-config", "ci/gates.yaml").gate["coverage"]["percent"]
        == "100.00"
    )


def test_all_mistakes_of_a_config_are_told_at_once(desk: Desk) -> None:
    said = desk.shop("moa: {log_level: LOUD}\nagents: {timeout: -1, test_threshold: 200}\n").refuses(
        "--moa-agent", "03"
    )
    for key in ("moa.log_level", "agents.timeout", "agents.test_threshold"):
        assert key in said


@pytest.mark.parametrize("file", ["gone.yaml", "tests"])
def test_a_config_that_is_not_there_or_a_folder_is_a_usage_error(desk: Desk, file: str) -> None:
    assert file in desk.shop().refuses("--moa-agent", "03", f"--moa-config={file}")


def test_the_report_is_the_gates_object_marked_as_advice(desk: Desk) -> None:
    gate = desk.shop().runs("--moa-agent", "04").gate
    assert (gate["schema"], gate["agent"], gate["advisory"], gate["candidate"]) == (1, "04", True, None)
    assert {"findings", "probes", "environment", "seconds", "failures"} <= gate.keys()


def test_the_reports_folder_is_made_and_nothing_else_is_left_in_it(desk: Desk) -> None:
    desk.shop().runs("--moa-agent", "04", "--moa-report", "out/deep/gate.json", report=False)
    assert [path.name for path in (desk.root / "out/deep").iterdir()] == ["gate.json"]


def test_an_older_report_does_not_outlive_a_run_that_dies(desk: Desk) -> None:
    desk.shop().has(
        {"tests/agent04/test_die.py": "import os\n\n\ndef test_die():\n    os._exit(0)\n", "old.json": "{}"}
    )
    desk.runs("--moa-agent", "04", "--moa-report=old.json", report=False)
    assert not (desk.root / "old.json").exists()


@pytest.mark.parametrize("file", ["moa.yaml/x.json", "src"])
def test_a_report_that_cannot_be_written_is_a_usage_error_before_the_tests(desk: Desk, file: str) -> None:
    assert "cannot be written" in desk.shop().refuses("--moa-agent", "03", f"--moa-report={file}")


@pytest.mark.parametrize(
    "home",
    [
        {"moa.yaml": CONFIG},
        {"config/moa_config.yaml": CONFIG},
        {"tests/agent03/__init__.py": ""},
        {"pyproject.toml": FILES["pyproject.toml"] + "[tool.moa.agents]\ntest_threshold = 80\n"},
    ],
    ids=["moa.yaml", "config", "tests", "pyproject"],
)
def test_agent_id_wakes_where_moa_is_at_home(
    desk: Desk, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ID", "03")
    desk.shop(None).has(home)
    assert desk.runs().gate["agent"] == "03"


@pytest.mark.parametrize("agent", ["17", "../agent03", "", "x/../agent03"])
def test_agent_id_of_another_system_does_not_wake(
    desk: Desk, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ID", agent)
    ran = desk.shop(None).runs(report=False)
    assert (ran.status, ran.report, "moa: agent" in ran.out) == (0, None, False)


def test_moas_own_child_run_is_never_woken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_ID", "03")
    monkeypatch.setenv("MOA_CHILD", "1")
    ran = desk.shop().runs()
    assert (ran.status, ran.report) == (0, None)


def test_nothing_is_left_in_the_temporary_folder(desk: Desk) -> None:
    desk.shop().runs("--moa-agent", "04", "-n1")
    assert [p.name for p in Path(os.environ["TMPDIR"]).iterdir() if p.name.startswith("moa")] == []


def test_a_report_as_a_word_of_its_own_does_not_mislead_pytest_about_the_project(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = tmp_path_factory.mktemp("elsewhere") / "gate.json"
    report.write_text("{}")  # pytest takes a file that is there for a path of tests
    ran = desk.shop().runs("--moa-agent", "04", "--moa-report", str(report), report=False, fresh=True)
    assert "configfile: pyproject.toml" in ran.out
    assert (ran.status, json.loads(report.read_text())["verdict"]) == (0, "passed")


def test_where_the_command_cannot_be_started_again_the_right_words_are_told(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("elsewhere") / "gates.yaml"
    config.write_text(CONFIG)
    said = desk.shop(None).refuses("--moa-agent", "04", "--moa-config", str(config))
    assert f"Write it with an equals sign: --moa-config={config}" in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--moa-report", "/etc/passwd", "-q"], ["--moa-report=/etc/passwd", "-q"]),
        (["--moa-report", "inside.json"], ["--moa-report", "inside.json"]),
        (["--moa-report", "/no/such/file"], ["--moa-report", "/no/such/file"]),
        (["--moa-report=/etc/passwd", "/etc/passwd"], ["--moa-report=/etc/passwd", "/etc/passwd"]),
        (["--moa-config", "/etc/passwd", "/etc/passwd"], ["--moa-config=/etc/passwd", "/etc/passwd"]),
        (["--moa-config"], ["--moa-config"]),
    ],
)
def test_only_files_outside_are_joined_to_their_option(
    words: list[str], meant: list[str], tmp_path: Path
) -> None:
    (tmp_path / "inside.json").write_text("")
    assert joined(words, tmp_path) == meant
