"""The action as a user meets it: `act` runs a workflow on a fresh repository, in host mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.repos import Repo

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).resolve().parents[2]
_SHIPPED = ("pytest_moa", "templates", "action", "action.yml", "pyproject.toml", "README.md", "LICENSE")

_CORE = "def add(a, b):\n    return a + b\n"
_TEST = "from core import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
_MORE_CORE = _CORE + "\n\ndef sub(a, b):\n    return a - b\n"
_MORE_TEST = _TEST + "\n\ndef test_sub():\n    from core import sub\n\n    assert sub(3, 2) == 1\n"


# Read at import: later, each test has a home of its own.
_FOLDERS = os.pathsep.join(
    [os.environ.get("PATH", ""), str(Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin")]
)


def _act() -> str:
    found = shutil.which("act", path=_FOLDERS)
    if found is None and os.environ.get("MOA_REQUIRE_ACT") == "1":
        pytest.fail("act is required here and is neither on PATH nor in GOPATH/bin")
    if found is None:
        pytest.skip("act is not installed (go install github.com/nektos/act@latest)")
    return found


@dataclass(frozen=True)
class Run:
    status: int
    log: str
    home: Path

    def outputs(self) -> dict[str, str]:
        found = re.search(r"\| OUTPUTS (\{.*\})", self.log)
        assert found, self.log[-6000:]
        return dict(json.loads(found[1]))

    def after(self, name: str) -> str:
        found = re.search(rf"\| {name}=(.*)", self.log)
        assert found, self.log[-6000:]
        return found[1].strip()


@dataclass(frozen=True)
class Desk:
    """A repository with the workflow on `develop`, and act beside it."""

    root: Path
    repo: Repo

    def run(self, branch: str, event: str = "push", **inputs: str) -> Run:
        self.repo.git("checkout", "-q", branch)
        home = self.root / "home"
        environ = {n: v for n, v in os.environ.items() if not n.startswith(("GITHUB_", "VIRTUAL_ENV"))}
        tools = self.root / "bin"
        environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        environ["PATH"] = os.pathsep.join([str(tools), environ["PATH"]])
        words = [w for name, value in inputs.items() for w in ("--var", f"{name.upper()}={value}")]
        done = subprocess.run(
            [_act(), event, "-P", "ubuntu-latest=-self-hosted", "--local-repository",
             f"org/moa-action@v1={self.root / 'action'}", *words],
            cwd=self.repo.path, env=environ, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout + done.stderr, home)


_WORKFLOW = """\
on: [push, schedule]
permissions: {contents: read}
jobs:
  moa:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0, persist-credentials: false}
      - uses: org/moa-action@v1
        id: moa
        with:
          command: ${{ vars.COMMAND }}
          agent: ${{ vars.AGENT }}
          merge: ${{ vars.MERGE }}
          trusted-agents: "true"
          token: tok3n-of-the-landing
          comment: "false"
          python: PYTHON
      - if: always()
        env:
          OUTPUTS: ${{ toJSON(steps.moa.outputs) }}
          REPORT: ${{ steps.moa.outputs.report-path || '/dev/null' }}
        run: |
          echo "OUTPUTS $(printf '%s' "$OUTPUTS" | tr -d '\\n')"
          echo "EVIL=${EVIL:-none}"
          echo "PATH=$PATH"
          echo "REPORT=$(tr -d '\\n' < "$REPORT" | head -c 4000)"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    _act()
    root = tmp_path
    for name in ("home", "bin", "action"):
        (root / name).mkdir()
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if uv:
        (root / "bin" / "uv").symlink_to(uv)
    for name in _SHIPPED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / "action" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / "action" / name)
    Repo.create(root / "action").commits("The action")
    origin = Repo.create(root / "origin.git", bare=True)
    repo = Repo.create(
        root / "team",
        files={
            "core.py": _CORE,
            "tests/test_core.py": _TEST,
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
            ".github/workflows/moa.yml": _WORKFLOW.replace("PYTHON", sys.executable),
        },
    )
    repo.git("remote", "add", "origin", str(origin.path))
    _branches(repo, root / "home")
    repo.git("push", "-q", "origin", "--all")
    repo.git("fetch", "-q", "origin")
    return Desk(root, repo)


def _branches(repo: Repo, home: Path) -> None:
    work = {
        "agent-03-core": {"core.py": _MORE_CORE, "tests/test_core.py": _MORE_TEST},
        "agent-04-red": {"core.py": _MORE_CORE, "tests/test_core.py": _MORE_TEST.replace("== 1", "== 7")},
        "agent-05-hostile": {"tests/test_evil.py": _evil(home)},
        "docs-typo": {"README": "typo"},
    }
    for name, files in work.items():
        repo.git("checkout", "-q", "-b", name, "develop")
        repo.writes(files).commits(f"Work of {name}")


def _evil(home: Path) -> str:
    """A test that writes wherever the runner may read, prints what a runner may obey, and looks for a token."""
    return textwrap.dedent(
        f"""
        import glob, os, sys, subprocess, pathlib
        import pytest

        def test_attack(capfd):
            found = glob.glob({str(home)!r} + "/.cache/act/*/act/workflow/*")
            assert found, "the attack itself has to find the files"
            for path in found:
                if os.path.isfile(path) and not path.endswith((".json", ".sh")):
                    with open(path, "a") as f:
                        f.write("EVIL=1\\nverdict=passed\\n/evil\\n")
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)  # evil-daemon"],
                             start_new_session=True)
            words = "\\n::set-output name=verdict::passed\\n::add-path::/evil\\nx ##[add-path]/evil\\n"
            words += "::set-env name=EVIL::1\\n::stop-commands::mine\\n"
            with capfd.disabled():
                print(words); print(words, file=sys.stderr)
            pid = os.getppid()
            while pid > 1:
                command = pathlib.Path(f"/proc/{{pid}}/cmdline").read_bytes()
                if b"push" in command.split(b"\\0"):
                    break
                if b"pytest_moa.action" in command:
                    # its standard output is the step's log; only root gets so far
                    with open(f"/proc/{{pid}}/fd/1", "w") as f:
                        f.write(words)
                if b"tok3n-of-the-landing" in pathlib.Path(f"/proc/{{pid}}/environ").read_bytes():
                    pytest.fail("TOKEN SEEN")
                pid = int(pathlib.Path(f"/proc/{{pid}}/stat").read_text().rsplit(")", 1)[1].split()[1])
            assert False, "a red test"
        """
    )


def test_a_branch_that_passes_sets_outputs_for_the_next_step(desk: Desk) -> None:
    run = desk.run("agent-03-core", command="gate")
    outputs = run.outputs()
    assert run.status == 0
    assert (outputs["verdict"], outputs["agent"], outputs["coverage"]) == ("passed", "03", "100.00")
    assert json.loads(outputs["tests"])["passed"] == 2
    assert "Summary - ## ✅ PASSED: agent `03`" in run.log
    assert '"verdict": "passed"' in run.after("REPORT")


def test_a_branch_that_fails_fails_the_job_and_says_why(desk: Desk) -> None:
    run = desk.run("agent-04-red", command="auto")
    outputs = run.outputs()
    assert run.status != 0
    assert (outputs["verdict"], outputs["agent"]) == ("failed", "04")
    assert "Summary - ## ❌ FAILED: agent `04`" in run.log
    assert "test_sub" in run.log


def test_a_hostile_branch_sets_nothing_and_leaves_nothing(desk: Desk) -> None:
    run = desk.run("agent-05-hostile", command="gate")
    assert run.outputs()["verdict"] == "failed"
    assert run.after("EVIL") == "none"
    assert "/evil" not in run.after("PATH")
    assert "TOKEN SEEN" not in run.log
    assert run.status != 0
    daemons = subprocess.run(["ps", "ax", "-o", "args="], capture_output=True, text=True, check=True)
    assert "evil-daemon" not in daemons.stdout


def test_a_branch_of_no_agent_is_a_notice(desk: Desk) -> None:
    run = desk.run("docs-typo", command="auto")
    assert run.status == 0
    assert run.outputs()["verdict"] == ""


def test_an_integration_lands_on_the_remote_what_was_tested(desk: Desk) -> None:
    origin = Repo(desk.root / "origin.git")
    before = origin.git("rev-parse", "develop").strip()
    run = desk.run("agent-03-core", command="integrate", agent="03")
    landed = json.loads(run.outputs()["landed"])
    assert run.status == 0
    assert [row["agent"] for row in landed] == ["03"]
    assert origin.git("rev-parse", "develop").strip() == landed[0]["commit"]
    assert origin.git("rev-parse", "develop^1").strip() == before
    again = desk.run("agent-04-red", command="integrate", agent="04")
    assert again.status != 0
    assert json.loads(again.outputs()["rejected"])[0]["agent"] == "04"
    assert origin.git("rev-parse", "develop").strip() == landed[0]["commit"]


def test_what_passes_its_gate_is_merged_where_that_is_asked_for(desk: Desk) -> None:
    origin = Repo(desk.root / "origin.git")
    run = desk.run("agent-03-core", merge="true")
    outputs = run.outputs()
    assert run.status == 0, run.log[-4000:]
    assert (outputs["verdict"], outputs["coverage"]) == ("passed", "100.00")
    assert json.loads(outputs["landed"])[0]["commit"] == origin.git("rev-parse", "develop").strip()


def test_the_queue_lands_who_passes_and_succeeds_although_others_do_not(desk: Desk) -> None:
    origin = Repo(desk.root / "origin.git")
    run = desk.run("develop", event="schedule")
    outputs = run.outputs()
    assert run.status == 0, run.log[-4000:]
    assert [row["agent"] for row in json.loads(outputs["landed"])] == ["03"]
    assert {row["agent"] for row in json.loads(outputs["rejected"])} == {"04", "05"}
    assert json.loads(outputs["landed"])[0]["commit"] == origin.git("rev-parse", "develop").strip()
    assert outputs["verdict"] == ""
    assert run.after("EVIL") == "none"
    assert "TOKEN SEEN" not in run.log
