"""A fleet's two halves: what is planned, gated elsewhere, judged again, and landed; and everything that must not land."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fleets import QUIET, Fleet, changed
from support.queues import MOA, Queue
from support.watched import TARGET

from pytest_moa.services import evidence_places
from pytest_moa.services.judge import JudgeOptions, judge
from pytest_moa.services.project import OpenOptions, Project, open_project

pytestmark = pytest.mark.xdist_group("fleet")  # one worker makes what they share


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Three agents that pass alone and together, one of whom touched an old test; gated once for all tests that copy it."""
    place = tmp_path_factory.mktemp("green")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        (place / "tmp").mkdir()
        patch.setenv("TMPDIR", str(place / "tmp"))
        queue = Queue(place / "story").team(3, remote=True)
        core = str(queue.base["tests/test_core.py"]).replace("double(2) == 4", "double(3) == 6")
        queue.writes("02", {"tests/test_core.py": core})
        fleet = Fleet(queue).gated()
        for row in ("01", "02", "03", "train"):
            assert json.loads((fleet.evidence / row / "result.json").read_text())["verdict"] == "passed"
    return fleet


@pytest.fixture
def fleet(green: Fleet, tmp_path: Path) -> Fleet:
    """A copy to land from, or to spoil. The clone's remote goes with it."""
    place = tmp_path / "copy"
    shutil.copytree(green.queue.place, place, symlinks=True)
    queue = Queue(place)
    queue.bare = queue.built = True
    queue.moved, queue.starts = dict(green.queue.moved), green.queue.starts
    queue.branches = green.queue.branches
    subprocess.run(
        ["git", "remote", "set-url", "origin", str(place / "remote.git")], cwd=queue.path, check=True
    )
    return Fleet(queue)


@pytest.fixture(scope="module")
def opened(green: Fleet) -> Project:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        return open_project(OpenOptions(start=green.queue.path, environ=dict(os.environ), fetch=False))


def only(fleet: Fleet, *rows: str) -> Fleet:
    """The evidence of these rows alone."""
    for folder in list(fleet.evidence.iterdir()):
        if folder.name not in rows:
            shutil.rmtree(folder)
    return fleet


def test_a_plan_has_a_row_an_agent_and_one_for_the_train(green: Fleet) -> None:
    rows = green.plan()
    assert [row["agent"] for row in rows] == ["01", "02", "03", "train"]
    assert rows[0] == {
        "agent": "01",
        "branch": "agent-01-work",
        "head": green.queue.moved["refs/heads/agent-01-work"],
    }
    assert rows[-1]["branch"] == "develop"
    assert green.planned("--agents", "03,01") == ["01", "03", "train"]
    assert green.planned("--agents", "03") == ["03"]


def test_the_train_is_the_commit_that_the_plan_named(green: Fleet) -> None:
    result = json.loads((green.evidence / "train" / "result.json").read_text())
    head = green.plan()[-1]["head"]
    assert (result["agent"], result["candidate"], result["head"]) == ("train", head, head)
    assert [(row["agent"], row["verdict"]) for row in result["agents"]] == [
        (agent, "passed") for agent in ("01", "02", "03")
    ]
    assert all(row["coverage"]["percent"] == "100.00" for row in result["agents"] if row["coverage"])
    assert result["tests"]["failed"] == 0
    assert (green.evidence / "train" / "record-old-0002.jsonl").is_file()


@pytest.mark.parametrize("row", ["01", "train"])
def test_a_folder_judged_again_is_the_same_object_byte_for_byte(green: Fleet, row: str) -> None:
    said = green.call("judge", str(green.evidence / row), "--json", *QUIET)
    assert (said.code, said.out) == (0, (green.evidence / row / "result.json").read_text())
    assert said.sessions == ()


def test_a_train_that_passed_lands_as_it_was_tested_and_runs_nothing(fleet: Fleet) -> None:
    top = json.loads((fleet.evidence / "train" / "result.json").read_text())["candidate"]
    said = fleet.lands()
    assert (said.code, said.landed, said.data["runs"]) == (0, ["01", "02", "03"], 0)
    assert said.sessions == ()
    assert fleet.queue.target() == top == said.data["target"]["after"]
    assert fleet.planned() == []
    again = fleet.lands()
    assert (again.code, again.landed, len(again.data["already"])) == (0, [], 3)
    assert again.rejected == {}
    fleet.queue.holds()


def test_of_those_that_passed_alone_the_first_lands_and_the_others_wait(fleet: Fleet) -> None:
    said = only(fleet, "02", "03").lands()
    assert (said.landed, said.classes) == (["02"], {"03": "held"})
    assert said.code == 1
    fleet.queue.holds()
    assert fleet.planned() == ["01", "03", "train"]


def test_a_culprit_is_refused_once_and_the_rest_goes_on_without_it(tmp_path: Path) -> None:
    fleet = Fleet(Queue(tmp_path).team(3, remote=True).culprit("02")).gated()
    said = fleet.lands()
    assert (said.code, said.landed) == (1, ["01"])
    assert said.classes == {"02": "red", "03": "held"}
    assert said.rejected["02"]["tests"] == ["tests/agent02/test_wrong_02.py::test_wrong_02"]
    assert [event["agent"] for event in fleet.queue.events("rejected")] == ["02"]
    assert fleet.planned() == ["03"]
    assert "refused as red" in fleet.call("plan").out
    # A second landing of the same evidence tells nothing again.
    fleet.lands()
    assert len(fleet.queue.events("rejected")) == 1
    fleet.queue.moa("ready", "02")
    assert fleet.planned() == ["02", "03", "train"]
    fleet.queue.holds()


def test_who_breaks_what_it_does_not_own_does_not_land_alone(tmp_path: Path) -> None:
    """Its own tests pass; the whole suite, which evidence holds as well, does not."""
    fleet = Fleet(Queue(tmp_path).team(2, remote=True).breaks_old_test("01"))
    assert fleet.gates("01").data["verdict"] == "passed"
    said = fleet.lands()
    assert (said.landed, said.classes) == ([], {"01": "red"})
    assert said.rejected["01"]["tests"] == ["tests/test_core.py::test_double"]
    assert fleet.queue.target() == fleet.queue.starts
    fleet.queue.moves(
        "refs/heads/agent-01-work", fleet.queue.prepared("refs/heads/agent-01-work", {"x": "y"})
    )
    assert fleet.planned() == ["01", "02", "train"], "a new head is looked at anew"


@pytest.mark.slow
@pytest.mark.parametrize(("story", "kind"), [("red_target", "target"), ("flake_of_the_target", "flaky")])
def test_the_target_s_own_misfortune_is_nobody_s_fault(tmp_path: Path, story: str, kind: str) -> None:
    queue = Queue(tmp_path).team(1, remote=True)
    getattr(queue, story)()
    fleet = Fleet(queue)
    assert fleet.gates("01").data["verdict"] == "passed"
    said = fleet.lands()
    assert (said.landed, said.classes) == ([], {"01": kind})
    assert fleet.planned() == ["01"]
    assert fleet.queue.events("rejected") == []


def test_nothing_waits_is_an_empty_list_and_no_failure(tmp_path: Path) -> None:
    fleet = Fleet(Queue(tmp_path).team(1).not_ready("01"))
    assert fleet.plan() == []
    assert "Moa-Ready: no" in fleet.call("plan").out
    (tmp_path / "empty").mkdir()
    assert fleet.lands(of=tmp_path / "empty").code == 0
    assert fleet.lands(of=tmp_path / "none").code == 2


def test_static_blocks_conflicts_and_freezes_are_seen_without_running_anything(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).takes_a_test_away("01").conflict("02", "03")
    fleet = Fleet(queue)
    said = fleet.call("plan", "--json")
    assert [row["agent"] for row in said.data["include"]] == ["02", "03", "04", "train"]
    assert said.sessions == ()
    train = fleet.gates("train")
    assert [row["agent"] for row in train.data["agents"]] == ["02", "04"]
    assert fleet.gates("train", "--agents", "02,03").code == 2
    fleet.queue.moa("freeze", "--because", "a release")
    assert fleet.plan() == []
    said = fleet.lands()
    assert (said.landed, set(said.classes.values())) == ([], {"held"})


@pytest.mark.slow
def test_squashed_work_lands_as_the_commit_that_was_gated(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True).with_config("integration", method="squash")
    fleet = Fleet(queue)
    top = fleet.plan()[-1]["head"]
    gated = fleet.gates("01").data
    said = fleet.lands()
    assert (said.landed, said.data["landed"][0]["commit"]) == (["01"], gated["candidate"])
    shutil.rmtree(fleet.evidence)
    # The train's top is the second squash on the first: the same commit, whoever builds it on what landed.
    assert fleet.gates("02").data["candidate"] == top
    assert fleet.lands().landed == ["02"]
    fleet.queue.holds()


def refuses(fleet: Fleet, *words: str) -> dict[str, str]:
    """Lands nothing, runs nothing, blames nobody's work; the classes."""
    said = fleet.lands(*words)
    assert said.landed == []
    assert fleet.queue.target() == fleet.queue.starts
    assert said.sessions == ()
    assert fleet.queue.events("rejected") == []
    return said.classes


def said(change: Callable[[dict[str, Any]], object]) -> Callable[[Fleet, str], object]:
    return lambda fleet, row: fleet.manifest(row, change)


def without_the_suite(manifest: dict[str, Any]) -> None:
    manifest["runs"] = [run for run in manifest["runs"] if run["name"] != "whole"]


SPOILED: dict[str, tuple[Callable[[Fleet, str], object], str]] = {
    "another target": (said(lambda m: m.update(target="1" * 40)), "moved"),
    "another head": (said(lambda m: m.update(head="1" * 40)), "moved"),
    "another candidate": (said(lambda m: m.update(candidate="1" * 40)), "undetermined"),
    "another version": (said(lambda m: m.update(moa="0")), "undetermined"),
    "an allowance": (said(lambda m: m.update(allow=["*:** (because)"])), "undetermined"),
    "no suite": (said(without_the_suite), "undetermined"),
    "another record": (lambda f, row: (f.evidence / row / "record.jsonl").write_bytes(b"{}"), "undetermined"),
    "no record": (lambda f, row: (f.evidence / row / "record.jsonl").unlink(), "undetermined"),
    "no sums": (lambda f, row: (f.evidence / row / "SHA256SUMS").unlink(), "undetermined"),
    "no manifest": (lambda f, row: (f.evidence / row / "evidence.json").write_bytes(b"{}"), "undetermined"),
    "a link": (lambda f, row: (f.evidence / row / "report").symlink_to("/etc/passwd"), "undetermined"),
    "a member": (said(lambda m: m.update(members=[{"agent": "01", "branch": "", "head": "", "runs": [], "doubts": []}])), "undetermined"),
}  # fmt: skip


@pytest.mark.parametrize("first", range(0, len(SPOILED), 3))
def test_spoiled_evidence_lands_nothing_and_blames_nobody(fleet: Fleet, first: int) -> None:
    cases = list(SPOILED.values())[first : first + 3]
    expected = {}
    for row, (spoil, kind) in zip(("01", "02", "03"), cases, strict=True):
        spoil(fleet, row)
        expected[row] = kind
    assert refuses(only(fleet, *expected)) == expected


def test_evidence_under_another_name_is_neither_s(fleet: Fleet) -> None:
    only(fleet, "01", "02").manifest("01", lambda m: m.update(agent="02"))
    assert refuses(fleet) == {"02": "undetermined"}
    fleet.manifest("01", lambda m: m.update(agent="99"))
    said = fleet.lands()
    assert (said.landed, said.classes) == (["02"], {"99": "undetermined"})


def members(change: Callable[[list[Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: change(manifest["members"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (members(lambda m: m.pop()), "is of the candidate"),
        (members(lambda m: m.reverse()), "is of the candidate"),
        (members(lambda m: m.clear()), "no train of two"),
        (members(lambda m: m.append(m[0])), "no train of two"),
        (members(lambda m: m[0].update(head="1" * 40)), "moved"),
        (members(lambda m: m[0].update(agent="99")), "no agent '99'"),
        (members(lambda m: m[1].update(runs=[])), "were not run"),
        (members(lambda m: m[1]["runs"].append(m[1]["runs"][0])), "runs that no gate makes"),
        (members(lambda m: m[0].update(runs=m[1]["runs"])), "none were due"),
        (members(lambda m: m[0].update(doubts=[{"reason": "hm", "remedy": "", "whole": False}])), "none were due"),
        (lambda m: m.update(candidate="1" * 40), "is of the candidate"),
        (lambda m: m.update(head="1" * 40), "is of the candidate"),
        (lambda m: m.update(branch="main"), "another branch"),
        (lambda m: m.update(agent="01"), "moved"),
        (lambda m: m.update(doubts=[{"reason": "hm", "remedy": "", "whole": False}]), "hm"),
        (lambda m: m.update(not_run={"reason": "hm", "remedy": "", "whole": False}), "hm"),
        (lambda m: m.update(runs=[]), "tells of no run"),
        (lambda m: m.update(touched=["config"]), "the real repository was changed"),
    ],
)  # fmt: skip
def test_a_train_s_manifest_that_was_changed_never_passes(
    green: Fleet, opened: Project, tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    folder = tmp_path / "train"
    shutil.copytree(green.evidence / "train", folder)
    changed(folder, change)
    result = judge(opened, folder, JudgeOptions(probes=0))
    assert result.verdict == "undetermined"
    assert reason in (result.reason or ""), result.reason


@pytest.mark.parametrize(
    ("name", "probes"), [("coverage.0000", 0), ("probes-0002.json", None), ("record-old-0002.jsonl", 0)]
)
def test_a_train_without_one_of_its_files_never_passes(
    green: Fleet, opened: Project, tmp_path: Path, name: str, probes: int | None
) -> None:
    folder = tmp_path / "train"
    shutil.copytree(green.evidence / "train", folder)
    (folder / name).unlink()
    changed(folder, lambda m: m["files"].remove(name))
    result = judge(opened, folder, JudgeOptions(probes=probes))
    assert result.verdict == "undetermined"
    # That no probe was asked is never the folder's word.
    assert probes == 0 or "agent 02: the gate asked fewer probes" in (result.reason or "")


def test_a_spoiled_train_lands_nobody(fleet: Fleet) -> None:
    only(fleet, "train").manifest("train", lambda m: m["members"].pop())
    assert refuses(fleet) == {"01": "held", "02": "held"}


def test_a_person_s_words_are_said_to_the_landing_again(fleet: Fleet) -> None:
    """Evidence without probes, where the policy wants them, and other allowances, which make other commits."""
    assert set(refuses(only(fleet, "01"), "--no-fetch").values()) == {"undetermined"}
    allow = ("--allow", "tests-removed:tests/**", "--because", "agreed")
    assert set(refuses(fleet, *QUIET, *allow).values()) == {"undetermined"}
    assert set(refuses(fleet, *QUIET, "--threshold", "99").values()) == {"undetermined"}


def test_two_folders_of_one_agent_have_to_agree(fleet: Fleet) -> None:
    only(fleet, "01")
    shutil.copytree(fleet.evidence / "01", fleet.evidence / "deep/er/01-again")
    fleet.manifest("deep/er/01-again", lambda m: m.update(notes=["other"]))
    assert refuses(fleet) == {"01": "undetermined"}
    shutil.rmtree(fleet.evidence / "deep/er/01-again")
    shutil.copytree(fleet.evidence / "01", fleet.evidence / "deep/er/01-again")
    assert fleet.lands().landed == ["01"]


def test_a_target_or_a_branch_that_moved_makes_evidence_old(fleet: Fleet) -> None:
    ref = "refs/heads/agent-03-work"
    fleet.queue.moves(ref, fleet.queue.prepared(ref, {"docs/x.md": "x\n"}))
    assert refuses(only(fleet, "03", "train")) == {"01": "moved", "02": "moved", "03": "moved"}
    fleet.queue.moves(TARGET, fleet.queue.foreign_commit())
    said = fleet.lands()
    assert (said.landed, set(said.classes.values())) == ([], {"moved"})


def test_the_work_tree_and_what_a_commit_brought_are_no_evidence(fleet: Fleet, tmp_path: Path) -> None:
    for place in (fleet.queue.path, fleet.queue.place, fleet.queue.path / ".git"):
        said = fleet.lands(of=place)
        assert (said.code, "repository itself" in said.data["error"]["message"]) == (2, True)
    shutil.copytree(fleet.evidence / "01", fleet.queue.path / "found" / "01")
    assert fleet.lands(of=fleet.queue.path / "found").landed == ["01"], "a download in the work tree is taken"
    files = {f"theirs/{p.name}": p.read_bytes() for p in (fleet.evidence / "02").iterdir()}
    fleet.queue.moves(TARGET, fleet.queue.foreign_commit(files))
    subprocess.run(["git", "pull", "-q", "--ff-only"], cwd=fleet.queue.path, check=True)
    said = fleet.lands(of=fleet.queue.path / "theirs")
    assert (said.code, "is a file of the repository" in said.data["error"]["message"]) == (2, True)


def test_links_are_not_followed(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "01").symlink_to(fleet.evidence / "01")
    said = fleet.lands(of=tmp_path / "links")
    assert (said.code, said.landed, said.rejected) == (0, [], {})


def test_who_was_held_back_after_its_gate_does_not_land(fleet: Fleet) -> None:
    fleet.queue.moa("unready", "02", "--because", "wait for the release")
    said = fleet.lands()
    assert (said.landed, said.classes["02"]) == (["01"], "held")
    assert any("agent 02 may not go in" in note for note in said.data["notes"])
    fleet.queue.holds()


@pytest.mark.slow
def test_a_dependency_lands_first(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2).says("01", depends_on=["02"])
    fleet = Fleet(queue)
    fleet.gates("01")
    said = fleet.lands()
    assert (said.landed, said.classes) == ([], {"01": "held"})
    assert said.rejected["01"]["with"] == ["02"]
    fleet.gates("02")
    assert fleet.lands().landed == ["02"]


def test_a_refused_push_changes_nothing_and_says_the_server_s_words(fleet: Fleet) -> None:
    fleet.queue.hook("pre-receive", 'grep -q refs/heads/develop || exit 0\necho "closed today" >&2\nexit 1')
    said = fleet.lands()
    assert (said.code, "closed today" in said.data["error"]["reason"]) == (2, True)
    assert fleet.queue.target() == fleet.queue.starts


def test_a_head_that_was_not_planned_is_no_train(fleet: Fleet) -> None:
    said = fleet.gates("train", "--head", "1" * 40, *QUIET, into="other")
    assert (said.code, said.data["error"]["message"]) == (2, "The train is another one than was planned")
    assert not (fleet.evidence / "other").exists()


def test_there_is_an_end_to_what_is_looked_through(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_places, "_ENTRIES", 10)
    said = fleet.lands()
    assert (said.code, "too much" in said.data["error"]["message"]) == (2, True)


@pytest.mark.parametrize("ref", ["develop", "moa/ledger"])
def test_a_landing_that_died_is_completed_by_the_next(fleet: Fleet, ref: str) -> None:
    """Killed when the remote has the landing, or is about to hear of it in the ledger."""
    mark = fleet.queue.story / "dying"
    fleet.queue.hook(
        "post-receive", f"grep -q refs/heads/{ref} || exit 0\n[ -e {mark} ] && exit 0\ntouch {mark}\nsleep 5"
    )
    call = subprocess.Popen(
        [*MOA, "land", str(fleet.evidence), "--json", *QUIET],
        cwd=fleet.queue.path,
        env=fleet.queue.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not mark.exists():
        assert call.poll() is None
        time.sleep(0.05)
    call.kill()
    call.wait()
    said = fleet.lands()
    assert (said.code, said.landed, len(said.data["already"])) == (0, [], 3)
    fleet.queue.holds()


@pytest.mark.slow
def test_many_landings_at_once_land_each_branch_once(fleet: Fleet) -> None:
    """In clones of their own, which no lock of this machine's cache holds apart."""
    clones = [fleet.queue.place / f"clone-{number}" for number in range(10)]
    calls = []
    for clone in clones:
        subprocess.run(["git", "clone", "-q", str(fleet.queue.place / "remote.git"), str(clone)], check=True)
        calls.append(
            subprocess.Popen(
                [*MOA, "land", str(fleet.evidence), "--json", *QUIET],
                cwd=clone,
                env={**fleet.queue.environ(), "XDG_CACHE_HOME": str(clone / "cache")},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    answers = [(*call.communicate(timeout=120), call.returncode) for call in calls]
    told = [json.loads(out) for out, _, _ in answers]
    assert {code for _, _, code in answers} == {0}, [err.decode()[-500:] for _, err, _ in answers]
    landed = [tuple(row["agent"] for row in one["landed"]) for one in told]
    assert sorted(landed) == [*[()] * 9, ("01", "02", "03")]
    assert all(one["landed"] or len(one["already"]) == 3 for one in told)
    assert sorted(fleet.queue.landings().values()) == sorted(fleet.queue.moved.values())
    fleet.queue.holds()
