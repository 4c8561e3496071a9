"""Raw coverage data are untrusted input: what is taken names the candidate's files and lines, and nothing else."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from coverage import CoverageData

from pytest_moa.testing import raw_data
from pytest_moa.testing.raw_data import clean_data

CODE = "def f(x):\n    if x:\n        return 1\n    return 2\n\n\nf(1)\n"


class Run:
    """A work tree, and what coverage left of a run in it."""

    def __init__(self, place: Path) -> None:
        self.work, self.raw, self.clean = place / "work", place / "raw", place / "clean"
        for folder in (self.work, self.raw):
            folder.mkdir()
        (self.work / "a.py").write_text(CODE)

    def traces(self, *options: str) -> Run:
        command = [sys.executable, "-m", "coverage", "run", f"--data-file={self.raw / 'coverage.main'}"]
        subprocess.run([*command, *options, "a.py"], cwd=self.work, check=True)
        return self

    def says(self, statement: str, *values: object) -> Run:
        connection = sqlite3.connect(self.raw / "coverage.main")
        with connection:
            connection.execute(statement, values)
        connection.close()
        return self

    def cleaned(self, *tests: str) -> str | None:
        return clean_data(
            self.raw,
            self.clean,
            work=str(self.work),
            to="/judge/repo",
            lengths={"a.py": 7},
            tests=tests or None,
        )

    def data(self) -> CoverageData:
        data = CoverageData(str(self.clean / "coverage.0000"))
        data.read()
        return data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize("branch", [False, True])
def test_rows_are_kept_and_names_turned_to_the_new_place(run: Run, branch: bool) -> None:
    options = ["--branch"] if branch else []
    assert run.traces(*options, "--context=03").cleaned() is None
    data = run.data()
    assert (data.measured_files(), data.has_arcs()) == ({"/judge/repo/a.py"}, branch)
    assert sorted(data.lines("/judge/repo/a.py") or ()) == [1, 2, 3, 7]
    assert data.measured_contexts() == {"03"}


def test_neither_the_command_line_nor_the_hour_travels(run: Run) -> None:
    run.traces().says("insert or replace into meta values ('sys_argv', '[secret]')").cleaned()
    assert b"secret" not in (run.clean / "coverage.0000").read_bytes()


def _add(statement: str, *values: object) -> Callable[[Run], object]:
    return lambda run: run.says(statement, *values)


def _write(data: bytes) -> Callable[[Run], object]:
    return lambda run: (run.raw / "coverage.main").write_bytes(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_add("insert into file values (9, '/etc/passwd')"), "they name /etc/passwd"),
        (_add("update file set path = replace(path, '/a.py', '/../tree/a.py')"), "not the candidate's"),
        (_add("update file set path = replace(path, '/a.py', '//a.py')"), "not the candidate's"),
        (_add("update file set path = 'a.py'"), "they name a.py"),
        (_add("update file set path = x'ff'"), "is odd"),
        (_add("update context set context = 7"), None),
        (_add("update line_bits set numbits = ?", b"\0" * 100 + b"\1"), "a file of 7 lines does not have"),
        (_add("update line_bits set numbits = 'text'"), "is odd"),
        (_add("update line_bits set file_id = 99"), "unknown file"),
        (_add("update line_bits set context_id = 99"), "unknown context"),
        (_add("insert into arc values (1, 1, 1, 4000)"), "a file of 7 lines does not have"),
        (_add("insert into arc values (1, 1, 'x', 1)"), "is odd"),
        (_add("update coverage_schema set version = 8"), "another schema"),
        (_add("insert into tracer values (1, 'plugin')"), "traced by a plugin"),
        (_add("drop table arc"), "has not the tables"),
        (_add("create view v as select 1"), "has not the tables"),
        (_add("create trigger t after insert on arc begin select 1; end"), "has not the tables"),
        (_write(b"no database at all"), "no SQLite database"),
        (_write(b"SQLite format 3\0" + b"\xff" * 4000), ""),
    ],
)
def test_rows_that_coverage_would_not_write_are_refused(
    run: Run, change: Callable[[Run], object], reason: str | None
) -> None:
    run.traces()
    change(run)
    told = run.cleaned()
    assert told is None if reason is None else (told is not None and reason in told), told


@pytest.mark.parametrize("label", ["", "03", "03|@tests::data", "|t.py::a", "03|t.py::b[x|y]"])
def test_lines_of_groups_fixtures_and_collected_tests_are_taken(run: Run, label: str) -> None:
    run.traces().says("update context set context = ?", label)
    assert run.cleaned("t.py::a", "t.py::b[x|y]") is None


def test_lines_of_a_test_that_was_not_collected_are_refused(run: Run) -> None:
    run.traces().says("update context set context = '03|t.py::c'")
    assert "t.py::c ran, which the record does not know" in (run.cleaned("t.py::a") or "")


def test_a_view_in_a_tables_place_is_never_evaluated(run: Run) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select x, 1, 1, 1 from n"
    run.traces().says("drop table arc").says(
        f"create view arc (file_id, context_id, fromno, tono) as {endless}"
    )
    assert "has not the tables" in (run.cleaned() or "")


def test_pipes_links_and_folders_are_refused_without_a_wait(run: Run) -> None:
    os.mkfifo(run.raw / "coverage.pipe")
    assert run.cleaned() == "coverage.pipe: it is no regular file"
    (run.raw / "coverage.pipe").unlink()
    (run.raw / "coverage.folder").mkdir()
    assert run.cleaned() == "coverage.folder: it is no regular file"
    (run.raw / "coverage.folder").rmdir()
    (run.raw / "coverage.link").symlink_to("/etc/hostname")
    assert run.cleaned() == "coverage.link: it is a link"


def test_a_gigantic_file_is_refused_and_an_empty_one_says_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.traces()
    (run.raw / "coverage.killed").touch()
    assert run.cleaned() is None
    monkeypatch.setattr(raw_data, "FILE_LIMIT", 1000)
    assert "larger than 1000 bytes" in (run.cleaned() or "")
