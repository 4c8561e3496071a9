"""`moa unready ID`."""

from __future__ import annotations

from pytest_moa.cli.words import word

unready = word(
    "unready",
    "Hold an agent's work back until somebody says `moa ready`, whatever its tests say.",
    why="Why; the agent is told.",
    agent=True,
)
