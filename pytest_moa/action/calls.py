"""The calls of `moa` that a step makes, and their answers put together. Judges nothing."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_moa.action.guarded import Answer
from pytest_moa.action.plan import Decision, Doing, Words
from pytest_moa.action.report import Report, read_answer
from pytest_moa.model.policy import ID_PATTERN

TEXT_BYTES = 1024 * 1024
COMMENTS = 1_000
_MANIFEST = "evidence.json"
_TELLS_ALL = frozenset({"queue", "look"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """`run` starts moa with some words in an environment, and ends what it started."""

    words: Words
    environment: Mapping[str, str]
    run: Callable[[Sequence[str], Mapping[str, str]], Answer]

    def all_of(self, decision: Decision) -> Report:
        """What was decided, and beside it what the whole project looks like where the run is about all of it."""
        report = self.one(decision.doing, decision.agent, self.words.of(decision))
        if decision.doing == "report":
            report = self._with_gates(report)
        if decision.doing in {"plan", "look"} and report.result is not None:
            report = replace(report, matrix=report.result)
        return self.beside(report)

    def one(self, doing: Doing, agent: str, words: Sequence[str]) -> Report:
        """One call, with the texts that it left for people."""
        folder = Path(self.words.folder)
        (folder / "summary.md").unlink(missing_ok=True)
        shutil.rmtree(folder / "comments", ignore_errors=True)
        answer = self.run(words, self.environment)
        report = read_answer(doing, agent, answer.status, answer.stdout, _text(folder / "summary.md"))
        return replace(report, comments=_texts(folder / "comments"))

    def _with_gates(self, report: Report) -> Report:
        """With the comments of gates that ran elsewhere: what they left is judged again, and none of their texts taken."""
        comments, notices = dict(report.comments), list(report.notices)
        for place in _evidence_below(self.words.inputs.artifacts):
            judged = self.one("gate", _agent_of(place), self.words.judging(place))
            about = self.words.context.run
            if judged.result is None:
                notices.append(f"What lies in {place.name} cannot be judged: {judged.problem}")
            elif about is not None and judged.result.get("head") != about.head:
                notices.append(
                    f"What lies in {place.name} is not of the commit that the other workflow ran on"
                )
            else:
                comments.update(judged.comments)
        return replace(report, comments=comments, notices=tuple(notices))

    def beside(self, report: Report) -> Report:
        """Who conflicts with whom, and the state of the project. What fails here fails the job, and changes no verdict."""
        if report.doing in {"gate", "group"}:
            return report
        conflicts = self._answer("report", self.words.conflicts())
        report = replace(report, pairs=_pairs(conflicts.result), troubles=_trouble(conflicts))
        if report.doing not in _TELLS_ALL:
            return report
        told = self._answer("report", self.words.report())
        text = _text(Path(self.words.folder) / "report.md")
        return replace(
            report,
            overview=told.result,
            troubles=(*report.troubles, *_trouble(told)),
            summary="\n".join(part for part in (report.summary, text) if part),
        )

    def _answer(self, doing: Doing, words: Sequence[str]) -> Report:
        answer = self.run(words, self.environment)
        return read_answer(doing, "", answer.status, answer.stdout)


def _agent_of(place: Path) -> str:
    """By the folder's name, which is ours; what lies in it is judged whatever it says."""
    name = place.name.removeprefix("evidence-")
    return name if re.fullmatch(ID_PATTERN, name, re.ASCII) else ""


def _evidence_below(folder: Path | None) -> list[Path]:
    """Folders of evidence, wherever they lie below; no link is followed."""
    if folder is None or not folder.is_dir():
        return []
    found = (Path(place) for place, _, names in os.walk(folder) if _MANIFEST in names)
    return sorted(itertools.islice(found, COMMENTS))


def _trouble(report: Report) -> tuple[str, ...]:
    return (report.problem,) if report.problem else ()


def _pairs(matrix: dict[str, Any] | None) -> list[Any] | None:
    if matrix is None:
        return None
    rows = matrix.get("pairs")
    found = [(row.get("a"), row.get("b")) for row in rows or () if isinstance(row, dict)]
    return [[a, b] for a, b in found if isinstance(a, str) and isinstance(b, str)]


def _texts(folder: Path) -> dict[str, str]:
    if folder.is_symlink() or not folder.is_dir():
        return {}
    files = sorted(file for file in folder.iterdir() if file.suffix == ".md")[:COMMENTS]
    return {file.name: text for file in files if (text := _text(file))}


def _text(path: Path) -> str:
    """A file that moa wrote, read after all that ran beside it is dead; a link in its place is nothing."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(4 * TEXT_BYTES).decode("utf-8", "replace")
