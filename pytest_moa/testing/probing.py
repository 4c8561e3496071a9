"""Asks the server of a run its questions while the run's process waits, and writes down the answers. Judges nothing.

What the server says is input that nobody trusts; one that says nothing, nonsense, or that dies, ends the probes alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from coverage import CoverageData
from coverage.exceptions import CoverageException

from pytest_moa.model.evidence import Evidence, ProcessEnd
from pytest_moa.rules.gate import judge
from pytest_moa.rules.probes.course import Answer, Probing, Question
from pytest_moa.rules.probes.plan import Ground, Plan, Wish, plan_of
from pytest_moa.rules.probes.record import Ended, Entry, ProbeRecord, answer_of, entry_of
from pytest_moa.testing.evidence import read_evidence
from pytest_moa.testing.raw_data import PREFIX, clean_data
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.untrusted import strict_json

LEAST_TIME, TIMES = 2.0, 5.0
"""A probe has this many seconds, and so many times what its tests took in the run."""
_LINE = 64 * 1024
_FAREWELL = 20.0
"""Seconds that the run may take to end once the probes are over, and for the analysis before they begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """`groups` are the labels of the tests that count; None: all of them."""

    ground: Ground
    wish: Wish
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one question cost: seconds on the clock, of processor, and of the latter in the tests themselves."""

    seconds: float
    cpu: float
    tests_cpu: float


class Prober:
    """Beside one run: `with prober.beside(request):` around it; `records` are there afterwards where probes were asked.

    `wanted` is what is asked for each agent, one agent after the other, each within its own time.
    """

    def __init__(self, wanted: Mapping[str, ProbeRequest]) -> None:
        self.wanted = wanted
        self.records: dict[str, ProbeRecord] = {}
        self.spent: list[Spent] = []
        self._more_time = 0.0
        self._failure: BaseException | None = None

    @contextlib.contextmanager
    def beside(self, request: ChildRequest) -> Iterator[None]:
        """Pipes and a thread for the time of the run. What goes wrong in the thread is raised at the end."""
        folder = folder_of(request)
        folder.mkdir(parents=True, exist_ok=True)
        stop, stopping = os.pipe()
        with _Line(folder) as line:
            thread = threading.Thread(target=self._work, args=(request, line, stop), daemon=True)
            thread.start()
            try:
                yield
            finally:
                os.close(stopping)
                thread.join()
                os.close(stop)
        if self._failure is not None:
            raise self._failure

    def more_time(self) -> float:
        """Seconds by which the run's time limit has to move, each of them told once."""
        more, self._more_time = self._more_time, 0.0
        return more

    def _work(self, request: ChildRequest, line: _Line, stop: int) -> None:
        try:
            if line.heard(stop, None) is not None:
                self._more_time = _FAREWELL + sum(w.wish.seconds + _FAREWELL for w in self.wanted.values())
                self._probe(request, _Asking(request, line, stop, self.spent))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._failure = error
        finally:
            line.say(0)

    def _probe(self, request: ChildRequest, asking: _Asking) -> None:
        evidence = read_evidence(request.run_dir / "record.jsonl", ProcessEnd(status=0))
        if judge(evidence, coverage=None).verdict != "passed":
            return
        seconds = seconds_of(evidence)
        run_dir, work = request.run_dir.resolve(), str(request.work.resolve())
        clean = folder_of(request) / "clean"
        if clean_data(run_dir, clean, work=work, to=work) is not None:
            return  # data that cannot be believed: the judgement will say so
        for agent, wanted in self.wanted.items():
            if asking.over():
                return
            contexts = contexts_in(clean, work, wanted.ground.texts, wanted.groups, seconds)
            plan = plan_of(wanted.ground, contexts, seconds, wanted.wish, secrets.token_hex(8))
            self.records[agent] = ask_all(plan, asking)


def ask_all(plan: Plan, asking: _Asking) -> ProbeRecord:
    """The course of a plan, as far as time and the server allow."""
    entries: list[Entry] = []
    course = Probing(plan).course()
    ended: Ended = "answered"
    until = time.monotonic() + plan.wish.seconds
    question = next(course, None)
    while question is not None:
        answer = asking.ask(plan, question, until)
        if answer is None:
            ended = "broken" if time.monotonic() < until else "time"
            break
        entries.append(entry_of(question, answer))
        try:
            question = course.send(answer)
        except StopIteration:
            question = None
    return ProbeRecord(
        seed=plan.seed,
        ended=ended,
        count=plan.wish.count,
        thorough=plan.wish.thorough,
        entries=tuple(entries),
    )


class _Asking:
    """One question after the other, as files, since a pipe could fill up before anybody reads it."""

    def __init__(self, request: ChildRequest, line: _Line, stop: int, spent: list[Spent]) -> None:
        self.work = request.work.resolve()
        self.folder = folder_of(request)
        self.line = line
        self.stop = stop
        self.spent = spent
        self.number = 0
        self.sent: set[str] = set()

    def over(self) -> bool:
        """Whether the run is: then nobody answers any more."""
        return bool(select.select([self.stop], [], [], 0)[0])

    def ask(self, plan: Plan, question: Question, until: float) -> Answer | None:
        """None where the time is up, or the server says nothing that could be an answer."""
        left = until - time.monotonic()
        wanted = LEAST_TIME + TIMES * plan.cost(question.fault)
        if left <= 0:
            return None
        self.number += 1
        mark = self.folder / f"mark-{self.number}-{secrets.token_hex(4)}"
        place = self.folder / f"ask-{self.number}.json"
        place.write_text(json.dumps(self._request(plan, question, mark, min(wanted, left))), encoding="utf-8")
        self.line.say(self.number)
        told = self._told(time.monotonic() + min(wanted, left) + _FAREWELL)
        place.unlink(missing_ok=True)
        if told is None:
            return None
        if told.get("outcome") == "late" and left < wanted:
            return None
        told = {"test": "", "ran": 0} | told | {"marked": mark.is_file() and not mark.is_symlink()}
        self._count(told)
        return answer_of(told)

    def _told(self, until: float) -> dict[str, Any] | None:
        """The answer to the newest question; None as well where a new server reports, which knows nothing of it."""
        while (told := self.line.heard(self.stop, until - time.monotonic())) is not None:
            if told.get("ready"):
                self.sent.clear()
                return None
            number = told.get("number")
            if number == self.number:
                return told
            if type(number) is not int or not 0 < number < self.number:  # an old one's answer may come late
                return None
        return None

    def _request(self, plan: Plan, question: Question, mark: Path, deadline: float) -> dict[str, Any]:
        path, splice = question.fault.path, question.splice
        text = plan.sources[path].text if path not in self.sent else None
        self.sent.add(path)
        words = "" if splice is None else splice.words
        if question.purpose == "canary":
            words = words.format(mark=repr(str(mark)))
        return {
            "path": path,
            "file": str(self.work / path),
            "text": text,
            "splice": None if splice is None else [splice.start, splice.end, words],
            "tests": question.tests,
            "until": question.until,
            "without": question.without,
            "deadline": deadline,
        }

    def _count(self, told: Mapping[str, Any]) -> None:
        figures = [told.get(name, 0.0) for name in ("seconds", "cpu", "tests_cpu")]
        if all(isinstance(figure, int | float) for figure in figures):
            self.spent.append(Spent(seconds=figures[0], cpu=figures[1], tests_cpu=figures[2]))


@dataclass(slots=True)
class _Line:
    """The two pipes of a run's folder. Both ends are held open here, so that neither opening nor reading ever blocks."""

    folder: Path
    _ask: int = -1
    _answer: int = -1
    _heard: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Self:
        descriptors = []
        for name in ("ask", "answer"):
            os.mkfifo(self.folder / name, 0o600)
            descriptors.append(os.open(self.folder / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        self._ask, self._answer = descriptors
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ask)
        os.close(self._answer)

    def say(self, number: int) -> None:
        with contextlib.suppress(BlockingIOError):  # full: then nobody reads, and nobody will answer
            os.write(self._ask, b"%d\n" % number)

    def heard(self, stop: int, seconds: float | None) -> dict[str, Any] | None:
        """The next line, if it is an object; None as well when the run is over or the time is."""
        until = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._heard:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            ready, _, _ = select.select([self._answer, stop], [], [], left)
            if self._answer in ready:
                self._heard += os.read(self._answer, 65536)
                if len(self._heard) > _LINE:
                    return None
            elif ready:
                return None
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        try:
            told = strict_json(line)
        except (ValueError, RecursionError):
            return None
        return told if isinstance(told, dict) else None


def folder_of(request: ChildRequest) -> Path:
    return request.run_dir.resolve() / "probes"


def seconds_of(evidence: Evidence) -> dict[str, float]:
    return {outcome.id: outcome.seconds for outcome in evidence.outcomes}


def contexts_in(
    folder: Path,
    work: str,
    paths: Iterable[str],
    groups: frozenset[str] | None,
    everyone: Iterable[str] = (),
) -> dict[str, dict[int, frozenset[str]]]:
    """Under which tests each line of `paths` (relative to `work`) ran, by clean data files; import time counts for none.

    `groups` are the labels of the tests that count; None: all of them. What cannot be read is not there. Children of the
    tests tell no test's name: a line that only they ran may be any test's, so `everyone` is asked.
    """
    found: dict[str, dict[int, set[str]]] = {path: {} for path in paths}
    of_children: dict[str, set[int]] = {path: set() for path in found}
    files = sorted(folder.glob(PREFIX + "*"))
    for file in files:
        data = CoverageData(basename=str(file))
        try:
            data.read()
            a_childs = not any("|" in label for label in data.measured_contexts())
            for path, lines in found.items():
                for line, labels in data.contexts_by_lineno(os.path.join(work, path)).items():  # noqa: PTH118 - as coverage names it
                    names = {name for label in labels if (name := _test_of(label, groups))}
                    if names and line > 0:
                        lines.setdefault(line, set()).update(names)
                    elif a_childs and line > 0:
                        of_children[path].add(line)
        except CoverageException:
            continue
        finally:
            data.close()
    if groups is None and len(files) > 1:
        for path, numbers in of_children.items():
            for line in numbers - found[path].keys():
                found[path][line] = set(everyone)
    return {
        path: {line: frozenset(names) for line, names in lines.items() if names}
        for path, lines in found.items()
    }


def _test_of(label: str, groups: frozenset[str] | None) -> str | None:
    owner, bar, name = label.partition("|")
    return name if bar and (groups is None or owner in groups) else None
