"""Reads the recorder's file as untrusted input. Whatever it holds becomes evidence or a problem, never an exception."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pytest_moa.model.evidence import Evidence, ForeignModule, Outcome, ProcessEnd, TestOutcome
from pytest_moa.testing.untrusted import OddFileError, opened, strict_json

FILE_LIMIT = 256 * 1024 * 1024
LINE_LIMIT = 64 * 1024
ID_LIMIT = 8 * 1024
ID_COUNT = 500_000
MESSAGE_LIMIT = 4_000
PROBLEMS_TOLD = 20
_LONGEST = 1e9  # seconds
_OUTCOMES = frozenset(get_args(Outcome))


@dataclass(slots=True)
class _Reading:
    """What was read so far; ids keep the order in which they came."""

    collected: dict[str, None] = field(default_factory=dict)
    outcomes: dict[str, TestOutcome] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)
    errors: dict[str, TestOutcome] = field(default_factory=dict)
    foreign: dict[ForeignModule, None] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    session: int | None = None
    begun: bool = False
    ended: int | None = None
    python: str = ""

    def problem(self, sentence: str) -> None:
        if len(self.problems) < PROBLEMS_TOLD:
            self.problems.setdefault(sentence)


def read_evidence(record: Path, end: ProcessEnd, problems: tuple[str, ...] = ()) -> Evidence:
    """The evidence of one run: `record` is the recorder's file, `end` and `problems` are what the parent saw."""
    reading = _Reading()
    for problem in problems:
        reading.problem(problem)
    for line in _lines(record, reading):
        _take(line, reading)
    _check(reading, end)
    return Evidence(
        collected=tuple(reading.collected),
        outcomes=tuple(reading.outcomes.values()),
        session_status=reading.session if reading.ended is None else reading.ended,
        running=next(iter(reading.running), None),
        end=end,
        foreign=tuple(reading.foreign),
        collection_errors=tuple(reading.errors.values()),
        problems=tuple(reading.problems),
        python=reading.python,
    )


def _lines(record: Path, reading: _Reading) -> Iterator[bytes]:
    try:
        with opened(record) as file:
            size = 0
            while line := file.readline(LINE_LIMIT + 1):
                size += len(line)
                if size > FILE_LIMIT:
                    reading.problem(f"The record is larger than {FILE_LIMIT} bytes.")
                    return
                if not line.endswith(b"\n"):
                    reading.problem("The record has a line that is cut off or too long.")
                    return
                yield line
    except OddFileError as error:
        reading.problem(
            f"The test run left no record: pytest did not start, or its record was removed ({error})."
        )
    except OSError as error:
        reading.problem(f"The record cannot be read: {error.strerror}.")


def _take(line: bytes, reading: _Reading) -> None:
    try:
        # The recorder writes ASCII; left to itself, json would guess at UTF-16 and UTF-32.
        event = strict_json(line) if line.isascii() else None
    except ValueError:
        event = None
    if event is None:
        reading.problem("The record has a line that is not JSON as the recorder writes it.")
        return
    kind = event.get("kind") if isinstance(event, dict) else None
    taker = _TAKERS.get(kind) if isinstance(kind, str) else None
    if kind != "begin" and not reading.begun:
        reading.problem("The record has events before the run began.")
    if reading.ended is not None and kind != "end":
        reading.problem("The record goes on after the run's end.")
    if taker is None or event.keys() != _KEYS[str(kind)] or not taker(event, reading):
        reading.problem("The record has an event that the recorder does not write.")


def _text(event: dict[str, Any], name: str, limit: int) -> str | None:
    """A string within its limit and without lone surrogates, which no output could encode."""
    value = event.get(name)
    if not isinstance(value, str) or len(value) > limit:
        return None
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _id(event: dict[str, Any]) -> str | None:
    """An id as pytest makes them: not empty, no NUL, its file neither absolute nor with `..` behind its beginning."""
    name = _text(event, "id", ID_LIMIT)
    if not name or "\0" in name or name.startswith("/"):
        return None
    file = name.split("::", 1)[0]
    while file.startswith("../"):  # tests beside the working directory
        file = file[3:]
    return None if f"/{file}/".count("/../") else name


def _status(event: dict[str, Any]) -> int | None:
    value = event.get("status")
    return value if type(value) is int and -(2**31) <= value < 2**31 else None


def _take_begin(event: dict[str, Any], reading: _Reading) -> bool:
    python = _text(event, "python", 100)
    if not python:
        return False
    if reading.begun:
        reading.problem("The record says twice that the run began.")
    reading.python = python
    reading.begun = True
    return True


def _take_collected(event: dict[str, Any], reading: _Reading) -> bool:
    name = _id(event)
    if name is None:
        return False
    if len(reading.collected) >= ID_COUNT:
        reading.problem(f"More than {ID_COUNT} tests were collected.")
    elif name in reading.collected:
        reading.problem(f"{name} was collected twice.")
    else:
        reading.collected[name] = None
    return True


def _take_start(event: dict[str, Any], reading: _Reading) -> bool:
    name = _id(event)
    if name is not None and len(reading.started) < ID_COUNT:
        reading.started.add(name)
        reading.running.setdefault(name)
    return name is not None


def _is_duration(value: Any) -> bool:
    # Compared before anything is converted: an int may be too large for a float. NaN and infinity fail as well.
    return type(value) in {int, float} and 0 <= value < _LONGEST


def _take_outcome(event: dict[str, Any], reading: _Reading) -> bool:
    name, outcome, seconds = _id(event), event.get("outcome"), event.get("seconds")
    message = _text(event, "message", MESSAGE_LIMIT)
    if name is None or message is None or not isinstance(outcome, str) or outcome not in _OUTCOMES:
        return False
    if not _is_duration(seconds) or (message and outcome == "passed"):
        return False
    if name not in reading.started:
        reading.problem(f"{name} has an outcome and never started.")
    reading.running.pop(name, None)
    new = TestOutcome(id=name, outcome=outcome, seconds=float(seconds), message=message)  # type: ignore[arg-type]  # checked above
    old = reading.outcomes.get(name)
    if old is not None and old.outcome != outcome:
        # Runs that repeat a test on purpose report the same outcome; two different ones settle nothing.
        reading.problem(f"{name} was reported as {old.outcome} and as {outcome}.")
    if (old is None or old.outcome in {"passed", "skipped", "xfailed", "xpassed"}) and len(
        reading.outcomes
    ) < ID_COUNT:
        reading.outcomes[name] = new
    return True


def _take_error(event: dict[str, Any], reading: _Reading) -> bool:
    name, message = _text(event, "id", ID_LIMIT), _text(event, "message", MESSAGE_LIMIT)
    if name is None or message is None:
        return False
    if len(reading.errors) < ID_COUNT:
        reading.errors[name] = TestOutcome(id=name, outcome="error", message=message)
    return True


def _take_foreign(event: dict[str, Any], reading: _Reading) -> bool:
    name, file = _text(event, "name", ID_LIMIT), _text(event, "file", ID_LIMIT)
    if name is None or file is None:
        return False
    reading.foreign.setdefault(ForeignModule(name=name, file=file))
    return len(reading.foreign) < ID_COUNT


def _take_problem(event: dict[str, Any], reading: _Reading) -> bool:
    message = _text(event, "message", MESSAGE_LIMIT)
    if message is not None:
        reading.problem(message)
    return message is not None


def _take_session(event: dict[str, Any], reading: _Reading) -> bool:
    if reading.session is not None:
        reading.problem("The record holds two sessions.")
    reading.session = _status(event)
    return reading.session is not None


def _take_end(event: dict[str, Any], reading: _Reading) -> bool:
    status = _status(event)
    if reading.ended is not None:
        reading.problem("The record says twice that the run ended.")
    reading.ended = status
    return status is not None


def _take_deselected(event: dict[str, Any], reading: _Reading) -> bool:  # noqa: ARG001 - same shape as the others
    return _id(event) is not None


_TAKERS = {
    "begin": _take_begin,
    "collected": _take_collected,
    "deselected": _take_deselected,
    "start": _take_start,
    "outcome": _take_outcome,
    "collection-error": _take_error,
    "foreign": _take_foreign,
    "problem": _take_problem,
    "session": _take_session,
    "end": _take_end,
}

_KEYS = {
    "begin": {"kind", "python", "pytest"},
    "collected": {"kind", "id"},
    "deselected": {"kind", "id"},
    "start": {"kind", "id"},
    "outcome": {"kind", "id", "outcome", "seconds", "message"},
    "collection-error": {"kind", "id", "message"},
    "foreign": {"kind", "name", "file"},
    "problem": {"kind", "message"},
    "session": {"kind", "status"},
    "end": {"kind", "status"},
}


def _check(reading: _Reading, end: ProcessEnd) -> None:
    """Contradictions between what was collected, what came of it, and how the process ended."""
    strays = [name for name in reading.outcomes if name not in reading.collected]
    if strays:
        reading.problem(f"{_some(strays)} reported an outcome and was never collected.")
    if end.timed_out:
        return  # the time limit explains whatever is missing
    silent = [name for name in reading.collected if name not in reading.outcomes]
    if reading.ended is None and reading.begun:
        reading.problem("pytest did not return: its process ended before the run was complete.")
    elif reading.ended is not None and end.status is not None and end.status != reading.ended:
        reading.problem(f"pytest returned {reading.ended}, but its process exited with {end.status}.")
    if reading.ended == 0 and reading.session != 0:
        said = "left none" if reading.session is None else f"said {reading.session}"
        reading.problem(f"pytest returned 0, but its session {said}.")
    if silent and reading.ended in {0, 1}:
        reading.problem(f"{_some(silent)} was collected and has no outcome.")
    failed = (
        any(outcome.outcome in {"failed", "error"} for outcome in reading.outcomes.values()) or reading.errors
    )
    if failed and reading.ended == 0:
        reading.problem("pytest returned 0 although tests failed.")


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"
