"""The analysis that the desk reads is what coverage's JSON report says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from coverage import Coverage

from pytest_moa.desk.measure import _analysed, _json_report, lines_of
from pytest_moa.errors import UndeterminedError

CODE = """\
import typing

if typing.TYPE_CHECKING:  # pragma: no cover
    import os


def sign(x):
    \"\"\"Text.\"\"\"
    if x < 0:
        return -1
    elif x > 0:
        return (
            1
        )
    for _ in range(x):
        pass
    return 0


class Box:
    kind = "box"

    def open(self): return [i for i in range(3) if i]


print(sign(5), Box.kind)
"""


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "never.py").write_text("A = 1\n")
    (tmp_path / "empty.py").write_text("")
    command = [sys.executable, "-m", "coverage", "run", "--branch", "--source=.", "code.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def loaded(folder: Path) -> Coverage:
    cov = Coverage(data_file=str(folder / ".coverage"), config_file=False)
    cov.load()
    return cov


def test_the_analysis_and_the_json_report_agree(measured: Path) -> None:
    files = [str(measured / name) for name in ("code.py", "never.py", "empty.py")]
    quick = _analysed(loaded(measured), files, None)
    assert quick is not None
    slow = dict(_json_report(loaded(measured), files, None))
    assert {name: replace(lines, path=name) for name, lines in quick} == slow
    assert slow[files[0]].missing
    assert slow[files[0]].missing_branches
    assert slow[files[0]].excluded


def test_a_version_without_that_interface_is_read_through_its_report(
    measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = lines_of(loaded(measured), ["code.py"], root=measured, here=measured)
    monkeypatch.setattr("coverage.report_core.get_analysis_to_report", None)
    assert lines_of(loaded(measured), ["code.py"], root=measured, here=measured) == quick


def test_a_file_that_does_not_parse_is_told_and_not_passed_over(measured: Path) -> None:
    (measured / "code.py").write_text("def (:\n")
    cov = loaded(measured)
    cov.set_option("report:ignore_errors", True)
    with pytest.raises(UndeterminedError, match="cannot be read"):
        lines_of(cov, ["code.py"], root=measured, here=measured)
    assert cov.get_option("report:ignore_errors") is True
