"""The queue's rounds: what each costs in runs, whom it blames, and that nobody innocent is blamed in any world."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rounds import Case, World, by

from pytest_moa.rules.queue.round import most_runs
from pytest_moa.rules.queue.steps import Blame, Land, Landed, Limits, OutOfTime, Tried, Try


def own(agent: str, *others: str) -> Case:
    return Case(agent, by(agent), (agent, *others))


def old(agent: str, *others: str) -> Case:
    return Case(None, by(agent), (agent, *others))


PAIR = Case("09", by("04", "09"), ("09", "04"))


@pytest.mark.parametrize(
    ("tests", "opaque", "runs", "blamed"),
    [
        pytest.param({}, (), 1, {}, id="all-green"),
        pytest.param({"t": own("05")}, (), 3, {"05": ("itself", ())}, id="own-test-of-one"),
        pytest.param({"t": old("05")}, (), 3, {"05": ("itself", ())}, id="old-test-by-one"),
        pytest.param({"t": own("05", "07")}, (), 4, {"05": ("itself", ())}, id="bystander"),
        pytest.param(
            {"t": own("05"), "u": old("09")},
            (),
            3,
            {"05": ("itself", ()), "09": ("itself", ())},
            id="two-culprits",
        ),
        pytest.param({"t": PAIR}, (), 4, {"09": ("together", ("04",))}, id="pair"),
        pytest.param(
            {"t": Case(None, by("04", "09"), ("09", "04"))},
            (),
            4,
            {"09": ("together", ("04",))},
            id="pair-seen-by-an-old-test",
        ),
        pytest.param(
            {"t": PAIR, "u": own("05")},
            (),
            5,
            {"05": ("itself", ()), "09": ("together", ("04",))},
            id="pair-and-culprit",
        ),
        pytest.param({"t": Case(None, by("01"))}, ("01",), 4, {"01": ("itself", ())}, id="a-data-file"),
        pytest.param(
            {"t": Case(None, by("03", "08"))},
            ("03", "08"),
            6,
            {"08": ("together", ("03",))},
            id="pair-of-data-files",
        ),
        pytest.param({"t": Case(None, by("01"))}, (), 7, {"01": ("itself", ())}, id="no-evidence-the-first"),
        pytest.param(
            {"t": Case(None, by("07"))}, (), 8, {"07": ("itself", ())}, id="no-evidence-in-the-middle"
        ),
        pytest.param(
            {f"t{n}": own(f"{n:02}") for n in range(1, 13)},
            (),
            2,
            {f"{n:02}": ("itself", ()) for n in range(1, 13)},
            id="everybody",
        ),
    ],
)
def test_a_round_of_twelve_costs_so_many_runs_and_blames_the_right_ones(
    tests: dict[str, Case], opaque: tuple[str, ...], runs: int, blamed: dict[str, tuple[str, tuple[str, ...]]]
) -> None:
    ended = World(12, tests, opaque=opaque).round()
    assert {m: (b.because, b.with_agents) for m, b in ended.blamed.items()} == blamed
    assert ended.runs == runs
    assert len(ended.landed) == 12 - len(blamed)


def test_who_falls_short_is_dropped_and_the_rest_is_run_again() -> None:
    world = World(12, {}, short={"07": "coverage"})
    ended = world.round()
    assert ended.blamed == {"07": Blame(kind="coverage", because="short")}
    assert (ended.runs, len(ended.landed)) == (2, 11)
    assert "07" not in world.log[1].members  # type: ignore[union-attr]  # the second step is a Try


@pytest.mark.parametrize("lines", [(), ("03",)])
def test_a_red_target_is_nobodys_fault(lines: tuple[str, ...]) -> None:
    ended = World(12, {"t": Case(None, lambda _: True, lines)}).round()
    assert {b.kind for b in ended.blamed.values()} == {"target"}
    assert len(ended.blamed) == 12
    assert ended.runs <= 4


def test_an_old_flaky_test_costs_a_rerun_and_blames_nobody() -> None:
    ended = World(12, {"t": Case(None, by("99"))}, flakes={"t": 1}).round()
    assert (ended.runs, len(ended.landed), ended.flaky) == (3, 12, ("t",))


def test_a_flaky_test_within_the_cap_costs_no_further_run() -> None:
    for limits in (Limits(flaky_cap=1), Limits(known_flaky=frozenset({"t"}))):
        ended = World(12, {"t": Case(None, by("99"))}, flakes={"t": 1}).round(limits)
        assert (ended.runs, len(ended.landed), ended.flaky) == (2, 12, ("t",))


def test_a_new_flaky_test_is_its_authors() -> None:
    ended = World(12, {"t": Case("05", by("99"), ("05",))}, flakes={"t": 1}).round()
    assert {m: b.kind for m, b in ended.blamed.items()} == {"05": "flaky"}
    assert len(ended.landed) == 11


@pytest.mark.parametrize(
    ("size", "leaving", "runs"),
    [
        pytest.param(4, ("02",), 5, id="its-tests-tell"),
        pytest.param(4, (), 8, id="nothing-tells"),
        pytest.param(12, ("02", "07"), 8, id="two-may-be-it"),
        pytest.param(12, ("07",), 10, id="another-seems-to-be-it"),
    ],
)
def test_whose_tests_make_others_fail_is_found_and_the_rest_lands(
    size: int, leaving: tuple[str, ...], runs: int
) -> None:
    tests = {
        "old": Case(None, by("02"), beside=True, leaving=leaving),
        "new": Case("03", by("02"), beside=True, leaving=leaving),
    }
    ended = World(size, tests).round(Limits(runs=12))
    assert ended.blamed == {"02": Blame(kind="red", because="leaves", tests=("old",))} or ended.blamed == {
        "02": Blame(kind="red", because="leaves", tests=("old", "new"))
    }
    assert len(ended.landed) == size - 1
    assert (ended.flaky, ended.runs <= runs) == ((), True)


def test_a_new_test_that_fails_after_anothers_is_told_with_whom() -> None:
    world = World(4, {"new": Case("03", by("02", "03"), beside=True, leaving=("02",))})
    ended = world.round()
    assert ended.blamed == {"03": Blame(kind="red", because="leaves", tests=("new",), with_agents=("02",))}
    assert ended.landed == ("01", "04", "02")


def test_a_target_whose_own_order_is_red_is_nobodys_fault() -> None:
    ended = World(4, {"t": Case(None, lambda _: True, beside=True)}).round()
    assert {b.kind for b in ended.blamed.values()} == {"target"}


@pytest.mark.parametrize("leaving", [(), ("02",)])
def test_a_flaky_old_test_never_makes_anybody_a_culprit(leaving: tuple[str, ...]) -> None:
    world = World(12, {"t": Case(None, by("99"), leaving=leaving)}, flakes={"t": 1})
    ended = world.round()
    assert (ended.blamed, len(ended.landed), ended.flaky) == ({}, 12, ("t",))
    assert ended.runs <= 4


def test_dependents_of_a_culprit_are_held_and_named() -> None:
    world = World(3, {"t": own("01")}, depends={"02": frozenset({"01"})})
    ended = world.round()
    assert ended.blamed["02"] == Blame(kind="held", because="dependency", with_agents=("01",))
    assert ended.landed == ("03",)


def test_a_head_that_moved_drops_out_alone() -> None:
    world = World(3, {}, answers={Land: [Landed(kind="moved", members=("02",))]})
    ended = world.round()
    assert ended.blamed == {"02": Blame(kind="moved", because="moved")}
    assert ended.landed == ("01", "03")


def test_a_moved_target_blames_nobody_and_leaves_everybody_open() -> None:
    ended = World(3, {}, answers={Land: [Landed(kind="raced")]}).round()
    assert ended.raced
    assert (ended.blamed, ended.open) == ({}, ("01", "02", "03"))


def test_what_was_killed_once_is_run_again_before_anybody_is_suspected() -> None:
    ended = World(3, {}, answers={Try: [Tried(kind="killed", running="t")]}).round()
    assert (ended.runs, ended.landed) == (2, ("01", "02", "03"))


def test_without_time_nothing_further_is_begun() -> None:
    ended = World(3, {"t": own("01")}, answers={Try: [OutOfTime()]}).round()
    assert {(b.kind, b.because) for b in ended.blamed.values()} == {("held", "time")}


def test_a_conflict_that_only_this_company_has_drops_its_member() -> None:
    ended = World(3, {}, answers={Try: [Tried(kind="conflict", member="02", runs=0)]}).round()
    assert ended.blamed == {"02": Blame(kind="conflict", because="conflict")}
    assert ended.landed == ("01", "03")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to three faults of any kind among up to twelve, evidence with bystanders, dependencies, short coverage."""
    size = draw(st.sampled_from([1, 2, 3, 5, 8, 12]))
    ids = [f"{number:02}" for number in range(1, size + 1)]
    agents = st.sampled_from(ids)
    tests: dict[str, Case] = {}
    opaque: set[str] = set()
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["own", "old", "data", "pair", "old pair"]))
        a, b = draw(agents), draw(agents)
        guilty = (a, b) if "pair" in kind else (a,)
        bystanders = draw(st.lists(agents, max_size=2))
        lines = draw(st.permutations(list(dict.fromkeys([*guilty, *bystanders]))))
        if kind == "data":
            opaque.add(a)
            lines = bystanders
        tests[f"t{number}"] = Case(a if kind in {"own", "pair"} else None, by(*guilty), tuple(lines))
    depends = {}
    if size > 2 and draw(st.booleans()):
        later = draw(st.integers(1, size - 1))
        depends[ids[later]] = frozenset({ids[draw(st.integers(0, later - 1))]})
    short = dict.fromkeys(draw(st.lists(agents, max_size=1)), "coverage")
    return World(size, tests, short=short, opaque=opaque, depends=depends)  # type: ignore[arg-type]  # literals


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_in_every_world_nobody_innocent_is_blamed_and_what_may_land_lands(world: World) -> None:
    ended = world.round()
    assert ended.runs <= most_runs(world.size)
    assert not ended.open
    assert set(ended.landed) | set(ended.blamed) == set(world.ids)
    for member, blame in ended.blamed.items():
        needed = world.depends.get(member, frozenset())
        if blame.kind == "red":
            assert world.red({*ended.landed, *needed, member}), f"{member} would have landed"
        if blame.because == "itself":
            assert world.red({*needed, member}), f"{member} is not red by itself"
        if blame.because == "together":
            theirs = [d for m in blame.with_agents for d in world.depends.get(m, ())]
            assert world.red({*blame.with_agents, *theirs, *needed, member}), f"{member} is green with them"
