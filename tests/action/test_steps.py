"""The action's steps with a stand-in for `moa`: what it answers, and what it attacks, and what comes of it."""

# ruff: noqa: S105, S106 - the tokens here are words that must not turn up elsewhere
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.processes import dies
from support.repos import Repo

from pytest_moa.action import __main__ as steps
from pytest_moa.action import finish, guarded
from pytest_moa.action.inputs import Inputs, read_inputs
from pytest_moa.action.plan import Words, child_environment, decide
from pytest_moa.action.report import Report, load, read_answer, save
from pytest_moa.action.whereabouts import Facts
from pytest_moa.errors import ConfigError, RefusedError, UndeterminedError
from pytest_moa.github.context import Context
from pytest_moa.github.runner_files import VARIABLES

_COUNTS = {"collected": 2, "passed": 2, "failed": 0, "skipped": 0, "errors": 0}
_OID = "a" * 40


def gate_answer(verdict: str = "passed", **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "agent": "03",
        "verdict": verdict,
        "tests": _COUNTS,
        "coverage": {"percent": "93.10"},
        "findings": [],
        "failures": [],
        **more,
    }


def integrate_answer(**more: Any) -> dict[str, Any]:
    return {"schema": 1, "target": {}, "landed": [], "rejected": [], "staged": [], **more}


_BESIDE = {
    "conflicts": {"schema": 1, "pairs": [{"a": "03", "b": "04", "files": ["x"]}]},
    "report": {"schema": 1},
}


class Job:
    """A job with its runner's files in a real repository; `moa` is a Python script given by the test."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.repo = Repo.create(root / "work", files={"a.py": "A = 1\n"})
        for name in ("agent-03-x", "docs-typo"):
            self.repo.branch(name).writes({f"{name}.py": "B = 1\n"}).commits()
        self.files = root / "commands"
        self.files.mkdir()
        self.temp = root / "temp"
        self.temp.mkdir()
        self.calls = root / "calls"
        self.script = root / "moa.py"
        self.number = 0
        monkeypatch.setattr(steps, "_moa", lambda *words: [sys.executable, "-I", str(self.script), *words])

    def moa(
        self,
        answer: Mapping[str, Any],
        status: int = 0,
        does: str = "",
        staged: Mapping[str, Any] | None = None,
        **verbs: Mapping[str, Any],
    ) -> Job:
        """The stand-in prints `answer`, after `does`; with `--staged` it prints `staged`; `verbs` answer for themselves."""
        known = json.dumps({**_BESIDE, **verbs, "main": dict(answer), "--staged": dict(staged or answer)})
        self.script.write_text(
            "import json, os, sys, time, subprocess\n"
            f"open({str(self.calls)!r}, 'a').write(json.dumps([sys.argv[1:], dict(os.environ)]) + chr(10))\n"
            f"known, files, verb = json.loads({known!r}), {str(self.files)!r}, (*sys.argv, '')[1]\n"
            "if any(a.startswith('--staged') for a in sys.argv): verb = '--staged'\n"
            "if verb in known:\n"
            "    print(json.dumps(known[verb])); sys.exit(0)\n"
            f"{does}\n"
            f"print(json.dumps(known['main'])); sys.exit({status})\n"
        )
        return self

    def environ(self, step: str, **words: str) -> dict[str, str]:
        own = {name: str(self.files / f"{name.lower()}_{step}_{self.number}") for name in VARIABLES}
        for path in own.values():
            Path(path).touch()
        base = {
            "PATH": os.environ["PATH"],
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": str(self.repo.path),
            "GITHUB_REF": "refs/heads/agent-03-x",
        }
        return {**base, "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": _OID, **own, **words}

    def outputs(self, step: str) -> dict[str, str]:
        text = (self.files / f"github_output_{step}_{self.number}").read_text()
        return {
            n: v
            for n, _, v in re.findall(r"^([\w-]+)<<(moa_\w+)\n(.*?)\n\2\n", text, re.DOTALL | re.MULTILINE)
        }

    def run(self, token: str = "", event: str = "push", **words: str) -> tuple[int, dict[str, str]]:
        """All steps in order, as action.yml has them; the last one's status and outputs."""
        self.number += 1
        words = {"GITHUB_EVENT_NAME": event, **words}
        assert steps.test(self.environ("test", MOA_ACTION_HAS_TOKEN=str(bool(token)).lower(), **words)) == 0
        tested = self.outputs("test")
        handed = {f"MOA_ACTION_{n.upper()}": tested[n] for n in ("folder", "digest", "commit", "next")}
        handed["MOA_ACTION_OUTCOME"] = "success"
        if tested["next"] == "merge":
            steps.merge(self.environ("merge", **handed, **words))
            merged = self.outputs("merge")
            handed |= {
                "MOA_ACTION_MERGE_DIGEST": merged["digest"],
                "MOA_ACTION_MERGE_OUTCOME": "success",
                "MOA_ACTION_COMMIT": merged["commit"],
            }
        if handed["MOA_ACTION_COMMIT"] or tested["next"] == "land":
            more = {"MOA_ACTION_PATH": str(self.root), "MOA_TOKEN": token}
            steps.land(self.environ("land", **more, **handed, **words))
            handed |= {
                "MOA_ACTION_LAND_DIGEST": self.outputs("land")["digest"],
                "MOA_ACTION_LAND_OUTCOME": "success",
            }
        status = steps.conclude(self.environ("finish", **handed, **words))
        return status, self.outputs("finish")

    def seen(self) -> list[tuple[list[str], dict[str, str]]]:
        return [tuple(json.loads(line)) for line in self.calls.read_text().splitlines()]

    def verbs(self) -> list[str]:
        return [words[0] for words, _ in self.seen()]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(tmp_path, monkeypatch)


def test_a_passed_gate_sets_every_output(job: Job) -> None:
    status, outputs = job.moa(gate_answer()).run()
    assert status == 0
    assert set(outputs) == set(finish.OUTPUTS)
    assert (outputs["verdict"], outputs["agent"], outputs["coverage"]) == ("passed", "03", "93.10")
    assert json.loads(outputs["tests"]) == _COUNTS
    assert json.loads(Path(outputs["report-path"]).read_text())["verdict"] == "passed"
    assert (outputs["landed"], outputs["rejected"]) == ("", "")


@pytest.mark.parametrize(
    ("said", "status", "fail_on", "ends"),
    [
        ("failed", 1, "", 1),
        ("failed", 1, "undetermined", 0),
        ("failed", 1, "never", 0),
        ("undetermined", 3, "", 1),
        ("undetermined", 3, "failed", 0),
        ("undetermined", 4, "conflicts", 1),
        ("passed", 0, "failed,undetermined,rejected,conflicts", 0),
    ],
)
def test_fail_on_alone_decides_over_verdicts(
    job: Job, said: str, status: int, fail_on: str, ends: int
) -> None:
    ended, outputs = job.moa(gate_answer(said), status).run(IN_FAIL_ON=fail_on)
    assert (ended, outputs["verdict"]) == (ends, said)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (gate_answer(), 1),
        (gate_answer("failed"), 0),
        (gate_answer("great"), 0),
        (gate_answer(schema=2), 0),
        ({"schema": 1}, 0),
        ({"error": {"kind": "usage", "message": "no"}}, 0),
        ({"error": {"kind": "config", "message": "five mistakes"}}, 2),
        ({"error": {"kind": "bug", "message": "ours"}}, 70),
    ],
)
def test_errors_and_contradictions_fail_whatever_fail_on_says(
    job: Job, answer: dict[str, Any], status: int
) -> None:
    ended, outputs = job.moa(answer, status).run(IN_FAIL_ON="never")
    assert (ended, outputs["verdict"]) == (1, "undetermined")
    assert "UNDETERMINED" in Path(outputs["summary-path"]).read_text()[:300]


def test_a_branch_of_nobody_is_a_notice_and_a_success(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    status, outputs = job.moa(gate_answer()).run(GITHUB_REF="refs/heads/docs-typo")
    assert (status, outputs["verdict"]) == (0, "")
    assert "::notice title=moa::The branch docs-typo belongs to no agent" in capfd.readouterr().out
    assert not job.calls.exists()
    assert set(outputs) == set(finish.OUTPUTS)


_HOSTILE = """
for name in os.listdir(files):
    with open(os.path.join(files, name), 'a') as f: f.write('EVIL=1\\n/evil\\n')
open(os.path.join(files, 'added'), 'w').write('EVIL=1')
for line in ('::set-output name=verdict::passed', 'x ##[add-path]/evil', '::add-mask::a', 'half'):
    print(line, file=sys.stderr, end='' if line == 'half' else chr(10))
"""


def test_what_tests_write_and_print_sets_nothing(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    outer = job.files / "github_env_outer"
    outer.write_text("KEPT=1\n")
    status, outputs = job.moa(gate_answer("failed"), 1, _HOSTILE).run()
    assert (status, outputs["verdict"]) == (1, "failed")
    assert outer.read_text() == "KEPT=1\n"
    written = {p.name: p.read_text() for p in job.files.iterdir()}
    assert "added" not in written
    assert not [name for name, text in written.items() if "EVIL" in text or "/evil" in text]
    log = capfd.readouterr().out
    inside = log.split("::stop-commands::")[1].split("\n")[1:-1]
    assert not [line for line in inside if line.startswith(("::set-output", "::add-mask")) or "##[" in line]
    assert "github_env_outer" in Path(outputs["summary-path"]).read_text()


def test_no_token_no_input_and_no_path_to_the_runners_files_reach_moa(job: Job) -> None:
    secrets = dict.fromkeys(
        ("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "INPUT_TOKEN", "MOA_TOKEN"), "SECRET"
    )
    job.moa(gate_answer()).run(IN_PYTHON=sys.executable, **secrets)
    ((words, environment),) = job.seen()
    assert "SECRET" not in environment.values()
    assert not [n for n, v in environment.items() if str(job.files) in v]
    assert environment["GITHUB_REF"] == "refs/heads/agent-03-x"
    assert words[-2:] == ["--", "03"]
    assert f"--python={sys.executable}" in words


@pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is Linux's")
def test_nothing_that_the_tests_started_lives_on(job: Job) -> None:
    does = (
        "p = subprocess.Popen([sys.executable, '-c', 'import os, time; os.setsid(); time.sleep(60)'], "
        "start_new_session=True)\n"
        f"open({str(job.root / 'pid')!r}, 'w').write(str(p.pid))\n"
    )
    began = time.monotonic()
    assert job.moa(gate_answer(), 0, does).run()[0] == 0
    assert time.monotonic() - began < 20
    assert dies(int((job.root / "pid").read_text()))


def test_a_killed_moa_is_undetermined(job: Job) -> None:
    status, outputs = job.moa(gate_answer(), 0, "os.kill(os.getpid(), 9)").run(IN_FAIL_ON="never")
    assert (status, outputs["verdict"]) == (1, "undetermined")


def _staged() -> dict[str, Any]:
    return integrate_answer(staged=[{"agent": "03", "head": _OID, "commit": "c" * 40}])


def test_only_the_landing_has_the_token_and_it_lands_what_was_tested(job: Job) -> None:
    landed = integrate_answer(landed=[{"agent": "03", "head": _OID, "commit": "c" * 40}])
    status, outputs = job.moa(_staged(), 0, staged=landed).run(
        token="s3cret", IN_COMMAND="integrate", IN_TRUSTED_AGENTS="true", IN_AGENT="03"
    )
    (tested, without), _, (landing, with_token) = job.seen()
    assert status == 0
    assert json.loads(outputs["landed"])[0]["commit"] == "c" * 40
    assert outputs["verdict"] == "passed"
    assert any(w.startswith("--stage=") for w in tested)
    assert f"--commit={'c' * 40}" in landing
    assert "s3cret" not in str(without)
    assert with_token["MOA_TOKEN"] == "s3cret"
    assert (with_token["MOA_RUN_NOTHING"], "MOA_RUN_NOTHING" in without) == ("1", False)
    assert "s3cret" not in str(landing)


def test_git_asks_for_the_token_and_keeps_it_nowhere(job: Job, tmp_path: Path) -> None:
    landed = integrate_answer(landed=[{"agent": "03", "head": _OID, "commit": "c" * 40}])
    action = Path(__file__).resolve().parents[2]
    job.moa(_staged(), 0, staged=landed)
    steps.test(job.environ("test", IN_COMMAND="integrate", IN_TRUSTED_AGENTS="true", IN_AGENT="03"))
    handed = {f"MOA_ACTION_{n.upper()}": job.outputs("test")[n] for n in ("folder", "digest", "commit")}
    steps.land(job.environ("land", MOA_ACTION_PATH=str(action), MOA_TOKEN="s3cret", **handed))
    (tmp_path / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    environment = {**job.seen()[-1][1], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    environment.pop("GIT_CONFIG_GLOBAL", None)
    asked = "protocol=https\nhost=github.com\n\n"

    def git(*words: str, text: str) -> str:
        return subprocess.run(
            ["git", *words], input=text, env=environment, capture_output=True, text=True, check=True
        ).stdout

    said = git("credential", "fill", text=asked)
    assert "username=x-access-token\npassword=s3cret\n" in said
    git("credential", "approve", text=said)
    assert sorted(path.name for path in tmp_path.glob(".git*")) == [".gitconfig"]


def test_a_report_that_was_changed_between_the_steps_lands_nothing(job: Job) -> None:
    job.moa(_staged(), 0)
    environ = job.environ("test", IN_COMMAND="integrate", IN_TRUSTED_AGENTS="true", IN_AGENT="03")
    steps.test(environ)
    tested = job.outputs("test")
    file = Path(tested["folder"]) / "test.json"
    file.write_text(file.read_text().replace("c" * 40, "d" * 40))
    handed = {f"MOA_ACTION_{n.upper()}": tested[n] for n in ("folder", "digest")}
    steps.land(job.environ("land", MOA_ACTION_COMMIT="d" * 40, MOA_TOKEN="t", **handed))
    assert "--staged" not in str(job.seen())


@pytest.mark.parametrize(
    ("rejected", "fail_on", "ends", "said"),
    [
        ("red", "", 1, "failed"),
        ("red", "never", 0, "failed"),
        ("coverage", "rejected", 1, "failed"),
        ("held", "", 1, "undetermined"),
        ("target", "failed", 0, "undetermined"),
    ],
)
def test_a_rejected_integration_lands_nothing(
    job: Job, rejected: str, fail_on: str, ends: int, said: str
) -> None:
    answer = integrate_answer(rejected=[{"agent": "03", "class": rejected, "reason": "why"}])
    status, outputs = job.moa(answer, 1).run(
        IN_COMMAND="integrate", IN_TRUSTED_AGENTS="true", IN_AGENT="03", IN_FAIL_ON=fail_on
    )
    assert (status, outputs["verdict"]) == (ends, said)
    assert json.loads(outputs["rejected"])[0]["class"] == rejected
    assert json.loads(outputs["landed"]) == []


def test_every_mistake_in_the_inputs_is_named_at_once(job: Job) -> None:
    wrong = {
        "IN_COMMAND": "merge",
        "IN_AGENT": "$(id)",
        "IN_THRESHOLD": "NaN",
        "IN_TRUSTED_AGENTS": "yes",
        "IN_MERGE": "1",
        "IN_TARGET": "--force",
        "IN_WORKING_DIRECTORY": "..",
        "IN_PYTEST_ARGS": "-p no:moa",
        "IN_ALLOW": "rule:path",
        "IN_FAIL_ON": "never,failed",
        "IN_PYTHON": "-x",
    }
    with pytest.raises(ConfigError) as caught:
        read_inputs(wrong)
    assert len(caught.value.problems) == len(wrong)
    status, _ = job.moa(gate_answer()).run(**wrong)
    assert status == 1
    assert not job.calls.exists()


_PUSH = Context(event="push", branch="agent-03-x", head=_OID)
_PULL = Context(event="pull_request", branch="agent-03-x", head=_OID)
_FORK = Context(event="pull_request", branch="agent-03-x", head=_OID, fork=True)
_TARGET_FORK = Context(event="pull_request_target", branch="agent-03-x", head=_OID, fork=True)
_SCHEDULE = Context(event="schedule", branch="develop")
_RUN = Context(event="workflow_run", branch="develop")
_RUN_OF_FORK = Context(event="workflow_run", branch="develop", fork=True)
_GROUP = Context(event="merge_group", head=_OID, base_head="b" * 40)
_03 = Facts(target="develop", agent="03", pushes=True)
_NOBODY = Facts(target="develop", nobody="belongs to no agent", pushes=True)
_TARGET = Facts(target="develop", nobody="belongs to no agent", at_target=True, pushes=True)
_TRUSTED = Inputs(trusted_agents=True)


@pytest.mark.parametrize(
    ("inputs", "context", "facts", "doing", "agent"),
    [
        (Inputs(), _PUSH, _03, "gate", "03"),
        (Inputs(), _PULL, _03, "gate", "03"),
        (Inputs(), _FORK, _03, "gate", "03"),
        (_TRUSTED, _PUSH, _03, "gate", "03"),
        (Inputs(), _PUSH, _NOBODY, "nothing", ""),
        (Inputs(), Context(event="push"), _NOBODY, "nothing", ""),
        (Inputs(), _PUSH, _TARGET, "look", ""),
        (Inputs(), _SCHEDULE, _TARGET, "look", ""),
        (_TRUSTED, _SCHEDULE, _TARGET, "queue", ""),
        (_TRUSTED, _PUSH, _TARGET, "queue", ""),
        (_TRUSTED, _RUN, _TARGET, "queue", ""),
        (_TRUSTED, _RUN_OF_FORK, _TARGET, "look", ""),
        (_TRUSTED, Context(event="workflow_dispatch", branch="develop"), _TARGET, "queue", ""),
        (Inputs(trusted_agents=True, agent="04"), _SCHEDULE, _TARGET, "integrate", "04"),
        (Inputs(), _GROUP, _NOBODY, "group", ""),
        (Inputs(command="gate", agent="train"), _SCHEDULE, _TARGET, "gate", "train"),
        (Inputs(command="plan"), _SCHEDULE, _TARGET, "plan", ""),
        (Inputs(command="report"), _RUN_OF_FORK, _TARGET, "report", ""),
        (Inputs(command="integrate", trusted_agents=True), _PUSH, _03, "integrate", "03"),
        (Inputs(command="integrate", trusted_agents=True), _SCHEDULE, _TARGET, "queue", ""),
        (
            Inputs(command="integrate"),
            _SCHEDULE,
            Facts(target="develop", checks=True, pushes=True),
            "queue",
            "",
        ),
    ],
)
def test_command_and_event_say_what_is_done(
    inputs: Inputs, context: Context, facts: Facts, doing: str, agent: str
) -> None:
    decided = decide(inputs, context, facts, token=True)
    assert (decided.doing, decided.agent) == (doing, agent)
    assert not decided.merge


@pytest.mark.parametrize(
    ("inputs", "context", "facts", "token", "says"),
    [
        (Inputs(command="integrate"), _PUSH, _03, True, "trusted-agents"),
        (Inputs(command="integrate", trusted_agents=True), _FORK, _03, True, "fork"),
        (Inputs(command="integrate", trusted_agents=True), _PUSH, _03, False, "token"),
        (Inputs(merge=True, trusted_agents=True), _FORK, _03, True, "fork"),
        (Inputs(merge=True), _PULL, _03, True, "trusted-agents"),
        (Inputs(merge=True, trusted_agents=True), _PULL, _03, False, "token"),
        (Inputs(command="land"), _FORK, _03, True, "fork"),
        (Inputs(command="land"), _SCHEDULE, _TARGET, True, "evidence"),
        (Inputs(), _TARGET_FORK, _03, True, "pull_request_target"),
        (Inputs(), Context(event="issue_comment"), _NOBODY, True, "issue_comment"),
    ],
)
def test_what_is_refused_is_refused_with_its_remedy(
    inputs: Inputs, context: Context, facts: Facts, token: bool, says: str
) -> None:
    with pytest.raises(RefusedError, match=says) as caught:
        decide(inputs, context, facts, token=token)
    assert caught.value.remedy


@pytest.mark.parametrize("context", [_PUSH, _PULL])
def test_merge_follows_a_gate_of_a_trusted_agents_branch(context: Context) -> None:
    decided = decide(Inputs(merge=True, trusted_agents=True), context, _03, token=True)
    assert (decided.doing, decided.merge) == ("gate", True)


def test_a_fork_whose_ci_has_ended_stops_no_queue_that_runs_nobodys_code() -> None:
    checks = Facts(target="develop", at_target=True, checks=True, pushes=True)
    for inputs in (Inputs(), Inputs(command="integrate")):
        decided = decide(inputs, _RUN_OF_FORK, checks, token=True)
        assert (decided.doing, decided.here) == ("queue", True)
    with pytest.raises(RefusedError, match="fork"):
        decide(Inputs(command="integrate"), _FORK, checks, token=True)


def test_what_judges_again_is_moas_own_interpreter_unless_one_is_named() -> None:
    place = Path("/evidence")
    for inputs, words in ((Inputs(), []), (Inputs(python="python3.12"), ["--python=/p"])):
        said = Words(inputs=inputs, context=_SCHEDULE, python="/p", folder="/f").judging(place)
        assert [word for word in said if word.startswith("--python")] == words


@pytest.mark.parametrize("context", [_SCHEDULE, _RUN])
def test_merge_is_of_no_effect_where_nothing_is_gated(context: Context) -> None:
    decided = decide(Inputs(merge=True, trusted_agents=True), context, _TARGET, token=True)
    assert (decided.doing, decided.merge) == ("queue", False)
    assert "`merge: true` has no effect here" in decided.notices[0]


def test_without_a_token_the_queue_only_looks_and_says_so() -> None:
    decided = decide(_TRUSTED, _SCHEDULE, _TARGET, token=False)
    assert decided.doing == "look"
    assert "without the input `token`" in decided.notices[0]


@pytest.mark.parametrize(
    ("inputs", "context", "words"),
    [
        (Inputs(), _PUSH, ["gate", "--no-fetch", "--python=/p", "--", "03"]),
        (Inputs(), _FORK, ["gate", f"--head={_OID}", "--", "03"]),
        (Inputs(threshold="95", config="/w/x.yaml"), _PUSH, ["--config=/w/x.yaml", "--threshold=95"]),
        (Inputs(target="main", pytest_args="-n 2"), _PUSH, ["--target=main", "--pytest-args=-n 2"]),
        (
            Inputs(allow=("a:b", "c:*"), because=("why",)),
            _PUSH,
            ["--allow=a:b", "--allow=c:*", "--because=why"],
        ),
        (Inputs(artifacts=Path("/a")), _PUSH, ["--evidence=/a/evidence-03"]),
        (Inputs(directory=Path("/w/sub")), _PUSH, ["-C", "/w/sub"]),
        (
            Inputs(command="integrate", trusted_agents=True),
            _PUSH,
            ["integrate", "--stage=/f/staged", "--", "03"],
        ),
        (_TRUSTED, _SCHEDULE, ["integrate", "--all", "--stage=/f/staged"]),
        (Inputs(), _SCHEDULE, ["plan"]),
        (Inputs(), _GROUP, ["group", f"--base={'b' * 40}", "--", _OID]),
    ],
)
def test_inputs_and_event_become_words(inputs: Inputs, context: Context, words: list[str]) -> None:
    about = _03 if context.event in {"push", "pull_request"} else _TARGET
    call = Words(inputs=inputs, context=context, python="/p", folder="/f")
    said = call.of(decide(inputs, context, about, token=True))
    assert [w for w in said if w in words] == words


def test_the_queue_tells_of_everybody_and_succeeds_although_some_were_turned_away(job: Job) -> None:
    rejected = [{"agent": "04", "class": "red", "reason": "why"}]
    staged = [{"agent": n, "head": _OID, "commit": c * 40} for n, c in (("03", "b"), ("05", "c"))]
    answer = integrate_answer(staged=staged, rejected=rejected)
    landed = integrate_answer(landed=staged)
    of_schedule = {"event": "schedule", "GITHUB_REF": "refs/heads/develop", "IN_TRUSTED_AGENTS": "true"}
    status, outputs = job.moa(answer, 1, staged=landed).run(token="t", **of_schedule)
    assert job.verbs() == ["integrate", "conflicts", "report", "integrate"]
    assert (status, outputs["verdict"], outputs["agent"]) == (0, "", "")
    assert [row["agent"] for row in json.loads(outputs["landed"])] == ["03", "05"]
    assert [row["agent"] for row in json.loads(outputs["rejected"])] == ["04"]
    assert json.loads(outputs["conflicts"]) == [["03", "04"]]
    assert f"--commit={'c' * 40}" in job.seen()[-1][0]
    assert job.run(token="t", IN_FAIL_ON="rejected", **of_schedule)[0] == 1
    assert job.run(token="t", IN_FAIL_ON="conflicts", **of_schedule)[0] == 1


def test_an_untrusted_queue_runs_nobodys_code(job: Job) -> None:
    matrix = {"include": [{"agent": "03", "branch": "agent-03-x", "head": _OID}]}
    status, outputs = job.moa({}, 9, plan=matrix).run(event="schedule", GITHUB_REF="refs/heads/develop")
    assert job.verbs() == ["plan", "conflicts", "report"]
    assert (status, json.loads(outputs["matrix"])) == (0, matrix)
    assert (outputs["verdict"], outputs["alerts"]) == ("", "[]")


def test_the_summary_of_a_plan_is_a_table_in_which_no_branch_is_markup(job: Job) -> None:
    branch = "agent-03-<img src=x>|`@octocat`"
    matrix = {"include": [{"agent": "03", "branch": branch, "head": _OID}]}
    _, outputs = job.moa({}, 9, plan=matrix).run(IN_COMMAND="plan")
    text = Path(outputs["summary-path"]).read_text()
    assert text.startswith("## 🗺️ To gate: 1 job\n\n| agent | branch | head |\n")
    assert "<img" not in text
    assert "@octocat" not in text
    assert "| `03` | `04` |" in text


def test_a_plan_sets_the_matrix(job: Job) -> None:
    status, outputs = job.moa({}, 9, plan={"include": []}).run(IN_COMMAND="plan")
    assert (status, outputs["matrix"]) == (0, '{"include":[]}')
    assert set(outputs) == set(finish.OUTPUTS)


def test_land_judges_with_the_token_and_nothing_is_run_before(job: Job) -> None:
    evidence = job.root / "evidence"
    evidence.mkdir()
    landed = integrate_answer(landed=[{"agent": "03", "head": _OID, "commit": "c" * 40}])
    status, outputs = job.moa({}, 9, land=landed).run(
        token="t",
        event="schedule",
        GITHUB_REF="refs/heads/develop",
        IN_COMMAND="land",
        IN_ARTIFACTS=str(evidence),
    )
    assert job.verbs() == ["conflicts", "land"]
    assert [environment.get("MOA_TOKEN") for _, environment in job.seen()] == [None, "t"]
    assert (status, json.loads(outputs["landed"])[0]["agent"]) == (0, "03")
    assert list(evidence.iterdir()) == []


def test_a_gate_that_passed_is_merged_in_a_step_of_its_own(job: Job) -> None:
    landed = integrate_answer(landed=[{"agent": "03", "head": _OID, "commit": "c" * 40}])
    job.moa(gate_answer(), staged=landed, integrate=_staged())
    status, outputs = job.run(token="t", IN_MERGE="true", IN_TRUSTED_AGENTS="true")
    assert job.verbs() == ["gate", "integrate", "integrate"]
    assert [environment.get("MOA_TOKEN") for _, environment in job.seen()] == [None, None, "t"]
    assert (status, outputs["verdict"], outputs["coverage"]) == (0, "passed", "93.10")
    assert json.loads(outputs["landed"])[0]["commit"] == "c" * 40


def test_a_gate_that_failed_is_not_merged(job: Job) -> None:
    status, outputs = job.moa(gate_answer("failed"), 1).run(IN_MERGE="true", IN_TRUSTED_AGENTS="true")
    assert job.verbs() == ["gate"]
    assert (status, outputs["verdict"], outputs["landed"]) == (1, "failed", "")


def test_what_the_queue_tells_a_pull_request_is_kept_when_others_land_after_it(job: Job) -> None:
    place = job.root / "artifacts"
    does = "d = os.path.dirname(next(a for a in sys.argv if a.startswith('--summary')).partition('=')[2])\n"
    does += "os.mkdir(d + '/comments'); open(d + '/comments/queue-04.md', 'w').write('not landed')\n"
    landed = integrate_answer(landed=[{"agent": "03", "head": _OID, "commit": "c" * 40}])
    rejected = [{"agent": "04", "class": "red", "reason": "why"}]
    answer = integrate_answer(**{**_staged(), "rejected": rejected})
    words = {"GITHUB_REF": "refs/heads/develop", "IN_TRUSTED_AGENTS": "true", "IN_ARTIFACTS": str(place)}
    job.moa(answer, 1, does, staged=landed).run(token="t", event="schedule", **words)
    assert (place / "moa" / "queue-04.md").read_text() == "not landed"
    asked = [words for words, _ in job.seen() if words[3:4] == ["integrate"] or "integrate" in words]
    assert all(any(word.startswith("--comments=") for word in words) for words in asked)


def test_reports_are_left_for_whoever_takes_the_artifacts(job: Job) -> None:
    place = job.root / "artifacts"
    does = "d = os.path.dirname(next(a for a in sys.argv if a.startswith('--summary')).partition('=')[2])\n"
    does += "os.mkdir(d + '/comments'); open(d + '/comments/gate-03.md', 'w').write('the comment')\n"
    does += f"os.makedirs({str(place)!r}); os.symlink('/etc', {str(place / 'moa')!r})"
    status, outputs = job.moa(gate_answer(), 0, does).run(IN_ARTIFACTS=str(place))
    assert status == 0
    left = {file.name: file.read_text() for file in (place / "moa").iterdir()}
    assert left["gate-03.md"] == "the comment"
    assert json.loads(left["report.json"])["verdict"] == "passed"
    assert not Path(outputs["report-path"]).is_relative_to(place)


def test_evidence_of_a_gate_elsewhere_is_judged_again_for_its_comment(job: Job) -> None:
    place = job.root / "artifacts"
    for name in ("moa-gate/evidence-03", "moa"):
        (place / name).mkdir(parents=True)
    (place / "moa-gate" / "evidence-03" / "evidence.json").write_text("{}")
    (place / "moa" / "gate-03.md").write_text("forged")
    event = job.root / "event.json"
    head = job.repo.head("refs/heads/agent-03-x")
    run = {"head_sha": head, "head_branch": "agent-03-x", "head_repository": {"full_name": "s/app"}}
    event.write_text(json.dumps({"workflow_run": run, "repository": {"full_name": "team/app"}}))
    does = "d = os.path.dirname(next(a for a in sys.argv if a.startswith('--summary')).partition('=')[2])\n"
    does += "os.mkdir(d + '/comments'); open(d + '/comments/gate-03.md', 'w').write('judged again')\n"
    words = {"GITHUB_EVENT_PATH": str(event), "IN_COMMAND": "report", "IN_ARTIFACTS": str(place)}
    job.moa(gate_answer(head=_OID), 0, does).run(
        event="workflow_run", GITHUB_REF="refs/heads/develop", **words
    )
    assert not (place / "moa" / "gate-03.md").exists()
    job.calls.unlink()
    job.moa(gate_answer(head=head), 0, does)
    status, _ = job.run(event="workflow_run", GITHUB_REF="refs/heads/develop", **words)
    assert (status, job.verbs()) == (0, ["report", "judge", "conflicts"])
    assert f"--head={head}" in job.seen()[1][0]
    assert (place / "moa" / "gate-03.md").read_text() == "judged again"


def test_what_a_call_beside_says_fails_the_job_and_no_verdict(job: Job) -> None:
    status, outputs = job.moa({}, 9, plan={"include": []}, conflicts={"schema": 7}).run(IN_COMMAND="plan")
    assert (status, outputs["verdict"]) == (1, "")


def test_the_childs_environment_keeps_what_projects_need() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/h",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "DATABASE_URL": "x",
        "GITHUB_SHA": _OID,
    }
    hidden = {
        "GITHUB_ENV": "/x",
        "RUNNER_TEMP": "/x",
        "GITHUB_EVENT_PATH": "/x",
        "IN_TOKEN": "x",
        "SSH_AUTH_SOCK": "/x",
    }
    assert child_environment({**kept, **hidden}) == kept


@pytest.mark.parametrize("change", [lambda b: b + b" ", lambda _: b"{}"])
def test_a_report_is_taken_only_with_its_digest(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "test.json"
    report = Report(doing="gate", agent="03", status=0, touched=("a",))
    digest = save(report, file)
    assert load(file, digest) == report
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(UndeterminedError):
        load(file, digest)


def test_at_most_ten_annotations_of_a_kind_are_told() -> None:
    findings = [
        {"rule": "r", "severity": "block", "path": f"{i}.py", "line": i, "message": "m"} for i in range(1, 40)
    ]
    report = read_answer("gate", "03", 1, json.dumps(gate_answer("failed", findings=findings)).encode())
    lines = finish.told([report], "failed")
    assert len(lines) == 10
    assert lines[0] == "::error title=moa::failed"
    assert "more are in the job's summary" in lines[-1]


def test_a_huge_answer_is_not_taken() -> None:
    assert finish.verdict([read_answer("gate", "03", 0, b"[" * 100_000)]) == "undetermined"


def test_a_flood_of_output_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(guarded, "LOG_BYTES", 10_000)
    with (tmp_path / "log").open("w") as log:
        flood = "import sys\nfor i in range(20000): print('x' * 100, file=sys.stderr)"
        assert guarded.run([sys.executable, "-c", flood], dict(os.environ), log).status == 0
    assert (tmp_path / "log").stat().st_size < 20_000


def test_the_testing_step_itself_starts_again_without_the_callers_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[dict[str, str]] = []

    def instead(_program: str, words: list[str], environment: dict[str, str]) -> None:
        assert words[1:] == ["-I", "-m", "pytest_moa.action", "test"]
        started.append(environment)
        raise SystemExit

    monkeypatch.setattr(os, "execve", instead)
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "INPUT_TOKEN", "ACTIONS_RUNTIME_TOKEN"):
        monkeypatch.setenv(name, "SECRET")
    with pytest.raises(SystemExit):
        steps.main(["test"])
    assert "SECRET" not in started[0].values()
    assert started[0]["PATH"] == os.environ["PATH"]


def test_outputs_of_a_killed_step_are_not_believed(job: Job) -> None:
    folder = job.root / "forged"
    folder.mkdir()
    forged = Report(doing="gate", agent="03", status=0, result=gate_answer(), summary="## PASSED")
    handed = {"MOA_ACTION_FOLDER": str(folder), "MOA_ACTION_DIGEST": save(forged, folder / "test.json")}
    status = steps.conclude(job.environ("finish", MOA_ACTION_OUTCOME="failure", **handed))
    assert (status, job.outputs("finish")["verdict"]) == (1, "undetermined")
    steps.conclude(job.environ("other", MOA_ACTION_OUTCOME="success", **handed))
    assert job.outputs("other")["verdict"] == "passed"


@pytest.mark.skipif(sys.platform != "linux", reason="the signal at a parent's death is Linux's")
def test_moa_dies_with_the_step_that_started_it(job: Job) -> None:
    does = f"open({str(job.root / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    job.moa(gate_answer(), 0, does)
    words = [sys.executable, "-c", _STEP, str(job.script)]
    step = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    pid = _once_written(job.root / "pid")
    step.kill()
    step.wait()
    assert dies(pid)
    status, outputs = steps.conclude(job.environ("finish", IN_FAIL_ON="never")), job.outputs("finish")
    assert (status, outputs["verdict"]) == (1, "undetermined")


_STEP = """
import os, sys
from pytest_moa.action import guarded
guarded.run([sys.executable, sys.argv[1]], dict(os.environ), sys.stdout)
"""


def _once_written(file: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.02)
    pytest.fail(f"{file} was never written")
