"""What became of a person's word, and what `moa reset` found: lines for people, and JSON (schema 1)."""

from __future__ import annotations

from typing import Any

from pytest_moa.model.asking import Spoken
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
