"""How many runs a round needs, counted from outside, and who is blamed: the right one, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.queues import Queue, Said

Tells = Callable[[Queue], Queue]

ALL = [f"{number:02}" for number in range(1, 13)]


def check(said: Said, *, runs: int, red: Mapping[str, str], classes: Mapping[str, str] | None = None) -> None:
    """Who of the twelve was rejected and how, that all others landed, and that it took no more than so many runs."""
    expected = classes or dict.fromkeys(red, "red")
    assert said.classes == expected
    assert sorted(said.landed) == [agent for agent in ALL if agent not in expected]
    for agent, test in red.items():
        assert f"tests/{test}" in said.rejected[agent]["tests"]
    assert said.runs <= runs
    assert said.code == (1 if expected else 0)


def wrong(agent: str) -> str:
    return f"agent{agent}/test_wrong_{agent}.py::test_wrong_{agent}"


def room(agent: str) -> str:
    return f"agent{agent}/test_room_{agent}.py::test_room_{agent}"


def test_twelve_green_branches_land_for_one_run_with_the_coverage_of_each(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12)
    said = queue.integrates()
    check(said, runs=1, red={})
    line = queue.truth.git("rev-list", "--first-parent", f"{queue.starts}..develop").split()[::-1]
    assert [row["commit"] for row in said.data["landed"]] == line
    for row, event in zip(said.data["landed"], queue.events(), strict=True):
        merge, head = queue.truth.git("show", "-s", "--format=%P", row["commit"]).split()
        assert head == row["head"] == queue.heads()[queue.ref(row["agent"])]
        assert merge in {queue.starts, *line}
        assert event["data"]["coverage"]["percent"] == "100.00"
    assert {event["data"]["coverage"]["statements"] for event in queue.events()} == {4}
    queue.holds()
    refs = queue.truth.refs()
    again = queue.integrates()
    assert (again.code, again.landed, again.rejected, again.runs) == (0, [], {}, 0)
    assert queue.truth.refs() == refs


@pytest.mark.parametrize(
    ("tells", "runs", "test"),
    [
        pytest.param(lambda q: q.culprit("05"), 3, wrong("05"), id="own-new-test"),
        pytest.param(
            lambda q: q.import_error("05"),
            3,
            "agent05/test_broken_05.py",
            id="own-new-test-cannot-be-imported",
            marks=pytest.mark.slow,
        ),
        pytest.param(lambda q: q.breaks_old_test("05"), 4, "test_core.py::test_double", id="old-test"),
        pytest.param(
            lambda q: q.deletes_a_function("05"),
            8,
            "test_legacy.py",
            id="deleted-function",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda q: q.data_culprit("05"),
            8,
            "test_rates.py::test_rates",
            id="data-file",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda q: q.import_time_constant("05"),
            8,
            "test_constants.py::test_rate",
            id="import-time-constant",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_one_culprit(tells: Tells, runs: int, test: str, tmp_path: Path) -> None:
    queue = tells(Queue(tmp_path).team(12))
    check(queue.integrates(), runs=runs, red={"05": test})
    queue.holds()


@pytest.mark.parametrize("place", ["01", "12"])
@pytest.mark.parametrize("tells", ["data_culprit", "deletes_a_function"])
@pytest.mark.slow
def test_a_culprit_that_no_line_names_is_found_wherever_it_stands(
    tells: str, place: str, tmp_path: Path
) -> None:
    queue = Queue(tmp_path).team(12)
    getattr(queue, tells)(place)
    said = queue.integrates()
    assert said.classes == {place: "red"}
    assert len(said.landed) == 11
    assert said.runs <= 8
    queue.holds()


@pytest.mark.slow
@pytest.mark.parametrize(
    "tells",
    [
        pytest.param(lambda q: q.culprit("03").culprit("09"), id="new-and-new"),
        pytest.param(lambda q: q.culprit("03").breaks_old_test("09"), id="new-and-old"),
    ],
)
def test_two_culprits(tells: Tells, tmp_path: Path) -> None:
    queue = tells(Queue(tmp_path).team(12))
    said = queue.integrates()
    check(said, runs=4, red={"03": wrong("03"), "09": said.rejected["09"]["tests"][0].removeprefix("tests/")})
    queue.holds()


@pytest.mark.parametrize(("one", "other"), [("04", "09"), ("09", "04")])
@pytest.mark.slow  # with two culprits and a flake there is a pair in the quick tier
def test_a_pair_is_named_as_that_pair_and_one_of_it_lands(one: str, other: str, tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).pair(one, other)
    said = queue.integrates()
    (out,) = said.rejected
    assert out in {one, other}
    check(said, runs=6, red={out: room(other)})
    assert said.rejected[out]["with"] == [one if out == other else other]
    again = queue.integrates(out).rejected[out]
    assert again["with"] == said.rejected[out]["with"], "the next call still knows with whom"
    told = said.rejected[out]["reason"] + again["reason"]
    assert "src/shop/limits.py" in told, "both changed places are named"
    queue.holds()


@pytest.mark.parametrize(("one", "other"), [("02", "05"), ("05", "02")])
@pytest.mark.slow  # a pair that is told by its lines is quicker
def test_a_pair_by_a_data_file_costs_more_and_blames_nobody_else(
    one: str, other: str, tmp_path: Path
) -> None:
    queue = Queue(tmp_path).team(6).pair_by_data(one, other)
    said = queue.integrates()
    (out,) = said.rejected
    assert (said.classes[out], len(said.landed)) == ("red", 5)
    assert out in {one, other}
    assert set(said.rejected[out]["with"]) <= {one, other}
    assert said.rejected[out]["tests"] == [f"tests/agent{other}/test_euro_{other}.py::test_euro"]
    assert said.runs <= 9
    queue.holds()


@pytest.mark.slow
def test_a_pair_and_a_culprit(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).pair("04", "09").culprit("06")
    said = queue.integrates()
    (out,) = set(said.rejected) - {"06"}
    check(said, runs=8, red={"06": wrong("06"), out: room("09")})
    assert said.rejected[out]["with"] == [{"04": "09", "09": "04"}[out]]
    assert said.rejected["06"]["with"] == []
    queue.holds()


def test_two_culprits_a_pair_and_a_flake_never_cost_more_than_a_run_each(tmp_path: Path) -> None:
    queue = (
        Queue(tmp_path).team(12).culprit("02").breaks_old_test("07").pair("04", "09").flake_of_the_target()
    )
    said = queue.integrates()
    (out,) = set(said.rejected) - {"02", "07"}
    check(said, runs=12, red={"02": wrong("02"), "07": "test_core.py::test_double", out: room("09")})
    assert said.data["flaky"] == ["tests/test_network.py::test_answers"]
    queue.holds()


@pytest.mark.slow
def test_two_pairs(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).pair("04", "09").pair("02", "11")
    said = queue.integrates()
    assert set(said.classes.values()) == {"red"}
    assert len(said.landed) == 10
    assert {agent in {"04", "09"} for agent in said.rejected} == {True, False}
    assert said.runs <= 12
    queue.holds()


@pytest.mark.slow
def test_twelve_culprits_cost_no_more_than_twelve_runs(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12)
    for agent in ALL:
        queue.culprit(agent)
    check(queue.integrates(), runs=12, red={agent: wrong(agent) for agent in ALL})
    assert queue.target() == queue.starts
    queue.holds()


@pytest.mark.slow
def test_half_of_them_culprits_and_the_other_half_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12)
    for agent in ALL[::2]:
        queue.culprit(agent)
    check(queue.integrates(), runs=12, red={agent: wrong(agent) for agent in ALL[::2]})
    queue.holds()


@pytest.mark.slow
def test_too_little_coverage_costs_one_more_run_and_keeps_nobody_else_out(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).low_coverage("07")
    said = queue.integrates()
    check(said, runs=2, red={}, classes={"07": "coverage"})
    assert "90%" in said.rejected["07"]["reason"]
    queue.holds()


def test_lines_that_only_another_agents_tests_cover_are_refused_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).covered_by_others_only("07", by="08")
    check(queue.integrates(), runs=2, red={}, classes={"07": "coverage"})
    queue.holds()


def test_neither_a_block_finding_nor_a_conflict_ever_runs_beside_the_others(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).takes_a_test_away("03").syntax_error("06").conflict("04", "09")
    said = queue.integrates()
    check(said, runs=1, red={}, classes={"03": "integrity", "06": "integrity", "09": "conflict"})
    assert said.rejected["09"]["with"] == ["04"]
    assert [f["rule"] for f in said.rejected["03"]["findings"] if f["severity"] == "block"] == [
        "tests-removed"
    ]
    assert [s["agents"] for s in said.sessions] == [[a for a in ALL if a not in said.rejected]]
    queue.holds()


@pytest.mark.slow
def test_a_rewritten_old_test_is_seen_and_its_run_is_counted(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).rewrites_an_old_test("05")
    said = queue.integrates()
    check(said, runs=4, red={}, classes={"05": "integrity"})
    assert "old-tests-fail" in {f["rule"] for f in said.rejected["05"]["findings"]}
    queue.holds()


@pytest.mark.slow
def test_of_two_that_conflict_the_earlier_goes_on_and_the_other_is_told_with_whom(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).conflict("03", "06")
    said = queue.integrates()
    assert said.code == 4
    assert said.classes == {"06": "conflict"}
    assert said.rejected["06"]["with"] == ["03"]
    assert "src/shop/settings.py" in said.rejected["06"]["reason"]
    assert (len(said.landed), said.runs) == (11, 1)
    queue.holds()


@pytest.mark.slow
def test_who_conflicts_with_the_target_is_told_and_the_rest_lands(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12).conflicts_with_target("03")
    said = queue.integrates()
    assert (said.code, said.classes, len(said.landed), said.runs) == (4, {"03": "conflict"}, 11, 1)
    assert said.rejected["03"]["with"] == []
    queue.holds()
