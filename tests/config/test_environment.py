"""Variables beat the file; the threshold only ever rises."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pytest_moa.config import load_from_reader
from pytest_moa.config.environment import VARIABLES
from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import LoadedPolicy
from pytest_moa.rules.threshold import raised

FILE = b"""
moa: {log_level: ERROR, report_interval: 5, auto_resolve: true}
git: {remote: up, develop_branch: dev, main_branch: trunk}
agents: {timeout: 5, test_threshold: 85}
"""


def loaded(**environ: str) -> LoadedPolicy:
    return load_from_reader({"moa.yaml": FILE}.get, origin="x", environ=environ)


CASES: list[tuple[str, str, Any]] = [
    ("MOA_LOG_LEVEL", "debug", "DEBUG"),
    ("MOA_REPORT_INTERVAL", "60", 60),
    ("MOA_AUTO_RESOLVE", "false", False),
    ("MOA_AUTO_RESOLVE", "0", False),
    ("MOA_AUTO_RESOLVE", "No", False),
    ("GIT_REMOTE", "fork", "fork"),
    ("GIT_DEVELOP_BRANCH", "next", "next"),
    ("GIT_MAIN_BRANCH", "3.0", "3.0"),
    ("AGENT_TIMEOUT", " 7 ", 7),
    ("AGENT_TEST_THRESHOLD", "89.999", Decimal("89.999")),
]


@pytest.mark.parametrize(("variable", "text", "value"), CASES)
def test_a_variable_beats_the_file(variable: str, text: str, value: Any) -> None:
    section, name = VARIABLES[variable]
    found = loaded(**{variable: text})
    assert getattr(getattr(found.policy, section), name) == value
    assert found.warnings == ()


def test_every_variable_is_tried() -> None:
    assert {variable for variable, _, _ in CASES} == set(VARIABLES)


def test_an_empty_variable_is_none() -> None:
    assert loaded(AGENT_TIMEOUT="", MOA_LOG_LEVEL=" ") == loaded()


@pytest.mark.parametrize("text", ["84.999", "0", "80"])
def test_a_lower_threshold_is_ignored_and_told(text: str) -> None:
    found = loaded(AGENT_TEST_THRESHOLD=text)
    assert found.policy.agents.test_threshold == 85
    (warning,) = found.warnings
    assert warning.startswith(f"AGENT_TEST_THRESHOLD={text} is ignored: ")


def test_the_same_threshold_is_nothing_to_tell() -> None:
    assert loaded(AGENT_TEST_THRESHOLD="85.0").warnings == ()


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("MOA_LOG_LEVEL", "loud", "one of `DEBUG`"),
        ("MOA_REPORT_INTERVAL", "0", "a whole number of at least 1"),
        ("MOA_AUTO_RESOLVE", "maybe", "true or false"),
        ("GIT_REMOTE", "--upload-pack=x", "a name without blanks"),
        ("GIT_DEVELOP_BRANCH", "a b", "a name without blanks"),
        ("GIT_MAIN_BRANCH", "-d", "a name without blanks"),
        ("AGENT_TIMEOUT", "5m", "a whole number of at least 1"),
        ("AGENT_TEST_THRESHOLD", "101", "a number from 0 to 100"),
        ("AGENT_TEST_THRESHOLD", "nan", "a number from 0 to 100"),
        ("AGENT_TEST_THRESHOLD", "90%", "a number from 0 to 100 (write `90`)"),
        ("GIT_REMOTE", "\udcff x", "a name without blanks"),
    ],
)
def test_a_bad_variable_is_named_with_what_is_allowed(variable: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(**{variable: text})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: ")
    assert f" is not {allowed}" in problem
    assert problem.encode()


@pytest.mark.parametrize(
    ("policy", "words", "result"),
    [("90", [], "90"), ("90", [None], "90"), ("90", ["80", None], "90"), ("90", ["95", "92"], "95")],
)
def test_the_greatest_threshold_holds(policy: str, words: list[str | None], result: str) -> None:
    asked = [None if word is None else Decimal(word) for word in words]
    assert raised(Decimal(policy), *asked) == Decimal(result)
