"""The demo judges what it shows: it fails where a command does not do what the story tells."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TEAM = Path(__file__).resolve().parents[2] / "examples" / "team"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TEAM))
    return importlib.import_module("demo")


@pytest.mark.parametrize(
    ("status", "output", "differences"),
    [
        (1, "coverage 75 < 90", ()),
        (0, "coverage 75 < 90", ("`moa gate 03` exited 0, not 1",)),
        (1, "", ("`moa gate 03` did not say '90'",)),
        (70, "a bug", ("`moa gate 03` exited 70, not 1", "`moa gate 03` did not say '90'")),
    ],
)
def test_a_step_that_goes_another_way_is_told(
    demo: Any, status: int, output: str, differences: tuple[str, ...]
) -> None:
    step = demo.moa("gate", "03", exits=1, says=["90"])
    assert demo.Done(step=step, status=status, output=output, seconds=0).differences == differences


def test_what_is_shown_is_what_is_judged(
    demo: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = demo.git("--version", about="Which git?", says=["git version"])
    done = demo.type_in(step, tmp_path, dict(os.environ))
    assert done.differences == ()
    assert capsys.readouterr().out == f"\n# Which git?\n$ git --version\n{done.output}"


def test_branches_that_landed_against_the_story_are_told(demo: Any, tmp_path: Path) -> None:
    heads = demo.build.build(tmp_path / "taskboard")
    (told,) = demo.facts(tmp_path / "taskboard", heads)
    assert told.startswith("develop holds the heads []")


def test_the_typed_commands_see_nobodys_settings(
    demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOA_CONFIG", "AGENT_ID", "GITHUB_HEAD_REF", "GIT_DIR", "PYTEST_ADDOPTS"):
        monkeypatch.setenv(name, "else")
    variables = demo.environment(tmp_path)
    assert "else" not in variables.values()
    assert variables["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


@pytest.mark.slow
def test_the_demo_goes_as_told_and_leaves_only_its_own_folder(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(TEAM / "demo.py")],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (folder,) = tmp_path.iterdir()
    assert {entry.name for entry in folder.iterdir()} >= {"taskboard", "report.md"}
    assert str(folder / "report.md") in run.stdout
