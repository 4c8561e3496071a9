"""Markdown tables of what other commands answered in JSON: what there is to gate, who conflicts with whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_moa.model.text import plural
from pytest_moa.render import markdown

ROWS = 500


def plan_table(matrix: dict[str, Any]) -> str:
    """The rows of a plan; a sentence where nothing waits."""
    rows = [row for row in matrix.get("include", ()) if isinstance(row, dict)]
    head = f"## 🗺️ To gate: {plural(len(rows), 'job')}\n\n"
    if not rows:
        return f"{head}Nothing waits to be gated.\n"
    cells = [[markdown.code(row.get(key, "")) for key in ("agent", "branch", "head")] for row in rows]
    return head + _table(("agent", "branch", "head"), cells)


def pairs_table(pairs: Sequence[Any]) -> str:
    """Agents whose branches conflict with each other; empty where none do."""
    if not pairs:
        return ""
    head = f"### ⚔️ {plural(len(pairs), 'pair')} of branches in conflict\n\n"
    return head + _table(("agent", "and"), [[markdown.code(a), markdown.code(b)] for a, b in pairs])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows[:ROWS]]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = f"\n\n… and {len(rows) - ROWS} more" if len(rows) > ROWS else ""
    return f"{text}{more}\n"
