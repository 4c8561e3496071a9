"""The probes of a run as plain data: seed, questions in their order, answers. Read back as untrusted input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast, get_args

from pytest_moa.rules.probes.course import Answer, Outcome, Probing, Purpose, Question
from pytest_moa.rules.probes.plan import Plan

Ended = Literal["answered", "time", "broken"]
"""`answered`: nothing was left to ask; `time`: the budget was used up; `broken`: no further answer came."""

ENTRIES = 100_000
TEXT = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A question, as far as it has to be told, and its answer."""

    fault: str
    purpose: Purpose
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecord:
    """`count` and `thorough` are what was asked for (see `plan.Wish`)."""

    seed: str
    ended: Ended
    count: int | None
    thorough: bool = False
    entries: tuple[Entry, ...] = ()


NONE_ASKED = ProbeRecord(seed="0", ended="answered", count=0)
"""A caller's word against probes, as it travels with the evidence: a judge takes a missing record for a lost one."""


def entry_of(question: Question, answer: Answer) -> Entry:
    return Entry(fault=question.fault.id, purpose=question.purpose, answer=answer)


def replayed(plan: Plan, record: ProbeRecord) -> Probing | None:
    """The course that the record tells, followed again; None where it is not the course of this plan."""
    probing = Probing(plan)
    course = probing.course()
    question = next(course, None)
    for entry in record.entries:
        if question is None or (entry.fault, entry.purpose) != (question.fault.id, question.purpose):
            return None
        try:
            question = course.send(entry.answer)
        except StopIteration:
            question = None
    if (question is None) != (record.ended == "answered"):
        return None
    return probing


def to_json(record: ProbeRecord) -> dict[str, Any]:
    return {
        "seed": record.seed,
        "ended": record.ended,
        "count": record.count,
        "thorough": record.thorough,
        "entries": [
            {
                "fault": entry.fault,
                "purpose": entry.purpose,
                "outcome": entry.answer.outcome,
                "test": entry.answer.test,
                "marked": entry.answer.marked,
                "ran": entry.answer.ran,
            }
            for entry in record.entries
        ],
    }


def from_json(data: Any) -> ProbeRecord | None:  # noqa: PLR0911 - one refusal a field
    """The record; None where the data are not one."""
    if not isinstance(data, dict) or set(data) != {"seed", "ended", "count", "thorough", "entries"}:
        return None
    seed, ended, given = data["seed"], data["ended"], data["entries"]
    count, thorough = data["count"], data["thorough"]
    if not isinstance(seed, str) or not re.fullmatch(r"[0-9a-f]{1,64}", seed):
        return None
    if not isinstance(ended, str) or ended not in get_args(Ended):
        return None
    if not isinstance(thorough, bool) or not (count is None or (type(count) is int and 0 <= count < 10**9)):
        return None
    if not isinstance(given, list) or len(given) > ENTRIES:
        return None
    entries = [_entry(one) for one in given]
    if any(entry is None for entry in entries):
        return None
    return ProbeRecord(
        seed=seed,
        ended=cast("Ended", ended),
        count=count,
        thorough=thorough,
        entries=tuple(entry for entry in entries if entry is not None),
    )


def _entry(data: Any) -> Entry | None:
    if not isinstance(data, dict) or set(data) != {"fault", "purpose", "outcome", "test", "marked", "ran"}:
        return None
    if not (_is_text(data["fault"]) and _is_text(data["purpose"]) and data["purpose"] in get_args(Purpose)):
        return None
    answer = answer_of(data)
    return None if answer is None else Entry(fault=data["fault"], purpose=data["purpose"], answer=answer)


def answer_of(data: Mapping[str, Any]) -> Answer | None:
    """An answer of a server or a record: both are input that nobody trusts."""
    outcome, test, marked, ran = (data.get(name) for name in ("outcome", "test", "marked", "ran"))
    if not (_is_text(outcome) and _is_text(test)) or outcome not in get_args(Outcome):
        return None
    if not isinstance(marked, bool) or type(ran) is not int or not 0 <= ran < 10**9:
        return None
    return Answer(outcome=outcome, test=test, marked=marked, ran=ran)


def _is_text(value: object) -> TypeGuard[Any]:
    return isinstance(value, str) and len(value) <= TEXT and not any("\ud800" <= c <= "\udfff" for c in value)
