"""What a step came to, as a file between two steps: its digest travels through the runner itself.

The answers of `moa` are untrusted: one is taken only where its status and its words agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pytest_moa.action.plan import Doing
from pytest_moa.errors import MoaError, UndeterminedError

VERDICTS = frozenset({"passed", "failed", "undetermined"})
GATES = frozenset({"gate", "group"})
INTEGRATIONS = frozenset({"integrate", "queue", "land"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`result` is the JSON contract's object, None where there is none; `problem` says why not, in a sentence.

    `pending`: another step has to do what was asked for. `notices` are told and change nothing; `troubles` are errors of
    calls beside the one that counts. `touched` names the runner's files that were put back. `pairs`, `matrix` and `overview`
    are the answers of `moa conflicts`, `moa plan` and `moa report`; `comments` are texts for pull requests by their name.
    """

    doing: Doing
    agent: str = ""
    status: int = 0
    result: dict[str, Any] | None = None
    problem: str = ""
    remedy: str = ""
    kind: str = ""
    pending: bool = False
    merge: bool = False
    notices: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    summary: str = ""
    touched: tuple[str, ...] = ()
    pairs: list[Any] | None = None
    matrix: dict[str, Any] | None = None
    overview: dict[str, Any] | None = None
    comments: Mapping[str, str] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)

    @property
    def staged(self) -> list[dict[str, Any]]:
        """The members of a candidate that passed and waits to be landed, in their order."""
        rows = (self.result or {}).get("staged") if self.doing in INTEGRATIONS else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @property
    def staged_commit(self) -> str:
        return str(self.staged[-1].get("commit", "")) if self.staged else ""


def read_answer(doing: Doing, agent: str, status: int, stdout: bytes, summary: str = "") -> Report:
    """The report of one call; contradictions and unreadable words become its `problem` (kind `undetermined`)."""
    value = _object(stdout)
    if value is None:
        return _undetermined(doing, agent, status, f"moa ended with status {status} and gave no answer")
    error = value.get("error")
    if isinstance(error, dict):
        return _of_error(doing, agent, status, error)
    contradiction = _contradiction(doing, status, value)
    if contradiction:
        return _undetermined(doing, agent, status, contradiction)
    if doing == "group" and value.get("agents") and len(value["agents"]) == 1:
        agent = str(value.get("agent", ""))
    return Report(doing=doing, agent=agent, status=status, result=value, summary=summary)


def refused(error: MoaError, doing: Doing = "gate") -> Report:
    """The report of a step that could not do what was asked for."""
    return Report(
        doing=doing, status=error.exit_code, problem=str(error), remedy=error.remedy, kind=error.kind
    )


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
    listed = ("notices", "troubles", "touched")
    return Report(**{**fields, **{name: tuple(fields[name]) for name in listed}})


def _of_error(doing: Doing, agent: str, status: int, error: dict[str, Any]) -> Report:
    words = {name: str(error.get(name, ""))[:4000] for name in ("kind", "message", "reason", "remedy")}
    if status == 0:
        return _undetermined(doing, agent, status, "moa reported an error and ended with status 0")
    message = ": ".join(w for w in (words["message"], words["reason"]) if w)
    return Report(
        doing=doing, agent=agent, status=status, problem=message, remedy=words["remedy"], kind=words["kind"]
    )


def _contradiction(doing: Doing, status: int, value: dict[str, Any]) -> str:
    if doing in {"plan", "look"}:
        rows = value.get("include")
        fine = status == 0 and isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        return "" if fine else "moa's answer is no plan"
    if value.get("schema") != 1:
        return "moa's answer is of another schema"
    if doing in GATES:
        return _of_gate(status, value)
    if doing not in INTEGRATIONS:
        return "" if status == 0 else f"moa ended with status {status}"
    lists = [value.get(key) for key in ("landed", "rejected")]
    if not all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in lists):
        return "moa's answer holds no lists of what landed and what did not"
    agree = (not value["rejected"]) == (status == 0)
    return "" if agree else f"moa rejected {len(value['rejected'])} and ended with status {status}"


def _of_gate(status: int, value: dict[str, Any]) -> str:
    said = value.get("verdict")
    if said not in VERDICTS or not isinstance(value.get("tests"), dict):
        return "moa's answer holds no verdict"
    return "" if (said == "passed") == (status == 0) else f"moa said {said} and ended with status {status}"


def _undetermined(doing: Doing, agent: str, status: int, problem: str) -> Report:
    return Report(
        doing=doing,
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


def _changed(reason: str) -> UndeterminedError:
    return UndeterminedError(
        "The result of the tests was changed between two steps",
        reason=reason,
        remedy="Something that the tests started was still at work; run again in a fresh job.",
    )
