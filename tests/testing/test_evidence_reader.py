"""The record is untrusted input: whatever it holds becomes evidence or a problem, never an exception."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_moa.model.evidence import Evidence, ProcessEnd
from pytest_moa.testing import evidence as reader
from pytest_moa.testing.evidence import read_evidence

BEGIN = {"kind": "begin", "python": "3.12.1", "pytest": "8.4.0"}
SESSION = {"kind": "session", "status": 0}
END = {"kind": "end", "status": 0}
DONE = ProcessEnd(status=0)


def collected(name: str = "t.py::a") -> dict[str, Any]:
    return {"kind": "collected", "id": name}


def start(name: str = "t.py::a") -> dict[str, Any]:
    return {"kind": "start", "id": name}


def outcome(name: str = "t.py::a", word: str = "passed", **facts: Any) -> dict[str, Any]:
    return {"kind": "outcome", "id": name, "outcome": word, "seconds": 0.1, "message": ""} | facts


def read(place: Path, *events: Any, end: ProcessEnd = DONE) -> Evidence:
    record = place / "record.jsonl"
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    record.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return read_evidence(record, end)


def test_a_whole_record_is_read_without_a_problem(tmp_path: Path) -> None:
    seen = read(tmp_path, BEGIN, collected(), start(), outcome(), SESSION, END)
    assert (seen.collected, seen.session_status, seen.running, seen.python) == (
        ("t.py::a",),
        0,
        None,
        "3.12.1",
    )
    assert [o.outcome for o in seen.outcomes] == ["passed"]
    assert seen.problems == ()


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([BEGIN, "{nonsense", END], "not JSON"),
        ([BEGIN, "[" * 100_000, END], "too long"),
        ([BEGIN, "[" * 50_000, END], "not JSON"),
        ([BEGIN, "[1]", END], "does not write"),
        ([BEGIN, {"kind": "invented"}, END], "does not write"),
        ([BEGIN, {"kind": ["collected"]}, END], "does not write"),
        ([BEGIN, {"kind": "collected", "id": 7}, END], "does not write"),
        ([BEGIN, {"kind": "collected", "id": ""}, END], "does not write"),
        ([BEGIN, collected("x" * 9000), END], "does not write"),
        ([BEGIN, collected(), outcome(seconds=-1), END], "does not write"),
        ([BEGIN, collected(), outcome(seconds=True), END], "does not write"),
        ([BEGIN, collected(), outcome(seconds="1"), END], "does not write"),
        ([BEGIN, collected(), outcome(message="m" * 5000), END], "does not write"),
        ([BEGIN, collected(), start(), outcome(message="m"), SESSION, END], "does not write"),
        ([BEGIN, collected(), json.dumps(outcome()).replace("0.1", "NaN"), END], "not JSON"),
        ([BEGIN, collected(), json.dumps(outcome()).replace("0.1", "1e999"), END], "does not write"),
        ([BEGIN, collected(), outcome(seconds=10**400), END], "does not write"),
        ([BEGIN, collected(), json.dumps(outcome()).replace("0.1", "9" * 5000), END], "not JSON"),
        ([BEGIN, collected(), json.dumps(outcome())[:-1] + ', "outcome": "passed"}', END], "not JSON"),
        ([BEGIN, collected() | {"more": 1}, END], "does not write"),
        ([BEGIN, {"kind": "collected", "id": "/etc/x.py::a"}, END], "does not write"),
        ([BEGIN, {"kind": "collected", "id": "t/../../x.py::a"}, END], "does not write"),
        ([BEGIN, {"kind": "collected", "id": "t.py::a\0"}, END], "does not write"),
        ([BEGIN, '{"kind": "collected", "id": "\u00e4"}', END], "not JSON"),
        ([BEGIN, collected(), collected(), start(), outcome(), END], "t.py::a was collected twice"),
        ([BEGIN, collected(), outcome(), SESSION, END], "t.py::a has an outcome and never started"),
        ([collected(), BEGIN, start(), outcome(), SESSION, END], "before the run began"),
        ([BEGIN, collected(), start(), SESSION, END, outcome()], "goes on after the run's end"),
        ([BEGIN, collected(), start(), outcome(), SESSION, SESSION, END], "two sessions"),
        ([BEGIN, collected(), start(), outcome(), SESSION | {"status": 1}, END], "returned 0, but its session said 1"),
        ([BEGIN, collected(), start(), outcome(), END], "its session left none"),
        ([BEGIN, collected(), outcome(word="splendid"), END], "does not write"),
        ([BEGIN, collected(), outcome(word="failed"), outcome(), END], "reported as failed and as passed"),
        ([BEGIN, collected(), outcome(), outcome("t.py::b"), END], "t.py::b reported an outcome and was never"),
        ([BEGIN, collected(), collected("t.py::b"), outcome(), END], "t.py::b was collected and has no outcome"),
        ([BEGIN, collected(), outcome()], "pytest did not return"),
        ([BEGIN, collected(), outcome(), END, END], "twice that the run ended"),
        ([BEGIN, BEGIN, collected(), outcome(), END], "twice that the run began"),
        ([BEGIN, collected(), outcome(), {"kind": "end", "status": 1}], "pytest returned 1, but its process exited with 0"),
        ([BEGIN, collected(), outcome(), {"kind": "end", "status": True}], "does not write"),
        ([BEGIN, collected(), outcome(word="failed"), END], "returned 0 although tests failed"),
        ([BEGIN, {"kind": "problem", "message": "no data"}, END], "no data"),
    ],
)  # fmt: skip
def test_what_the_recorder_does_not_write_is_a_problem(
    tmp_path: Path, events: list[Any], problem: str
) -> None:
    assert any(problem in sentence for sentence in read(tmp_path, *events).problems)


def test_a_failure_stays_where_a_pass_is_reported_after_it(tmp_path: Path) -> None:
    seen = read(tmp_path, BEGIN, collected(), outcome(word="failed"), outcome(), END)
    assert [o.outcome for o in seen.outcomes] == ["failed"]


def test_a_repeated_test_that_always_passes_is_no_problem(tmp_path: Path) -> None:
    assert (
        read(tmp_path, BEGIN, collected(), start(), outcome(), start(), outcome(), SESSION, END).problems
        == ()
    )


def test_the_time_limit_explains_what_is_missing(tmp_path: Path) -> None:
    seen = read(tmp_path, BEGIN, collected(), start(), end=ProcessEnd(status=None, timed_out=True))
    assert (seen.running, seen.problems) == ("t.py::a", ())


def test_no_record_or_a_link_in_its_place_is_a_problem(tmp_path: Path) -> None:
    assert "no record" in read_evidence(tmp_path / "none", DONE).problems[0]
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert "no record" in read_evidence(tmp_path / "link", DONE).problems[0]


def test_a_pipe_in_the_record_s_place_is_a_problem_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in read_evidence(tmp_path / "pipe", DONE).problems[0]


def test_a_record_in_another_encoding_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(json.dumps(BEGIN).encode("utf-16"))
    assert read_evidence(tmp_path / "record", DONE).problems


@pytest.mark.parametrize(
    "name", ["tests/t.py::a[../..]", "../tests/t.py::a", "t.py::a[/etc]", "README.rst::x"]
)
def test_ids_that_pytest_makes_are_taken(tmp_path: Path, name: str) -> None:
    seen = read(tmp_path, BEGIN, collected(name), start(name), outcome(name), SESSION, END)
    assert (seen.problems, seen.collected) == ((), (name,))


def test_a_record_beyond_the_limit_is_cut_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FILE_LIMIT", 200)
    seen = read(tmp_path, BEGIN, *[collected(f"t.py::{n}") for n in range(50)], END)
    assert "larger than" in seen.problems[0]
    assert len(seen.collected) < 10


def test_a_lone_surrogate_can_still_be_printed(tmp_path: Path) -> None:
    seen = read(tmp_path, BEGIN, '{"kind": "collected", "id": "a\\ud800"}', END)
    assert seen.collected[0].encode("utf-8") == b"a\\ud800"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_no_bytes_at_all_make_the_reader_raise(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "record").write_bytes(json.dumps(BEGIN).encode() + b"\n" + data)
    assert read_evidence(tmp_path / "record", DONE).problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(reader._TAKERS))},
    optional=dict.fromkeys(("id", "outcome", "seconds", "message", "status", "name", "file", "python"), JSON),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=5))
def test_no_events_of_strange_types_make_the_reader_raise(
    tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    assert isinstance(read(tmp_path, *events).problems, tuple)
