"""Coverage figures of own code: lines to covered, statements and a percentage that is rounded down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from pytest_moa.model.evidence import FileLines
from pytest_moa.model.results import CoverageFigure, FileFigure

_PLACES = Decimal("0.01")


def coverage_figure(
    own: Mapping[str, frozenset[int] | None], files: Sequence[FileLines], threshold: Decimal
) -> CoverageFigure | None:
    """The figure over own lines (None in `own`: the whole file); None where there is no statement to measure.

    With branch coverage the branches that start on own lines are added to both sides, as coverage.py does.
    """
    measured = {file.path: file for file in files}
    figures = [_file_figure(measured[path], lines) for path, lines in own.items() if path in measured]
    kept = tuple(figure for figure in figures if figure.statements)
    statements = sum(figure.statements for figure in kept)
    if not statements:
        return None
    covered = sum(figure.covered for figure in kept)
    return CoverageFigure(
        percent=percent(covered, statements),
        threshold=threshold,
        covered=covered,
        statements=statements,
        files=kept,
    )


def percent(part: int, whole: int) -> Decimal:
    """Part of whole in percent, two places, rounded down: 89.999 stays below 90. A whole of 0 is 100."""
    if whole == 0:
        return Decimal("100.00")
    return (Decimal(part) * 100 / Decimal(whole)).quantize(_PLACES, rounding=ROUND_DOWN)


def _file_figure(file: FileLines, lines: frozenset[int] | None) -> FileFigure:
    def mine(line: int) -> bool:
        return lines is None or line in lines

    executed = sum(1 for line in file.executed if mine(line))
    missing = tuple(sorted(line for line in file.missing if mine(line)))
    taken = sum(1 for start, _ in file.executed_branches if mine(start))
    untaken = sum(1 for start, _ in file.missing_branches if mine(start))
    covered, statements = executed + taken, executed + len(missing) + taken + untaken
    return FileFigure(
        path=file.path,
        percent=percent(covered, statements),
        covered=covered,
        statements=statements,
        missing=missing,
    )
