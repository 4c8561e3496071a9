"""The commented config that `moa init` writes loads as it stands, and with every key taken out of its comment."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_moa.config import commented_example, load_from_reader
from pytest_moa.config.written import written
from pytest_moa.model.policy import Policy, RegistryEntry


def loaded(text: str) -> Policy:
    found = load_from_reader({"moa.yaml": text.encode()}.get, origin="x", environ={})
    assert found.warnings == ()
    return found.policy


def uncommented(text: str) -> str:
    return re.sub(r"^( *)#(?=[a-z]|  [- ])", r"\1", text, flags=re.MULTILINE)


def differing(found: Any, default: Any, path: str = "") -> set[str]:
    if not is_dataclass(found):
        return set() if found == default else {path.lstrip(".")}
    parts = ((getattr(found, f.name), getattr(default, f.name), f"{path}.{f.name}") for f in fields(found))
    return {place for part in parts for place in differing(*part)}


def test_it_says_nothing_of_its_own() -> None:
    assert loaded(commented_example()) == Policy()


def test_a_key_taken_out_of_its_comment_is_at_its_default_where_it_has_one() -> None:
    found = loaded(uncommented(commented_example()))
    without_default = {
        "agents.branches",
        "monitoring.alert_email",
        "project.name",
        "project.start",
        "project.weeks",
        "registry",
        "environment.setup",
        "environment.prepare",
        "environment.cache_on",
        "environment.python",
        "environment.keep",
        "environment.drop",
        "integration.suite",
        "integration.require",
        "integration.known_flaky",
        "integration.budget",
        "integrity.severity",
        "integrity.allow",
        "alerts.routes",
        "health.services",
        "report.templates",
    }
    assert differing(found, Policy()) == without_default


def test_what_was_asked_for_is_said() -> None:
    agents = (
        RegistryEntry(id="03", name="Core: engine", branch="agent-03-*", tests=("tests/a b", "5")),
        RegistryEntry(id="4", depends_on=("03",), priority=2),
    )
    text = commented_example(patterns=["copilot/{id}", "{id}/work"], target="trunk", agents=agents)
    found = loaded(text)
    assert found.git.develop_branch == "trunk"
    assert found.agents.branches == ("copilot/{id}", "{id}/work")
    assert found.registry == agents
    assert differing(found, Policy()) == {"git.develop_branch", "agents.branches", "registry"}
    assert '- id: "03"' in text


def test_no_line_is_too_wide_to_read() -> None:
    assert max(len(line) for line in commented_example().splitlines()) <= 130


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() != ""
)  # fmt: skip - read as one
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=9).filter(
    lambda text: not re.search(r"\s", text) and not text.startswith("-")
)


@given(name=TEXTS, target=NAMES, part=NAMES)
@settings(max_examples=150, deadline=None, database=None, derandomize=True)
def test_odd_names_come_back_as_they_were(name: str, target: str, part: str) -> None:
    pattern = re.sub(r"[{}]", "", part) + "/{id}"
    agents = (RegistryEntry(id="1", name=name, branch=target),)
    found = loaded(commented_example(patterns=[pattern], target=target, agents=agents))
    assert (found.git.develop_branch, found.agents.branches, found.registry) == (target, (pattern,), agents)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("tests/core", "tests/core"),
        ("Core engine", "Core engine"),
        ("true", '"true"'),
        ("No", '"No"'),
        ("null", '"null"'),
        ("03", '"03"'),
        (".5", '".5"'),
        ("a: b", '"a: b"'),
        ("*", '"*"'),
        ("{id}", '"{id}"'),
        ("a #b", '"a #b"'),
        ("\u2028", '"\\u2028"'),
        (("a", "1"), '[a, "1"]'),
        ({"a": "off"}, '{a: "off"}'),
        (True, "true"),
    ],
)
def test_a_text_is_quoted_where_yaml_would_read_more_into_it(value: Any, text: str) -> None:
    assert written(value) == text
