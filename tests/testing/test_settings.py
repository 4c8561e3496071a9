"""The target's settings are read as coverage and pytest would read them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_moa.errors import UndeterminedError
from pytest_moa.testing.settings import PytestSettings, read_coverage_settings, read_pytest_settings


def files(**texts: str) -> Callable[[str], bytes | None]:
    """`pyproject__toml` stands for `pyproject.toml`, a leading `_` for a leading dot."""
    named = {name.replace("__", ".").replace("DOT", "."): text.encode() for name, text in texts.items()}
    return named.get


def test_without_files_coverages_defaults_hold() -> None:
    settings = read_coverage_settings(files())
    assert (settings.branch, settings.omit, settings.include) == (False, (), ())
    assert any("no" in expression and "cover" in expression for expression in settings.exclude_lines)


def test_run_and_report_sections_are_united_and_also_settings_added() -> None:
    settings = read_coverage_settings(
        files(
            DOTcoveragerc="[run]\nbranch = true\nomit =\n  a/*\n[report]\nomit = b/*\nexclude_also = def __repr__\n"
            "partial_branches = pragma: half\n"
        )
    )
    assert (settings.branch, settings.omit) == (True, ("a/*", "b/*"))
    assert "def __repr__" in settings.exclude_lines
    assert len(settings.exclude_lines) > 1
    assert "pragma: half" in settings.partial_branches


@pytest.mark.parametrize(
    ("texts", "omit"),
    [
        ({"DOTcoveragerc": "[run]\nomit=first\n", "setup__cfg": "[coverage:run]\nomit=second\n"}, "first"),
        (
            {"setup__cfg": "[coverage:run]\nomit=second\n", "tox__ini": "[coverage:run]\nomit=third\n"},
            "second",
        ),
        (
            {
                "tox__ini": "[coverage:run]\nomit=third\n",
                "pyproject__toml": "[tool.coverage.run]\nomit=['x']\n",
            },
            "third",
        ),
        (
            {"setup__cfg": "[metadata]\nname=x\n", "pyproject__toml": "[tool.coverage.run]\nomit=['last']\n"},
            "last",
        ),
    ],
)
def test_the_first_file_with_settings_is_taken(texts: dict[str, str], omit: str) -> None:
    assert read_coverage_settings(files(**texts)).omit == (omit,)


def test_a_variable_in_the_settings_finds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cret")
    monkeypatch.setenv("COVERAGE_RCFILE", "/nowhere")
    settings = read_coverage_settings(files(DOTcoveragerc="[run]\nomit = x${DEPLOY_TOKEN}y\n"))
    assert settings.omit == ("xy",)


def test_plugins_are_named_and_not_loaded() -> None:
    assert read_coverage_settings(files(DOTcoveragerc="[run]\nplugins = no_such_plugin\n")).plugins == (
        "no_such_plugin",
    )


def test_emptied_exclusions_stay_empty() -> None:
    settings = read_coverage_settings(files(pyproject__toml="[tool.coverage.report]\nexclude_lines = []\n"))
    assert settings.exclude_lines == ("(?!)",)


@pytest.mark.parametrize(
    "text", ["[run]\nbranch = perhaps\n", "no section\n", "[report]\nexclude_lines = (\n"]
)
def test_settings_that_coverage_refuses_are_undetermined(text: str) -> None:
    with pytest.raises(UndeterminedError, match="cannot be read") as told:
        read_coverage_settings(files(DOTcoveragerc=text))
    assert "/moa-" not in told.value.reason
    assert told.value.reason


def test_the_same_files_are_read_once_and_others_anew(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        read_coverage_settings(files(DOTcoveragerc="[run]\nomit = once\n"), nowhere)
    settings = read_coverage_settings(files(DOTcoveragerc="[run]\nomit = once\n"), tmp_path)
    assert settings.omit == ("once",)
    assert read_coverage_settings(files(DOTcoveragerc="[run]\nomit = once\n"), nowhere) == settings
    with pytest.raises(FileNotFoundError):
        read_coverage_settings(files(DOTcoveragerc="[run]\nomit = twice\n"), nowhere)


PYTEST_FILES = {
    "pytest__toml": "[pytest]\ntestpaths = ['1']\n",
    "DOTpytest__toml": "[pytest]\ntestpaths = ['2']\n",
    "pytest__ini": "[pytest]\ntestpaths = 3\n",
    "DOTpytest__ini": "[pytest]\ntestpaths = 4\n",
    "pyproject__toml": "[tool.pytest.ini_options]\ntestpaths = '5'\n",
    "tox__ini": "[pytest]\ntestpaths = 6\n",
    "setup__cfg": "[tool:pytest]\ntestpaths = 7\n",
}


@pytest.mark.parametrize("first", range(len(PYTEST_FILES)))
def test_pytests_own_order_of_files_holds(first: int) -> None:
    there = dict(list(PYTEST_FILES.items())[first:])
    assert read_pytest_settings(files(**there)).testpaths == (str(first + 1),)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, PytestSettings()),
        ({"pytest__ini": ""}, PytestSettings(origin="pytest.ini")),
        ({"pytest__ini": "", "setup__cfg": PYTEST_FILES["setup__cfg"]}, PytestSettings(origin="pytest.ini")),
        ({"setup__cfg": "[metadata]\n"}, PytestSettings()),
        (
            {
                "pyproject__toml": "[project]\nname='x'\n",
                "tox__ini": "[pytest]\npython_files = check_*.py t_*.py\n",
            },
            PytestSettings(origin="tox.ini", python_files=("check_*.py", "t_*.py")),
        ),
        ({"pyproject__toml": "[project]\nname='x'\n"}, PytestSettings(origin="pyproject.toml")),
        (
            {"pyproject__toml": "[tool.pytest]\naddopts = ['-ra', '-n2']\n"},
            PytestSettings(origin="pyproject.toml", addopts=("-ra", "-n2")),
        ),
        (
            {"pyproject__toml": "[tool.pytest.ini_options]\naddopts = '-k \"a b\"'\npythonpath = ['src']\n"},
            PytestSettings(origin="pyproject.toml", addopts=("-k", "a b"), pythonpath=("src",)),
        ),
        (
            {"pytest__ini": "[pytest]\naddopts = -ra  # all\ntestpaths =\n    a\n    # b\n    c\n"},
            PytestSettings(origin="pytest.ini", addopts=("-ra",), testpaths=("a", "c")),
        ),
    ],
)
def test_what_the_files_say(texts: dict[str, str], expected: PytestSettings) -> None:
    assert read_pytest_settings(files(**texts)) == expected


@pytest.mark.parametrize("name", ["pytest__ini", "pytest__toml", "pyproject__toml"])
def test_a_file_that_does_not_parse_is_undetermined(name: str) -> None:
    with pytest.raises(UndeterminedError, match="cannot be read"):
        read_pytest_settings(files(**{name: "= = =\n["}))


@pytest.mark.parametrize("texts", [dict(list(PYTEST_FILES.items())[n:]) for n in range(len(PYTEST_FILES))])
def test_pytest_itself_takes_the_same_file(texts: dict[str, str], tmp_path: Path) -> None:
    read = files(**texts)
    for name in texts:
        real = name.replace("__", ".").replace("DOT", ".")
        (tmp_path / real).write_bytes(read(real) or b"")
    environ = {"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider", "-v"]
    said = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert f"configfile: {read_pytest_settings(read).origin}" in said.stdout
