"""The last step: outputs, summary, annotations and the job's end from the reports of the steps before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_moa.action.inputs import FailOn
from pytest_moa.action.report import GATES, INTEGRATIONS, Report
from pytest_moa.action.tables import pairs_table, plan_table
from pytest_moa.github.commands import ANNOTATIONS_OF_A_KIND, Level, annotation
from pytest_moa.render import markdown

OUTPUTS = (
    "verdict",
    "agent",
    "coverage",
    "tests",
    "landed",
    "rejected",
    "conflicts",
    "alerts",
    "matrix",
    "summary-path",
    "report-path",
)

OUTPUT_BYTES = 200_000
"""A list longer than this is given without its details: GitHub caps the outputs of a job at 1 MB."""

UNDECIDED = frozenset({"undetermined", "infrastructure", "target", "moved", "held"})
"""Rejection classes that say nothing about the branch's own work."""

_LEVELS: dict[str, Level] = {"block": "error", "warn": "warning", "note": "notice"}
_RANKS = ("failed", "undetermined", "passed")

Reports = Sequence[Report]


def outputs(reports: Reports, *, summary_path: str, report_path: str) -> dict[str, str]:
    """Every declared output, empty where it does not apply."""
    values = dict.fromkeys(OUTPUTS, "")
    values |= {"verdict": verdict(reports), "agent": _agent(reports), "alerts": "[]"}
    values |= {"summary-path": summary_path}
    values["report-path"] = report_path if whole(reports) is not None else ""
    figures = _figures_of(reports)
    coverage = figures.get("coverage")
    values["coverage"] = str(coverage["percent"]) if isinstance(coverage, dict) else ""
    values["tests"] = json.dumps(figures["tests"]) if "tests" in figures else ""
    if any(r.doing in INTEGRATIONS and r.result is not None for r in reports):
        values["landed"] = _list(_rows(reports, "landed"), ("agent", "head", "commit"))
        values["rejected"] = _list(_rows(reports, "rejected"), ("agent", "head", "class", "with"))
    pairs = [r.pairs for r in reports if r.pairs is not None]
    if pairs:
        values["conflicts"] = json.dumps(pairs[-1])
    matrices = [r.matrix for r in reports if r.matrix is not None]
    if matrices:
        # Without spaces, so that a workflow can compare it with {"include":[]}.
        values["matrix"] = json.dumps(matrices[-1], separators=(",", ":"))
    return values


def whole(reports: Reports) -> dict[str, Any] | None:
    """All that is known, as JSON: the result itself, or where there are several each under its name."""
    found = {r.doing: r.result for r in reports if r.result is not None and r.doing != "look"}
    overview = next((r.overview for r in reports if r.overview is not None), None)
    if len(found) == 1 and overview is None:
        return next(iter(found.values()))
    named = {("report" if doing == "report" else doing): value for doing, value in found.items()}
    if overview is not None:
        if not named:
            return overview
        named["report"] = overview
    return {"schema": 1, **named} if named else None


def verdict(reports: Reports) -> str:
    """passed, failed or undetermined; empty where none applies: the queue has none, and neither has a notice."""
    gates = [r for r in reports if r.doing in GATES]
    if gates:
        # What was merged after a gate may show a fault that the gate could not see; what waits was gated all the same.
        later = [_of_integration(r) for r in reports if r.doing == "integrate" and r.result is not None]
        return "failed" if "failed" in later else _of_gate(gates[-1])
    said = [_of_integration(r) for r in reports if r.doing == "integrate"]
    return min(said, key=_RANKS.index) if said else ""


def _of_gate(report: Report) -> str:
    return "undetermined" if report.result is None else str(report.result["verdict"])


def _of_integration(report: Report) -> str:
    if report.result is None:
        return "undetermined"
    rejected = report.result["rejected"]
    if any(row.get("class") not in UNDECIDED for row in rejected):
        return "failed"
    return "undetermined" if rejected else "passed"


def failure(reports: Reports, fail_on: frozenset[FailOn]) -> str:
    """Why the job fails, in a sentence; empty where it does not."""
    for report in reports:
        if why := _error(report):
            return why
    hit = _conditions(reports) & fail_on
    if not hit:
        return ""
    agent = _agent(reports)
    subject = f"agent {agent}" if agent else "the queue" if _is_queue(reports) else "this run"
    return f"{subject}: {', '.join(sorted(hit))} (`fail-on`)"


def _error(report: Report) -> str:
    """What fails the job whatever `fail-on` says."""
    if report.status == 5:
        return "the target was moved by somebody else before the landing; nothing was changed"
    if report.problem and not (report.kind in {"undetermined", "conflict"} and report.status in {3, 4}):
        return report.problem
    return report.troubles[0] if report.troubles else ""


def told(reports: Reports, why: str) -> list[str]:
    """Workflow commands, at most ten of a kind; the summary holds all."""
    by_kind: dict[Level, list[str]] = {"error": [], "warning": [], "notice": []}
    if why:
        by_kind["error"].append(annotation("error", why, title="moa"))
    for report in reports:
        if report.problem and report.problem != why:
            by_kind["warning"].append(annotation("warning", report.problem, title="moa"))
        if report.touched:
            title = "moa: the runner's files were changed"
            by_kind["warning"].append(annotation("warning", _touched(report), title=title))
        by_kind["notice"] += [annotation("notice", notice, title="moa") for notice in report.notices]
    for finding in _listed(reports, "findings"):
        level = _LEVELS.get(str(finding.get("severity")), "notice")
        by_kind[level].append(_finding(level, finding))
    for failed in _listed(reports, "failures"):
        text = f"{failed.get('id', '')}\n{failed.get('message', '')}"
        by_kind["error"].append(annotation("error", text, title="moa: a test failed"))
    return [line for kind, these in by_kind.items() for line in _at_most_ten(kind, these)]


def summary(reports: Reports) -> str:
    """The Markdown for the job's summary: moa's own, or what is to be said where it gave none."""
    parts = [part for part in (_summary(report) for report in _for_people(reports)) if part]
    parts += [f"{markdown.text(_touched(r), 1000)}\n" for r in reports if r.touched]
    notices = [f"- {markdown.text(notice, 1000)}\n" for r in reports for notice in r.notices]
    if not parts and notices:
        return "## ⚪ Nothing to judge\n\n" + "".join(notices)
    if notices:
        parts.append("".join(notices))
    return "\n".join(parts)


def _for_people(reports: Reports) -> list[Report]:
    """What landed before what was staged for it; that says nothing more where nobody was turned away."""
    if not any(report.staged for report in reports[:-1]):
        return list(reports)
    *before, landing = reports
    kept = [r for r in before if not r.staged or (r.result or {}).get("rejected")]
    gates = [r for r in kept if r.doing in GATES]
    return [*gates, landing, *(r for r in kept if r not in gates)]


def _summary(report: Report) -> str:
    if report.summary or not report.problem:
        plan = plan_table(report.matrix) if report.matrix is not None else ""
        return "\n".join(part for part in (plan, report.summary, pairs_table(report.pairs or ())) if part)
    agent = markdown.code(report.agent or "unknown")
    head = f"## ❔ UNDETERMINED: agent {agent}\n\n" if _judges(report) else "## ❔ UNDETERMINED\n\n"
    why = f"**Why:** {markdown.text(report.problem, 2000)}\n\n"
    table = f"| agent | verdict |\n| --- | --- |\n| {agent} | undetermined |\n" if _judges(report) else ""
    return head + why + f"**What to do:** {markdown.text(report.remedy, 1000)}\n\n" + table


def _judges(report: Report) -> bool:
    return report.doing in {*GATES, "integrate"}


def _conditions(reports: Reports) -> set[str]:
    said, rejected = verdict(reports), _rows(reports, "rejected")
    out = {said} if said in {"failed", "undetermined"} else set()
    if rejected:
        out.add("rejected")
    if any(r.status == 4 or r.kind == "conflict" or r.pairs for r in reports) or any(
        row.get("class") == "conflict" for row in rejected
    ):
        out.add("conflicts")
    return out


def _is_queue(reports: Reports) -> bool:
    return any(r.doing in {"queue", "land"} for r in reports)


def _agent(reports: Reports) -> str:
    """The one agent that it is about; empty for the queue."""
    named = [r.agent for r in reports if r.agent and r.agent != "auto" and r.doing != "look"]
    if named:
        return named[0]
    rows = {str(row.get("agent", "")) for key in ("landed", "rejected") for row in _rows(reports, key)}
    return rows.pop() if len(rows) == 1 else ""


def _figures_of(reports: Reports) -> dict[str, Any]:
    """Whose coverage and tests are told: the gate's, or those of the one that landed."""
    for report in reports:
        if report.doing in GATES and report.result is not None:
            return report.result
    landed = _rows(reports, "landed")
    return landed[0] if len(landed) == 1 else {}


def _rows(reports: Reports, key: str) -> list[dict[str, Any]]:
    return [
        row
        for r in reports
        if r.doing in INTEGRATIONS and r.result is not None
        for row in r.result[key]
        if isinstance(row, dict)
    ]


def _list(rows: list[dict[str, Any]], short: tuple[str, ...]) -> str:
    full = json.dumps(rows)
    if len(full) <= OUTPUT_BYTES:
        return full
    return json.dumps([{key: row.get(key) for key in short} for row in rows])


def _listed(reports: Reports, key: str) -> list[dict[str, Any]]:
    """Findings or failures, of the gate and of whoever was turned away."""
    sources = [r.result for r in reports if r.doing in GATES and r.result is not None]
    sources += _rows(reports, "rejected")
    return [one for source in sources for one in source.get(key) or () if isinstance(one, dict)]


def _finding(level: Level, finding: dict[str, Any]) -> str:
    line = finding.get("line")
    return annotation(
        level,
        f"{finding.get('message', '')} {finding.get('remedy', '')}",
        path=str(finding.get("path") or "") or None,
        line=line if isinstance(line, int) else None,
        title=f"moa: {finding.get('rule', '')}",
    )


def _at_most_ten(kind: Level, lines: Iterable[str]) -> list[str]:
    every = list(lines)
    if len(every) <= ANNOTATIONS_OF_A_KIND:
        return every
    kept = every[: ANNOTATIONS_OF_A_KIND - 1]
    more = len(every) - len(kept)
    return [*kept, annotation(kind, f"{more} more are in the job's summary", title="moa")]


def _touched(report: Report) -> str:
    names = ", ".join(report.touched[:20])
    return f"Files through which the runner is told things were changed while the tests ran, and were put back: {names}"
