"""JUnit XML files to evidence, as untrusted input. Reads bytes that were kept; looks for no file itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from junitparser import Error, Failure, Skipped, TestCase

from pytest_moa.model.evidence import Evidence, Outcome, ProcessEnd, TestOutcome
from pytest_moa.testing.evidence import ID_COUNT, ID_LIMIT, MESSAGE_LIMIT, PROBLEMS_TOLD
from pytest_moa.testing.xml_input import OddXmlError, local_name, parse_xml

_LONGEST = 1e9  # seconds
_NOT_RUN = {"notrun", "skipped", "disabled", "suppressed", "ignored", "pending"}
_COMMAND_MISSING = {126, 127}  # a shell's own words: not executable, not found


@dataclass(slots=True)
class _Reading:
    outcomes: dict[str, TestOutcome] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    again: Counter[str] = field(default_factory=Counter)

    def problem(self, sentence: str) -> None:
        if len(self.problems) < PROBLEMS_TOLD:
            self.problems.setdefault(sentence)


@dataclass(frozen=True, slots=True)
class JUnitEvidence:
    """`notes` tell of what counts all the same: names that several tests share."""

    evidence: Evidence
    notes: tuple[str, ...] = ()


def junit_evidence(
    files: Sequence[tuple[str, bytes]], end: ProcessEnd, problems: tuple[str, ...] = ()
) -> JUnitEvidence:
    """The evidence of a command that ended so and left these files (name, content).

    Every test case is an id with its outcome; counts that a suite claims must be those of its cases.
    """
    reading = _Reading()
    for problem in problems:
        reading.problem(problem)
    for name, data in files:
        try:
            _take_root(parse_xml(data), name, reading)
        except OddXmlError as error:
            reading.problem(f"{name} cannot be read: {error}.")
    evidence = Evidence(
        collected=tuple(reading.outcomes),
        outcomes=tuple(reading.outcomes.values()),
        session_status=None if end.status in _COMMAND_MISSING else end.status,
        end=end,
        problems=tuple(reading.problems),
        tool="the command",
    )
    return JUnitEvidence(evidence, _notes(reading))


def _notes(reading: _Reading) -> tuple[str, ...]:
    if not reading.again:
        return ()
    name, more = next(iter(reading.again.items()))
    others = f" (and {len(reading.again) - 1} more names)" if len(reading.again) > 1 else ""
    return (f"{more + 1} tests share the name {name}{others}; each is counted.",)


def _take_root(root: ET.Element, name: str, reading: _Reading) -> None:
    if local_name(root) not in {"testsuites", "testsuite"}:
        reading.problem(f"{name} is no JUnit file: its root is <{local_name(root)[:80]}>.")
        return
    _take_suite(root, (), name, reading)


def _take_suite(suite: ET.Element, above: tuple[str, ...], file: str, reading: _Reading) -> Counter[str]:
    """Takes all cases in a suite; the tally of them, for the counts that it claims."""
    title = (suite.get("name") or "").strip()
    names = (*above, title) if title and local_name(suite) == "testsuite" else above
    direct: Counter[str] = Counter()
    nested: Counter[str] = Counter()
    suites: Counter[str] = Counter()
    for child in suite:
        kind = local_name(child)
        if kind == "testcase":
            direct.update(_take_case(child, names, file, reading))
        elif kind in {"testsuite", "testsuites"}:
            inner = _take_suite(child, names, file, reading)
            nested.update(inner)
            suites.update({"tests": 1, "failed": int(inner["failed"] + inner["error"] > 0)})
        elif kind in {"failure", "error"}:
            reading.problem(f"{file} reports a {kind} of the suite {title or 'without a name'} itself.")
    _compare(suite, (direct, direct + suites, direct + nested), title or file, reading)
    return direct + nested


def _take_case(element: ET.Element, above: tuple[str, ...], file: str, reading: _Reading) -> Counter[str]:
    case: TestCase = TestCase.fromelem(element)  # type: ignore[no-untyped-call]  # junitparser's own has no types
    outcome, message = _outcome(case, element)
    tally = Counter({"tests": 1, outcome: 1})
    if any(local_name(inner) == "testcase" for inner in element.iter() if inner is not element):
        reading.problem(f"{file} has a test case inside another.")
    wanted = _id(element, above)
    if not wanted or len(wanted) > ID_LIMIT or "\0" in wanted:
        reading.problem(f"{file} has a test case without a usable name.")
        return tally
    if len(reading.outcomes) >= ID_COUNT:
        reading.problem(f"More than {ID_COUNT} tests were reported.")
        return tally
    seconds = _seconds(element.get("time"))
    if seconds is None:
        reading.problem(f"{wanted} took {str(element.get('time'))[:40]!r} seconds, which is no duration.")
    name = _unique(wanted, reading)
    reading.outcomes[name] = TestOutcome(
        id=name, outcome=outcome, seconds=seconds or 0.0, message=message[:MESSAGE_LIMIT]
    )
    return tally


def _unique(wanted: str, reading: _Reading) -> str:
    """Two tests may share a name; a second one must not cover up the first."""
    if wanted not in reading.outcomes:
        return wanted
    reading.again[wanted] += 1
    name = f"{wanted} ({reading.again[wanted] + 1})"
    return name if name not in reading.outcomes else f"{name} #{len(reading.outcomes)}"


def _id(element: ET.Element, above: tuple[str, ...]) -> str:
    """The suites' names, the class's where it says something new, and the test's."""
    name = (element.get("name") or "").strip()
    group = (element.get("classname") or "").strip()
    if not name:
        return ""
    known = "::".join(above)
    parts = [*above, *([group] if group and group not in {known, name, *above} else []), name]
    return "::".join(part.replace("\n", " ") for part in parts)


def _outcome(case: TestCase, element: ET.Element) -> tuple[Outcome, str]:
    """The worst that a case reports, with its words."""
    results = list(case.result)
    for kind, word in ((Error, "error"), (Failure, "failed"), (Skipped, "skipped")):
        found = next((result for result in results if isinstance(result, kind)), None)
        if found is not None:
            text = (found.message or "").strip() or (found.text or "").strip()
            return word, text  # type: ignore[return-value]  # one of Outcome's words, by the table above
    said = {(element.get(name) or "").lower() for name in ("status", "result")}
    return ("skipped" if said & _NOT_RUN else "passed"), ""


def _seconds(text: str | None) -> float | None:
    if text is None or not text.strip():
        return 0.0
    try:
        value = float(text.replace(",", "").replace("_", "?"))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < _LONGEST else None


def _compare(suite: ET.Element, counted: tuple[Counter[str], ...], title: str, reading: _Reading) -> None:
    """Writers count a suite's own cases, or a suite in it as one more (Node does), or all cases in all suites.

    One of these must be what the suite claims.
    """
    claimed = {name: _count(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    odd = next((name for name, value in claimed.items() if value is not None and value < 0), None)
    if odd is not None:
        reading.problem(f"The suite {title} claims {str(suite.get(odd))[:40]!r} {odd}, which is no count.")
    elif not any(_agrees(claimed, tally) for tally in counted):
        tally = counted[-1]
        reading.problem(
            f"The suite {title} claims {_claim(claimed)}, and holds {tally['tests']} tests, "
            f"{tally['failed'] + tally['error']} of them failed, {tally['skipped']} skipped."
        )


def _agrees(claimed: dict[str, int | None], tally: Counter[str]) -> bool:
    tests, skipped = claimed["tests"], claimed["skipped"]
    red = [value for value in (claimed["failures"], claimed["errors"]) if value is not None]
    return (
        (tests is None or tests == tally["tests"])
        and (skipped is None or skipped == tally["skipped"])
        and (not red or sum(red) == tally["failed"] + tally["error"])
    )


def _count(text: str | None) -> int | None:
    """A claimed count; None where nothing is claimed, -1 for anything but a small natural number."""
    if text is None or not text.strip():
        return None
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else -1


def _claim(claimed: dict[str, int | None]) -> str:
    return ", ".join(f"{value} {name}" for name, value in claimed.items() if value is not None)
