"""The user's own `--cov…` options hold; where they leave own code out of sight, nothing is claimed."""

from __future__ import annotations

import pytest
from support.desks import Desk


def test_a_users_cov_and_its_report_stay_as_they_are(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "03", "--cov=src", "--cov-report=term")
    assert "TOTAL" in ran.out
    assert ran.gate["coverage"]["percent"] == "83.33"


def test_by_itself_moa_prints_no_coverage_table(desk: Desk) -> None:
    assert "TOTAL" not in desk.shop().runs("--moa-agent", "03").out


@pytest.mark.parametrize("cov", ["--cov", "--cov=", "--cov=shop", "--cov=src/shop"])
def test_a_users_cov_that_sees_own_code_is_enough(desk: Desk, cov: str) -> None:
    ran = desk.shop().runs("--moa-agent", "03", cov, "--cov-report=")
    assert ran.gate["coverage"]["percent"] == "83.33"


def test_a_users_cov_of_other_code_is_completed(desk: Desk) -> None:
    desk.shop().has({"other/__init__.py": ""})
    ran = desk.runs("--moa-agent", "03", "--cov=other", "--cov-report=")
    assert ran.gate["coverage"]["percent"] == "83.33"


def test_a_project_whose_addopts_measure_is_measured_once(desk: Desk) -> None:
    desk.shop().has({"pytest.ini": "[pytest]\npythonpath = src\naddopts = --cov=shop --cov-report=term\n"})
    ran = desk.runs("--moa-agent", "03")
    assert ran.gate["coverage"]["percent"] == "83.33"
    assert ran.out.count("TOTAL") == 1


def test_a_bare_cov_whose_settings_look_elsewhere_is_undetermined(desk: Desk) -> None:
    desk.shop().has({".coveragerc": "[run]\nsource = tests\n"})
    ran = desk.runs("--moa-agent", "03", "--cov")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "does not watch src/shop/core.py" in ran.gate["reason"]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--no-cov"], "--no-cov switches the measuring off"),
        (["-p", "no:pytest_cov"], "pytest-cov is not there"),
        (["--cov-append"], "--cov-append mixes in"),
    ],
)
def test_without_measuring_nothing_is_determined(desk: Desk, args: list[str], reason: str) -> None:
    ran = desk.shop().runs("--moa-agent", "04", *args)
    assert (ran.status, ran.gate["verdict"], ran.gate["coverage"]) == (1, "undetermined", None)
    assert reason in ran.gate["reason"]


def test_a_failed_cov_fail_under_of_the_project_does_not_pass(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "04", "--cov=src", "--cov-fail-under=100", "--cov-report=")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")


def test_what_coverages_settings_leave_out_is_no_own_code(desk: Desk) -> None:
    config = 'registry: [{id: "04", source: [src/shop]}]\n'
    desk.shop(config).has({".coveragerc": "[run]\nomit = src/shop/core.py\n"})
    ran = desk.runs("--moa-agent", "04")
    assert [f["path"] for f in ran.gate["coverage"]["files"]] == ["src/shop/cart.py"]


def test_a_project_that_includes_files_by_its_settings_and_fails_on_warnings_is_measured(desk: Desk) -> None:
    desk.has({".coveragerc": "[run]\ninclude = src/*\n"})
    ran = desk.shop().runs("--moa-agent", "03", "-W", "error")
    assert ran.gate["coverage"]["percent"] == "83.33"


def test_a_report_without_a_gate_is_a_usage_error(desk: Desk) -> None:
    assert "--moa-agent" in desk.shop().refuses("--moa-report=r.json")
