"""A real runner for workflows: `act` in host mode, with this checkout as `org/moa-action@v1`.

The actions that a workflow takes from GitHub are stood in for by local ones, so that nothing needs the network:
`setup-python` does nothing, artifacts are folders below one place. `checkout` is act's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.repos import Repo

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("pytest_moa", "templates", "action", "action.yml", "pyproject.toml", "README.md", "LICENSE")

# Read at import: later, each test has a home of its own.
_FOLDERS = os.pathsep.join(
    [os.environ.get("PATH", ""), str(Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin")]
)

_NOTHING = """\
name: nothing
description: Stands in.
inputs:
  python-version: {description: x}
runs:
  using: composite
  steps:
    - {shell: bash, run: ":"}
"""

_UPLOAD = """\
name: upload
description: Copies what is at `path` into a folder of the artifact's name.
inputs:
  name: {description: x}
  path: {description: x}
  if-no-files-found: {description: x}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", FROM: "${{ inputs.path }}", PLACE: "PLACE_OF_ARTIFACTS"}
      run: |
        [ -e "$FROM" ] || exit 0
        mkdir -p "$PLACE/$NAME"
        cp -R "$FROM"/. "$PLACE/$NAME/"
"""

_DOWNLOAD = """\
name: download
description: Copies every artifact into a folder of its name below `path`.
inputs:
  path: {description: x}
  run-id: {description: x}
  github-token: {description: x}
runs:
  using: composite
  steps:
    - shell: bash
      env: {TO: "${{ inputs.path }}", PLACE: "PLACE_OF_ARTIFACTS"}
      run: |
        mkdir -p "$TO"
        [ ! -d "$PLACE" ] || cp -R "$PLACE"/. "$TO/"
"""

# The workflows install the tests' needs; here they are in the environment of this very Python already.
_PYTHON = '#!/bin/sh\n[ "$1 $2" = "-m pip" ] && exit 0\nexec "{python}" "$@"\n'


def act_program() -> str:
    """The path of act; without it the test is skipped, or fails where MOA_REQUIRE_ACT=1."""
    found = shutil.which("act", path=_FOLDERS)
    if found is None and os.environ.get("MOA_REQUIRE_ACT") == "1":
        pytest.fail("act is required here and is neither on PATH nor in GOPATH/bin")
    if found is None:
        pytest.skip("act is not installed (go install github.com/nektos/act@latest)")
    return found


def ship_action(place: Path) -> None:
    """This checkout's action as a repository of its own in `place`."""
    place.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    Repo.create(place).commits("The action")


@dataclass(frozen=True)
class Runner:
    """`root` holds everything: the action, the stand-ins, artifacts, and a home of the runner's own."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Runner:
        act_program()
        ship_action(root / "action")
        stand_ins = {
            "setup-python": _NOTHING,
            "upload-artifact": _UPLOAD,
            "download-artifact": _DOWNLOAD,
        }
        for name, text in stand_ins.items():
            words = text.replace("PLACE_OF_ARTIFACTS", str(root / "artifacts"))
            Repo.create(root / name, files={"action.yml": words})
        tools = root / "bin"
        tools.mkdir()
        for name in ("python", "python3"):
            (tools / name).write_text(_PYTHON.format(python=sys.executable), encoding="utf-8")
            (tools / name).chmod(0o755)
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        if uv:
            (tools / "uv").symlink_to(uv)
        return cls(root)

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def run(
        self,
        repo: Repo,
        event: str,
        *,
        workflow: str,
        payload: Path | None = None,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        more: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """One run of a workflow of the work tree; what act printed is the log of all its jobs."""
        environ = {n: v for n, v in os.environ.items() if not n.startswith(("GITHUB_", "VIRTUAL_ENV"))}
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        environ["PATH"] = os.pathsep.join([str(self.root / "bin"), environ["PATH"]])
        words = [act_program(), event, "-P", "ubuntu-latest=-self-hosted", "-W", workflow, *more]
        for name, folder in (
            ("org/moa-action@v1", "action"),
            ("actions/setup-python@v5", "setup-python"),
            ("actions/upload-artifact@v4", "upload-artifact"),
            ("actions/download-artifact@v4", "download-artifact"),
        ):
            words += ["--local-repository", f"{name}={self.root / folder}"]
        words += ["--eventpath", str(payload)] if payload else []
        for name, value in (secrets or {}).items():
            environ[name] = value
            words += ["--secret", name]
        for name, value in (env or {}).items():
            words += ["--env", f"{name}={value}"]
        return subprocess.run(
            words, cwd=repo.path, env=environ, capture_output=True, text=True, timeout=600, check=False
        )
