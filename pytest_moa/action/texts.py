"""The texts of comments, by the names of their files (`gate-ID.md`, `queue-ID.md`): no times in them, so that what did not
change is not written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_moa.action.report import GATES, INTEGRATIONS, Report
from pytest_moa.github.comments import BODY_BYTES
from pytest_moa.render import markdown

_CUT = "_Cut to the size that GitHub takes; the whole is in the job's summary._"


def comments_of(report: Report) -> Mapping[str, str]:
    """Those that moa left itself; else the gate's summary, and for each agent of the queue what came of it."""
    if report.comments or report.result is None:
        return report.comments
    if report.doing in GATES and report.agent and report.summary:
        return {f"gate-{report.agent}.md": markdown.cut(report.summary, BODY_BYTES, _CUT)}
    if report.doing not in INTEGRATIONS:
        return {}
    told = {str(row.get("agent")): _landed(row) for row in report.result["landed"]}
    told |= {str(row.get("agent")): _rejected(row) for row in report.result["rejected"]}
    return {f"queue-{agent}.md": text for agent, text in told.items()}


def _landed(row: Mapping[str, Any]) -> str:
    commit = markdown.code(str(row.get("commit", ""))[:10])
    return f"## ✅ Landed: agent {markdown.code(row.get('agent', ''))}\n\nIt is on the target as {commit}.\n"


def _rejected(row: Mapping[str, Any]) -> str:
    head = f"## ⏳ Not landed: agent {markdown.code(row.get('agent', ''))}\n\n"
    why = f"**Why:** {markdown.code(row.get('class', ''))}: {markdown.text(row.get('reason', ''), 1000)}\n"
    what = row.get("remedy")
    others = ", ".join(markdown.code(other) for other in _texts(row.get("with"))[:20])
    tests = "".join(f"- {markdown.code(test, 500)}\n" for test in _texts(row.get("tests"))[:20])
    parts = [head + why]
    parts += [f"**With:** {others}\n"] if others else []
    parts += [f"**What to do:** {markdown.text(what, 1000)}\n"] if what else []
    parts += [tests] if tests else []
    return markdown.cut("\n".join(parts), BODY_BYTES, _CUT)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
