"""A fleet's two halves: what is planned, gated elsewhere, judged again, and landed; and everything that must not land."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fleets import QUIET, Fleet
from support.queues import MOA, Queue
from support.watched import TARGET

from pytest_moa.services import evidence_places


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


def said(change: Callable[[dict[str, Any]], object], row: str = "01") -> Callable[[Fleet], object]:
    return lambda fleet: fleet.manifest(row, change)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (said(lambda m: m.update(target="1" * 40)), "moved"),
        (said(lambda m: m.update(head="1" * 40)), "moved"),
        (said(lambda m: m.update(candidate="1" * 40)), "undetermined"),
        (said(lambda m: m.update(agent="02")), "moved"),
        (said(lambda m: m.update(agent="99")), "undetermined"),
        (said(lambda m: m.update(moa="0")), "undetermined"),
        (said(lambda m: m.update(allow=["*:** (because)"])), "undetermined"),
        (said(lambda m: m.update(runs=[r for r in m["runs"] if r["name"] != "whole"])), "undetermined"),
        (lambda fleet: (fleet.evidence / "01" / "record.jsonl").write_bytes(b"{}"), "undetermined"),
        (lambda fleet: (fleet.evidence / "01" / "record.jsonl").unlink(), "undetermined"),
        (lambda fleet: (fleet.evidence / "01" / "SHA256SUMS").unlink(), "undetermined"),
        (lambda fleet: (fleet.evidence / "01" / "evidence.json").write_bytes(b"{}"), "undetermined"),
        (lambda fleet: [(fleet.evidence / "01" / "report").symlink_to("/etc/passwd")], "undetermined"),
    ],
)  # fmt: skip
def test_spoiled_evidence_of_one_lands_nothing(
    fleet: Fleet, spoil: Callable[[Fleet], object], kind: str
) -> None:
    spoil(only(fleet, "01"))
    assert set(refuses(fleet).values()) == {kind}


@pytest.mark.parametrize(
    "spoil",
    [
        said(lambda m: m["members"].pop(), "train"),
        said(lambda m: m["members"].reverse(), "train"),
        said(lambda m: m["members"].clear(), "train"),
        said(lambda m: m["members"].append(m["members"][0]), "train"),
        said(lambda m: m["members"][0].update(head="1" * 40), "train"),
        said(lambda m: m["members"][1].update(runs=[]), "train"),
        said(lambda m: m["members"][1]["runs"].append(m["members"][1]["runs"][0]), "train"),
        said(lambda m: m["members"][0].update(runs=m["members"][1]["runs"]), "train"),
        said(lambda m: m.update(candidate="1" * 40), "train"),
        said(lambda m: m.update(branch="main"), "train"),
        said(lambda m: m.update(agent="01"), "train"),
        said(lambda m: m.update(doubts=[{"reason": "hm", "remedy": "", "whole": False}]), "train"),
        lambda fleet: (fleet.evidence / "train" / "coverage.0000").unlink(),
    ],
)  # fmt: skip
def test_a_spoiled_train_lands_nobody_and_is_nobody_s_fault(
    fleet: Fleet, spoil: Callable[[Fleet], object]
) -> None:
    spoil(only(fleet, "train"))
    assert set(refuses(fleet).values()) <= {"held", "moved", "undetermined"}


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
    landed = [row["agent"] for out, _, _ in answers for row in json.loads(out).get("landed", [])]
    assert sorted(landed) == ["01", "02", "03"], [err.decode()[-500:] for _, err, _ in answers]
    assert {code for _, _, code in answers} <= {0}
    fleet.queue.holds()
