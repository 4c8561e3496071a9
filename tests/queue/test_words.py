"""What people say to the queue: order, dependencies, who may go, freezes, budgets, ways of landing."""

from __future__ import annotations

import json
import shlex
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from support.queues import MOA, Queue
from support.repos import Repo
from support.watched import TARGET


def test_dependencies_go_first_then_priority_then_age(tmp_path: Path) -> None:
    queue = (
        Queue(tmp_path).team(5).says("01", depends_on=["04"]).says("03", priority=5).says("05", priority=1)
    )
    said = queue.integrates()
    assert said.landed == ["03", "05", "02", "04", "01"]
    assert said.runs == 1
    queue.holds()


@pytest.mark.slow  # rules/test_queue.py has it, and test_integrate.py with a dependency that is missing
def test_who_depends_on_a_culprit_is_held_and_told_for_whom(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).culprit("02").says("03", depends_on=["02"])
    said = queue.integrates()
    assert said.classes == {"02": "red", "03": "held"}
    assert said.rejected["03"]["with"] == ["02"]
    assert said.landed == ["01", "04"]
    queue.holds()


def test_only_those_that_are_named_go(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(5).culprit("01")
    said = queue.integrates("--all", "--agents", "03,04")
    assert (said.landed, said.rejected, said.runs) == (["03", "04"], {}, 1)
    assert said.sessions[0]["agents"] == ["03", "04"]
    queue.holds()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True).conflict("01", "03").not_ready("04").build()
    clone = Repo(queue.path)
    here, there = clone.refs(), queue.truth.refs()
    said = queue.integrates("--all", "--dry-run")
    assert (clone.refs(), queue.truth.refs()) == (here, there)
    assert said.sessions == ()
    assert said.landed == []
    told = json.dumps(said.data)
    assert all(f'"{agent}"' in told for agent in ("01", "02", "03", "04"))
    assert {said.classes.get("03"), said.classes.get("04")} == {"conflict", "held"}
    queue.holds()


@pytest.mark.slow
def test_who_says_that_it_is_not_ready_is_held(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).not_ready("02")
    said = queue.integrates()
    assert (said.classes, said.landed) == ({"02": "held"}, ["01", "03"])
    assert said.sessions[0]["agents"] == ["01", "03"]
    queue.holds()


@pytest.mark.slow  # services/test_asking.py has both words
def test_a_persons_unready_holds_and_ready_lets_go_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True)
    queue.moa("unready", "02", "--because", "The names are wrong")
    said = queue.integrates()
    assert (said.classes, said.landed) == ({"02": "held"}, ["01"])
    assert "The names are wrong" in said.rejected["02"]["reason"]
    queue.moa("ready", "02")
    assert queue.integrates().landed == ["02"]
    queue.holds()


@pytest.mark.slow
def test_where_agents_have_to_ask_only_those_that_asked_go(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).with_config("integration", require=["requested"])
    queue.moa("ready", "02")
    said = queue.integrates()
    assert said.landed == ["02"]
    assert set(said.classes.values()) <= {"held"}
    queue.holds()


def test_while_frozen_nothing_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True)
    queue.moa("freeze", "--because", "The release is being made")
    said = queue.integrates()
    assert said.code != 0
    assert "The release is being made" in said.out + said.err
    assert (queue.target(), said.sessions) == (queue.starts, ())
    queue.moa("unfreeze")
    assert queue.integrates().landed == ["01", "02"]
    queue.holds()


@pytest.mark.slow
def test_a_freeze_that_is_said_while_tests_run_is_honoured(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True).build()
    other = tmp_path / "other"
    queue.truth.clone(other)
    freeze = shlex.join([*MOA, "freeze", "--because", "The release is being made", "-C", str(other)])
    queue.during(1, freeze)
    said = queue.integrates()
    assert said.code != 0
    assert queue.target() == queue.starts
    assert "The release is being made" in said.out + said.err
    assert "red" not in said.out
    queue.holds()


@pytest.mark.slow
def test_out_of_time_what_is_known_counts_and_the_rest_is_held(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).culprit("02").during(1, "sleep 4")
    said = queue.integrates("--all", "--budget", "3")
    assert said.code == 1
    assert set(said.classes.values()) <= {"held", "red"}
    assert {agent for agent, kind in said.classes.items() if kind == "red"} <= {"02"}
    queue.holds()
    assert queue.integrates().landed == [agent for agent in ("01", "03", "04") if agent not in said.landed]
    queue.holds()


def test_squashed_branches_land_as_one_commit_each_with_the_same_trailers(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).with_config("integration", method="squash").build()
    more = queue.prepared(queue.ref("02"), {"docs/two.md": "Second commit.\n"})
    queue.moves(queue.ref("02"), more)
    said = queue.integrates()
    assert (sorted(said.landed), said.runs) == (["01", "02", "03"], 1)
    rows = queue.truth.git("log", "--first-parent", "--format=%P", f"{queue.starts}..{TARGET}").splitlines()
    assert [len(row.split()) for row in rows] == [1, 1, 1]
    assert sorted(queue.landings().values()) == sorted(queue.heads().values())
    queue.holds()
    again = queue.integrates()
    assert (again.code, again.landed, again.runs) == (0, [], 0)
    # Git cannot know that the target holds what the branch goes on from: nobody else is named for it.
    landed = queue.truth.head(queue.ref("01"))
    source = queue.truth.git("show", f"{landed}:src/shop/feature_01.py")
    queue.moves(
        queue.ref("01"), queue.prepared(queue.ref("01"), {"src/shop/feature_01.py": source + "\n# More.\n"})
    )
    row = queue.integrates().rejected["01"]
    assert (row["class"], row["with"]) == ("conflict", [])
    assert "squash" in row["reason"]
    assert f"git rebase --onto develop {landed[:10]}" in row["remedy"]


def test_candidates_at_the_same_time_have_slots_of_their_own(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).pair("01", "02").pair("03", "04")
    said = queue.integrates()
    assert overlapping(said.sessions), "nothing ran at the same time"
    assert all(one["slot"] != other["slot"] for one, other in overlapping(said.sessions))
    assert {s["slot"] for s in said.sessions} <= {"0", "1", "2"}
    queue.holds()


@pytest.mark.slow
def test_one_candidate_at_a_time_where_the_policy_says_so(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).pair("01", "02").pair("03", "04")
    queue.with_config("agents", max_parallel_integrations=1)
    said = queue.integrates()
    assert overlapping(said.sessions) == []
    assert {s["slot"] for s in said.sessions} == {"0"}
    assert len(said.landed) == 2
    queue.holds()


def overlapping(sessions: Any) -> list[tuple[Any, Any]]:
    return [
        (one, other)
        for one, other in combinations(sessions, 2)
        if one["began"] < other.get("ended", one["began"])
        and other["began"] < one.get("ended", other["began"])
    ]


@pytest.mark.slow
def test_a_branch_that_was_not_pushed_is_told_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True).build()
    queue.truth.git("update-ref", "-d", queue.ref("02"))
    Repo(queue.path).git("update-ref", queue.ref("02"), queue.moved.pop(queue.ref("02")))
    said = queue.integrates()
    assert (said.classes, said.landed) == ({"02": "held"}, ["01"])
    assert "push" in said.rejected["02"]["remedy"]
    queue.holds()


@pytest.mark.slow
def test_two_branches_that_claim_one_id_are_told_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3, remote=True).build()
    rival = "refs/heads/agent-02-rival"
    queue.moves(rival, queue.prepared(queue.ref("02"), {"docs/rival.md": "Mine.\n"}))
    said = queue.integrates()
    assert said.landed == ["01", "03"]
    assert list(said.classes) == ["02"]
    queue.holds()


def test_an_executor_that_is_not_there_is_refused_and_never_replaced_by_another(tmp_path: Path) -> None:
    said = Queue(tmp_path).team(1).with_config("integration", executor="checks").integrates()
    assert (said.code, said.data["error"]["kind"]) == (2, "refused")
    assert "`integration.executor` is `checks`" in said.data["error"]["reason"]
