"""A run of a part of the tests gives no verdict, and its exit status is the tests' own."""

from __future__ import annotations

import pytest
from support.desks import Desk


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["-k", "add"], "-k left tests out"),
        (["-m", "not slow"], "-m left tests out"),
        (["--deselect", "tests/agent03/test_core.py::test_add"], "--deselect left tests out"),
        (["--ignore=tests/agent04"], "--ignore left tests out"),
        (["tests/agent03/test_core.py::test_add"], "the paths leave out tests of the agent"),
    ],
)
def test_a_typed_selection_gives_no_verdict(desk: Desk, args: list[str], reason: str) -> None:
    ran = desk.shop().runs("--moa-agent", "03", *args)
    assert (ran.status, ran.gate["verdict"], ran.gate["partial"]) == (0, None, True)
    assert ran.gate["reason"] == reason
    assert "a partial run, no verdict" in ran.out


def test_pytest_addopts_of_the_environment_are_typed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k add")
    assert desk.shop().runs("--moa-agent", "03").gate["partial"] is True


def test_the_projects_own_addopts_are_not_partial(desk: Desk) -> None:
    desk.shop().has(
        {"pytest.ini": '[pytest]\npythonpath = src\naddopts = -k "not sub" -m "not slow"\nmarkers = slow\n'}
    )
    ran = desk.runs("--moa-agent", "03")
    assert (ran.status, ran.gate["verdict"], ran.gate["tests"]["collected"]) == (1, "failed", 1)


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["none", "n2"])
def test_stopping_at_the_first_failure_is_partial(desk: Desk, workers: tuple[str, ...]) -> None:
    many = "import pytest\n\n\n@pytest.mark.parametrize('n', range(40))\ndef test_many(n):\n    assert n\n"
    ran = desk.shop().has({"tests/agent04/test_many.py": many}).runs("--moa-agent", "04", "-x", *workers)
    assert (ran.status, ran.gate["partial"]) == (2 if workers else 1, True)


def test_x_without_a_failure_is_whole(desk: Desk) -> None:
    assert desk.shop().runs("--moa-agent", "04", "-x").gate["verdict"] == "passed"


def test_last_failed_is_partial_only_where_something_failed(desk: Desk) -> None:
    red = {"tests/agent04/test_red.py": "def test_red():\n    assert False\n"}
    desk.shop().has(red)
    assert desk.runs("--moa-agent", "04", "--lf").gate["verdict"] == "failed"
    again = desk.runs("--moa-agent", "04", "--lf")
    assert (again.status, again.gate["partial"], again.gate["tests"]["collected"]) == (1, True, 1)


def test_a_step_is_partial(desk: Desk) -> None:
    desk.shop().has({"tests/agent04/test_a.py": "def test_red():\n    assert False\n"})
    assert desk.runs("--moa-agent", "04", "--sw").gate["partial"] is True


def test_wider_paths_are_whole_and_foreign_tests_do_not_count(desk: Desk) -> None:
    helped = "from shop.core import sub\n\n\ndef test_less():\n    assert sub(1, 2) == 0\n"
    ran = desk.shop().has({"tests/agent04/test_helps.py": helped}).runs("--moa-agent", "03", "tests")
    assert (ran.gate["verdict"], ran.gate["coverage"]["percent"]) == ("failed", "83.33")
    assert ran.gate["tests"]["collected"] == 2


def test_collect_only_tells_nothing(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "03", "--co", "-q")
    assert (ran.status, ran.report) == (0, None)
    assert "moa:" not in ran.out
