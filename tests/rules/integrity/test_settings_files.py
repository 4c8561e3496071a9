"""How settings files are read: as pytest and coverage read them, in their order, and without a crash."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_moa.rules.integrity import review
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity.kit import Change, Side


def change(tree: Mapping[str, str]) -> Change:
    def read(path: str, side: Side) -> str | None:
        return tree.get(path)

    return Change((), read)


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        pytest.param("[pytest]\naddopts = -ra\n", {"pytest": {"addopts": "-ra"}}, id="a key"),
        pytest.param("[pytest]\naddopts: -ra\n", {"pytest": {"addopts": "-ra"}}, id="a colon"),
        pytest.param("[pytest]\nx = 1\n  2\n\n  3\n", {"pytest": {"x": "1\n2\n3"}}, id="continued"),
        pytest.param("[a]\nx = 1\n[a]\ny = 2\n", {"a": {"x": "1", "y": "2"}}, id="a section twice"),
        pytest.param("# c\n; d\n[a]\nx\n", {"a": {"x": ""}}, id="a key alone"),
        pytest.param("\ufeff[a]\nx = 1\n", {"a": {"x": "1"}}, id="a byte order mark"),
        pytest.param("x = 1\n", None, id="no section"),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_ini_files(text: str, sections: dict[str, dict[str, str]] | None) -> None:
    assert files.ini_sections(text) == sections


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        pytest.param({"pytest.ini": "", "pyproject.toml": "[tool.pytest.ini_options]\n"}, "pytest.ini", id="empty wins"),
        pytest.param({"pytest.toml": "", "pytest.ini": "[pytest]\n"}, "pytest.toml", id="toml first"),
        pytest.param({"pyproject.toml": "[tool.ruff]\n", "setup.cfg": "[tool:pytest]\n"}, "setup.cfg", id="silent ones"),
        pytest.param({"tox.ini": "[pytest]\n", "setup.cfg": "[tool:pytest]\n"}, "tox.ini", id="tox first"),
        pytest.param({"setup.cfg": "[pytest]\n"}, None, id="a section that is not read"),
        pytest.param({"pyproject.toml": "not toml"}, None, id="what does not parse"),
    ],
)  # fmt: skip
def test_the_first_file_that_speaks_of_pytest_decides(tree: dict[str, str], path: str | None) -> None:
    assert files.pytest_settings(change(tree), "", "head").path == path


def test_pytest_looks_upwards_and_coverage_does_not() -> None:
    tree = {"pytest.ini": "[pytest]\nx = 1\n", ".coveragerc": "[run]\nbranch = 1\n"}
    assert files.pytest_settings(change(tree), "packages/a", "head").path == "pytest.ini"
    assert files.coverage_settings(change(tree), "packages/a", "head").path is None


@pytest.mark.parametrize(
    ("path", "text", "settings"),
    [
        (".coveragerc", "[run]\nBranch = 1\n", {"run:branch": "1"}),
        (".coveragerc", "[coverage:run]\nbranch = 1\n", {"run:branch": "1"}),
        ("setup.cfg", "[coverage:report]\nfail_under = 9\n", {"report:fail_under": "9"}),
        ("setup.cfg", "[run]\nbranch = 1\n", None),
        ("pyproject.toml", "[tool.coverage.run]\nbranch = true\n", {"run:branch": True}),
        (".coveragerc", "", {}),
        ("tox.ini", "", None),
        (".coveragerc", "[run]\nplugins = p\n[p]\nx = 1\n", {"run:plugins": "p", "p:x": "1"}),
    ],
)
def test_coverage_sections(path: str, text: str, settings: dict[str, object] | None) -> None:
    document = files.document(path, text)
    assert document is not None
    assert files.coverage_section(path, document) == settings


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[run]\nbranch = 1\nomit = a\n", "run:omit", 3),
        ('[tool.coverage.run]\n"omit" = ["a"]\n', "run:omit", 2),
        ("[run]\n", "run:omit", None),
        (None, "run:omit", None),
    ],
)
def test_a_key_is_found_for_the_reader_s_eye(text: str | None, key: str, line: int | None) -> None:
    assert files.key_line(text, key) == line


def test_a_finding_names_file_and_line_of_the_setting() -> None:
    before, after = "[pytest]\naddopts = -ra\n", "[pytest]\nmarkers =\n  slow: x\naddopts = -ra -x\n"
    found = review([{"path": "pytest.ini", "before": before, "after": after}])
    assert [(f.rule, f.path, f.line, f.message) for f in found if f.rule == "settings-changed"] == [
        ("settings-changed", "pytest.ini", 4, "pytest: `addopts` gained `-x`")
    ]


def test_a_file_that_takes_over_is_named_with_the_one_it_hides() -> None:
    old = "[tool:pytest]\nxfail_strict = true\n"

    def read(path: str, side: Side) -> str | None:
        return old if path == "setup.cfg" else None

    found = review([{"path": "pytest.ini", "before": None, "after": "[pytest]\n"}], read)
    assert "`pytest.ini` now decides instead of `setup.cfg`" in found[0].message


def test_settings_that_no_longer_parse_are_refused_and_those_that_never_did_are_not() -> None:
    broken = "[tool.pytest"
    now = review([{"path": "pyproject.toml", "before": "[tool.ruff]\n", "after": broken}])
    assert [(f.rule, f.severity) for f in now] == [("settings-changed", "block")]
    assert [
        f
        for f in review([{"path": "pyproject.toml", "before": "[[", "after": broken}])
        if f.severity == "block"
    ] == []
