"""`moa gate --evidence DIR` and `moa judge DIR`, run as a person would: here the tests, there the verdict."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.teams import Team

pytestmark = pytest.mark.slow  # each story gates first, then judges in clones


@pytest.fixture
def team(tmp_path: Path) -> Team:
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    return team


def test_another_clone_prints_the_same_object_and_runs_nothing_of_the_branch(
    team: Team, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    note = f"open({str(mark)!r}, 'a').write('x')\n"
    test = f"{note}import calc.mark\n\n\ndef test_a():\n    assert calc.mark.A == 1\n"
    line = team.agent("04", "mark").writes({"src/calc/mark.py": note + "A = 1\n"})
    line.writes({"tests/agent04/test_mark.py": test}).commits()
    gated = team.moa("gate", "04", "--json", "--evidence", str(tmp_path / "evidence"))
    assert mark.exists(), gated.err
    mark.unlink()
    elsewhere = Team(team.repo.clone(tmp_path / "clone"))
    folder, summary = tmp_path / "downloaded", tmp_path / "summary.md"
    shutil.move(tmp_path / "evidence", folder)
    judged = elsewhere.moa("judge", str(folder), "--json", "--summary", str(summary))
    assert (judged.code, judged.out) == (gated.code, gated.out), judged.err
    assert "PASSED" in summary.read_text()
    assert "PASSED" in elsewhere.moa("judge", str(folder)).out
    assert not mark.exists()


def test_a_branch_or_target_that_moved_is_undetermined_and_blames_nobody(team: Team, tmp_path: Path) -> None:
    folder, head = str(tmp_path / "evidence"), team.repo.head("agent-03-inc")
    assert team.moa("gate", "03", "--evidence", folder).code == 0
    team.agent("03", "inc").writes({"NEWS": "more\n"}).commits()
    answer = team.moa("judge", folder, "--json")
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert answer.data["reason"].startswith("agent-03-inc moved: ")
    # The caller may name the commit that was gated; a target that moved stays one.
    assert team.moa("judge", folder, "--head", head).code == 0
    team.repo.writes({"README": "x\n"}).commits()
    assert "develop moved: " in team.moa("judge", folder, "--head", head, "--json").data["reason"]


def test_a_person_s_word_is_taken_from_the_judge_s_caller_and_never_from_the_folder(tmp_path: Path) -> None:
    old = "from calc.core import double\n\n\ndef test_zero():\n    assert double(0) == 0\n"
    team = Team.create(tmp_path / "repo", {"tests/test_zero.py": old})
    team.green("03", "inc")
    team.agent("03", "inc").removes("tests/test_zero.py").commits()
    folder = str(tmp_path / "evidence")
    words = ["--allow", "tests-removed:tests/test_zero.py", "--because", "zero is tested elsewhere"]
    gated = team.moa("gate", "03", *words, "--json", "--evidence", folder)
    assert gated.code == 0, gated.data["reason"]
    without = team.moa("judge", folder, "--json")
    assert (without.code, "was told to let through" in without.data["reason"]) == (3, True)
    assert team.moa("judge", folder, *words, "--json").out == gated.out


def test_a_folder_of_other_files_is_refused_before_the_tests_run(team: Team, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("mine")
    answer = team.moa("gate", "03", "--json", "--evidence", str(tmp_path / "mine"))
    assert (answer.code, answer.data["error"]["kind"]) == (2, "refused")
    assert "thesis.tex" in answer.data["error"]["reason"]
    assert "Running the tests" not in answer.err


@pytest.mark.parametrize("kind", ["missing", "empty", "pipe", "nonsense"])
def test_what_is_no_evidence_is_told_and_is_no_bug(team: Team, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "evidence"
    if kind != "missing":
        folder.mkdir()
    if kind == "pipe":
        os.mkfifo(folder / "evidence.json")
    if kind == "nonsense":
        (folder / "evidence.json").write_text(json.dumps({"schema": 1}))
    answer = team.moa("judge", str(folder), "--json")
    assert answer.code == (2 if kind == "missing" else 3)
    assert answer.data["error"]["kind"] == "usage" if kind == "missing" else answer.data["reason"]
