"""A run of chosen ids, a run that goes on, one that nobody waits for any more, and two at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.processes import dies, mentions

from pytest_moa.testing.run import Cancelled, run_child

# test_child_run.py has one with workers in the quick tier.
ALONE_OR_NOT = pytest.mark.parametrize(
    "workers", [("-n0",), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
XDIST = ("-p", "xdist")
THREE = """
    import pytest

    @pytest.mark.parametrize("n", [1, 2])
    def test_n(n): pass

    class TestMore:
        def test_a(self): pass
        def test_b(self): pass
"""


@pytest.fixture
def three(project: Any) -> Any:
    return project.has("a/test_t.py", THREE).has("b/test_u.py", "def test_a(): pass\n")


@ALONE_OR_NOT
def test_only_the_wanted_ids_run_and_nothing_is_told_of_the_others(three: Any, workers: tuple[str]) -> None:
    only = ("a/test_t.py::TestMore::test_b", "a/test_t.py::test_n[2]", "a/test_t.py::test_gone")
    seen = three.runs(*XDIST, *workers, only=only, tests=("a/test_t.py",))
    assert set(seen.collected) == {o.id for o in seen.outcomes} == set(only[:2])
    assert (seen.session_status, seen.end.status, seen.problems) == (0, 0, ())
    assert "deselected" not in (three.request.run_dir / "record.jsonl").read_text()


@ALONE_OR_NOT
def test_where_none_of_the_wanted_ids_is_there_nothing_was_collected(three: Any, workers: tuple[str]) -> None:
    seen = three.runs(*XDIST, *workers, only=("a/test_t.py::test_gone",))
    assert (seen.session_status, seen.end.status, seen.collected) == (5, 5, ())


def test_a_wanted_file_stands_for_all_that_it_holds(three: Any) -> None:
    seen = three.runs(only=("b/test_u.py", "a/test_t.py::TestMore"))
    assert [name.rpartition("::")[2] for name in seen.collected] == ["test_a", "test_b", "test_a"]


def test_what_the_settings_deselect_is_not_brought_back(three: Any) -> None:
    three.has("pytest.ini", "[pytest]\naddopts = -k test_n\n")
    only = ("a/test_t.py::TestMore::test_b", "a/test_t.py::test_n[2]")
    assert three.runs(only=only).collected == only[1:]


def test_whoever_reorders_late_changes_nothing(three: Any) -> None:
    three.has(
        "conftest.py",
        """
        import pytest
        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(items): items.reverse()
        """,
    )
    only = ("a/test_t.py::test_n[1]", "a/test_t.py::test_n[2]")
    assert three.runs(only=only).collected == only[::-1]


@ALONE_OR_NOT
def test_a_run_that_goes_on_tells_of_every_failure_and_every_broken_file(
    project: Any, outcomes: Any, workers: tuple[str]
) -> None:
    project.has("pytest.ini", "[pytest]\naddopts = -x\n")
    project.has("test_a.py", "import nowhere\n").has("test_b.py", "def test_b(: pass\n")
    project.has("test_c.py", "def test_c(): assert 0\ndef test_d(): assert 0\ndef test_e(): pass\n")
    seen = project.runs(*XDIST, *workers, keep_going=True)
    assert {error.id for error in seen.collection_errors} == {"test_a.py", "test_b.py"}
    assert outcomes(seen) == {"test_c": "failed", "test_d": "failed", "test_e": "passed"}
    assert seen.session_status == 1


@ALONE_OR_NOT
def test_a_run_that_nobody_waits_for_ends_with_all_that_it_started(project: Any, workers: tuple[str]) -> None:
    project.has(
        "test_l.py",
        """
        import subprocess, sys, time
        def test_long():
            sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            open("pid", "w").write(str(sleeper.pid))
            open("started", "w").close()
            time.sleep(600)
        """,
    )
    request = project.asks(*XDIST, *workers)
    with pytest.raises(Cancelled):
        run_child(request, cancelled=(project.work / "started").exists)
    assert dies(int((project.work / "pid").read_text()))
    assert not mentions(str(request.run_dir))


def test_two_runs_at_once_have_slots_of_their_own_and_end_apart(project: Any) -> None:
    """Each waits until the other runs as well; the second is told to end, the first is not disturbed."""
    project.has(
        "test_s.py",
        """
        import os, pathlib, time
        def test_slot():
            slot = int(os.environ["MOA_SLOT"])
            pathlib.Path(f"slot-{slot}").touch()
            until = time.monotonic() + 30
            while not pathlib.Path(f"slot-{1 - slot}").exists():
                assert time.monotonic() < until
                time.sleep(0.02)
            if slot:
                time.sleep(600)
            while not pathlib.Path("ended").exists():
                time.sleep(0.02)
        """,
    )
    both = threading.Event()

    def ends() -> bool:
        if all((project.work / f"slot-{n}").exists() for n in (0, 1)):
            both.set()
        return both.is_set()

    first, second = (project.asks(slot=slot) for slot in (0, 1))
    with ThreadPoolExecutor() as threads:
        quiet = threads.submit(run_child, first)
        with pytest.raises(Cancelled):
            threads.submit(run_child, second, cancelled=ends).result()
        assert not mentions(str(second.run_dir))
        (project.work / "ended").touch()
        seen = quiet.result()
    assert (seen.session_status, seen.problems, seen.end.survivors) == (0, (), ())
