"""What a fleet is told: the plan of its jobs, and the verdict on a train. JSON and lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_moa.model.fleet import TRAIN, Plan
from pytest_moa.model.results import GateResult, MemberVerdict
from pytest_moa.model.text import plural
from pytest_moa.render.json_contract import coverage_json, finding_json, gate_json
from pytest_moa.render.terminal import gate_report, safe

_VERDICT = {"passed": "✅", "failed": "❌", "undetermined": "❔"}


def plan_json(plan: Plan) -> dict[str, Any]:
    """The object of `moa plan --json`: a matrix and nothing else, since a workflow takes every further key for an axis."""
    return {"include": [{"agent": row.agent, "branch": row.branch, "head": row.head} for row in plan.include]}


def plan_lines(plan: Plan) -> list[str]:
    """`moa plan` for people: what there is to gate, then who waits and why."""
    lines = [f"🗺️  To gate for {safe(plan.target)} at {plan.at[:10]}: {plural(len(plan.include), 'job')}"]
    rows = [
        (row.agent, row.branch, row.head[:10], ", ".join(plan.members) if row.agent == TRAIN else "")
        for row in plan.include
    ]
    lines += _table(rows)
    if not rows:
        lines.append("   Nothing waits to be gated.")
    if plan.waiting:
        lines += ["", "⏳ Waiting:"]
    for one in plan.waiting:
        lines.append(f"   {safe(one.agent)}: {safe(one.reason)}")
        if one.remedy:
            lines.append(f"      👉 {safe(one.remedy)}")
    return [*lines, *(f"ℹ️  {safe(note)}" for note in plan.notes)]  # noqa: RUF001 - the sign of the runbook


def result_json(result: GateResult) -> dict[str, Any]:
    """The object of `moa gate`, with what is said of each agent where it was the train's."""
    value = gate_json(result)
    if result.members:
        value["agents"] = [_member_json(member) for member in result.members]
    return value


def result_report(result: GateResult) -> list[str]:
    """The same for people."""
    lines = gate_report(result)
    if not result.members:
        return lines
    lines = [line for line in lines if not line.startswith("📏")]  # coverage is each agent's own
    return [*lines, "", "🚆 On the train:", *(line for member in result.members for line in _member(member))]


def _member_json(member: MemberVerdict) -> dict[str, Any]:
    probes = member.probes
    return {
        "agent": member.agent,
        "branch": member.branch,
        "head": member.head,
        "verdict": member.verdict,
        "coverage": coverage_json(member.coverage),
        "findings": [finding_json(finding) for finding in member.findings],
        "probes": None
        if probes is None
        else {
            "tried": probes.tried,
            "noticed": probes.noticed,
            "unnoticed": [{"path": p.path, "line": p.line, "fault": p.fault} for p in probes.unnoticed],
            "seed": probes.seed,
        },
        "reason": member.reason,
        "remedy": member.remedy,
    }


def _member(member: MemberVerdict) -> list[str]:
    figure = member.coverage
    covered = f", {figure.percent}% of own code" if figure is not None else ""
    lines = [f"   {_VERDICT[member.verdict]} {safe(member.agent)} {member.head[:10]}{covered}"]
    if member.reason:
        lines.append(f"      📝 {safe(member.reason)}")
    if member.remedy:
        lines.append(f"      👉 {safe(member.remedy)}")
    return lines


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    shown = [tuple(safe(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(3)] if shown else []
    return [
        "   " + "  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]).rstrip() for row in shown
    ]
