"""What a policy makes of findings: severities, and a person's word that one may pass."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_moa.model.policy import Allowance, Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity import apply_policy
from pytest_moa.rules.integrity.policy import path_matches

TODAY = date(2026, 11, 24)
BLOB = "1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"
FINDING = Finding(
    rule="tests-removed",
    severity="block",
    path="tests/test_total.py",
    line=3,
    message="gone",
    remedy="put it back",
)


def remaining(
    *allowances: Allowance, severities: dict[str, Severity] | None = None, agent: str = "03"
) -> list[Finding]:
    blobs = {"tests/test_total.py": BLOB}
    return apply_policy([FINDING], severities or {}, allowances, agent=agent, today=TODAY, blob_ids=blobs)


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance(rule="tests-removed"),
        Allowance(rule="*"),
        Allowance(rule="tests-removed", path="tests/test_total.py"),
        Allowance(rule="tests-removed", path="tests"),
        Allowance(rule="tests-removed", path="tests/"),
        Allowance(rule="tests-removed", path="./tests/*.py"),
        Allowance(rule="tests-removed", path="**/test_total.py"),
        Allowance(rule="tests-removed", agent="03"),
        Allowance(rule="tests-removed", until=TODAY),
        Allowance(rule="tests-removed", content=BLOB),
        Allowance(rule="tests-removed", content=BLOB[:7]),
    ],
    ids=repr,
)
def test_a_word_that_speaks_of_it_lets_it_through(allowance: Allowance) -> None:
    assert remaining(allowance) == []


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance(rule="tests-silenced"),
        Allowance(rule="tests-removed", path="tests/test_other.py"),
        Allowance(rule="tests-removed", path="test_total.py"),
        Allowance(rule="tests-removed", path="tests/test_tot"),
        Allowance(rule="tests-removed", path="*.py"),
        Allowance(rule="tests-removed", path="tests/test_total?py?"),
        Allowance(rule="tests-removed", agent="04"),
        Allowance(rule="tests-removed", agent="3"),
        Allowance(rule="tests-removed", until=date(2026, 11, 23)),
        Allowance(rule="tests-removed", content="0" * 40),
    ],
    ids=repr,
)
def test_a_word_about_something_else_does_not(allowance: Allowance) -> None:
    assert remaining(allowance) == [FINDING]


def test_a_word_for_a_content_does_not_hold_for_a_file_that_is_gone() -> None:
    allowance = Allowance(rule="tests-removed", content=BLOB)
    assert apply_policy([FINDING], {}, [allowance], agent="03", today=TODAY, blob_ids={}) == [FINDING]


@pytest.mark.parametrize("severity", ["block", "warn", "note"])
def test_the_policys_severity_stands(severity: Severity) -> None:
    assert [f.severity for f in remaining(severities={"tests-removed": severity})] == [severity]


def test_a_rule_that_is_off_says_nothing_and_others_speak() -> None:
    assert remaining(severities={"tests-removed": "off"}) == []
    assert remaining(severities={"tests-silenced": "off"}) == [FINDING]


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**", "a/b.py", True),
        ("a/*.py", "a/b.py", True),
        ("a/*.py", "a/b/c.py", False),
        ("a/**", "a/b/c.py", True),
        ("a/**/c.py", "a/c.py", True),
        ("a/**/c.py", "a/b/b/c.py", True),
        ("a", "a/b.py", True),
        ("a", "ab/b.py", False),
        ("a.c", "abc", False),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("[ab].py", "a.py", False),
        ("[ab].py", "[ab].py", True),
        ("*", "a\nb", True),
        ("a.py", "a.py\n", False),
    ],
)
def test_globs_of_paths(glob: str, path: str, matches: bool) -> None:
    assert path_matches(path, glob) is matches
