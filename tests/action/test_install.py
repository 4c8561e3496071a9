"""`action/install.sh` makes an environment that works from the action's own folder, and leaves everything else alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.act import ship_action

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_it_installs_without_looking_at_the_work_tree_or_the_callers_settings(
    tmp_path: Path, tool: str
) -> None:
    ship_action(tmp_path / "action")
    work, tools, temp, output = (tmp_path / name for name in ("work", "bin", "temp", "output"))
    for folder in (work, tools, temp):
        folder.mkdir()
    for name, text in {
        "uv.toml": "broken =",
        "pip.conf": "[install",
        "click.py": "raise SystemExit(9)",
    }.items():
        (work / name).write_text(text)
    (tools / "python3").symlink_to(sys.executable)
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if tool == "uv":
        if uv is None:
            pytest.skip("uv is not installed")
        (tools / "uv").symlink_to(uv)
    environ = {  # the machine's own settings for its index and certificates stay
        **os.environ,
        "PATH": f"{tools}:/usr/bin:/bin",
        "RUNNER_TEMP": str(temp),
        "GITHUB_OUTPUT": str(output),
        "PYTHONPATH": str(work),
        "VIRTUAL_ENV": str(work),
        "UV_TARGET": str(work),
        "PIP_TARGET": str(work),
    }
    script = ["bash", str(tmp_path / "action" / "action" / "install.sh")]
    subprocess.run(script, cwd=work, env=environ, check=True, timeout=300)
    python = output.read_text().removeprefix("python=").strip()
    assert Path(python).is_relative_to(temp)
    said = subprocess.run(
        [python, "-I", "-m", "pytest_moa", "--version"], cwd=work, check=True, capture_output=True, text=True
    )
    assert said.stdout.startswith("moa, version")
    assert sorted(p.name for p in work.iterdir()) == ["click.py", "pip.conf", "uv.toml"]
