"""Carries out the steps of a round: builds and tests candidates in quarantines, lands what passed. Decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

from pytest_moa.errors import MoaError, RaceError, RefusedError, RepositoryError
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Failure, Landed, RejectionClass, TestCounts
from pytest_moa.rules.gate import Judgement, counts, early_exit, judge
from pytest_moa.rules.queue import steps as queue
from pytest_moa.services.again import Places, RanAgain, run_again, run_on_target
from pytest_moa.services.allowing import trailers
from pytest_moa.services.asking import require_thawed
from pytest_moa.services.chain import Chain, ChainConflictError, Link, Work, chain_of, landed_as
from pytest_moa.services.examine import Examination
from pytest_moa.services.gather import kind_of_findings
from pytest_moa.services.joint import Joint, JointOptions, forgiven, judged_joint, run_joint
from pytest_moa.services.landing import land, moved_heads, require_landable
from pytest_moa.services.look import Looked
from pytest_moa.services.project import Project, reread
from pytest_moa.services.queue_options import Deadline, IntegrateOptions
from pytest_moa.services.staging import write_staged
from pytest_moa.services.telling import Telling
from pytest_moa.services.watch import Watch


@dataclass(kw_only=True)
class Notebook:
    """What the steps of a round saw, for the words that are said about it afterwards."""

    failures: dict[str, Failure] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    judgements: dict[str, Judgement] = field(default_factory=dict)
    examined: dict[str, Examination] = field(default_factory=dict)
    counts: dict[str, TestCounts] = field(default_factory=dict)
    conflicts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[str, Mapping[str, Places]] = field(default_factory=dict)
    touched: tuple[str, ...] = ()
    refused: MoaError | None = None
    notes: dict[str, None] = field(default_factory=dict)
    landed: list[Landed] = field(default_factory=list)
    staged: list[Landed] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A run and its quarantine, kept as long as it may still be landed, forgiven or asked again."""

    joint: Joint
    chain: Chain
    quarantine: ExitStack
    examined: Mapping[str, Examination] = field(default_factory=dict)
    again: RanAgain | None = None


class Carrier:
    """One round's hands. `project` is the project as the round found it; what lands moves on from there."""

    def __init__(
        self,
        project: Project,
        looked: Mapping[str, Looked],
        options: IntegrateOptions,
        deadline: Deadline,
    ) -> None:
        self.first = self.project = project
        self.looked = looked
        self.options = options
        self.deadline = deadline
        self.notebook = Notebook()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._runs: dict[tuple[tuple[str, ...], bool], _Run] = {}
        self._stale = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._stack.close()

    def carry_out(self, steps: tuple[queue.Step, ...]) -> tuple[queue.Outcome, ...]:
        """The steps' outcomes, in their order; several steps at the same time, each with a slot of its own."""
        if self.deadline.passed and not all(isinstance(s, queue.Land | queue.Forgive) for s in steps):
            return tuple(queue.OutOfTime() for _ in steps)
        if self.notebook.staged and any(isinstance(s, queue.Try) and not s.first for s in steps):
            # It would be tried on the target without those that passed: what came of it could not land after them.
            return tuple(queue.OutOfTime("staged") for _ in steps)
        if len(steps) == 1:
            return (self._one(steps[0], 0, self.options.tell),)
        slots = min(len(steps), self.first.policy.agents.max_parallel_integrations)
        if slots == 1:
            return tuple(self._one(step, 0, self.options.tell) for step in steps)
        return self._at_once(steps, slots)

    def _at_once(self, steps: tuple[queue.Step, ...], slots: int) -> tuple[queue.Outcome, ...]:
        free = list(range(slots))
        tell = Telling(step=self.options.tell.step)  # two runs' progress in one line would say nothing

        def with_slot(step: queue.Step) -> queue.Outcome:
            with self._lock:
                slot = free.pop(0)
            try:
                return self._one(step, slot, tell)
            finally:
                with self._lock:
                    free.append(slot)

        with ThreadPoolExecutor(slots) as pool:
            waiting = [pool.submit(with_slot, step) for step in steps]
            try:
                return tuple(future.result() for future in waiting)
            except BaseException:
                # Ctrl-C reaches this thread alone: the others end their children when they are told.
                self._stop.set()
                raise

    def _one(self, step: queue.Step, slot: int, tell: Telling) -> queue.Outcome:
        match step:
            case queue.Try():
                return self._try(step, slot, tell)
            case queue.Again():
                return self._again(step, slot, tell)
            case queue.OnTarget():
                with Quarantine.open(self.first.repo) as quarantine:
                    return run_on_target(self.first, quarantine, step.ids, self._options(slot, tell))
            case queue.Forgive():
                return self._forgive(step)
            case queue.Land():
                return self._land(step)

    # Testing

    def _try(self, step: queue.Try, slot: int, tell: Telling) -> queue.Tried:
        project = self.first if step.first else self._now()
        works = [self.looked[member].work for member in step.members]
        if not step.first:
            self._forget()
        opened = ExitStack()
        quarantine = opened.enter_context(Quarantine.open(project.repo))
        with self._lock:
            self._stack.push(opened)
        tell.step(_merging(works, project))
        try:
            chain = chain_of(project, quarantine, works, trailers(self.options.allow))
        except ChainConflictError as error:
            self.notebook.conflicts[error.work.id] = error.paths
            return queue.Tried(kind="conflict", member=error.work.id, runs=0)
        if self.options.stage is None and not step.first:  # what is tried on the old target never lands
            require_landable(project, quarantine, chain.top)
        watch = Watch(project)
        joint = run_joint(project, quarantine, chain, self.looked, self._options(slot, tell))
        differences = watch.differences()
        with self._lock:
            self._runs[step.members, step.first] = _Run(joint=joint, chain=chain, quarantine=opened)
        return self._came(step, joint, differences)

    def _came(self, step: queue.Try, joint: Joint, differences: tuple[str, ...]) -> queue.Tried:
        """What came of a run, as the round's words have it."""
        if differences:
            self.notebook.touched = differences
            return queue.Tried(kind="touched", runs=joint.runs)
        if joint.absent or joint.unable is not None:
            return self._not_run(step, joint)
        verdict = judge(joint.evidence, coverage=None, doubts=joint.doubts)
        self.notebook.judgements.update(dict.fromkeys(step.members, verdict))
        self.notebook.counts.update(dict.fromkeys(step.members, counts(joint.evidence)))
        red = self._red(joint, verdict.reason or "")
        evidence = joint.evidence
        if evidence.end.timed_out:
            return queue.Tried(kind="hang", failing=red, runs=joint.runs)
        if evidence.end.signal is not None:
            return queue.Tried(kind="killed", failing=red, running=evidence.running, runs=joint.runs)
        if red or joint.doubts:
            return queue.Tried(kind="red", failing=red, runs=joint.runs)
        return self._judged(step, joint)

    def _not_run(self, step: queue.Try, joint: Joint) -> queue.Tried:
        """Nothing could be run: for some, whose tests are not there, or for all of them."""
        doubts = joint.absent or dict.fromkeys(step.members, joint.unable)
        for member, doubt in doubts.items():
            if doubt is not None:
                said = Judgement(verdict="undetermined", reason=doubt.reason, remedy=doubt.remedy)
                self.notebook.judgements[member] = said
        if joint.absent:
            return queue.Tried(kind="green", short=dict.fromkeys(joint.absent, "undetermined"), runs=0)
        return queue.Tried(kind="unable", runs=0)

    def _red(self, joint: Joint, reason: str) -> tuple[str, ...]:
        """The ids that failed, and the one that ran when the run ended before its time."""
        evidence, found = joint.evidence, {failure.id: failure for failure in joint.red}
        stuck = evidence.running
        if stuck and (evidence.end.timed_out or evidence.end.signal is not None or early_exit(evidence)):
            found.setdefault(stuck, Failure(id=stuck, message=reason))
            if evidence.end.timed_out:
                self.notebook.hung.add(stuck)
        self.notebook.failures.update(found)
        return tuple(found)

    def _judged(self, step: queue.Try, joint: Joint) -> queue.Tried:
        """A green run: everybody's own verdict from it."""
        run = self._runs[step.members, step.first]
        examined = judged_joint(run.chain.quarantine, joint)
        with self._lock:
            self._runs[step.members, step.first] = replace(run, joint=joint, examined=examined)
            self.notebook.examined.update(examined)
        self._note(joint, examined)
        short = {
            member: kind_of(found)
            for member, found in examined.items()
            if found.judgement.verdict != "passed"
        }
        return queue.Tried(kind="green", short=short, runs=joint.runs)

    def _note(self, joint: Joint, examined: Mapping[str, Examination]) -> None:
        notes = joint.traces.notes if joint.traces is not None else ()
        alone = len(examined) == 1
        for agent, found in examined.items():
            for note in found.notes:
                self.notebook.notes[note if alone else f"Agent {agent}: {note}"] = None
        self.notebook.notes.update(dict.fromkeys(notes))

    def _again(self, step: queue.Again, slot: int, tell: Telling) -> queue.SeenAgain:
        run = self._runs.get((step.members, step.first))
        if run is None:
            return queue.SeenAgain(still=step.ids, runs=0)
        told = {i: self.notebook.failures.get(i, Failure(id=i, message="")) for i in step.ids}
        project = self.first if step.first else self.project
        ran = run_again(project, run.joint, told, self.first.target.head, self._options(slot, tell))
        self._runs[step.members, step.first] = replace(run, again=ran)
        self.notebook.places.update(ran.places)
        return ran.seen

    def _forgive(self, step: queue.Forgive) -> queue.Tried:
        run = self._runs[step.members, False]
        again = run.again.evidence if run.again is not None else Evidence()
        joint = forgiven(run.joint, again, step.ids)
        if joint.red or joint.doubts:
            return queue.Tried(kind="green", short=dict.fromkeys(step.members, "flaky"), runs=0)
        return replace(self._judged(queue.Try(step.members), joint), runs=0)

    # Landing

    def _land(self, step: queue.Land) -> queue.Landed:
        run, project, book = self._runs[step.members, False], self.project, self.notebook
        done = [self._landed(run, link) for link in run.chain.links]
        if self.options.stage is not None:
            write_staged(self.options.stage, done, base=project.target.head)
            book.staged += done
            return queue.Landed(kind="landed")
        works = [link.work for link in run.chain.links]
        if moved := moved_heads(project, works):
            return queue.Landed(kind="moved", members=moved)
        self.options.tell.step(f"Landing {run.chain.top[:10]} on {project.target.name}")
        try:
            require_thawed(project)
            notes = land(project, run.chain, done)
        except RaceError as error:
            book.refused = error
            return queue.Landed(kind="raced")
        except (RefusedError, RepositoryError) as error:
            book.refused = error
            return queue.Landed(kind="stopped")
        book.landed += done
        book.notes.update(dict.fromkeys(notes))
        self._stale = True
        return queue.Landed(kind="landed")

    def _landed(self, run: _Run, link: Link) -> Landed:
        found = run.examined.get(link.work.id)
        tests, figure = (found.tests, found.figure) if found is not None else (None, None)
        return landed_as(link.work, link.commit, tests, figure, trailers(self.options.allow))

    # Housekeeping

    def _now(self) -> Project:
        """The project with the target as it is after what this round landed."""
        if self._stale:
            self.project = reread(self.project)
            self._stale = False
        return self.project

    def _forget(self) -> None:
        """What was built on the target before is not landed any more: its work trees need not lie about."""
        for key in [key for key in self._runs if not key[1]]:
            self._runs.pop(key).quarantine.close()

    def _options(self, slot: int, tell: Telling) -> JointOptions:
        return JointOptions(
            threshold=self.options.threshold_of(self.first),
            python=self.options.python,
            slot=slot,
            probes=self.options.probes,
            tell=tell,
            cancelled=self._stop.is_set,
        )


def kind_of(found: Examination) -> RejectionClass:
    """The class of an agent that does not pass although the run is green."""
    kind = kind_of_findings(found.findings)
    return "coverage" if kind == "undetermined" and found.judgement.verdict == "failed" else kind


def _merging(works: Sequence[Work], project: Project) -> str:
    if len(works) == 1:
        return f"Merging {works[0].branch.name} with {project.target.name}"
    return f"Merging {len(works)} branches with {project.target.name}"
