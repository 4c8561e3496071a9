"""Further words for pytest: what makes the run another one is refused, everything else goes through."""

from __future__ import annotations

import shlex

import pytest

from pytest_moa.rules.pytest_words import refusals


@pytest.mark.parametrize(
    "words",
    [
        "-p no:moa",
        "-pno:moa",
        "-qpno:cov",
        "-p evil",
        "-p=evil",
        "-k some",
        "-m 'not slow'",
        "-x",
        "-vx",
        "--maxfail=1",
        "-c other.ini",
        "-o addopts=",
        "--rootdir=/tmp",
        "--noconftest",
        "--deselect tests/test_a.py::test_b",
        "--ignore=tests",
        "--collect-only",
        "--co",
        "--lf",
        "--reruns 5",
        "--disable-plugin-autoload",
        "--moa-agent 03",
        "--pdbcls=evil:Pdb",
        "tests/test_a.py",
        "@words.txt",
        "-- tests",
        "--assert=plain",
        "--no-cov",
    ],
)
def test_what_chooses_tests_or_loads_plugins_is_refused(words: str) -> None:
    assert refusals(shlex.split(words))


@pytest.mark.parametrize(
    "words",
    [
        "",
        "-v",
        "-ra -q",
        "-n 2",
        "-n2 --dist loadfile",
        "--durations=10",
        "--tb short",
        "-p no:cacheprovider",
        "--timeout=60",
        "-W error",
        "--color=yes -s",
        "--junitxml='a b.xml'",
    ],
)
def test_how_it_runs_and_what_it_shows_is_the_callers_to_say(words: str) -> None:
    assert refusals(shlex.split(words)) == []
