"""`moa unfreeze`."""

from __future__ import annotations

from pytest_moa.cli.words import word

unfreeze = word(
    "unfreeze",
    "Let work land on the target again.",
    why="Why, for whoever reads the ledger.",
)
