"""The example workflows, as they are copied, on a real runner and a repository that they have not seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.act import ROOT, Runner
from support.repos import Repo

pytestmark = pytest.mark.slow

_EXAMPLES = ROOT / "examples" / "workflows"
_CORE = "def add(a, b):\n    return a + b\n"
_TEST = "from core import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


def _work(name: str, result: str) -> dict[str, str]:
    """A new module with a function and its test; `result` is what the test expects of 2 and 3."""
    return {
        f"{name}.py": f"def {name}(a, b):\n    return a * b + 1\n",
        f"tests/test_{name}.py": (
            f"from {name} import {name}\n\n\ndef test_{name}():\n    assert {name}(2, 3) == {result}\n"
        ),
    }


class Team:
    """A bare origin and a clone, with the examples as the team's workflows on develop."""

    def __init__(self, root: Path) -> None:
        self.runner = Runner.create(root)
        self.origin = Repo.create(root / "origin.git", bare=True)
        self.repo = Repo.create(root / "team")
        self.repo.writes(
            {
                "core.py": _CORE,
                "tests/test_core.py": _TEST,
                "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
            }
        )
        shutil.copytree(_EXAMPLES, self.repo.path / ".github" / "workflows")
        self.repo.commits("The beginning")
        self.repo.git("remote", "add", "origin", str(self.origin.path))

    def branches(self, work: Mapping[str, Mapping[str, str]]) -> None:
        for name, files in work.items():
            self.repo.branch(name).writes(files).commits(f"Work of {name}")
        self.repo.git("push", "-q", "origin", "--all")
        self.repo.git("fetch", "-q", "origin")
        self.repo.git("remote", "set-head", "origin", "develop")

    def pull_request(self, branch: str, *, fork: bool = False) -> Path:
        """The event of a pull request of `branch`, its head checked out as the runner has it."""
        self.repo.git("checkout", "-q", "--detach", f"refs/heads/{branch}")
        mine, theirs = {"full_name": "team/app"}, {"full_name": "stranger/app"}
        event = {
            "number": 7,
            "pull_request": {
                "number": 7,
                "head": {"ref": branch, "sha": self.repo.head(), "repo": theirs if fork else mine},
                "base": {"ref": "develop", "repo": mine},
            },
            "repository": {**mine, "default_branch": "develop"},
        }
        path = self.runner.root / "event.json"
        path.write_text(json.dumps(event), encoding="utf-8")
        return path

    def on_target(self, path: str) -> bool:
        return self.origin.git("ls-tree", "--name-only", "develop", "--", path).strip() == path


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def _workflow(name: str) -> str:
    return f".github/workflows/{name}.yml"


def test_the_gate_of_a_pull_request_leaves_its_evidence(team: Team) -> None:
    team.branches({"agent-03-times": _work("times", "7"), "agent-04-red": _work("red", "8")})
    green = team.runner.run(
        team.repo, "pull_request", workflow=_workflow("gate"), payload=team.pull_request("agent-03-times")
    )
    assert green.returncode == 0, green.stdout[-6000:]
    assert "PASSED" in green.stdout
    assert list(team.runner.artifacts.rglob("evidence.json"))
    red = team.runner.run(
        team.repo, "pull_request", workflow=_workflow("gate"), payload=team.pull_request("agent-04-red")
    )
    assert red.returncode != 0
    assert "FAILED" in red.stdout


def test_plan_gates_and_landing_in_three_jobs(team: Team) -> None:
    team.branches({f"agent-0{n}-{w}": _work(w, "7") for n, w in ((1, "one"), (2, "two"), (3, "three"))})
    team.branches({"agent-04-red": _work("red", "8")})
    run = team.runner.run(
        team.repo, "workflow_dispatch", workflow=_workflow("land"), secrets={"MOA_TOKEN": "tok3n-to-push"}
    )
    assert run.returncode == 0, run.stdout[-8000:]
    # The red one spoils the train, so that the first that passed alone lands; the next plan goes on without it.
    assert team.on_target("one.py")
    assert not team.on_target("red.py")
    assert "tok3n-to-push" not in run.stdout
    shutil.rmtree(team.runner.artifacts)
    team.repo.git("fetch", "-q", "origin")
    again = team.runner.run(
        team.repo, "workflow_dispatch", workflow=_workflow("land"), secrets={"MOA_TOKEN": "tok3n-to-push"}
    )
    assert again.returncode == 0, again.stdout[-8000:]
    assert team.on_target("two.py")
    assert team.on_target("three.py")
    assert not team.on_target("red.py")


def test_the_queue_in_one_job_lands_what_is_green(team: Team) -> None:
    team.branches({"agent-01-one": _work("one", "7"), "agent-02-two": _work("two", "7")})
    team.branches({"agent-04-red": _work("red", "8")})
    run = team.runner.run(
        team.repo, "workflow_dispatch", workflow=_workflow("queue"), secrets={"GITHUB_TOKEN": "tok3n-to-push"}
    )
    assert run.returncode == 0, run.stdout[-8000:]
    assert team.on_target("one.py")
    assert team.on_target("two.py")
    assert not team.on_target("red.py")
