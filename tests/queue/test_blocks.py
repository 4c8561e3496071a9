"""The stories' building blocks are what they say: checked by plain pytest, without moa."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.queues import Queue
from support.watched import TARGET

# They watch the builders of stories, which seldom change.
pytestmark = pytest.mark.slow


def red(queue: Queue, *agents: str) -> list[str]:
    """Failing and erring tests of a plain run on a merge of these agents with the target."""
    repo = queue.build().truth
    repo.checkout("develop", detach=True)
    for agent in agents:
        repo.merges(queue.ref(agent))
    done = subprocess.run(
        [
            sys.executable,
            "-B",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:moa",
            "--tb=no",
            "--continue-on-collection-errors",
            "-rfE",
        ],
        cwd=repo.path,
        env=queue.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    rows = [row.split() for row in done.stdout.splitlines()]
    bad = [row[1] for row in rows if row and row[0] in {"FAILED", "ERROR"}]
    assert (done.returncode == 0) == (not bad), done.stdout + done.stderr
    return [name.removeprefix("tests/") for name in bad]


def test_a_whole_team_is_green(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12)
    assert red(queue, *(f"{n:02}" for n in range(1, 13))) == []
    (session,) = queue.sessions()
    assert session["items"] == queue.count("HEAD") == 7 + 12
    assert session["tree"] == queue.digest("HEAD")
    assert session["agents"] == [f"{n:02}" for n in range(1, 13)]


def test_who_is_said_to_be_red_is_red_and_what_flakes_passes_the_second_time(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(8).culprit("01").breaks_old_test("02").data_culprit("03")
    queue.import_time_constant("04").deletes_a_function("05").flake("06").syntax_error("07").import_error(
        "08"
    )
    queue.flake_of_the_target().red_target()
    team = [f"{n:02}" for n in range(1, 9)]
    flaky = {"agent06/test_flaky_06.py::test_now_and_then", "test_network.py::test_answers"}
    stays = {
        "agent01/test_wrong_01.py::test_wrong_01",
        "test_core.py::test_double",
        "test_rates.py::test_rates",
        "test_constants.py::test_rate",
        "test_legacy.py",
        "agent07/test_broken_07.py",
        "agent08/test_broken_08.py",
        "test_red.py::test_red",
    }
    assert set(red(queue, *team)) == stays | flaky
    assert set(red(queue, *team)) == stays


def test_a_pair_is_green_each_alone_and_red_together(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2).pair("01", "02")
    assert red(queue, "01") == []
    assert red(queue, "02") == []
    assert red(queue, "01", "02") == ["agent02/test_room_02.py::test_room_02"]


def test_a_pair_by_a_data_file_is_green_each_alone_and_red_together(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2).pair_by_data("01", "02")
    assert red(queue, "01") == []
    assert red(queue, "02") == []
    assert red(queue, "01", "02") == ["agent02/test_euro_02.py::test_euro"]


def test_two_pairs_do_not_meddle_with_each_other(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(4).pair("01", "02").pair("03", "04")
    assert red(queue, "01", "03") == []
    assert red(queue, "02", "04") == []
    assert len(red(queue, "01", "02", "03", "04")) == 2


def test_code_that_only_the_others_cover_is_green(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(2).covered_by_others_only("01", by="02")
    assert red(queue, "01", "02") == []
    assert red(queue, "02") == []


def test_those_that_write_the_same_line_conflict(tmp_path: Path) -> None:
    repo = Queue(tmp_path).team(2).conflict("01", "02").conflicts_with_target("01").build().truth
    for one, other in ((TARGET, "agent-01-work"), ("agent-01-work", "agent-02-work")):
        with pytest.raises(AssertionError, match=r"settings\.py"):
            repo.git("merge-tree", "--write-tree", "--messages", one, other)


def test_who_crashes_ends_the_whole_process(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(1).crashes("01")
    with pytest.raises(AssertionError):
        red(queue, "01")
    assert "status" not in queue.sessions()[0]
