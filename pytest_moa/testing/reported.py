"""Coverage that another language's tool reported: lines and counts, and which files of the candidate are meant."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

FILES = 200_000
LINES = 20_000_000
HIGHEST_LINE = 10_000_000


class OddReportError(Exception):
    """A report that is not taken; the text says why."""


@dataclass(slots=True)
class Lines:
    """Line to whether anything ran it, for each file as the report names it."""

    files: dict[str, dict[int, bool]] = field(default_factory=dict)
    count: int = 0

    def begin(self, name: str) -> None:
        if not name or "\0" in name or "\n" in name:
            raise OddReportError("it names a file without a usable name")
        self.files.setdefault(name, {})
        if len(self.files) > FILES:
            raise OddReportError(f"it names more than {FILES} files")

    def add(self, name: str, line: int, hits: int) -> None:
        self.count += 1
        if self.count > LINES:
            raise OddReportError(f"it counts more than {LINES} lines")
        lines = self.files[name]
        lines[line] = lines.get(line, False) or hits > 0


def line_of(text: str) -> int:
    """A line's number, 1-based. Raises OddReportError."""
    number = _natural(text)
    if number is None or not 1 <= number <= HIGHEST_LINE:
        raise OddReportError(f"{text.strip()[:40]!r} is no line number")
    return number


def hits_of(text: str) -> int:
    """How often a line ran. Raises OddReportError."""
    number = _natural(text)
    if number is None:
        raise OddReportError(f"{text.strip()[:40]!r} is no count")
    return number


def _natural(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 19 else None


def path_in_tree(name: str, *, work: str, bases: Sequence[str], tree: Collection[str]) -> str | None:
    """The path (relative to the repository's root) that a report means; None for a file that is not the candidate's.

    `work` is the root's absolute path; relative names are tried against `bases` (relative to the root), in order.
    Raises OddReportError for a relative name that leaves the repository whatever it is relative to.
    """
    if name.startswith("/"):
        inner = posixpath.relpath(posixpath.normpath(name), work)
        return inner if inner in tree else None
    found = [posixpath.normpath(posixpath.join(base, name)) for base in bases]
    if all(path == ".." or path.startswith("../") for path in found):
        raise OddReportError(f"{name[:200]} leaves the repository")
    return next((path for path in found if path in tree), None)
