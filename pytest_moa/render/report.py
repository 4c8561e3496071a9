"""The project's state as JSON and for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_moa.model.report import LandedRow, ProjectReport
from pytest_moa.render.conflicts import conflicts_json, conflicts_lines
from pytest_moa.render.json_contract import status_json
from pytest_moa.render.terminal import safe, status_lines

LANDED_TOLD = 10


def report_json(report: ProjectReport) -> dict[str, Any]:
    """The object of `moa report --json`: that of `moa status`, with landings, conflicts and alerts beside it."""
    return {
        **status_json(report.status),
        "project": report.project,
        "target": {"branch": report.branch, "commit": report.target},
        "landed": [_landed(one) for one in report.landed],
        "conflicts": conflicts_json(report.matrix),
        "alerts": [],
    }


def _landed(one: LandedRow) -> dict[str, Any]:
    figures = one.figures
    return {
        "agent": one.agent,
        "head": one.head,
        "commit": one.commit,
        "passed": figures.passed,
        "coverage": None if figures.percent is None else str(figures.percent),
    }


def report_lines(report: ProjectReport) -> list[str]:
    return [
        *status_lines(report.status),
        "",
        *conflicts_lines(report.matrix),
        "",
        *_landings(report.landed),
    ]


def _landings(landed: Iterable[LandedRow]) -> list[str]:
    rows = list(landed)
    if not rows:
        return ["📥 Nothing has landed yet."]
    more = f", the last {LANDED_TOLD}" if len(rows) > LANDED_TOLD else ""
    said = [f"📥 {len(rows)} landed so far{more}:"]
    said += [f"   {safe(one.agent)} as {one.commit[:10]}" for one in rows[:LANDED_TOLD]]
    return said
