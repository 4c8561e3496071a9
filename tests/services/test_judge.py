"""`moa judge` gives the gate's verdict again, and believes no folder that does not prove it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.teams import Team, half_test, module

from pytest_moa.errors import UsageError
from pytest_moa.model.results import GateResult
from pytest_moa.render.json_contract import dumps, gate_json
from pytest_moa.services.gate import GateOptions, gate
from pytest_moa.services.judge import JudgeOptions, judge
from pytest_moa.services.project import OpenOptions, Project, open_project

CORE = "def double(x):\n    y = x + x\n    return y\n"
MORE = "from calc.core import double\n\n\ndef test_double():\n    assert double(2) == 4\n    assert double(3) == 6\n"


pytestmark = pytest.mark.xdist_group("judge")  # one worker makes what they share


@dataclass(frozen=True, slots=True)
class Gated:
    """A gate that was run once for all tests here: none of them changes the repository or this folder."""

    team: Team
    project: Project
    result: GateResult
    folder: Path


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    """An agent that passes, and that touched an old test, so that old tests ran as well."""
    place = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "tester@example.invalid")
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        team = Team.create(place / "repo")
        team.agent("03", "core").writes({"src/calc/core.py": CORE, "tests/test_core.py": MORE}).commits()
        options = OpenOptions(start=team.path, environ=dict(os.environ), fetch=False)
        project = open_project(options)
        result = gate(project, "03", GateOptions(evidence=place / "evidence"))
    return Gated(team, project, result, place / "evidence")


@pytest.fixture
def folder(gated: Gated, tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(gated.folder, tmp_path / "evidence")
    return tmp_path / "evidence"


def mend_sums(folder: Path) -> None:
    """What whoever can write the whole folder would do."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def judged(gated: Gated, folder: Path, **options: Any) -> GateResult:
    return judge(gated.project, folder, JudgeOptions(**options))


def test_the_same_object_is_made_again_from_the_folder(gated: Gated) -> None:
    assert gated.result.verdict == "passed", gated.result.reason
    assert dumps(gate_json(judged(gated, gated.folder))) == dumps(gate_json(gated.result))
    assert {"record.jsonl", "record-old.jsonl", "coverage.0000", "probes.json", "result.json"} <= {
        path.name for path in gated.folder.iterdir()
    }


def test_the_folder_names_nothing_of_the_machine_but_the_work_tree(gated: Gated) -> None:
    whole = b"".join(path.read_bytes() for path in gated.folder.iterdir())
    assert str(gated.team.path).encode() not in whole
    assert os.environ["HOME"].encode() not in whole
    assert b"site-packages" not in whole


def said(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A change of the manifest that keeps the way it is written."""

    def changes(folder: Path) -> None:
        value = json.loads((folder / "evidence.json").read_bytes())
        change(value)
        (folder / "evidence.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    return changes


def told(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], object]:
    """A change of a record's events."""

    def changes(folder: Path) -> None:
        events = [json.loads(line) for line in (folder / name).read_bytes().splitlines()]
        change(events)
        (folder / name).write_text("".join(json.dumps(event) + "\n" for event in events))

    return changes


def kind(events: list[dict[str, Any]], word: str) -> dict[str, Any]:
    return next(event for event in events if event["kind"] == word)


def probes(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def changes(folder: Path) -> None:
        value = json.loads((folder / "probes.json").read_bytes())
        change(value)
        (folder / "probes.json").write_text(json.dumps(value, indent=1) + "\n")

    return changes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (said(lambda m: m.update(moa="9.9")), "made by moa 9.9"),
        (said(lambda m: m.update(agent="04")), "There is no agent '04'"),
        (said(lambda m: m.update(branch="agent-03-other")), "moved"),
        (said(lambda m: m.update(head="1" * 40)), "moved: the evidence is of 1111111111"),
        (said(lambda m: m.update(target="1" * 40)), "develop moved"),
        (said(lambda m: m.update(target_branch="main")), "a merge into main"),
        (said(lambda m: m.update(candidate="1" * 40)), "The evidence is of the candidate 1111111111: target and head make"),
        (said(lambda m: m.update(candidate=None)), "The evidence is of the candidate None"),
        (said(lambda m: m.update(allow=["*:**"])), "told to let through *:**"),
        (said(lambda m: m.update(threshold="nan")), "asked for a threshold of nan"),
        (said(lambda m: m.update(threshold="95")), "coverage differ"),
        (said(lambda m: m.update(python="3.7.1")), "The tests ran on Python 3.7.1"),
        (said(lambda m: m.update(environment="k")), "environment differ"),
        (said(lambda m: m.update(work="/")), "not the candidate's"),
        (said(lambda m: m.update(work="/elsewhere")), "not the candidate's"),
        (said(lambda m: m.update(seconds=-1.0)), "no duration"),
        (said(lambda m: m.update(seconds=m["seconds"] + 1)), "seconds differ"),
        (said(lambda m: m.update(notes=["Fine."])), "notes differ"),
        (said(lambda m: m.update(around=["Fine."])), "notes differ"),
        (said(lambda m: m.update(touched=["config"])), "the real repository was changed"),
        (said(lambda m: m.update(doubts=[{"reason": "hm", "remedy": "", "whole": False}])), "hm"),
        (said(lambda m: m.update(not_run={"reason": "no", "remedy": "", "whole": False})), "no"),
        (said(lambda m: m.update(runs=[])), "tells of no run"),
        (said(lambda m: m["runs"].pop()), "the target's versions of the changed tests were not run"),
        (said(lambda m: m["runs"].append(m["runs"][0])), "runs that no gate makes"),
        (said(lambda m: m["runs"][0]["end"].update(status=1)), "exited with 1"),
        (said(lambda m: m["runs"][0]["end"].update(status=None, signal=9)), "signal 9"),
        (said(lambda m: m["runs"][0]["end"].update(timed_out=True)), "the time limit"),
        (said(lambda m: m["runs"][0]["end"].update(seconds=1e9)), "runs that no gate makes"),
        (said(lambda m: m["runs"][0]["end"].update(output="x")), "runs that no gate makes"),
        (said(lambda m: m["runs"][0].update(problems=["hm"])), "hm"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "outcome"))), "left no outcome"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "collected"))), "was never collected"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "start"))), "never started"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "session"))), "its session left none"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "end"))), "pytest did not return"),
        (told("record.jsonl", lambda r: r.remove(kind(r, "begin"))), "before the run began"),
        (told("record.jsonl", lambda r: r.insert(3, {**kind(r, "outcome"), "id": "t.py::x"})), "never collected"),
        (told("record.jsonl", lambda r: kind(r, "outcome").update(outcome="skipped")), "skipped"),
        (told("record.jsonl", lambda r: kind(r, "outcome").update(outcome="failed")), "1 test fails"),
        (told("record.jsonl", lambda r: kind(r, "end").update(status=1)), "pytest returned 1"),
        (told("record.jsonl", lambda r: kind(r, "begin").update(python="3.7.1")), "The run's Python was 3.7.1"),
        (told("record-old.jsonl", lambda r: kind(r, "outcome").update(outcome="failed")), ""),
        (told("record-old.jsonl", lambda r: r.remove(kind(r, "outcome"))), ""),
        (probes(lambda p: p.update(seed="0123456789abcdef")), "differ"),
        (probes(lambda p: p["entries"].pop()), "does not follow"),
        (probes(lambda p: p["entries"][0].update(test="t.py::x")), "the probes name t.py::x"),
        (probes(lambda p: p.update(count=0, entries=[])), "fewer probes"),
        (lambda f: (f / "probes.json").write_text("{}"), "left no record"),
        (lambda f: (f / "coverage.0000").write_bytes(b""), "no readable coverage data"),
        (lambda f: (f / "coverage.0000").write_bytes(b"SQLite format 3\0"), "cannot be believed"),
        (lambda f: (f / "result.json").write_text("{}\n"), "result.json tells"),
        (lambda f: (f / "result.json").write_text((f / "result.json").read_text().replace('"collected": 1', '"collected": 2')), "tests differ"),
    ],
)  # fmt: skip
def test_a_change_with_its_sums_mended_never_passes(
    gated: Gated, folder: Path, change: Callable[[Path], object], reason: str
) -> None:
    change(folder)
    mend_sums(folder)
    result = judged(gated, folder)
    assert result.verdict in {"failed", "undetermined"}
    assert reason in (result.reason or ""), result.reason


def test_a_test_that_never_was_is_seen_where_the_coverage_knows_another(gated: Gated, folder: Path) -> None:
    record = folder / "record.jsonl"
    record.write_bytes(record.read_bytes().replace(b"test_double", b"test_other"))
    mend_sums(folder)
    result = judged(gated, folder)
    assert (result.verdict, "test_double ran, which the record does not know" in (result.reason or "")) == (
        "undetermined",
        True,
    )


def test_a_byte_without_its_sum_names_the_file(gated: Gated, folder: Path) -> None:
    data = bytearray((folder / "coverage.0000").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "coverage.0000").write_bytes(bytes(data))
    result = judged(gated, folder)
    assert (result.verdict, result.agent) == ("undetermined", "")
    assert "coverage.0000 is not what SHA256SUMS says" in (result.reason or "")


def test_no_folder_is_an_error_of_the_call(gated: Gated, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        judged(gated, tmp_path / "none")


def test_a_threshold_that_the_gate_was_not_asked_for_is_undetermined(gated: Gated) -> None:
    result = judged(gated, gated.folder, threshold=95)
    assert (result.verdict, "asked for a threshold" in (result.reason or "")) == ("undetermined", True)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def both(team: Team, place: Path, agent: str = "03") -> tuple[GateResult, GateResult]:
    """The gate's result and the judge's."""
    options = OpenOptions(start=team.path, environ=dict(os.environ), fetch=False)
    first = gate(open_project(options), agent, GateOptions(evidence=place))
    return first, judge(open_project(options), place, JudgeOptions())


def test_a_failed_gate_fails_again(team: Team, tmp_path: Path) -> None:
    team.agent("03", "x").writes(
        {"src/calc/x.py": module("x"), "tests/agent03/test_x.py": half_test("x")}
    ).commits()
    first, again = both(team, tmp_path / "evidence")
    assert (first.verdict, gate_json(again)) == ("failed", gate_json(first))


def test_a_conflict_is_one_again(team: Team, tmp_path: Path) -> None:
    team.agent("03", "x").writes({"src/calc/core.py": CORE}).commits()
    team.repo.writes({"src/calc/core.py": "def double(x):\n    return x * 2\n"}).commits()
    first, again = both(team, tmp_path / "evidence")
    assert (first.conflicts, gate_json(again)) == (("src/calc/core.py",), gate_json(first))


def test_a_branch_with_nothing_on_it_is_told_again(team: Team, tmp_path: Path) -> None:
    team.agent("03", "x")
    first, again = both(team, tmp_path / "evidence")
    assert (first.verdict, gate_json(again)) == ("undetermined", gate_json(first))


def test_a_run_that_could_not_be_started_is_told_again(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": "registry: [{id: '03', tests: [tests/none]}]\n"})
    team.agent("03", "x").writes({"src/calc/x.py": module("x")}).commits()
    first, again = both(team, tmp_path / "evidence")
    assert "tests/none" in (first.reason or "")
    assert gate_json(again) == gate_json(first)


def test_code_that_must_not_run_is_refused_again(team: Team, tmp_path: Path) -> None:
    team.agent("03", "x").writes({"pytest_cov/__init__.py": "", "src/calc/x.py": module("x")}).commits()
    first, again = both(team, tmp_path / "evidence")
    assert "shadowed-module" in (first.reason or "")
    assert gate_json(again) == gate_json(first)


COMMAND = """\
registry:
  - id: "03"
    source: [web]
    command: [sh, web.sh]
    junit: out.xml
    coverage: lcov.info
"""
SCRIPT = """\
echo '<testsuite tests="1"><testcase name="adds" time="0.1"/></testsuite>' > out.xml
printf "SF:$PWD/web/a.js\\nDA:1,1\\nDA:2,%s\\nend_of_record\\n" "$(cat hits)" > lcov.info
"""


@pytest.mark.parametrize(
    ("hits", "verdict", "percent"), [("1", "passed", "100.00"), ("0", "failed", "50.00")]
)
def test_an_agent_in_another_language_is_gated_and_judged_by_its_reports(
    tmp_path: Path, hits: str, verdict: str, percent: str
) -> None:
    team = Team.create(
        tmp_path / "repo", {"moa.yaml": COMMAND, "web.sh": SCRIPT, "hits": hits, "out.xml": "old"}
    )
    team.agent("03", "web").writes({"web/a.js": "one();\ntwo();\n"}).commits()
    first, again = both(team, tmp_path / "evidence")
    assert (first.verdict, str(first.coverage.percent if first.coverage else None)) == (verdict, percent), (
        first.reason
    )
    assert gate_json(again) == gate_json(first)
    for name in ("junit-0000.xml", "report"):
        place = tmp_path / name
        shutil.copytree(tmp_path / "evidence", place)
        (place / name).write_bytes(
            (place / name).read_bytes().replace(b'tests="1"', b'tests="2"').replace(b"DA:1,1", b"DA:9,1")
        )
        mend_sums(place)
        options = OpenOptions(start=team.path, environ=dict(os.environ), fetch=False)
        assert judge(open_project(options), place, JudgeOptions()).verdict == "undetermined"
