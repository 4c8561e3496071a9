"""Runs a child and analyses what it traced. Decides nothing: what it saw goes up as evidence."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.evidence import Evidence, FileLines, ProcessEnd
from pytest_moa.testing.environment import child_environ
from pytest_moa.testing.evidence import read_evidence
from pytest_moa.testing.probing import Prober, folder_of
from pytest_moa.testing.process import supervise
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.settings import CoverageSettings

CHILD = Path(__file__).parent / "child"
ANALYSIS_TIME = 300.0
_STACKS = 64_000
_KEEP_GOING = ("--continue-on-collection-errors", "--maxfail=0")


def run_child(
    request: ChildRequest,
    *,
    progress: Callable[[str], None] | None = None,
    prober: Prober | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evidence:
    """Runs the tests; nothing that they started is alive afterwards. `progress` is told `DONE/ALL ID` now and then.

    Where `cancelled` says so while they run, everything is ended and Cancelled is raised.
    A `prober` asks its questions after a green run, before the run's process ends; its record is there afterwards.
    `files` of the evidence stays None: `analyse` fills it, after the caller has put the sources back as git has them.
    """
    run_dir = request.run_dir.resolve()
    (run_dir / "tmp").mkdir(parents=True, exist_ok=True)
    order = run_dir / "order.json"
    record = run_dir / "record.jsonl"
    facts = _order(request, record) | {"probes": None if prober is None else _probes(request, prober)}
    order.write_text(json.dumps(facts), encoding="utf-8")
    with nullcontext() if prober is None else prober.beside(request):
        ended = supervise(
            [str(request.python), str(CHILD / "bootstrap.py"), str(order)],
            cwd=request.project.resolve(),
            environ=child_environ(
                request.environ, keep=request.keep, drop=request.drop, run_dir=run_dir, slot=request.slot
            ),
            timeout=request.timeout,
            tick=_ticks(None if progress is None else _Progress(record, progress), cancelled),
            more_time=None if prober is None else prober.more_time,
        )
    return read_evidence(record, _with_stacks(ended.end, run_dir / "stacks.txt"), ended.problems)


class Cancelled(Exception):  # noqa: N818 - no error: somebody wants the run to end
    """The run was ended, with everything that it had started, since nobody waits for it any more."""


def _ticks(
    progress: Callable[[], None] | None, cancelled: Callable[[], bool] | None
) -> Callable[[], None] | None:
    if cancelled is None:
        return progress

    def tick() -> None:
        if cancelled():
            raise Cancelled
        if progress is not None:
            progress()

    return tick


def _order(request: ChildRequest, record: Path) -> dict[str, Any]:
    work, run_dir = request.work.resolve(), request.run_dir.resolve()
    return {
        "work": str(work),
        "project": str(request.project.resolve()),
        "run_dir": str(run_dir),
        "record": str(record),
        "pycache": str(run_dir / "pycache"),
        "data_file": str(run_dir / "coverage"),
        "branch": request.branch_coverage,
        "source": _traced(request, work),
        "groups": [[group.label, list(group.paths)] for group in request.groups],
        "source_roots": [str((work / root).resolve()) for root in request.source_roots],
        "own_modules": [list(pair) for pair in request.own_modules],
        "elsewhere": [str(place.resolve()) for place in request.elsewhere],
        "redirects": dict(request.redirects),
        "only": None if request.only is None else list(request.only),
        "each": request.each,
        "arguments": [
            *("-o", f"cache_dir={run_dir / 'cache'}"),
            *(_KEEP_GOING if request.keep_going else ()),
            *request.extra_args,
            # pytest would take a path with a leading dash for an option
            *(f"./{test}" if test.startswith("-") else test for test in request.tests),
        ],
    }


def _probes(request: ChildRequest, prober: Prober) -> dict[str, Any]:
    folder, work = folder_of(request), request.work.resolve()
    texts = dict.fromkeys(path for wanted in prober.wanted.values() for path in wanted.ground.texts)
    own = [str(work / path) for path in texts]
    pipes = {name: str(folder / name) for name in ("ask", "answer")}
    return {"folder": str(folder), **pipes, "own": own, "courses": len(prober.wanted)}


def _traced(request: ChildRequest, work: Path) -> list[str]:
    """Existing folders: coverage takes anything else for the name of a package."""
    folders = []
    for name in request.source_dirs:
        place = (work / name).resolve()
        while not place.is_dir():
            place = place.parent
        folders.append(str(place))
    return list(dict.fromkeys(folders))


def _with_stacks(end: ProcessEnd, stacks: Path) -> ProcessEnd:
    """A hang's evidence is where it stood; faulthandler wrote that at the time limit."""
    if not end.timed_out or stacks.is_symlink() or not stacks.is_file():
        return end
    with stacks.open("rb") as file:
        text = file.read(_STACKS).decode("utf-8", "replace")
    return replace(end, output=f"{end.output}\n[stacks at the time limit]\n{text}") if text else end


class _Progress:
    """Follows the record while it grows and tells the newest start. What it reads is shown, never judged."""

    def __init__(self, record: Path, tell: Callable[[str], None]) -> None:
        self.record = record
        self.tell = tell
        self.offset = self.collected = self.done = 0
        self.newest = self.told = ""

    def __call__(self) -> None:
        if not self.record.is_file():
            return
        with self.record.open("rb") as file:
            file.seek(self.offset)
            data = file.read(4 * 1024 * 1024)
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            self._take(line)
        news = f"{self.done}/{self.collected} {self.newest}"
        if self.newest and news != self.told:
            self.told = news
            self.tell(news)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        kind = event.get("kind") if isinstance(event, dict) else None
        self.collected += kind == "collected"
        self.done += kind == "outcome"
        if kind == "start":
            self.newest = str(event.get("id"))[:500]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Files (relative to `work`), and the labels of groups whose lines count; None: every test's."""

    paths: tuple[str, ...]
    contexts: tuple[str, ...] | None = None


def analyse(
    request: ChildRequest,
    paths: Sequence[str],
    settings: CoverageSettings,
    contexts: Sequence[str] | None = None,
) -> tuple[FileLines, ...] | None:
    """Lines of `paths` (relative to `work`) by the raw data of a run; None where there are none that can be read.

    The sources are read from `work`: put them back as git has them first, since tests may have written there. A file
    that nothing imported counts with all its statements missing; one that the settings omit is left out. `contexts`
    are labels of groups: lines that ran under one of them or under none (at import time) count as executed.
    Raises UndeterminedError for a file that does not parse, and where the analysis itself fails.
    """
    question = Question(paths=tuple(paths), contexts=None if contexts is None else tuple(contexts))
    answer = analyse_each(request, {"": question}, settings)[""]
    if isinstance(answer, UndeterminedError):
        raise answer
    return answer


def analyse_each(
    request: ChildRequest, questions: Mapping[str, Question], settings: CoverageSettings
) -> dict[str, tuple[FileLines, ...] | UndeterminedError | None]:
    """The same for several questions over one run, by one process: an error of one says nothing about the others.

    Raises UndeterminedError where the analysis itself fails.
    """
    work, run_dir = request.work.resolve(), request.run_dir.resolve()
    scratch = run_dir / "analysis"
    scratch.mkdir(exist_ok=True)
    names = list(questions)
    asked = {
        "data_file": str(run_dir / "coverage"),
        "combined": str(scratch / "combined"),
        "report": str(scratch / "report.json"),
        "settings": asdict(settings),
        "questions": [
            {
                "paths": [str(work / path) for path in questions[name].paths],
                "contexts": None if (c := questions[name].contexts) is None else list(c),
            }
            for name in names
        ],
    }
    (scratch / "combined").unlink(missing_ok=True)
    answers = _ask(request, asked)
    if len(answers) != len(names):
        raise _unusable("an answer of a strange shape")
    return {name: _answered(answer, work) for name, answer in zip(names, answers, strict=True)}


def _answered(answer: dict[str, Any], work: Path) -> tuple[FileLines, ...] | UndeterminedError | None:
    if problem := answer.get("problem"):
        return UndeterminedError(
            f"{Path(problem['file']).relative_to(work)} cannot be analysed.",
            reason=str(problem["reason"]),
            remedy="Make the file one that this Python can parse.",
        )
    files = answer["files"]
    return None if files is None else tuple(_file_lines(facts, work) for facts in files)


def _ask(request: ChildRequest, question: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        done = subprocess.run(
            [str(request.python), "-I", str(CHILD / "analyse.py")],
            input=json.dumps(question).encode(),
            capture_output=True,
            cwd=request.project.resolve(),
            env={
                "PATH": request.environ.get("PATH", "/usr/bin:/bin"),
                "TMPDIR": str(request.run_dir / "tmp"),
            },
            timeout=ANALYSIS_TIME,
            check=False,
        )
        answers = json.loads(done.stdout)
        if isinstance(answers, list) and all(_is_answer(answer) for answer in answers):
            return answers
        reason = "an answer of a strange shape"
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    raise _unusable(reason)


def _is_answer(answer: object) -> bool:
    return isinstance(answer, dict) and ("files" in answer or "problem" in answer)


def _unusable(reason: str) -> UndeterminedError:
    return UndeterminedError(
        "The coverage data cannot be analysed.",
        reason=reason,
        remedy="Check that coverage works in the tests' interpreter: `python -m coverage debug sys`.",
    )


def _file_lines(facts: dict[str, Any], work: Path) -> FileLines:
    return FileLines(
        path=Path(facts["path"]).relative_to(work).as_posix(),
        # coverage before 7.10 tells of a line 0 in an empty file, and does not count it
        executed=frozenset(facts["executed"]) - {0},
        missing=frozenset(facts["missing"]),
        excluded=frozenset(facts["excluded"]),
        executed_branches=frozenset((a, b) for a, b in facts["executed_branches"]),
        missing_branches=frozenset((a, b) for a, b in facts["missing_branches"]),
    )
