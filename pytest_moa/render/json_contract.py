"""Results to the JSON contract, schema 1: keys may be added, these stay. Pure; formatting is `dumps`."""

from __future__ import annotations

import json
from typing import Any

from pytest_moa.errors import ConfigError, ConflictError, MoaError
from pytest_moa.model.results import (
    AgentState,
    BootstrapReport,
    CoverageFigure,
    Finding,
    GateResult,
    IntegrationResult,
    Landed,
    ProbeFigure,
    Rejected,
    StatusReport,
    TestCounts,
)

SCHEMA = 1


def dumps(value: Any) -> str:
    """Two spaces of indent; lone surrogates (undecodable file names) are escaped, so that it always encodes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def gate_json(result: GateResult) -> dict[str, Any]:
    """The object of `moa gate ID --json`, and of the plugin's `--moa-report` (then `advisory` is true)."""
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "agent": result.agent,
        "name": result.name,
        "branch": result.branch,
        "verdict": result.verdict,
        "head": result.head,
        "target": result.target,
        "candidate": result.candidate,
        "tests": counts_json(result.tests),
        "failures": [{"id": f.id, "message": f.message} for f in result.failures],
        "coverage": coverage_json(result.coverage),
        "findings": [finding_json(f) for f in result.findings],
        "allowed": [{"rule": a.rule, "path": a.path, "because": a.because} for a in result.allowed],
        "probes": _probes(result.probes),
        "environment": {"python": result.environment.python, "key": result.environment.key},
        "conflicts": list(result.conflicts),
        "notes": list(result.notes),
        "reason": result.reason,
        "remedy": result.remedy,
        "seconds": round(result.seconds, 3),
    }
    if result.advisory:
        value["advisory"] = True
    if result.partial:
        value["partial"] = True
    return value


def integration_json(result: IntegrationResult) -> dict[str, Any]:
    """The object of `moa integrate … --json`."""
    return {
        "schema": SCHEMA,
        "target": {"branch": result.branch, "before": result.before, "after": result.after},
        "runs": result.runs,
        "landed": [landed_json(landed) for landed in result.landed],
        "rejected": [rejected_json(rejected) for rejected in result.rejected],
        "already": [{"agent": a.agent, "head": a.head, "commit": a.commit} for a in result.already],
        "staged": [{"agent": a.agent, "head": a.head, "commit": a.commit} for a in result.staged],
        "flaky": list(result.flaky),
        "notes": list(result.notes),
        "seconds": round(result.seconds, 3),
        **({"dry_run": True, "would_test": list(result.would_test)} if result.dry_run else {}),
    }


def status_json(report: StatusReport) -> dict[str, Any]:
    """The object of `moa status --json`."""
    return {
        "schema": SCHEMA,
        "date": report.date,
        "week": report.week,
        "weeks": report.weeks,
        "overall_progress": float(report.overall_progress),
        "agents": [state_json(state) for state in report.agents],
        "warnings": list(report.warnings),
    }


def agent_json(state: AgentState) -> dict[str, Any]:
    """The object of `moa status ID --json`: the agent's own, with the schema's number."""
    return {"schema": SCHEMA, **state_json(state)}


def state_json(state: AgentState) -> dict[str, Any]:
    return {
        "id": state.id,
        "name": state.name,
        "branch": state.branch,
        "head": state.head,
        "status": state.status,
        "progress": float(state.progress),
        "flags": list(state.flags),
        "blockers": list(state.blockers),
        "next": state.next,
    }


def bootstrap_json(report: BootstrapReport) -> dict[str, Any]:
    """The object of `moa bootstrap --json`."""
    checks = [{"name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy} for c in report.checks]
    return {"schema": SCHEMA, "ok": report.ok, "checks": checks}


def error_json(error: MoaError) -> dict[str, Any]:
    """The error object that every command prints on standard output with `--json`."""
    body: dict[str, Any] = {
        "kind": error.kind,
        "message": error.message,
        "reason": error.reason,
        "remedy": error.remedy,
    }
    if isinstance(error, ConfigError):
        body["problems"] = list(error.problems)
    if isinstance(error, ConflictError):
        body["paths"] = list(error.paths)
    return {"schema": SCHEMA, "error": body}


def counts_json(counts: TestCounts) -> dict[str, int]:
    return {
        "collected": counts.collected,
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "errors": counts.errors,
    }


def coverage_json(figure: CoverageFigure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "percent": str(figure.percent),
        "threshold": str(figure.threshold),
        "covered": figure.covered,
        "statements": figure.statements,
        "files": [
            {"path": f.path, "percent": str(f.percent), "missing": list(f.missing)} for f in figure.files
        ],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "path": finding.path,
        "line": finding.line,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def landed_json(landed: Landed) -> dict[str, Any]:
    return {
        "agent": landed.agent,
        "head": landed.head,
        "commit": landed.commit,
        "tests": counts_json(landed.tests),
        "coverage": coverage_json(landed.coverage),
        "allow": list(landed.allow),
    }


def rejected_json(rejected: Rejected) -> dict[str, Any]:
    return {
        "agent": rejected.agent,
        "head": rejected.head,
        "class": rejected.kind,
        "reason": rejected.reason,
        "remedy": rejected.remedy,
        "with": list(rejected.with_agents),
        "tests": list(rejected.tests),
        "findings": [finding_json(f) for f in rejected.findings],
        "failures": [{"id": f.id, "message": f.message} for f in rejected.failures],
    }


def _probes(figure: ProbeFigure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    unnoticed = [{"path": p.path, "line": p.line, "fault": p.fault} for p in figure.unnoticed]
    return {"tried": figure.tried, "noticed": figure.noticed, "unnoticed": unnoticed, "seed": figure.seed}
