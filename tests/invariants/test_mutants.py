"""A machine that catches nothing proves nothing: moa with one promise broken has to be caught, and by the right check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from invariants.machine import ALL, Player
from invariants.truth import Suites
from invariants.world import Work
from support.faults import Forking


@dataclass(frozen=True)
class Mutant:
    """How moa is changed, the story in which that shows, and the promise that it breaks."""

    name: str
    caught: str
    team: tuple[Work, ...] = ("green", "green")
    fault: str = "none"
    before: tuple[str, ...] = field(default=())
    red_target: bool = False


FAST = (
    Mutant("lands_without_comparing", "a landing dropped commits", fault="target moves in tests"),
    Mutant("believes_that_everything_is_green", "its suite fails", team=("green", "red")),
)
SLOW = (
    Mutant("lands_what_was_not_tested", "is not its parents' merge"),
    Mutant("pays_no_heed_to_moved_heads", "its branch had left before", fault="head moves in tests"),
    Mutant("does_not_tell_the_ledger", "the ledger lacks"),
    Mutant("tells_the_ledger_twice", "tells a landing twice"),
    Mutant("blames_the_first", "is told 'red'", red_target=True),
    Mutant("deletes_the_branch", "branches were moved or lost"),
    Mutant("honours_no_word", "on a frozen target", before=("freeze", "--because", "a release")),
    Mutant("leaves_its_quarantine", "left in the temporary folder"),
    Mutant("brings_back_what_was_taken", "took back meanwhile returned", fault="target rewound in tests"),
)


def player(place: Path, moa: Forking, suites: Suites, mutant: Mutant) -> Player:
    """The story up to the call in which the mutant shows itself."""
    found = Player(place, moa, suites)
    for agent, work in zip(("01", "02"), mutant.team, strict=True):
        found.works(agent, work)
    found.somebody_pushes(red=mutant.red_target)
    if mutant.before:
        found.says(*mutant.before)
    return found


@pytest.mark.parametrize(
    "mutant",
    [*FAST, *(pytest.param(mutant, marks=pytest.mark.slow) for mutant in SLOW)],
    ids=lambda mutant: mutant.name,
)
def test_a_broken_moa_is_caught(mutant: Mutant, tmp_path: Path, moa: Forking, suites: Suites) -> None:
    found = player(tmp_path, moa, suites, mutant)
    found.world.mutant = mutant.name
    with pytest.raises(AssertionError, match=mutant.caught):
        found.integrates(*ALL, planned=found.planned(mutant.fault, 1, "01"), quiet=mutant.fault == "none")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [*FAST, *SLOW], ids=lambda mutant: mutant.name)
def test_moa_itself_passes_in_the_same_story(
    mutant: Mutant, tmp_path: Path, moa: Forking, suites: Suites
) -> None:
    found = player(tmp_path, moa, suites, mutant)
    found.integrates(*ALL, planned=found.planned(mutant.fault, 1, "01"), quiet=mutant.fault == "none")
