"""Honest misfortune: nobody innocent is blamed, nothing rewound returns, the rest lands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.queues import Queue
from support.watched import TARGET

INNOCENT = {"held", "target", "infrastructure", "undetermined", "moved"}
"""Classes that blame nobody's work."""


@pytest.mark.slow  # the tolerated one below is quicker, and a new one says the same of blame
def test_a_flaky_test_of_the_target_costs_runs_and_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).flake_of_the_target()
    said = queue.integrates()
    assert (said.code, len(said.landed)) == (0, 4)
    assert said.data["flaky"] == ["tests/test_network.py::test_answers"]
    assert said.runs <= 4
    queue.holds()


def test_who_leaves_something_behind_that_makes_an_old_test_fail_is_told_and_the_rest_lands(
    tmp_path: Path,
) -> None:
    text = "import shop.core\n\n\ndef test_z():\n    shop.core.double = lambda x: 0\n    assert shop.core.double(1) == 0\n"
    queue = Queue(tmp_path).team(3).writes("02", {"tests/agent02/test_z.py": text})
    old = "import shop.core\n\n\ndef test_late():\n    assert shop.core.double(2) == 4\n"
    queue.base["tests/test_late.py"] = old
    said = queue.integrates()
    assert said.classes == {"02": "red"}
    assert (said.landed, said.rejected["02"]["tests"]) == (["01", "03"], ["tests/test_late.py::test_late"])
    assert said.runs <= 4
    queue.holds()


def test_a_new_flaky_test_is_its_authors_and_keeps_nobody_else_out(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).flake("03")
    said = queue.integrates()
    assert said.classes == {"03": "flaky"}
    assert said.landed == ["01", "02", "04"]
    assert said.data["flaky"] == ["tests/agent03/test_flaky_03.py::test_now_and_then"]
    assert said.runs <= 3
    queue.holds()


@pytest.mark.parametrize(
    "key",
    [
        {"flaky_cap": 1},
        pytest.param({"known_flaky": ["tests/test_network.py::test_answers"]}, marks=pytest.mark.slow),
    ],
)
def test_a_tolerated_flaky_test_costs_one_run(key: dict[str, object], tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).flake_of_the_target().with_config("integration", **key)
    said = queue.integrates()
    assert (said.code, len(said.landed), said.runs) == (0, 4, 2)
    assert said.data["flaky"] == ["tests/test_network.py::test_answers"]
    queue.holds(red=True)


def test_a_red_target_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).red_target()
    said = queue.integrates()
    assert said.code == 1
    assert said.landed == []
    assert said.classes == dict.fromkeys(["01", "02", "03", "04"], "target")
    assert said.runs <= 3
    assert all(row["tests"] == ["tests/test_red.py::test_red"] for row in said.rejected.values())
    queue.holds()


@pytest.mark.slow
def test_a_red_target_and_a_culprit_still_blame_nobody_wrongly(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).red_target().culprit("02")
    said = queue.integrates()
    assert said.landed == []
    assert {said.classes[agent] for agent in ("01", "03", "04")} == {"target"}
    assert said.classes["02"] in {"target", "red"}
    queue.holds()


def test_a_missing_test_command_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).missing_command()
    said = queue.integrates()
    assert said.code != 0
    assert "python-that-is-not-there" in said.out + said.err
    assert queue.target() == queue.starts
    assert said.sessions == ()
    if "rejected" in said.data:
        assert set(said.classes.values()) == {"target"}
    queue.holds()


@pytest.mark.slow
def test_a_target_whose_conftest_cannot_be_imported_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4)
    queue.base["tests/conftest.py"] = "import a_plugin_that_is_not_installed\n"
    said = queue.integrates()
    assert (said.code != 0, said.landed) == (True, [])
    assert set(said.classes.values()) <= {"target", "undetermined"}
    assert "red" not in said.classes.values()
    queue.holds()


def test_a_suite_that_collects_nothing_lands_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.base = {path: text for path, text in queue.base.items() if not path.startswith("tests/")}
    for agent in ("01", "02"):
        queue.writes(agent, {f"docs/{agent}.md": "Words.\n"})
    said = queue.integrates()
    assert (said.code, said.landed) == (1, [])
    assert set(said.classes.values()) <= {"target", "undetermined"}
    assert queue.target() == queue.starts


@pytest.mark.slow
def test_a_hang_is_named_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).hang("03").with_config("agents", timeout=5)
    said = queue.integrates()
    assert said.classes == {"03": "hang"}
    assert said.rejected["03"]["tests"] == ["tests/agent03/test_waits_03.py::test_waits"]
    assert said.landed == ["01", "02", "04"]
    assert said.runs <= 4
    queue.holds()


@pytest.mark.slow
def test_who_kills_the_interpreter_is_found_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).crashes("09")
    said = queue.integrates()
    assert list(said.classes) == ["09"]
    assert said.classes["09"] in {"red", "undetermined", "infrastructure"}
    assert said.rejected["09"]["tests"] == ["tests/agent09/test_crash_09.py::test_crash_09"]
    assert len(said.landed) == 11
    assert said.runs <= 8
    queue.holds()


def test_a_run_that_was_killed_once_is_made_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).during(1, "kill -9 $PPID")
    said = queue.integrates()
    assert (said.code, len(said.landed), said.runs) == (0, 4, 2)
    queue.holds()


@pytest.mark.slow  # a killed run is made again in the same way
def test_a_run_that_broke_once_without_a_failing_test_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).during(1, "exit 1")
    said = queue.integrates()
    assert "red" not in said.classes.values()
    assert queue.integrates().rejected == {}
    assert len(queue.landings()) == 4
    queue.holds()


@pytest.mark.slow  # tests/services/test_integrate.py has it with one branch
def test_a_foreign_push_between_test_and_push_means_testing_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True)
    foreign = queue.foreign_commit()
    said = queue.moves_during(1, TARGET, foreign).integrates()
    assert (said.code, len(said.landed)) == (0, 4)
    assert said.runs == 2
    assert foreign in queue.truth.git("rev-list", "--first-parent", TARGET).split()
    queue.holds()


@pytest.mark.slow
def test_a_foreign_push_that_conflicts_with_one_keeps_that_one_out(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True).conflict("02")
    foreign = queue.foreign_commit({"src/shop/settings.py": 'NAME = "other"\n'})
    said = queue.moves_during(1, TARGET, foreign).integrates()
    assert (said.classes, said.landed, said.runs) == ({"02": "conflict"}, ["01", "03", "04"], 2)
    queue.holds()


@pytest.mark.slow
def test_a_foreign_push_that_makes_the_target_red_blames_nobody(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True)
    foreign = queue.foreign_commit({"tests/test_red.py": "def test_red():\n    assert 1 == 2\n"})
    said = queue.moves_during(1, TARGET, foreign).integrates()
    assert set(said.classes.values()) == {"target"}
    assert (said.landed, queue.target()) == ([], foreign)
    queue.holds()


@pytest.mark.slow
def test_a_push_of_somebody_else_again_and_again_ends_with_the_race_lost(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True)
    at = queue.build().target()
    for session in range(1, 12):
        at = queue.prepared(TARGET, {f"docs/{session}.md": "More.\n"}, at=at)
        queue.moves_during(session, TARGET, at)
    said = queue.integrates()
    assert (said.code, said.data["error"]["kind"]) == (5, "race")
    assert len(said.sessions) < 11
    queue.holds()


@pytest.mark.slow  # the next test is its quicker half
def test_what_was_rewound_before_the_landing_does_not_return(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True)
    begin = queue.build().target()
    mistake = queue.foreign_commit({"src/shop/mistake.py": "WRONG = 1\n"})
    queue.moves(TARGET, mistake)
    said = queue.moves_during(1, TARGET, begin).integrates()
    assert (said.code, len(said.landed), said.runs) == (0, 4, 2)
    assert mistake not in queue.truth.git("rev-list", TARGET).split()
    queue.holds()


def test_a_landing_that_a_person_took_back_does_not_return_by_itself(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2, remote=True)
    begin = queue.build().target()
    queue.integrates("01")
    queue.moves(TARGET, begin)
    said = queue.integrates()
    assert (said.landed, said.classes) == (["02"], {"01": "held"})
    assert "moa ready 01" in said.out + queue.moa("status")
    queue.moa("ready", "01")
    assert queue.integrates().landed == ["01"]
    queue.holds(ledger=False)


@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.slow  # four calls each
def test_a_landing_that_is_taken_back_before_we_look_is_told_and_does_not_return(
    remote: bool, tmp_path: Path
) -> None:
    """Somebody's rewind meets the landing, which nobody but the run that made it knows of."""
    queue = Queue(tmp_path).team(2, remote=remote).build()
    begin = queue.target()
    back = f"mkdir {queue.story}/back 2>/dev/null && real -C '{queue.truth.path}' update-ref {TARGET} {begin}"
    moves = "*push*:refs/heads/develop*" if remote else "*update-ref*refs/heads/develop*"
    rewinds = queue.git_does(f'case "$*" in {moves}) real "$@" && {back}; exit 0 ;; *) real "$@" ;; esac')
    said = queue.integrates(env=rewinds)
    assert (said.code, said.data["error"]["kind"]) == (2, "repository")
    assert "moved it back" in said.data["error"]["remedy"]
    assert "moa ready" in said.data["error"]["remedy"]
    if not remote:
        queue.truth.git("reset", "-q", "--hard")
    said = queue.integrates()
    assert (said.landed, said.classes) == ([], {"01": "held", "02": "held"})
    assert queue.target() == begin
    queue.moa("ready", "01")
    assert queue.integrates().landed == ["01"]
    queue.foreign.add(begin)
    queue.holds(ledger=False)


@pytest.mark.slow
def test_a_checked_out_target_that_was_rewound_brings_nothing_back(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2)
    begin = queue.build().target()
    mistake = queue.foreign_commit({"src/shop/mistake.py": "WRONG = 1\n"})
    queue.truth.git("reset", "-q", "--hard", mistake)
    queue.foreign.add(begin)
    said = queue.during(1, f"git -C '{queue.path}' reset -q --hard {begin}").integrates()
    assert (said.code, len(said.landed)) == (0, 2)
    assert mistake not in queue.truth.git("rev-list", TARGET).split()
    assert not (queue.path / "src/shop/mistake.py").exists()
    assert (queue.path / "src/shop/feature_01.py").exists()
    assert queue.truth.git("status", "--porcelain") == ""
    queue.holds()


@pytest.mark.slow  # tests/services/test_integrate.py has it with one branch
def test_a_head_that_was_force_pushed_drops_out_alone_and_lands_with_the_next_call(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True)
    new = queue.prepared(queue.ref("02"), {"docs/02.md": "Begun again.\n"}, at=TARGET)
    said = queue.moves_during(1, queue.ref("02"), new).integrates()
    assert (said.classes, said.landed, said.runs) == ({"02": "moved"}, ["01", "03", "04"], 2)
    queue.holds()
    said = queue.integrates()
    assert [(row["agent"], row["head"]) for row in said.data["landed"]] == [("02", new)]
    queue.holds()


@pytest.mark.parametrize(
    "rev",
    [
        "",
        *(pytest.param(rev, marks=pytest.mark.slow) for rev in ("~", "^{tree}", ":docs")),
        ":src/shop/feature_02.py",
    ],
)
def test_a_branch_whose_objects_are_lost_waits_alone(rev: str, tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).writes("02", {"docs/02.md": "Words.\n"}).build()
    more = queue.prepared(queue.ref("02"), {"docs/more.md": "More.\n"})
    queue.moves(queue.ref("02"), more)
    queue.truth.loses(queue.ref("02") + rev)
    rows = json.JSONDecoder().raw_decode(queue.moa("plan", "--json"))[0]["include"]
    assert [row["agent"] for row in rows] == ["01", "03", "train"]
    said = queue.integrates()
    assert (said.code, said.landed, said.classes) == (1, ["01", "03"], {"02": "infrastructure"})
    assert "git fsck" in said.rejected["02"]["remedy"]
    queue.holds()


@pytest.mark.slow
def test_a_branch_that_was_deleted_meanwhile_drops_out_alone(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True).build()
    ref = queue.ref("03")
    queue.during(1, f"git -C '{queue.truth.path}' update-ref -d {ref}")
    del queue.moved[ref]
    said = queue.integrates()
    assert (said.classes, said.landed) == ({"03": "moved"}, ["01", "02", "04"])
    queue.holds()


@pytest.mark.slow  # services/test_integrate.py has it with three branches
def test_a_refused_push_blames_nobody_and_says_what_the_remote_said(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True)
    queue.hook("update", '[ "$1" != refs/heads/develop ] || { echo "the bouncer says no"; exit 1; }')
    said = queue.integrates()
    assert said.code not in {0, 5}
    assert "the bouncer says no" in said.out + said.err
    assert queue.target() == queue.starts
    assert said.data.get("landed", []) == []
    if "rejected" in said.data:
        assert set(said.classes.values()) <= INNOCENT
    assert len(said.sessions) == 1
    queue.hook("update", "exit 0")
    assert len(queue.integrates().landed) == 4
    queue.holds()


def test_a_push_that_says_failure_although_it_landed_is_a_landing(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True).build()
    fails = queue.git_does('case "$*" in *push*develop*) real "$@"; exit 1 ;; *) real "$@" ;; esac')
    said = queue.integrates(env=fails)
    assert (said.code, len(said.landed), said.runs) == (0, 4, 1)
    assert said.data["target"]["after"] == queue.target()
    queue.holds()


@pytest.mark.slow
def test_a_remote_that_dies_after_it_took_the_push_holds_our_landing(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4, remote=True).build()
    queue.hook(
        "reference-transaction",
        f'[ "$1" = committed ] && grep -q develop && mkdir {queue.story}/died 2>/dev/null && kill -9 $PPID; exit 0',
    )
    said = queue.integrates()
    assert (queue.story / "died").exists()
    assert (said.code, len(said.landed), said.runs) == (0, 4, 1)
    queue.holds()
