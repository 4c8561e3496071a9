"""What became of a person's word, and what `moa reset` found: lines for people, and JSON (schema 1)."""

from __future__ import annotations

from typing import Any

from pytest_moa.model.asking import Spoken
from pytest_moa.model.reset import Leftover, ResetReport
from pytest_moa.model.text import plural
from pytest_moa.render.json_contract import SCHEMA
from pytest_moa.render.terminal import safe


def spoken_json(spoken: Spoken) -> dict[str, Any]:
    """The object of `moa ready`, `unready`, `freeze` and `unfreeze --json`."""
    said = spoken.said
    return {
        "schema": SCHEMA,
        "word": spoken.kind,
        "target": spoken.target,
        "agent": spoken.agent,
        "branch": spoken.branch,
        "head": spoken.head,
        "changed": spoken.changed,
        "because": said.because if said else None,
        "by": said.by if said else None,
        "at": said.at if said else None,
        "again": list(spoken.again),
        "remote": spoken.remote,
        "notes": list(spoken.notes),
    }


def spoken_lines(spoken: Spoken) -> list[str]:
    """The same for people."""
    line = _told(spoken) if spoken.changed else f"{_known(spoken)}; nothing changed"
    lines = [
        line,
        *(f"   its landing {commit[:10]} was taken back, and may be made again" for commit in spoken.again),
    ]
    if spoken.changed and spoken.remote is not None:
        lines.append(f"   {safe(spoken.remote)} has the word, so that everybody's moa heeds it")
    if spoken.kind == "freeze":
        lines.append("👉 When it is over: moa unfreeze")
    if spoken.kind == "unready":
        lines.append(f"👉 When that is settled: moa ready {safe(spoken.agent or '')}")
    return [*lines, *(f"⚠️  {safe(note)}" for note in spoken.notes)]


def _told(spoken: Spoken) -> str:
    agent, target = safe(spoken.agent or ""), safe(spoken.target)
    why = f": {safe(spoken.said.because)}" if spoken.said and spoken.said.because else ""
    where = f" ({safe(spoken.branch)} at {spoken.head[:10]})" if spoken.branch and spoken.head else ""
    return {
        "ready": f"🙋 Agent {agent} is asked for{where}{why}",
        "unready": f"✋ Agent {agent} is held back{where}{why}",
        "freeze": f"🧊 {target} is frozen{why}",
        "unfreeze": f"🌊 {target} is thawed{why}",
    }[spoken.kind]


def _known(spoken: Spoken) -> str:
    agent, target, said = safe(spoken.agent or ""), safe(spoken.target), spoken.said
    by = f" by {safe(said.by)} since {safe(said.at[:16])}" if said else ""
    return {
        "ready": f"Agent {agent} is asked for already{by}",
        "unready": f"Agent {agent} is held back already{by}",
        "freeze": f"{target} is frozen already{by}",
        "unfreeze": f"{target} is not frozen",
    }[spoken.kind]


_KIND = {
    "quarantine": "quarantine",
    "git-lock": "git lock",
    "work-tree": "work tree",
    "environment": "environment",
    "verdicts": "verdicts",
    "conflicts": "conflicts",
    "queue-lock": "queue lock",
    "other": "other",
}


def reset_json(report: ResetReport) -> dict[str, Any]:
    """The object of `moa reset --json`."""
    return {
        "schema": SCHEMA,
        "cache": report.cache,
        "removed": report.asked,
        "items": [
            {
                "kind": item.kind,
                "path": item.path,
                "bytes": item.size,
                "state": item.state,
                "reason": item.reason or None,
            }
            for item in report.items
        ],
    }


def reset_lines(report: ResetReport) -> list[str]:
    """What is there to remove, or what was removed; then what stays and why."""
    gone = report.of("removed" if report.asked else "found")
    size = sum(item.size for item in gone)
    if gone:
        verb = "Removed" if report.asked else "Can be removed"
        title = f"🧹 {verb}: {plural(len(gone), 'thing')}, {_bytes(size)}"
    else:
        title = f"🧹 Nothing {'was removed' if report.asked else 'to remove'}"
    lines = [title, *(_leftover(item) for item in gone)]
    for state, words in (("failed", "❌ Could not be removed:"), ("kept", "✋ Stays:")):
        if items := [item for item in report.items if item.state == state]:
            lines += [words, *(_leftover(item) for item in items)]
    return lines


def _leftover(item: Leftover) -> str:
    size = f", {_bytes(item.size)}" if item.size else ""
    why = f" ({safe(item.reason)})" if item.reason else ""
    return f"   {_KIND[item.kind]:<12} {safe(item.path)}{size}{why}"


def _bytes(size: int) -> str:
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
