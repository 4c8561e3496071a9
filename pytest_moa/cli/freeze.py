"""`moa freeze`."""

from __future__ import annotations

from pytest_moa.cli.words import word

freeze = word(
    "freeze",
    "Let nothing land on the target until somebody says `moa unfreeze`.",
    why="Why; whoever integrates is told.",
)
