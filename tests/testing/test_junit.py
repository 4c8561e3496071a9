"""JUnit files are untrusted input: whatever they hold becomes evidence or a problem, never an exception or a wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_moa.model.evidence import ProcessEnd
from pytest_moa.rules.gate import judge
from pytest_moa.testing import xml_input
from pytest_moa.testing.junit import JUnitEvidence, junit_evidence

NODE = """<?xml version="1.0" encoding="utf-8"?>
<testsuites>
  <testcase name="adds" time="0.5" classname="test"/>
  <testsuite name="sums" time="1" disabled="0" errors="0" tests="3" failures="1" skipped="1">
    <testcase name="adds" time="0.1" classname="test"/>
    <testcase name="later" time="0" classname="test"><skipped type="todo" message="true"/></testcase>
    <testsuite name="deep" errors="0" tests="1" failures="1" skipped="0">
      <testcase name="adds" classname="test"><failure message="2 !== 3">where</failure></testcase>
    </testsuite>
  </testsuite>
  <!-- tests 4 -->
</testsuites>
"""
MAVEN = """<testsuite name="org.x.T" time="1,234.5" tests="3" errors="1" skipped="0" failures="0">
  <properties><property name="a" value="b"/></properties>
  <testcase name="a" classname="org.x.T" time="0.1"><flakyFailure message="once"/></testcase>
  <testcase name="b" classname="org.x.T" time="0.1"><error>trace</error><system-out>said</system-out></testcase>
  <testcase name="c" classname="org.x.T" time=""/>
</testsuite>
"""
GTEST = """<testsuites tests="2" failures="0" disabled="1" errors="0" name="AllTests">
  <testsuite name="S" tests="2" failures="0" disabled="1" skipped="1" errors="0">
    <testcase name="on" status="run" result="completed" time="0" classname="S"/>
    <testcase name="off" status="notrun" result="suppressed" time="0" classname="S"/>
  </testsuite></testsuites>
"""


def read(text: str | bytes, status: int | None = 0) -> JUnitEvidence:
    data = text.encode() if isinstance(text, str) else text
    return junit_evidence([("junit.xml", data)], ProcessEnd(status=status))


@pytest.mark.parametrize(
    ("text", "status", "outcomes"),
    [
        (NODE, 1, {"test::adds": "passed", "sums::test::adds": "passed", "sums::test::later": "skipped", "sums::deep::test::adds": "failed"}),
        (MAVEN, 1, {"org.x.T::a": "passed", "org.x.T::b": "error", "org.x.T::c": "passed"}),
        (GTEST, 0, {"S::on": "passed", "S::off": "skipped"}),
    ],
    ids=["node", "maven", "googletest"],
)  # fmt: skip
def test_what_common_tools_write_is_read_without_a_problem(
    text: str, status: int, outcomes: dict[str, str]
) -> None:
    evidence = read(text, status).evidence
    assert ({o.id: o.outcome for o in evidence.outcomes}, evidence.problems) == (outcomes, ())
    assert evidence.collected == tuple(outcomes)


def suite(cases: str, **claims: str) -> str:
    claimed = " ".join(f'{name}="{value}"' for name, value in claims.items())
    return f'<testsuite name="s" {claimed}>{cases}</testsuite>'


CASE = '<testcase name="a"/>'
RED = '<testcase name="b"><failure/></testcase>'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "well-formed"),
        ("<testsuite", "well-formed"),
        ("<html/>", "its root is <html>"),
        (suite(CASE, tests="2"), "claims 2 tests, and holds 1 tests"),
        (suite(CASE + RED, tests="2", failures="0"), "claims 2 tests, 0 failures"),
        (suite(RED, tests="1", failures="0", errors="0"), "1 of them failed"),
        (suite(CASE, skipped="1"), "0 skipped"),
        (suite(CASE, tests="-1"), "which is no count"),
        (suite(CASE, tests="1e0"), "which is no count"),
        (suite(CASE, tests="9" * 30), "which is no count"),
        (suite('<testcase name="a" time="NaN"/>'), "no duration"),
        (suite('<testcase name="a" time="-1"/>'), "no duration"),
        (suite('<testcase name="a" time="inf"/>'), "no duration"),
        (suite('<testcase name="a" time="soon"/>'), "no duration"),
        (suite('<testcase name=""/>'), "without a usable name"),
        (suite("<testcase/>"), "without a usable name"),
        (suite('<testcase name="a"><testcase name="b"/></testcase>'), "inside another"),
        (suite(CASE + "<failure/>"), "of the suite s itself"),
        ('<!DOCTYPE testsuite SYSTEM "file:///etc/passwd"><testsuite/>', "DTD"),
        ('<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuite name="&b;"/>', "DTD"),
        ('<!DOCTYPE t [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]><testsuite/>', "DTD"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><testsuite/>', "not in UTF-8"),
        (suite(CASE).encode("utf-16"), "UTF-8"),
        (suite(CASE).encode("utf-16-le"), "NUL"),
        (suite('<testcase name="ä"/>').encode("latin-1"), "UTF-8"),
        ("<testsuite>" * 500 + "</testsuite>" * 500, "nests deeper"),
    ],
)  # fmt: skip
def test_what_is_odd_or_contradicts_itself_is_a_problem(text: str | bytes, problem: str) -> None:
    evidence = read(text).evidence
    assert any(problem in sentence for sentence in evidence.problems), evidence.problems
    assert judge(evidence, coverage=None).verdict != "passed"


def test_a_flood_of_elements_stops_before_a_tree_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_input, "ELEMENTS", 1000)
    assert "more than 1000 elements" in read(suite(CASE * 1001)).evidence.problems[0]


def test_tests_that_share_a_name_are_each_counted_and_told() -> None:
    read_twice = read(suite(CASE + CASE + '<testcase name="a"><failure/></testcase>', tests="3"), 1)
    assert [o.id for o in read_twice.evidence.outcomes] == ["s::a", "s::a (2)", "s::a (3)"]
    assert read_twice.notes == ("3 tests share the name s::a; each is counted.",)
    assert judge(read_twice.evidence, coverage=None).verdict == "failed"


@pytest.mark.parametrize(("status", "word"), [(127, "not found"), (126, "could not be run")])
def test_a_shell_that_found_no_command_ran_no_tests(status: int, word: str) -> None:
    judgement = judge(read(suite(CASE), status).evidence, coverage=None)
    assert (judgement.verdict, word in (judgement.reason or "")) == ("undetermined", True)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_at_all_make_the_reader_raise(data: bytes) -> None:
    assert read(data).evidence.problems
    assert isinstance(read(NODE.encode()[:100] + data).evidence.problems, tuple)
