"""Own lines that an exclusion of the branch's own hides: counted as what they are, so that nothing is won by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import FileLines
from pytest_moa.rules.exclusions import newly_hidden
from pytest_moa.services.subject import Subject, text_of
from pytest_moa.testing.settings import CoverageSettings

Analyse = Callable[[Sequence[str], CoverageSettings], tuple[FileLines, ...] | None]

# coverage's default: https://coverage.readthedocs.io/en/latest/excluding.html
_DEFAULT = r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)"
_NEVER = "(?!)"


def with_hidden(
    quarantine: Quarantine, subject: Subject, files: tuple[FileLines, ...], analyse: Analyse
) -> tuple[FileLines, ...]:
    """The files with newly hidden statements among the executed or missing ones; a second analysis only where needed."""
    excluded = [file.path for file in files if file.excluded]
    hidden = _newly_hidden(quarantine, subject, excluded) if excluded else {}
    if not hidden:
        return files
    again = analyse(tuple(hidden), replace(subject.coverage, exclude_lines=(_NEVER,)))
    plain = {file.path: file for file in again or ()}
    return tuple(
        _counted(file, plain[file.path], hidden[file.path]) if file.path in plain else file for file in files
    )


def _newly_hidden(
    quarantine: Quarantine, subject: Subject, paths: Sequence[str]
) -> dict[str, frozenset[int]]:
    patterns = subject.coverage.exclude_lines or (_DEFAULT,)
    repo = quarantine.repository
    before = git.read_blobs(repo, subject.base, paths)
    after = git.read_blobs(repo, subject.candidate, paths)
    found = {
        path: newly_hidden(text_of(before[path]) if path in before else None, text_of(after[path]), patterns)
        for path in paths
        if path in after
    }
    return {path: lines for path, lines in found.items() if lines}


def _counted(file: FileLines, plain: FileLines, hidden: frozenset[int]) -> FileLines:
    return replace(
        file,
        executed=file.executed | (plain.executed & hidden),
        missing=file.missing | (plain.missing & hidden),
        excluded=file.excluded - hidden,
        executed_branches=file.executed_branches | _starting(plain.executed_branches, hidden),
        missing_branches=file.missing_branches | _starting(plain.missing_branches, hidden),
    )


def _starting(branches: frozenset[tuple[int, int]], lines: frozenset[int]) -> frozenset[tuple[int, int]]:
    return frozenset(branch for branch in branches if branch[0] in lines)
