"""`moa ready ID`."""

from __future__ import annotations

from pytest_moa.cli.words import word

ready = word(
    "ready",
    "Ask that an agent's work goes in, or let it go again after `moa unready`. It still has to pass its gate.",
    why="Why, for whoever reads the ledger.",
    agent=True,
)
