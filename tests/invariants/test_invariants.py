"""The target only ever points at what passes, whatever goes wrong: chance plays, and the promises are looked at after each step.

`MOA_DEEP=200` plays so many games by fresh chance (and shrinks what it finds); otherwise the games are always the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from invariants.machine import playing
from invariants.truth import Suites
from support.faults import Forking

DEEP = int(os.environ.get("MOA_DEEP", "0"))


def play(games: int, steps: int, place: Path, moa: Forking, suites: Suites) -> None:
    run_state_machine_as_test(
        playing(place, moa, suites),
        settings=settings(
            max_examples=games,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=not DEEP,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if DEEP else [Phase.generate],
        ),
    )


def test_whatever_happens_only_what_passes_lands(tmp_path: Path, moa: Forking, suites: Suites) -> None:
    play(2, 4, tmp_path, moa, suites)


@pytest.mark.slow
def test_whatever_happens_in_many_games_only_what_passes_lands(
    tmp_path: Path, moa: Forking, suites: Suites
) -> None:
    play(DEEP or 10, 8, tmp_path, moa, suites)
