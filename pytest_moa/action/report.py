"""What a call of `moa` answered, as a file between two steps: its digest travels through the runner itself.

The answer is untrusted: it is taken only where its status and its words agree.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_moa.errors import UndeterminedError

Verb = Literal["gate", "integrate"]

VERDICTS = frozenset({"passed", "failed", "undetermined"})
UNDECIDED = frozenset({"undetermined", "infrastructure", "target", "moved", "held"})
"""Rejection classes that say nothing about the branch's own work."""

SUMMARY_BYTES = 1024 * 1024 - 1024
"""Room for a notice is left below GitHub's 1 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`result` is the JSON contract's object, None where there is none; `problem` says why not, in a sentence.

    `notice` is a run that had nothing to judge. `touched` names the runner's files that were put back.
    """

    verb: Verb
    agent: str
    status: int
    result: dict[str, Any] | None = None
    problem: str = ""
    remedy: str = ""
    kind: str = ""
    notice: str = ""
    summary: str = ""
    touched: tuple[str, ...] = ()


def read_answer(verb: Verb, agent: str, status: int, stdout: bytes, summary: str = "") -> Report:
    """The report of one call; contradictions and unreadable words become its `problem` (kind `undetermined`)."""
    value = _object(stdout)
    if value is None:
        return _undetermined(verb, agent, status, f"moa ended with status {status} and gave no answer")
    error = value.get("error")
    if isinstance(error, dict):
        return _of_error(verb, agent, status, error)
    contradiction = _contradiction(verb, status, value)
    if contradiction:
        return _undetermined(verb, agent, status, contradiction)
    return Report(verb=verb, agent=_agent(value, agent), status=status, result=value, summary=summary)


def verdict(report: Report) -> str:
    """passed, failed or undetermined; empty where none applies (a notice)."""
    if report.notice:
        return ""
    if report.result is None:
        return "undetermined"
    if report.verb == "gate":
        return str(report.result["verdict"])
    return _of_integration(report.result)


def save(report: Report, path: Path) -> str:
    """Write it to a new file; the SHA-256 of its bytes."""
    data = json.dumps(asdict(report)).encode()
    path.unlink(missing_ok=True)
    with path.open("xb") as stream:
        stream.write(data)
    return hashlib.sha256(data).hexdigest()


def load(path: Path, digest: str) -> Report:
    """The report whose digest the runner handed on; anything else is refused as UNDETERMINED."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _changed(str(error)) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _changed("its contents are not what the step before had written")
    fields = json.loads(data)
    return Report(**{**fields, "touched": tuple(fields["touched"])})


def _of_integration(result: dict[str, Any]) -> str:
    rejected = result["rejected"]
    if any(r.get("class") not in UNDECIDED for r in rejected):
        return "failed"
    return "undetermined" if rejected else "passed"


def _of_error(verb: Verb, agent: str, status: int, error: dict[str, Any]) -> Report:
    words = {name: str(error.get(name, ""))[:4000] for name in ("kind", "message", "reason", "remedy")}
    if status == 0:
        return _undetermined(verb, agent, status, "moa reported an error and ended with status 0")
    message = ": ".join(w for w in (words["message"], words["reason"]) if w)
    return Report(
        verb=verb, agent=agent, status=status, problem=message, remedy=words["remedy"], kind=words["kind"]
    )


def _contradiction(verb: Verb, status: int, value: dict[str, Any]) -> str:
    if value.get("schema") != 1:
        return "moa's answer is of another schema"
    if verb == "gate":
        said = value.get("verdict")
        if said not in VERDICTS or not isinstance(value.get("tests"), dict):
            return "moa's answer holds no verdict"
        return (
            "" if (said == "passed") == (status == 0) else f"moa said {said} and ended with status {status}"
        )
    if not all(isinstance(value.get(key), list) for key in ("landed", "rejected")):
        return "moa's answer holds no lists of what landed and what did not"
    agree = (not value["rejected"]) == (status == 0)
    return "" if agree else f"moa rejected {len(value['rejected'])} and ended with status {status}"


def _undetermined(verb: Verb, agent: str, status: int, problem: str) -> Report:
    return Report(
        verb=verb,
        agent=agent,
        status=status,
        problem=problem,
        remedy="Look into the log above; something ended or disturbed moa while it worked.",
        kind="undetermined",
    )


def _object(stdout: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(stdout)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _agent(value: dict[str, Any], asked: str) -> str:
    return str(value.get("agent") or asked)


def _changed(reason: str) -> UndeterminedError:
    return UndeterminedError(
        "The result of the tests was changed between two steps",
        reason=reason,
        remedy="Something that the tests started was still at work; run again in a fresh job.",
    )
