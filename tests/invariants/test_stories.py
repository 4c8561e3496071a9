"""What chance found, told as short stories, so that it is found again without chance."""

from __future__ import annotations

from pathlib import Path

import pytest
from invariants.machine import ALL, Planned, Player
from invariants.truth import Suites
from support.faults import Forking, Limit


def test_a_landing_that_is_taken_back_at_once_does_not_return(
    tmp_path: Path, moa: Forking, suites: Suites
) -> None:
    """Between the push and the look at what came of it: the next call must know of the landing."""
    player = Player(tmp_path, moa, suites)
    player.works("01", "documents")
    player.somebody_pushes()
    player.integrates(planned=player.planned("target rewound after the landing"))
    player.settles()


@pytest.mark.slow
@pytest.mark.xfail(reason="a run in which pytest itself broke, and no test failed, is taken for a red one")
def test_a_disk_that_is_full_for_the_run_alone_blames_nobody(
    tmp_path: Path, moa: Forking, suites: Suites
) -> None:
    """What is measured does not fit, so that pytest itself breaks in every run and no test fails."""
    player = Player(tmp_path, moa, suites)
    player.works("01", "green")
    player.works("02", "name")
    player.integrates(planned=Planned(fault=Limit(size=50_000)))
    player.settles()


@pytest.mark.slow
def test_dead_calls_and_their_orphans_are_finished_by_the_next(
    tmp_path: Path, moa: Forking, suites: Suites
) -> None:
    player = Player(tmp_path, moa, suites)
    for agent in ("01", "02", "03"):
        player.works(agent, "green")
    player.at_once([(ALL, 1), (ALL, 1), (ALL, 0)], player.planned("killed around the landing", 2))
    player.starts_again("02", "green")
    player.integrates(planned=player.planned("killed around the landing", 1), place=1)
    player.settles()
