"""Installed and not asked for, the plugin imports nothing and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = (
    "git",
    "jinja2",
    "rich",
    "yaml",
    "msgspec",
    "click",
    "junitparser",
    "coverage",
    "pytest_moa.model",
    "pytest_moa.rules",
    "pytest_moa.config",
    "pytest_moa.errors",
    "pytest_moa.services",
    "pytest_moa.desk",
    "pytest_moa.git",
)

_PROBE = """
import json, sys
import pytest

class Probe:
    def pytest_sessionfinish(self):
        print("SEEN", json.dumps(sorted(sys.modules)))

sys.exit(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *sys.argv[1:]], plugins=[Probe()]))
"""


def _modules(folder: Path, *args: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE, *args], cwd=folder, capture_output=True, text=True, check=True
    )
    line = next(line for line in ran.stdout.splitlines() if "SEEN " in line)
    found: list[str] = json.loads(line.partition("SEEN ")[2])
    return found


def _heavy(modules: list[str]) -> list[str]:
    return [name for name in modules if any(name == h or name.startswith(h + ".") for h in _HEAVY)]


@pytest.mark.parametrize("agent", [None, "03"])
def test_not_asked_for_it_imports_nothing(
    tmp_path: Path, agent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if agent is not None:
        monkeypatch.setenv("AGENT_ID", agent)
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    modules = _modules(tmp_path)
    assert "pytest_moa.plugin" in modules
    # pytest-cov 5 imports coverage by itself
    assert _heavy(modules) == _heavy(_modules(tmp_path, "-p", "no:moa"))
    assert not [name for name in _heavy(modules) if not name.startswith("coverage")]


def test_the_same_question_does_see_what_is_imported_once_asked(tmp_path: Path) -> None:
    (tmp_path / "tests/agent03").mkdir(parents=True)
    (tmp_path / "tests/agent03/test_one.py").write_text("def test_one():\n    pass\n")
    (tmp_path / "core.py").write_text("x = 1\n")
    (tmp_path / "moa.yaml").write_text('registry: [{id: "03", source: [core.py]}]\n')
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE, "--moa-agent", "03"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1  # core.py is own code that nothing runs
    line = next(line for line in ran.stdout.splitlines() if "SEEN " in line)
    assert {"pytest_moa.desk", "coverage"} <= set(_heavy(json.loads(line.partition("SEEN ")[2])))
