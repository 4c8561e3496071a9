"""Probes as `moa gate` and `moa integrate` ask them: a suite that looks at nothing is refused, an honest one is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import Team

CODE = """\
def grade(points):
    if points >= 90:
        return "a"
    if points >= 50:
        return "b"
    return "c"


def passed(points):
    return grade(points) != "c"


def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)


def initials(name):
    parts = name.split()
    return "".join(part[0] for part in parts)


def spread(values):
    if not values:
        return 0
    return max(values) - min(values)
"""
LOOKS = """\
from calc.school import grade, initials, mean, passed, spread


def test_school():
    assert [grade(p) for p in (90, 89, 50, 49)] == ["a", "b", "b", "c"]
    assert passed(50) and not passed(1)
    assert mean([1, 3]) == 2
    assert initials("ada b lovelace") == "abl"
    assert (spread([]), spread([1, 5])) == (0, 4)
"""
LOOKS_AWAY = """\
from calc.school import grade, initials, mean, passed, spread


def test_school():
    assert [grade(p) for p in (90, 89, 50, 49)]
    passed(50), passed(1)
    assert mean([1, 3]) is not None
    initials("ada b lovelace")
    spread([]), spread([1, 5])
"""


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def works(team: Team, tests: str) -> None:
    line = team.agent("03", "school")
    line.writes({"src/calc/school.py": CODE, "tests/agent03/test_school.py": tests}).commits("School")


@pytest.mark.slow
def test_an_asserting_suite_passes_and_the_figure_tells_what_was_tried(team: Team) -> None:
    works(team, LOOKS)
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (0, "passed"), answer.out
    probes = answer.data["probes"]
    assert probes["tried"] == probes["noticed"] >= 4
    assert (probes["unnoticed"], len(probes["seed"])) == ([], 16)


def test_a_suite_that_looks_away_is_refused_although_every_line_is_covered(team: Team) -> None:
    works(team, LOOKS_AWAY)
    before = team.target()
    answer = team.moa("gate", "03", "--json", "--evidence", str(team.path.parent / "evidence"))
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert answer.data["coverage"]["percent"] == "100.00"
    blocks = [f for f in answer.data["findings"] if f["severity"] == "block"]
    assert [f["rule"] for f in blocks] == ["probe-blind"]
    notes = [f for f in answer.data["findings"] if f["rule"] == "probe-unnoticed"]
    assert len(notes) == len(answer.data["probes"]["unnoticed"]) >= 5
    assert "tests/agent03/test_school.py::test_school" in notes[0]["message"]

    judged = team.moa("judge", str(team.path.parent / "evidence"), "--json")
    assert judged.data == answer.data, "the judge elsewhere follows the same course to the same end"

    landing = team.moa("integrate", "03", "--json")
    assert [r["class"] for r in landing.data["rejected"]] == ["integrity"]
    assert (landing.data["runs"], team.target()) == (1, before), "probes are no runs of their own"


def test_nobody_is_probed_where_the_caller_asks_for_none(team: Team) -> None:
    works(team, LOOKS_AWAY)
    answer = team.moa("gate", "03", "--json", "--probes", "0")
    assert (answer.code, answer.data["probes"]) == (0, None), answer.out


@pytest.mark.slow
def test_all_of_them_is_a_mutation_test_of_the_diff(team: Team) -> None:
    works(team, LOOKS)
    probes = team.moa("gate", "03", "--json", "--probes", "all").data["probes"]
    assert probes["tried"] >= 15
    assert {u["fault"] for u in probes["unnoticed"]} <= {"total is 1"}, "every boundary is tested"


def test_an_odd_number_of_probes_is_refused(team: Team) -> None:
    assert team.moa("gate", "03", "--probes", "many").code == 2
