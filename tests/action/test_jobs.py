"""The action's steps with the real moa on a remote: plan, gate and land in jobs of their own, a merge group, a fork's gate.

The runner is stood in for by the steps' own processes, in the order and with the variables of action.yml.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from support.github import FakeGitHub, serving
from support.repos import Repo

_ROOT = Path(__file__).resolve().parents[2]
_STEPS = yaml.safe_load((_ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"][1:]
_TOKEN = "t0ken-of-the-landing"  # noqa: S105 - a word that must not turn up elsewhere
_FILES = {
    "core.py": "def add(a, b):\n    return a + b\n",
    "tests/test_core.py": "from core import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
}


def _work(name: str, result: int) -> dict[str, str]:
    test = f"from {name} import {name}\n\n\ndef test_{name}():\n    assert {name}(2, 3) == {result}\n"
    return {
        f"{name}.py": f"def {name}(a, b):\n    return a * b + 1\n",
        f"tests/test_{name}.py": test,
    }


class Team:
    """A bare origin, and clones of it as each job's checkout makes one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.origin = Repo.create(root / "origin.git", bare=True)
        self.repo = Repo.create(root / "team", files=_FILES)
        self.repo.git("remote", "add", "origin", str(self.origin.path))
        self.number = 0
        self.api = "http://127.0.0.1:9"

    def branch(self, name: str, files: Mapping[str, str]) -> str:
        return self.repo.branch(name).writes(files).commits()

    def pushed(self) -> Team:
        self.repo.git("push", "-q", "origin", "--all")
        return self

    def target(self) -> str:
        return self.origin.git("rev-parse", "develop").strip()

    def job(self, event: str, payload: Mapping[str, object] | None = None, **inputs: str) -> Ran:
        """One job: a fresh clone, and the action's steps as action.yml has them."""
        self.number += 1
        place = self.root / f"job{self.number}"
        for name in ("commands", "temp"):
            (place / name).mkdir(parents=True)
        subprocess.run(["git", "clone", "-q", str(self.origin.path), str(place / "work")], check=True)
        Repo(place / "work").git("fetch", "-q", str(self.repo.path), "+refs/pull/*:refs/pull/*")
        (place / "event.json").write_text(json.dumps(payload or {}))
        return Ran(place, event, {"python": sys.executable, **inputs}, self.api).through()


class Ran:
    """What a job came to. A step's condition and variables are read from action.yml, as the runner does."""

    def __init__(self, place: Path, event: str, inputs: Mapping[str, str], api: str) -> None:
        self.place, self.event, self.api = place, event, api
        self.inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        self.outputs: dict[str, dict[str, str]] = {"install": {"python": sys.executable}}
        self.outcome = {"install": "success"}
        self.log = ""
        self.status = 0

    def through(self) -> Ran:
        for step in _STEPS:
            if self._wanted(step):
                self._run(step)
        return self

    def __getitem__(self, name: str) -> str:
        return self.outputs["finish"][name]

    def _wanted(self, step: Mapping[str, str]) -> bool:
        words = str(step.get("if", "success()"))
        words = re.sub(r"(?:steps|inputs)\.[\w.-]+", lambda m: repr(self._value(m[0])), words)
        words = words.replace("&&", " and ").replace("||", " or ")
        fine = all(outcome == "success" for outcome in self.outcome.values())
        return bool(eval(words, {"success": lambda: fine, "always": lambda: True}))  # noqa: S307 - our own file's words

    def _value(self, name: str) -> str:
        kind, _, rest = name.partition(".")
        if kind == "inputs":
            return self.inputs.get(rest, "")
        step, _, what = rest.partition(".")
        if what == "outcome":
            return self.outcome.get(step, "skipped")
        return self.outputs.get(step, {}).get(what.removeprefix("outputs."), "")

    def _filled(self, value: str) -> str:
        found = re.fullmatch(r"\$\{\{ (.*) \}\}", value)
        assert found, value
        if found[1] == "github.action_path":
            return str(_ROOT)
        if found[1] == "inputs.token != ''":
            return str(bool(self._value("inputs.token"))).lower()
        return next((v for name in found[1].split(" || ") if (v := self._value(name))), "")

    def _run(self, step: Mapping[str, object]) -> None:
        name = str(step["id"])
        files = {
            n: str(self.place / "commands" / f"{n.lower()}_{name}")
            for n in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            Path(file).touch()
        given = step["env"]
        assert isinstance(given, dict)
        environ = {
            **{n: v for n, v in os.environ.items() if not n.startswith(("GITHUB_", "IN_"))},
            **files,
            **{n: self._filled(str(v)) for n, v in given.items()},
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(self.place / "event.json"),
            "GITHUB_REF": "refs/heads/develop",
            "GITHUB_REPOSITORY": "octo/team",
            "GITHUB_API_URL": self.api,
            "GITHUB_WORKSPACE": str(self.place / "work"),
            "RUNNER_TEMP": str(self.place / "temp"),
        }
        words = ["bash", "-c", str(step["run"])]
        done = subprocess.run(
            words,
            cwd=self.place / "work",
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        text = Path(files["GITHUB_OUTPUT"]).read_text()
        found = re.findall(r"^([\w-]+)<<(moa_\w+)\n(.*?)\n\2\n", text, re.DOTALL | re.MULTILINE)
        self.outputs[name] = {n: v for n, _, v in found}
        self.outcome[name] = "success" if done.returncode == 0 else "failure"
        self.status = self.status or done.returncode
        self.log += done.stdout + done.stderr


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.mark.slow
def test_plan_gate_and_land_in_jobs_of_their_own(team: Team, tmp_path: Path) -> None:
    team.branch("agent-03-mul", _work("mul", 7))
    team.branch("agent-04-red", _work("red", 0))
    team.branch("agent-20-anything|ä'$(id)", _work("inc", 7))
    team.pushed()
    plan = team.job("schedule", command="plan")
    rows = json.loads(plan["matrix"])["include"]
    assert [row["agent"] for row in rows] == ["03", "04", "20", "train"]
    gates = tmp_path / "artifacts"
    verdicts = {}
    for row in rows:
        place = str(gates / row["agent"])
        ran = team.job("schedule", command="gate", agent=row["agent"], artifacts=place, fail_on="never")
        assert ran.status == 0, ran.log
        verdicts[row["agent"]] = ran["verdict"]
    assert verdicts == {"03": "passed", "04": "failed", "20": "passed", "train": "failed"}
    before = team.target()
    refused = team.job("schedule", command="land", artifacts=str(gates))
    assert (refused.status, team.target()) == (1, before)
    assert "without the input `token`" in refused.log
    ran = team.job("schedule", command="land", artifacts=str(gates), token=_TOKEN, comment="false")
    assert ran.status == 0, ran.log
    assert [row["agent"] for row in json.loads(ran["landed"])] == ["03"]
    assert {row["agent"] for row in json.loads(ran["rejected"])} == {"04", "20"}
    assert team.target() == json.loads(ran["landed"])[0]["commit"]
    assert _TOKEN not in ran.log
    assert not [p for p in ran.place.rglob("*") if p.is_file() and _TOKEN.encode() in p.read_bytes()]


@pytest.mark.slow
def test_the_queue_in_one_job_lands_those_that_pass_together(team: Team) -> None:
    team.branch("agent-03-mul", _work("mul", 7))
    team.branch("agent-04-red", _work("red", 0))
    team.branch("agent-05-inc", _work("inc", 7))
    team.pushed()
    ran = team.job("workflow_dispatch", trusted_agents="true", token=_TOKEN, comment="false")
    assert ran.status == 0, ran.log
    assert [row["agent"] for row in json.loads(ran["landed"])] == ["03", "05"]
    assert [(row["agent"], row["class"]) for row in json.loads(ran["rejected"])] == [("04", "red")]
    assert team.target() == json.loads(ran["landed"])[-1]["commit"]
    again = team.job("workflow_dispatch", trusted_agents="true", token=_TOKEN, comment="false")
    assert (again.status, json.loads(again["landed"])) == (0, [])


def test_a_merge_group_is_gated_as_it_is(team: Team) -> None:
    team.branch("agent-03-mul", _work("mul", 7))
    base = team.repo.head()
    team.repo.git("checkout", "-q", "-b", "gh-readonly-queue/develop/pr-7", "develop")
    team.repo.git("merge", "-q", "--no-ff", "-m", "Merge pull request 7", "agent-03-mul")
    group = {
        "merge_group": {"head_sha": team.repo.head(), "base_sha": base, "base_ref": "refs/heads/develop"}
    }
    ran = team.pushed().job("merge_group", group)
    assert ran.status == 0, ran.log
    assert (ran["verdict"], ran["agent"], ran["coverage"]) == ("passed", "03", "100.00")
    assert json.loads(ran["tests"])["passed"] == 2


def _pull_request(head: str, repository: str) -> dict[str, object]:
    ours = {"full_name": "octo/team"}
    end = {"ref": "agent-03-mul", "sha": head, "repo": {"full_name": repository}}
    return {
        "pull_request": {"number": 7, "head": end, "base": {"ref": "develop", "repo": ours}},
        "repository": ours,
    }


def test_a_forks_pull_request_is_gated_although_its_branch_is_not_here(team: Team) -> None:
    head = team.branch("agent-03-mul", _work("mul", 7))
    team.repo.git("update-ref", "refs/pull/7/head", head)
    team.repo.git("branch", "-q", "-D", "agent-03-mul")
    ran = team.pushed().job("pull_request", _pull_request(head, "stranger/team"))
    assert ran.status == 0, ran.log
    assert (ran["verdict"], ran["agent"]) == ("passed", "03")
    merged = team.job(
        "pull_request", _pull_request(head, "stranger/team"), merge="true", trusted_agents="true"
    )
    assert merged.status == 1
    assert "refused for work from a fork" in merged.log


@pytest.fixture
def github(team: Team, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serving(FakeGitHub()) as fake:
        fake.people[_TOKEN] = "moa-robot"
        team.api = fake.api_url
        yield fake
    assert fake.problems == []


def test_a_gates_comment_is_kept_up_to_date_in_place(team: Team, github: FakeGitHub) -> None:
    red = team.branch("agent-03-mul", _work("mul", 0))
    team.pushed().job("pull_request", _pull_request(red, "octo/team"), token=_TOKEN, fail_on="never")
    (first,) = github.bodies(7, "moa-robot")
    assert "❌ FAILED: agent `03`" in first
    green = team.branch("agent-03-mul", _work("mul", 7))
    ran = team.pushed().job("pull_request", _pull_request(green, "octo/team"), token=_TOKEN)
    assert ran.status == 0, ran.log
    (second,) = github.bodies(7, "moa-robot")
    assert "✅ PASSED: agent `03`" in second


@pytest.mark.slow
def test_a_forks_gate_is_told_by_a_second_workflow_that_judges_it_again(
    team: Team, github: FakeGitHub, tmp_path: Path
) -> None:
    head = team.branch("agent-03-mul", _work("mul", 7))
    team.repo.git("update-ref", "refs/pull/7/head", head)
    team.repo.git("branch", "-q", "-D", "agent-03-mul")
    team.pushed()
    team.repo.git("push", "-q", "origin", "refs/pull/7/head")
    team.origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
    github.pull(7, "agent-03-mul", head=head, repo="stranger/team", state="open")
    github.read_only = True
    place = tmp_path / "artifacts"
    gate = team.job("pull_request", _pull_request(head, "stranger/team"), token=_TOKEN, artifacts=str(place))
    assert gate.status == 0, gate.log
    assert "::notice title=moa::No comment was written" in gate.log
    assert github.comments == []
    github.read_only = False
    run = {"head_sha": head, "head_branch": "agent-03-mul", "head_repository": {"full_name": "stranger/team"}}
    told = {"workflow_run": run, "repository": {"full_name": "octo/team"}}
    team.repo.git("update-ref", "-d", "refs/pull/7/head")  # a checkout does not bring it
    (place / "moa" / "gate-03.md").write_text("forged")
    ran = team.job("workflow_run", told, command="report", artifacts=str(place), token=_TOKEN)
    assert ran.status == 0, ran.log
    (text,) = github.bodies(7, "moa-robot")
    assert "✅ PASSED: agent `03`" in text
