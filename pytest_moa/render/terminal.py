"""Results to lines for people, in the runbook's form. Control characters of foreign text never reach a terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from pytest_moa.errors import ConfigError, MoaError
from pytest_moa.model.results import (
    AgentState,
    BootstrapReport,
    CoverageFigure,
    Failure,
    Finding,
    GateResult,
    IntegrationResult,
    Landed,
    ProbeFigure,
    Rejected,
    StatusReport,
    TestCounts,
)
from pytest_moa.model.text import ranges

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_ICON = {"not_started": "💤", "in_progress": "🔨", "ready_for_integration": "🟢", "completed": "✅"}
_SEVERITY = {"block": "⛔", "warn": "⚠️ ", "note": "ℹ️ "}  # noqa: RUF001 - the sign of the runbook
_VERDICT = {"passed": "✅ PASSED", "failed": "❌ FAILED", "undetermined": "❔ UNDETERMINED"}


def safe(text: str) -> str:
    """Foreign text for a terminal: control, bidirectional and line-separating characters are shown, not obeyed."""
    shown = _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)
    return shown.encode("utf-8", "backslashreplace").decode()


def gate_lines(result: GateResult) -> list[str]:
    """The section of a gate, without its heading: verdict, tests, coverage, findings, and why not passed."""
    if result.partial:
        return [
            f"Agent {safe(result.agent)}: a partial run, no verdict ({safe(result.reason or 'a selection was typed')})",
            *_figures(result),
        ]
    verdict = _VERDICT[result.verdict] if result.verdict else "no verdict"
    about = "" if not result.advisory else "  (advice; `moa gate` decides)"
    lines = [f"{verdict}  Agent {safe(result.agent)}{_named(result.name, result.agent)}{about}"]
    if result.reason:
        lines.append(f"📝 {safe(result.reason)}")
    if result.candidate is not None or result.tests.collected:
        lines += _figures(result)
    lines += _findings(result.agent, result.findings)
    lines += [
        f"🤝 Let through: {a.rule} {safe(a.path)}" + (f" ({safe(a.because)})" if a.because else "")
        for a in result.allowed
    ]
    if result.conflicts:
        lines += _list("🔀 Conflicts with the target in", result.conflicts)
    lines += [f"ℹ️  {safe(note)}" for note in result.notes]  # noqa: RUF001 - the sign of the runbook
    if result.remedy:
        lines.append(f"👉 {safe(result.remedy)}")
    return lines


def gate_report(result: GateResult) -> list[str]:
    """`moa gate ID` for people: the section, the failures, and what was judged."""
    lines = gate_lines(result)
    lines[1:1] = [f"🌿 {safe(result.branch)} {_short(result.head)} on target {_short(result.target)}"]
    lines += _failures(result.failures)
    if result.verdict == "undetermined" and result.output and not result.failures:
        lines += [
            "",
            "The end of what the run printed:",
            *(f"   {safe(line)}" for line in _tail(result.output)),
        ]
    return lines


def integration_lines(result: IntegrationResult) -> list[str]:
    """`moa integrate` for people, as the runbook shows it: one block an agent, then the target."""
    lines: list[str] = []
    for landed in result.landed:
        lines += _landed(landed, result)
    for staged in result.staged:
        lines += ["✅ Ready to land", f"🧪 Tests: {_passed(staged.tests)}", f"📦 Candidate {staged.commit}"]
    for landed in result.already:
        lines.append(
            f"✅ Agent {safe(landed.agent)} is already in {safe(result.branch)} (as {_short(landed.commit)}); nothing changed"
        )
    for rejected in result.rejected:
        lines += _rejected(rejected)
    if not (result.landed or result.staged or result.already or result.rejected):
        lines.append("Nothing to integrate.")
    lines += [f"ℹ️  {safe(note)}" for note in result.notes]  # noqa: RUF001 - the sign of the runbook
    return lines


def status_lines(report: StatusReport) -> list[str]:
    """`moa status` for people, as the runbook shows it."""
    lines = ["📊 DAILY AGENT STATUS REPORT", f"Date: {report.date}"]
    if report.week is not None:
        lines.append(f"Week: {report.week}" + (f"/{report.weeks}" if report.weeks is not None else ""))
    lines += ["", f"🎯 Overall Progress: {report.overall_progress}%", "", "🤖 Agent Status:"]
    if not report.agents:
        lines.append("   No agents yet: a branch called agent-01-name makes one.")
    for state in report.agents:
        lines += _state(state)
    lines += ["", *(f"⚠️  {safe(warning)}" for warning in report.warnings)] if report.warnings else []
    return lines


def agent_lines(state: AgentState) -> list[str]:
    """`moa status ID` for people. The status line has the JSON's form too, so that a script may grep either."""
    lines = [
        f"🤖 Agent {safe(state.id)}: {safe(state.name)}",
        f'   "status": "{state.status}"',
        f"   Progress: {state.progress}%",
        f"   Branch: {safe(state.branch) if state.branch else 'none yet'} {_short(state.head)}".rstrip(),
    ]
    if state.flags:
        lines.append(f"   Flags: {', '.join(state.flags)}")
    lines += [f"   🚧 {safe(blocker)}" for blocker in state.blockers]
    if state.next:
        lines.append(f"   Next: {safe(state.next)}")
    return lines


def bootstrap_lines(report: BootstrapReport) -> list[str]:
    """`moa bootstrap` for people, as the runbook shows it."""
    title = "✅ Bootstrap successful!" if report.ok else "❌ Bootstrap failed!"
    lines = ["📋 Bootstrap Validation Results", "=" * 40, title, "", "Validation Checks:"]
    for check in report.checks:
        lines.append(f"   {'✅' if check.ok else '❌'} {check.name}: {safe(check.detail)}")
        if check.remedy:
            lines.append(f"      👉 {safe(check.remedy)}")
    return lines


def error_lines(error: MoaError) -> list[str]:
    """An error for people: what, why, what to do."""
    lines = [f"❌ {safe(error.message)}"]
    if isinstance(error, ConfigError) and error.problems:
        lines += [f"   • {safe(problem)}" for problem in error.problems]
    elif error.reason:
        lines += [f"   {safe(line)}" for line in error.reason.splitlines()]
    if error.remedy:
        lines.append(f"👉 {safe(error.remedy)}")
    return lines


def _figures(result: GateResult) -> list[str]:
    return [
        f"🧪 Tests: {_passed(result.tests)}{_rest(result.tests)}",
        *_coverage(result.coverage, unknown=result.verdict == "undetermined"),
        *_probes(result.probes),
    ]


def _probes(figure: ProbeFigure | None) -> list[str]:
    if figure is None or not figure.tried:
        return []
    return [f"🔎 Probes: {figure.noticed} of {figure.tried} deliberate faults made a test fail"]


def _coverage(figure: CoverageFigure | None, *, unknown: bool) -> list[str]:
    if figure is None:
        return [] if unknown else ["📏 Coverage of own code: nothing to measure"]
    sign = "≥" if figure.enough else "<"
    lines = [
        (
            f"📏 Coverage of own code: {figure.percent}% {sign} {figure.threshold}%"
            f" ({figure.covered} of {figure.statements})"
        )
    ]
    short = [f for f in figure.files if f.missing]
    lines += [f"   {safe(f.path)}: {f.percent}%, not run: {ranges(f.missing)}" for f in short[:20]]
    if len(short) > 20:
        lines.append(f"   and {len(short) - 20} more files")
    return lines


def _findings(agent: str, findings: Sequence[Finding], most: int = 5) -> list[str]:
    """Blocking findings first, then warnings, then a few notes: the JSON report has them all."""
    ordered = sorted(findings, key=lambda f: ("block", "warn", "note").index(f.severity))
    notes = [f for f in ordered if f.severity == "note"]
    shown = [f for f in ordered if f.severity != "note"] + notes[:most]
    lines = [line for finding in shown for line in _finding(finding)]
    if len(notes) > most:
        lines.append(f"   and {len(notes) - most} more notes (`--json` has them all)")
    return [*lines, *_way_out(agent, findings)]


def _finding(finding: Finding) -> list[str]:
    place = safe(finding.path) + (f":{finding.line}" if finding.line else "")
    return [
        f"{_SEVERITY[finding.severity]} {finding.rule} {place}: {safe(finding.message)}",
        f"   👉 {safe(finding.remedy)}",
    ]


def _way_out(agent: str, findings: Sequence[Finding]) -> list[str]:
    """How a person lets blocking findings through: one reviewed line."""
    blocks = dict.fromkeys((f.rule, f.path) for f in findings if f.severity == "block")
    if not blocks:
        return []
    words = [f"--allow {safe(shlex.quote(f'{rule}:{path}'))}" for rule, path in list(blocks)[:3]]
    more = " …" if len(blocks) > 3 else ""
    return [
        "   A person who has reviewed this can let it through:",
        f'   moa integrate {safe(agent)} {" ".join(words)}{more} --because "…"   (`moa explain {next(iter(blocks))[0]}`)',
    ]


def _failures(failures: Sequence[Failure], most: int = 10) -> list[str]:
    lines: list[str] = []
    for failure in failures[:most]:
        lines += [f"   ✗ {safe(failure.id)}", *(f"       {safe(line)}" for line in _tail(failure.message, 4))]
    if len(failures) > most:
        lines.append(f"   and {len(failures) - most} more")
    return lines


def _landed(landed: Landed, result: IntegrationResult) -> list[str]:
    figure = landed.coverage
    lines = [
        "✅ Integration successful!",
        f"📝 Agent {safe(landed.agent)} successfully integrated",
        f"🧪 Tests: {_passed(landed.tests)}{_rest(landed.tests)}",
    ]
    if figure is not None:
        lines.append(f"📏 Coverage of own code: {figure.percent}% ≥ {figure.threshold}%")
    return [*lines, f"🔀 Merged to: {safe(result.branch)}", f"   as {landed.commit}"]


def _rejected(rejected: Rejected) -> list[str]:
    red = rejected.counts.failed + rejected.counts.errors
    lines = ["❌ Integration failed!", f"📝 Error: {safe(rejected.reason)}"]
    if red:
        lines.append(f"🧪 Test failures: {red}")
    lines += _failures(rejected.failures)
    lines += _findings(rejected.agent, rejected.findings)
    if rejected.with_agents:
        lines.append(f"🤝 With: {', '.join(safe(agent) for agent in rejected.with_agents)}")
    if rejected.remedy:
        lines.append(f"👉 {safe(rejected.remedy)}")
    return lines


def _state(state: AgentState) -> list[str]:
    flags = f" [{', '.join(state.flags)}]" if state.flags else ""
    line = f"   {_ICON[state.status]} Agent {safe(state.id)}: {safe(state.name)} ({state.status}, {state.progress}%){flags}"
    return [line, *(f"      🚧 {safe(blocker)}" for blocker in state.blockers)]


def _passed(counts: TestCounts) -> str:
    return f"{counts.passed}/{counts.collected} passed"


def _rest(counts: TestCounts) -> str:
    told = {"failed": counts.failed, "skipped": counts.skipped, "errors": counts.errors}
    return "".join(f", {number} {word}" for word, number in told.items() if number)


def _named(name: str, agent: str) -> str:
    return f": {safe(name)}" if name and name != agent else ""


def _short(oid: str | None) -> str:
    return oid[:10] if oid else ""


def _list(title: str, names: Sequence[str], most: int = 20) -> list[str]:
    more = [f"   and {len(names) - most} more"] if len(names) > most else []
    return [f"{title}:", *(f"   {safe(name)}" for name in names[:most]), *more]


def _tail(text: str, most: int = 25) -> list[str]:
    lines = [line for line in text.split("\n") if line.strip()]
    return lines[-most:]
