"""The whole suite on one agent's candidate, beside its own tests: without it nothing lands alone. Decides from plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Failure, RejectionClass, TestCounts
from pytest_moa.model.text import plural
from pytest_moa.rules.gate import Doubt, counts, failures, judge
from pytest_moa.rules.selection import suite_arguments
from pytest_moa.services.again import MOST, files_of, passed_now
from pytest_moa.services.commands import NO_TESTS
from pytest_moa.services.prepare import prepared, request_for
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject
from pytest_moa.services.telling import Telling
from pytest_moa.testing.run import run_child

PLACES = {"whole": "whole", "wholeagain": "whole-again", "wholebase": "whole-base"}
"""The runs' names in evidence, and their folders in the quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """The suite on the candidate; what failed, once more on the same tree; and what still failed, on the target alone."""

    evidence: Evidence
    again: Evidence | None = None
    base: Evidence | None = None

    def evidences(self) -> Iterator[tuple[str, Evidence]]:
        for name, evidence in zip(PLACES, (self.evidence, self.again, self.base), strict=True):
            if evidence is not None:
                yield name, evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteVerdict:
    """`kind` is None where the suite passed."""

    kind: RejectionClass | None
    reason: str
    remedy: str = ""
    tests: TestCounts = field(default_factory=TestCounts)
    failures: tuple[Failure, ...] = ()


def is_due(project: Project, subject: Subject) -> bool:
    """Whether the gate's own run was less than the whole suite."""
    if not any(
        fnmatchcase(path.rpartition("/")[2], pattern)
        for path in subject.tree
        for pattern in subject.pytest.python_files
    ):
        return False
    return subject.foreign is not None or not subject.whole or bool(project.policy.integration.suite)


def run_suite(
    project: Project, quarantine: Quarantine, subject: Subject, *, python: str | None, tell: Telling
) -> SuiteRun | None:
    """Runs it, in trees of its own each time. None where nothing can be started."""
    run = _Runner(project, quarantine, replace(subject, own={}, foreign=None), python, tell)
    arguments = suite_arguments(
        project.policy.integration.suite,
        subject.pytest.testpaths,
        subject.tests if subject.foreign is None else (),
    )
    tell.step("Running the whole suite on the merge, as a landing alone needs it")
    evidence = run.on(subject.candidate, "whole", arguments)
    if evidence is None:
        return None
    red = tuple(dict.fromkeys(failure.id for failure in failures(evidence)))[:MOST]
    if not red:
        return SuiteRun(evidence=evidence)
    tell.step(f"Running what failed once more, by itself ({len(red)})")
    again = run.on(subject.candidate, "wholeagain", files_of(project, subject.tree, red), only=red)
    still = _still(red, again)
    if again is None or not still:
        return SuiteRun(evidence=evidence, again=again)
    tell.step(f"Running what failed on {project.target.name} alone")
    return SuiteRun(
        evidence=evidence,
        again=again,
        base=run.on(subject.base, "wholebase", files_of(project, subject.tree, still), only=still),
    )


def suite_verdict(ran: SuiteRun) -> SuiteVerdict:
    """What the runs say of a landing: a test that passes on the same tree is flaky, one that fails without it the target's."""
    evidence = ran.evidence
    judgement = judge(evidence, coverage=None)
    tally = counts(evidence)
    if judgement.verdict == "passed":
        return SuiteVerdict(
            kind=None, reason=f"the whole suite passed ({plural(tally.passed, 'test')})", tests=tally
        )
    if evidence.session_status == NO_TESTS and not failures(evidence):
        return SuiteVerdict(
            kind=None, reason="the project has no suite beside the agent's tests", tests=tally
        )
    red = failures(evidence)
    kind = _kind(ran, tuple(dict.fromkeys(failure.id for failure in red)))
    return SuiteVerdict(
        kind=kind,
        reason=f"in the whole suite {judgement.reason}{_WORDS.get(kind, '')}",
        remedy=judgement.remedy or "",
        tests=tally,
        failures=red,
    )


_WORDS: dict[RejectionClass, str] = {
    "flaky": ", and passed on the same tree when it was run once more",
    "target": ", and does so on the target without any agent's work",
}


def _kind(ran: SuiteRun, red: Sequence[str]) -> RejectionClass:
    if ran.evidence.end.timed_out:
        return "hang"
    if not red:
        return "undetermined"
    still = _still(red[:MOST], ran.again)
    if ran.again is not None and not still:
        return "flaky"
    on_target = {failure.id for failure in failures(ran.base)} if ran.base is not None else set()
    return "target" if set(still) <= on_target and len(red) <= MOST else "red"


def _still(red: Sequence[str], again: Evidence | None) -> tuple[str, ...]:
    """Those that did not pass when they were run once more."""
    if again is None:
        return tuple(red)
    return tuple(test for test in red if not passed_now(test, again))


@dataclass(frozen=True, slots=True)
class _Runner:
    project: Project
    quarantine: Quarantine
    subject: Subject
    python: str | None
    tell: Telling

    def on(
        self, commit: ObjectId, name: str, tests: tuple[str, ...], only: tuple[str, ...] | None = None
    ) -> Evidence | None:
        ready = prepared(self.project, self.quarantine, commit, self.subject.settings.get, self.python)
        if isinstance(ready, Doubt):
            return None
        request = request_for(
            self.project, self.quarantine, ready, [self.subject], tests=tests, groups=(), name=PLACES[name]
        )
        request = replace(request, only=only, keep_going=True)
        return run_child(request, progress=self.tell.tick)
