"""The stories' building blocks are what they say: checked by plain pytest, without moa."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.queues import Queue
from support.watched import TARGET

Tells = Callable[[Queue], Queue]


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


@pytest.mark.parametrize(
    ("tells", "test"),
    [
        (lambda q: q.culprit("01"), "agent01/test_wrong_01.py::test_wrong_01"),
        (lambda q: q.breaks_old_test("01"), "test_core.py::test_double"),
        (lambda q: q.data_culprit("01"), "test_rates.py::test_rates"),
        (lambda q: q.import_time_constant("01"), "test_constants.py::test_rate"),
        (lambda q: q.deletes_a_function("01"), "test_legacy.py"),
        (lambda q: q.flake("01"), "agent01/test_flaky_01.py::test_now_and_then"),
        (lambda q: q.flake_of_the_target(), "test_network.py::test_answers"),
        (lambda q: q.syntax_error("01"), "agent01/test_broken_01.py"),
        (lambda q: q.import_error("01"), "agent01/test_broken_01.py"),
        (lambda q: q.red_target(), "test_red.py::test_red"),
    ],
)
def test_who_is_said_to_be_red_is_red(tells: Tells, test: str, tmp_path: Path) -> None:
    queue = tells(Queue(tmp_path).team(1))
    assert red(queue, "01") == [test]
    if "flak" in test or "network" in test:
        assert red(queue, "01") == []


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
