"""Bytes to plain data: places are told, nothing is run, nothing takes for ever."""

from __future__ import annotations

import time

import pytest

from pytest_moa.config.documents import Document, Plain, read_document


def problem(text: str | bytes, name: str = "moa.yaml") -> str:
    document = read_document(text.encode() if isinstance(text, str) else text, name)
    assert document is not None
    (only,) = document.problems
    return only


def test_scalars_stay_as_written() -> None:
    document = read_document(
        b"\xef\xbb\xbfa: 03\nb: 'on'\nc: ~\nd: on\ne:\nf: [0x1F, 1_000, 12:30:45]\n", "moa.yaml"
    )
    assert document == Document(
        {"a": "03", "b": "on", "c": None, "d": "on", "e": None, "f": ["0x1F", "1_000", "12:30:45"]}
    )
    assert document is not None
    assert [isinstance(document.data[key], Plain) for key in "abd"] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key `a` is there twice (first in line 1)"),
        ("x:\n  a: 1\n  'a': 2\n", "line 3: the key `a` is there twice (first in line 2)"),
        ("a:\n  b: [1, 2\nc: 3\n", "line 3, column 2: is not YAML"),
        ("a: b: c\n", "line 1, column 5: is not YAML: mapping values are not allowed here"),
        ("\ta: 1\n", "line 1, column 1: is not YAML"),
        ("a: *b\n", "line 1, column 4: is not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: is not YAML: expected a single document"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "line 1: the tag 'tag:yaml.org,2002:python/object/apply:os.sys",
        ),
        ("a: !!binary aGk=\n", "line 1: the tag 'tag:yaml.org,2002:binary' is not read"),
        ("a: !x 1\n", "line 1: the tag '!x' is not read"),
        ("a: !!python/name:os.system\n", "line 1: the tag"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3: the merge key `<<` is not read"),
        ("? [a]\n: 1\n", "line 1: a list or a mapping cannot be a key"),
        ("a: \x07\n", "is not YAML: unacceptable character #x0007"),
        ('a: "\\0"\n', "line 1: '\\x00' has a control character"),
        ('a: "\\ud800"\n', "line 1: '\\ud800' has a control character"),
        ('"\\e": 1\n', "line 1: the key '\\x1b' has a control character"),
        ("a: &a [*a]\n", "repeats its anchors too often"),
        ("a: " + "[" * 60 + "\n", "is nested more than 50 levels deep"),
    ],
)
def test_the_place_of_a_mistake_is_told(text: str, told: str) -> None:
    assert problem(text).startswith(told)


def bomb() -> str:
    levels = (f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12))
    return "\n".join(["l0: &l0 [x, x]", *levels])


MEGABYTE = 2**20
HEAVY = {
    "anchors that multiply": bomb(),
    "brackets": "[" * MEGABYTE,
    "dashes": "- " * (MEGABYTE // 2),
    "many values": "a: b\n" * 200_000,
    "an open quote": 'a: "' + "x\n" * 400_000,
    "one long text": "a:\n  - " + "x y\n    " * 120_000 + "- b: [",
}
HEAVY_TOML = {
    "brackets": "a = " + "[" * (MEGABYTE - 10),
    "parts of a key": "a." * 200_000 + "a = 1",
    "parts of a header": "[" + "a . " * 200_000 + "a]",
    "quoted parts in a table": "x = { " + '"a\\" " .' * 100_000 + "a = 1 }",
    "a long number": "a = " + "9" * 5000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_no_yaml_takes_for_ever(text: str) -> None:
    start = time.process_time()
    assert problem(text)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("text", HEAVY_TOML.values(), ids=HEAVY_TOML)
def test_no_toml_takes_for_ever(text: str) -> None:
    start = time.process_time()
    assert problem(text, "pyproject.toml")
    assert time.process_time() - start < 20


@pytest.mark.parametrize("text", ["", "[tool]\n", "tool = 3\n", "[tool.pytest]\nmoa = 1\n"])
def test_a_pyproject_without_our_table_is_no_document(text: str) -> None:
    assert read_document(text.encode(), "pyproject.toml") is None


def test_a_usual_pyproject_has_no_key_of_too_many_parts() -> None:
    versions = ", ".join(f'"package-{n}.x.y.z>=1.{n}.3.4"' for n in range(100))
    text = f"[project]\ndependencies = [{versions}]\n[tool.moa]\nx.y.z = 1\n"
    assert read_document(text.encode(), "pyproject.toml") == Document({"x": {"y": {"z": 1}}})
