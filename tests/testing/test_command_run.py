"""A command of another language: what it wrote in this run counts, and nothing that lay there before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.evidence import FileLines
from pytest_moa.rules.gate import judge
from pytest_moa.testing.command_run import CommandRequest, bases_of, command_lines, run_command
from pytest_moa.testing.junit import JUnitEvidence

PASSES = '<testsuite tests="1"><testcase name="a"/></testsuite>'
FAILS = '<testsuite tests="1"><testcase name="a"><failure/></testcase></testsuite>'


class Place:
    """A work tree, and a shell script that is the other language's test command."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.run_dir = folder / "run"
        self.work.mkdir()

    def has(self, path: str, text: str) -> Place:
        (self.work / path).parent.mkdir(parents=True, exist_ok=True)
        (self.work / path).write_text(text)
        return self

    def runs(self, script: str, *, junit: str = "out.xml", coverage: str | None = None) -> JUnitEvidence:
        return run_command(self.asks("sh", "-c", script, junit=junit, coverage=coverage))

    def asks(self, *argv: str, junit: str = "out.xml", coverage: str | None = None) -> CommandRequest:
        return CommandRequest(
            argv=argv,
            work=self.work,
            project=self.work,
            run_dir=self.run_dir,
            junit=junit,
            coverage=coverage,
            timeout=20.0,
            environ={"PATH": os.environ["PATH"], "SOME_TOKEN": "secret"},
        )

    def lines(self, coverage: str | None = None, **texts: str) -> dict[str, FileLines]:
        named = {name.replace("_", "."): text.encode() for name, text in texts.items()}
        found = command_lines(
            self.run_dir, work=str(self.work), bases=bases_of("", coverage), texts=named, tree=named
        )
        return {lines.path: lines for lines in found}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def verdict(read: JUnitEvidence) -> tuple[str, str]:
    judgement = judge(read.evidence, coverage=None)
    return judgement.verdict, judgement.reason or ""


@pytest.mark.parametrize(
    ("script", "expected", "reason"),
    [
        (f"echo '{PASSES}' > out.xml", "passed", ""),
        (f"echo '{FAILS}' > out.xml; exit 101", "failed", "1 test fails: a"),
        (f"echo '{FAILS}' > out.xml", "failed", "1 test fails: a"),
        (f"echo '{PASSES}' > out.xml; exit 3", "undetermined", "exited with 3 although no test failed"),
        (f"echo '{PASSES}' > out.xml; exit 5", "undetermined", "exited with 5 although no test failed"),
        ("true", "undetermined", "exited with 0 and wrote no JUnit file"),
        ("exit 1", "undetermined", "exited with 1 and wrote no JUnit file"),
        ("echo '<testsuite/>' > out.xml", "undetermined", "hold no test case"),
        (": > out.xml", "undetermined", "no well-formed XML"),
        ("no-such-command-at-all", "undetermined", "not found (exit status 127)"),
        (f"echo '{PASSES}' > out.xml; kill -9 $$", "undetermined", "signal 9"),
        ("mkfifo out.xml", "undetermined", "out.xml cannot be read: it is no regular file"),
        ("ln -s /etc/hostname out.xml", "undetermined", "out.xml cannot be read: it is a link"),
        ("mkdir out.xml", "undetermined", "out.xml cannot be read: it is no regular file"),
    ],
)
def test_a_run_is_judged_by_its_reports_and_its_end(
    place: Place, script: str, expected: str, reason: str
) -> None:
    told, why = verdict(place.runs(script))
    assert told == expected, why
    assert reason in why


def test_a_report_that_was_committed_does_not_count(place: Place) -> None:
    place.has("out.xml", PASSES).has("deep/reports/b.xml", PASSES)
    assert "wrote no JUnit file" in verdict(place.runs("true"))[1]
    assert "wrote no JUnit file" in verdict(place.runs("true", junit="**/*.xml"))[1]


def test_a_link_in_the_reports_place_loses_no_file_elsewhere(place: Place, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/out.xml").write_text(PASSES)
    (place.work / "reports").symlink_to(tmp_path / "mine")
    for junit in ("reports/out.xml", "reports/*.xml"):
        assert "wrote no JUnit file" in verdict(place.runs("true", junit=junit))[1]
    assert (tmp_path / "mine/out.xml").read_text() == PASSES


def test_a_report_planted_beside_the_kept_ones_does_not_count(place: Place) -> None:
    script = f"echo '{PASSES}' > \"$TMPDIR/../junit-0007.xml\""
    assert "wrote no JUnit file" in verdict(place.runs(script))[1]


def test_all_files_of_a_glob_count_and_none_beyond_it(place: Place) -> None:
    script = f"mkdir -p r/x; echo '{PASSES}' > r/a.xml; echo '{FAILS}' > r/x/b.xml; echo '{FAILS}' > c.xml"
    assert len(place.runs(script, junit="r/*.xml").evidence.outcomes) == 1
    assert len(place.runs(script, junit="r/**/*.xml").evidence.outcomes) == 2


def test_the_command_sees_no_token_and_leaves_nobody_behind(place: Place) -> None:
    script = f"test -z \"$SOME_TOKEN\" && echo '{PASSES}' > out.xml; sleep 300 &"
    read = place.runs(script)
    assert verdict(read) == ("passed", "")
    assert "sleep 300" in read.evidence.end.survivors[0]


def test_a_command_that_is_not_there_is_told_before_anything_runs(place: Place) -> None:
    with pytest.raises(UndeterminedError, match="'no-such-program' is not there"):
        run_command(place.asks("no-such-program"))
    with pytest.raises(UndeterminedError, match="could not be started"):
        run_command(place.asks("./missing.sh"))


LCOV = "SF:a.js\\nDA:1,1\\nDA:2,0\\nend_of_record\\n"


def test_coverage_counts_reported_lines_and_whole_files_that_are_not_named(place: Place) -> None:
    script = f"echo '{PASSES}' > out.xml; mkdir c; printf '{LCOV}' > c/lcov.info"
    assert verdict(place.runs(script, coverage="c/lcov.info"))[0] == "passed"
    lines = place.lines("c/lcov.info", a_js="x\ny\nz\n", b_js="x\n\n  \ny\n", c_png="\0\1\n\n")
    assert (lines["a.js"].executed, lines["a.js"].missing) == (frozenset({1}), frozenset({2}))
    assert (lines["b.js"].executed, lines["b.js"].missing) == (frozenset(), frozenset({1, 4}))
    assert lines["c.png"].missing == set()


def test_lines_that_a_file_does_not_have_are_refused(place: Place) -> None:
    place.runs(f"echo '{PASSES}' > out.xml; printf '{LCOV}' > lcov.info", coverage="lcov.info")
    with pytest.raises(UndeterminedError, match=r"counts line 2 of a.js, which has 1"):
        place.lines("lcov.info", a_js="x\n")


def test_a_coverage_report_that_is_missing_is_a_problem(place: Place) -> None:
    told = verdict(place.has("lcov.info", LCOV).runs(f"echo '{PASSES}' > out.xml", coverage="lcov.info"))
    assert told == ("undetermined", "The command left no coverage report at lcov.info.")
    with pytest.raises(UndeterminedError, match="it is missing"):
        place.lines("lcov.info", a_js="x\n")


def test_sources_of_a_cobertura_report_outside_the_work_tree_count_for_nothing(place: Place) -> None:
    xml = '<coverage><source>/elsewhere</source><class filename="a.js"><lines><line number="1" hits="1"/></lines></class></coverage>'
    place.runs(f"echo '{PASSES}' > out.xml; echo '{xml}' > c.xml", coverage="c.xml")
    # A relative name still means the project's file; an absolute one outside means none.
    assert place.lines("c.xml", a_js="x\n")["a.js"].executed == {1}
    place.runs(f"echo '{PASSES}' > out.xml; echo '{xml.replace('a.js', '/elsewhere/a.js')}' > c.xml", coverage="c.xml")  # fmt: skip
    assert place.lines("c.xml", a_js="x\n")["a.js"].missing == {1}
