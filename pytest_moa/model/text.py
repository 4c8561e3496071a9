"""Small words about numbers that messages and views share."""

from __future__ import annotations

from collections.abc import Iterable


def ranges(lines: Iterable[int], most: int = 12) -> str:
    """Line numbers as people write them: `3, 7-9, 12`; at most `most` ranges, the rest counted."""
    spans: list[tuple[int, int]] = []
    for line in sorted(lines):
        if spans and line == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], line)
        else:
            spans.append((line, line))
    shown = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans[:most])
    return shown if len(spans) <= most else f"{shown} and {len(spans) - most} more places"


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
