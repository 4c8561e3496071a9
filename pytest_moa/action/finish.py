"""The last step: outputs, summary, annotations and the job's end from the reports of the steps before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_moa.action.inputs import FailOn
from pytest_moa.action.report import Report, verdict
from pytest_moa.github.commands import ANNOTATIONS_OF_A_KIND, Level, annotation
from pytest_moa.render import markdown

OUTPUTS = (
    "verdict",
    "agent",
    "coverage",
    "tests",
    "landed",
    "rejected",
    "summary-path",
    "report-path",
)

OUTPUT_BYTES = 200_000
"""A list longer than this is given without its details: GitHub caps the outputs of a job at 1 MB."""

_LEVELS: dict[str, Level] = {"block": "error", "warn": "warning", "note": "notice"}


def outputs(report: Report, *, summary_path: str, report_path: str) -> dict[str, str]:
    """Every declared output, empty where it does not apply."""
    values = dict.fromkeys(OUTPUTS, "")
    values |= {"verdict": verdict(report), "agent": _agent(report), "summary-path": summary_path}
    result = report.result
    if result is None:
        return values
    values["report-path"] = report_path
    if report.verb == "gate":
        values |= _figures(result)
    else:
        if len(result["landed"]) == 1:
            values |= _figures(result["landed"][0])
        values["landed"] = _list(result["landed"], ("agent", "head", "commit"))
        values["rejected"] = _list(result["rejected"], ("agent", "head", "class", "with"))
    return values


def _figures(of: Mapping[str, Any]) -> dict[str, str]:
    coverage = of.get("coverage")
    percent = str(coverage["percent"]) if isinstance(coverage, dict) else ""
    return {"coverage": percent, "tests": json.dumps(of["tests"]) if "tests" in of else ""}


def failure(report: Report, fail_on: frozenset[FailOn]) -> str:
    """Why the job fails, in a sentence; empty where it does not."""
    if report.notice:
        return ""
    if report.result is None and report.kind not in {"undetermined", "conflict"}:
        return report.problem or f"moa ended with status {report.status}"
    if report.result is None and report.kind == "undetermined" and report.status != 3:
        return report.problem  # moa itself was ended or disturbed: an error, not a verdict
    if report.status == 5:
        return "the target was moved by somebody else before the landing; nothing was changed"
    hit = _conditions(report) & fail_on
    return f"{_subject(report)}: {', '.join(sorted(hit))} (`fail-on`)" if hit else ""


def told(report: Report, why: str) -> list[str]:
    """Workflow commands, at most ten of a kind; the summary holds all."""
    if report.notice:
        return [annotation("notice", report.notice, title="moa")]
    lines = [annotation("warning", report.problem, title="moa")] if report.problem and not why else []
    if report.touched:
        lines.append(annotation("warning", _touched(report), title="moa: the runner's files were changed"))
    by_kind: dict[Level, list[str]] = {"error": lines, "warning": [], "notice": []}
    for finding in _findings(report):
        level = _LEVELS.get(str(finding.get("severity")), "notice")
        by_kind[level].append(_finding(level, finding))
    for failed in _failures(report):
        text = f"{failed.get('id', '')}\n{failed.get('message', '')}"
        by_kind["error"].append(annotation("error", text, title="moa: a test failed"))
    last = [annotation("error", why, title="moa")] if why else []
    by_kind["error"] = [*last, *by_kind["error"]]
    return [line for kind, these in by_kind.items() for line in _at_most_ten(kind, these)]


def summary(report: Report) -> str:
    """The Markdown for the job's summary: moa's own, or what is to be said where it gave none."""
    extra = f"\n{markdown.text(_touched(report), 1000)}\n" if report.touched else ""
    if report.summary:
        return report.summary + extra
    if report.notice:
        return f"## ⚪ Nothing to judge\n\n{markdown.text(report.notice, 1000)}\n"
    head = f"## ❔ UNDETERMINED: agent {markdown.code(_agent(report) or 'unknown')}\n\n"
    why = f"**Why:** {markdown.text(report.problem, 2000)}\n\n"
    table = f"| agent | verdict |\n| --- | --- |\n| {markdown.code(_agent(report) or 'unknown')} | undetermined |\n"
    return head + why + f"**What to do:** {markdown.text(report.remedy, 1000)}\n\n" + table + extra


def _conditions(report: Report) -> set[str]:
    said = verdict(report)
    rejected = report.result["rejected"] if report.result and report.verb == "integrate" else []
    out = {said} if said in {"failed", "undetermined"} else set()
    if rejected:
        out.add("rejected")
    conflicts = any(r.get("class") == "conflict" for r in rejected)
    if report.status == 4 or report.kind == "conflict" or conflicts:
        out.add("conflicts")
    return out


def _subject(report: Report) -> str:
    return f"agent {_agent(report) or 'unknown'}"


def _agent(report: Report) -> str:
    if report.result and report.verb == "integrate":
        rows = [*report.result["landed"], *report.result["rejected"], *(report.result.get("already") or ())]
        return ",".join(str(row.get("agent", "")) for row in rows) or report.agent
    return "" if report.agent == "auto" else report.agent


def _list(rows: list[dict[str, Any]], short: tuple[str, ...]) -> str:
    full = json.dumps(rows)
    if len(full) <= OUTPUT_BYTES:
        return full
    return json.dumps([{key: row.get(key) for key in short} for row in rows])


def _findings(report: Report) -> list[dict[str, Any]]:
    return [f for source in _sources(report) for f in source.get("findings") or () if isinstance(f, dict)]


def _failures(report: Report) -> list[dict[str, Any]]:
    return [f for source in _sources(report) for f in source.get("failures") or () if isinstance(f, dict)]


def _sources(report: Report) -> list[dict[str, Any]]:
    if report.result is None:
        return []
    return [report.result] if report.verb == "gate" else list(report.result["rejected"])


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
