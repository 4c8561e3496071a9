"""The JSON Schema is the shipped one, is a schema, and says the same as the decoder."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_moa.config import json_schema
from pytest_moa.config.decode import decode_policy
from pytest_moa.config.documents import read_document
from pytest_moa.config.schema import main, schema_text
from pytest_moa.config.shape import (
    Choice,
    Command,
    Day,
    Flag,
    Kind,
    Listing,
    Number,
    Pairs,
    Table,
    Text,
    Whole,
    policy_shape,
)

VALIDATOR = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def schema_accepts(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


def decoder_problems(document: Any) -> list[str]:
    """What the decoder says of the document written as YAML: JSON is YAML, its numbers and truths plain scalars."""
    read = read_document(json.dumps(document, ensure_ascii=False).encode(), "moa.yaml")
    assert read is not None
    return [*read.problems, *decode_policy(read.data)[1]]


def test_it_is_a_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_shipped_schema_is_the_made_one() -> None:
    shipped = files("pytest_moa.config").joinpath("schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text(), "renew it with: python -m pytest_moa.config.schema --write"


def test_the_module_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert json.loads(capsys.readouterr().out) == json_schema()


def every_key(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [key for part in schema for key in every_key(part)]
    if not isinstance(schema, dict):
        return []
    own = list(schema.get("properties", {}).values())
    return own + [key for part in schema.values() for key in every_key(part)]


def test_every_key_is_described() -> None:
    keys = every_key(json_schema())
    assert len(keys) > 60
    assert all(key["description"] for key in keys)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"agents": None},
        {"agents": {"timeout": 1, "test_threshold": 89.999, "branches": "copilot/{id}"}},
        {"git": {"develop_branch": 2}, "project": {"name": True, "start": "2026-01-05", "weeks": None}},
        {"registry": [{"id": 3, "depends_on": 3}, {"id": "x", "tests": "tests", "source": []}]},
        {"registry": {"03": None, "4": {"depends_on": ["03", 3]}}},
        {"environment": {"setup": [["uv", "venv", 3.1, True, ""]], "python": 3.1}},
        {
            "integrity": {
                "severity": {"odd-source": "off"},
                "allow": [{"rule": "*", "until": "2026-12-31"}],
                "probes": None,
            }
        },
        {"alerts": {"routes": [{"kind": "webhook", "to": "https://example.org"}]}},
        {"health": {"services": [{"name": "a", "url": "http://a"}]}},
    ],
)
def test_both_accept(document: Any) -> None:
    assert decoder_problems(document) == []
    assert schema_accepts(document)


@pytest.mark.parametrize(
    "document",
    [
        5,
        [],
        {"x": 1},
        {"agents": 5},
        {"agents": {"timeout": 0}},
        {"agents": {"timeout": True}},
        {"agents": {"timeout": "300"}},
        {"agents": {"timeout": None}},
        {"agents": {"timeout": 2**31}},
        {"agents": {"test_threshold": 100.5}},
        {"agents": {"branches": ["x"]}},
        {"agents": {"branches": ["{id}\n"]}},
        {"git": {"remote": "-x"}},
        {"git": {"remote": -1}},
        {"moa": {"log_level": "info"}},
        {"moa": {"auto_resolve": "true"}},
        {"project": {"start": "2026-02-30"}},
        {"project": {"start": "20260228"}},
        {"project": {"name": ""}},
        {"project": {"working_directory": "../x"}},
        {"registry": [{"name": "x"}]},
        {"registry": [None]},
        {"registry": [{"id": "-"}]},
        {"registry": {"a b": None}},
        {"registry": {"03": {"id": "03"}}},
        {"registry": [{"id": "03", "tests": 5}]},
        {"registry": [{"id": "03", "tests": [5]}]},
        {"registry": [{"id": "03", "tests": ["/x"]}]},
        {"environment": {"setup": ["uv", "sync"]}},
        {"environment": {"setup": [[]]}},
        {"environment": {"setup": [[""]]}},
        {"integration": {"require": ["x"]}},
        {"integrity": {"severity": {"X": "off"}}},
        {"integrity": {"severity": {"odd-source": "of"}}},
        {"integrity": {"allow": [{"rule": "x", "content": 1234567}]}},
        {"alerts": {"routes": [{"kind": "email"}]}},
        {"alerts": {"routes": {"kind": "email", "to": "x"}}},
        {"health": {"services": [{"name": "a", "url": "a"}]}},
    ],
)
def test_both_refuse(document: Any) -> None:
    assert decoder_problems(document)
    assert not schema_accepts(document)


WORDS = st.text("aZ09 ._-/{}@:\n~*é", max_size=8)
NUMBERS = st.one_of(
    st.integers(-5, 10**6), st.decimals(0, 200, places=3).map(float).filter(lambda n: n == 0 or n > 0.01)
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(WORDS, inner, max_size=2)),
    max_leaves=4,
)


LETTERS = "abcdefghijklmnopqrstuvwxyz09 ._-/{}@:*"


def documents(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that are mostly of the kind, and sometimes anything else."""
    return st.one_of(*[_likely(kind)] * 7, JUNK)


def _likely(kind: Kind) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one case a kind
    match kind:
        case Text():
            return st.one_of(st.from_regex(kind.pattern, fullmatch=True, alphabet=LETTERS), NUMBERS)
        case Whole() | Number():
            return st.one_of(st.integers(-1, 101), NUMBERS)
        case Flag():
            return st.booleans()
        case Day():
            return st.one_of(st.dates().map(str), st.sampled_from(["2026-02-29", "2024-02-29", "2026-1-1"]))
        case Choice():
            return st.sampled_from(kind.words)
        case Command():
            return st.lists(st.one_of(WORDS, NUMBERS), max_size=3)
        case Listing():
            lists = st.lists(documents(kind.item), max_size=2)
            return (
                st.one_of(lists, st.dictionaries(WORDS, documents(kind.item), max_size=2))
                if kind.by_id
                else lists
            )
        case Pairs():
            return st.dictionaries(documents(kind.key).map(str), documents(kind.value), max_size=2)
        case Table():
            known = {key.name: documents(key.kind) for key in kind.keys}
            needed = {key.name: known.pop(key.name) for key in kind.keys if key.required}
            return st.fixed_dictionaries(needed, optional=known)


PARTS = list(policy_shape().keys)


@pytest.mark.parametrize("key", PARTS, ids=[key.name for key in PARTS])
def test_schema_and_decoder_agree(key: Any) -> None:
    verdicts: set[bool] = set()

    @given(documents(key.kind))
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def agree(value: Any) -> None:
        document = {key.name: value}
        told = decoder_problems(document)
        verdicts.add(not told)
        assert schema_accepts(document) == (not told), told

    agree()
    assert verdicts == {True, False}
