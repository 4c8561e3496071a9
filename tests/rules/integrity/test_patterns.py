"""Which files, classes and functions are tests: what the settings of the side say, in pytest's own order of files."""

from __future__ import annotations

import pytest
from support.gaming import findings

TESTS = "def check_total():\n    assert total([1]) == 1\n\n\nclass Total:\n    def check_all(self):\n        assert total([2]) == 2\n"
LESS = "def check_total():\n    assert total([1]) == 1\n"
SETTINGS = {
    "pytest.ini": "[pytest]\npython_files = check_*.py\npython_classes = Total\npython_functions = check\n",
    ".pytest.ini": "[pytest]\npython_files = check_*.py\npython_classes = Total\npython_functions = check\n",
    "tox.ini": "[pytest]\npython_files =\n    check_*.py\npython_classes = Tot*\npython_functions = check_*\n",
    "setup.cfg": "[tool:pytest]\npython_files = check_*.py\npython_classes = Total\npython_functions = check\n",
    "pyproject.toml": "[tool.pytest.ini_options]\npython_files = ['check_*.py']\npython_classes = 'Total'\npython_functions = ['check']\n",
    "pytest.toml": "[pytest]\npython_files = ['check_*.py']\npython_classes = ['Total']\npython_functions = ['check']\n",
}


def removed(path: str, settings: dict[str, str]) -> list[str]:
    found = findings({path: TESTS}, {path: LESS}, settings)
    return [f.message for f in found if f.rule == "tests-removed" and f.severity == "block"]


@pytest.mark.parametrize("file", SETTINGS)
def test_a_projects_own_names_are_tests(file: str) -> None:
    assert removed("checks/check_total.py", {file: SETTINGS[file]})


@pytest.mark.parametrize("file", SETTINGS)
def test_a_project_below_the_root_has_its_own_settings(file: str) -> None:
    assert removed("backend/checks/check_total.py", {f"backend/{file}": SETTINGS[file]})


def test_without_settings_they_are_none() -> None:
    assert not removed("checks/check_total.py", {})


def test_the_file_that_pytest_reads_first_decides() -> None:
    assert not removed("checks/check_total.py", {"pytest.ini": "[pytest]\n", "tox.ini": SETTINGS["tox.ini"]})


def test_the_roots_settings_decide_over_those_below() -> None:
    settings = {"pytest.ini": "[pytest]\n", "backend/pytest.ini": SETTINGS["pytest.ini"]}
    assert not removed("backend/checks/check_total.py", settings)


@pytest.mark.parametrize(
    ("path", "settings", "collected"),
    [
        ("checks/check_total.py", "testpaths = checks\n", True),
        ("other/check_total.py", "testpaths = checks\n", False),
        ("checks/deep/check_total.py", "testpaths = checks\nnorecursedirs = deep\n", False),
        ("checks/deep/check_total.py", "testpaths = checks/*\n", True),
        ("build/check_total.py", "", False),
        ("node_modules/check_total.py", "norecursedirs = other\n", True),
    ],
)
def test_folders_that_pytest_enters(path: str, settings: str, collected: bool) -> None:
    assert bool(removed(path, {"pytest.ini": SETTINGS["pytest.ini"] + settings})) is collected


def test_a_change_of_the_names_themselves_loses_the_tests() -> None:
    before = {"checks/check_total.py": TESTS, "pytest.ini": SETTINGS["pytest.ini"]}
    after = {"checks/check_total.py": TESTS + "\n", "pytest.ini": "[pytest]\n"}
    rules = {f.rule for f in findings(before, after) if f.severity == "block"}
    assert {"tests-removed", "settings-changed"} <= rules
