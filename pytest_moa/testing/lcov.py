"""LCOV tracefiles to lines, as untrusted input (`man geninfo`, section FILES). Opens none of the files that they name."""

from __future__ import annotations

from pytest_moa.testing.reported import Lines, OddReportError, hits_of, line_of

_IGNORED = {"TN", "VER", "FN", "FNL", "FNA", "FNDA", "FNF", "FNH", "BRDA", "BRF", "BRH", "LF", "LH", "MCDC", "MCF", "MCH"}  # fmt: skip


def read_lcov(data: bytes) -> Lines:
    """The lines of each named file; sections of the same file are united. Raises OddReportError.

    Branches and functions are not counted: lines are what every language's report has.
    """
    lines = Lines()
    current: str | None = None
    sections = 0
    for number, row in enumerate(_text(data).split("\n"), 1):
        word, _, rest = row.strip().partition(":")
        if word == "SF":
            if current is not None:
                raise OddReportError(f"line {number}: a section begins before the one above ended")
            current, sections = rest.strip(), sections + 1
            lines.begin(current)
        elif word == "end_of_record":
            if current is None:
                raise OddReportError(f"line {number}: a section ends that never began")
            current = None
        elif word == "DA":
            if current is None:
                raise OddReportError(f"line {number}: a count outside of any section")
            line, _, hits = rest.partition(",")
            lines.add(current, line_of(line), hits_of(hits.partition(",")[0]))
        elif word and word not in _IGNORED and not word.startswith("#"):
            raise OddReportError(f"line {number}: {word[:40]!r} is no word of LCOV")
    if current is not None or not sections:
        raise OddReportError("it is cut off" if sections else "it names no file")
    return lines


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OddReportError("it is not written in UTF-8") from None
    if "\0" in text:
        raise OddReportError("it holds NUL characters")
    return text
