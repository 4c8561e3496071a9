"""One agent's work looked at by itself, before its code runs beside the others': does it merge, what do the rules say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from pytest_moa.errors import UndeterminedError
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import Finding
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.queue.suspects import is_opaque
from pytest_moa.services.allowing import trailers
from pytest_moa.services.chain import Work, link_on
from pytest_moa.services.examine import Case
from pytest_moa.services.old_tests import (
    OldTestsOptions,
    OldTestsRun,
    old_tests_findings,
    planned,
    run_old_tests,
)
from pytest_moa.services.prepare import absent_tests, prepared
from pytest_moa.services.project import Project
from pytest_moa.services.review import Judges, Reviewed, judges_for, seen_by_rules
from pytest_moa.services.subject import Subject, subject_of
from pytest_moa.services.telling import Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """`allow` are the caller's allowances; `python` the interpreter where the policy names none."""

    allow: tuple[Allowance, ...] = ()
    python: str | None = None
    tell: Telling = field(default_factory=Telling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """An agent's own candidate with the target and what is seen in it. `old_tests`: its target's versions have to be run.

    `paths` are all that it changes; `runs` counts children that ran tests.
    """

    work: Work
    candidate: ObjectId
    seen: tuple[Finding, ...]
    judges: Judges
    paths: frozenset[str]
    doubts: tuple[Doubt, ...] = ()
    old_tests: bool = False
    runs: int = 0

    @property
    def reviewed(self) -> Reviewed:
        return self.judges.apply(self.seen)

    @property
    def blocked(self) -> bool:
        return any(f.severity == "block" for f in self.reviewed.findings)

    @property
    def opaque(self) -> bool:
        """Whether it changes what no executed line tells of."""
        return any(is_opaque(path) for path in self.paths)

    def case(self, subject: Subject, threshold: Decimal) -> Case:
        """The same work as a part of a larger candidate."""
        return Case(subject=subject, seen=self.seen, judges=self.judges, threshold=threshold)


def look(project: Project, quarantine: Quarantine, work: Work, options: LookOptions) -> Looked:
    """What git and the rules say; runs nothing. Raises ConflictError where the work does not merge with the target."""
    base = project.target.head
    candidate = link_on(project, quarantine, work, base, trailers(options.allow))
    changed = git.changed_paths(quarantine.repository, base, candidate)
    subject = subject_of(project, quarantine, work.id, base, candidate)
    absent = absent_tests(project, subject)
    return Looked(
        work=work,
        candidate=candidate,
        seen=seen_by_rules(project, quarantine, work.id, base, candidate),
        judges=judges_for(project, quarantine, work.id, candidate, options.allow),
        paths=frozenset(path for change in changed for path in (change.path, change.old_path) if path),
        doubts=(absent,) if absent is not None else (),
        old_tests=planned(project, quarantine, subject) is not None,
    )


def with_old_tests(project: Project, looked: Looked, options: LookOptions, *, slot: int = 0) -> Looked:
    """The same with what the target's versions of the changed tests say, run in a quarantine of their own."""
    with Quarantine.open(project.repo) as quarantine:
        news = run_old(project, quarantine, looked, options, slot=slot)
    return replace(news.looked, runs=looked.runs + (news.ran.runs if news.ran is not None else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class OldNews:
    """A work with what its old tests said; `ran` is what their runs left, `unable` why they could not be run."""

    looked: Looked
    ran: OldTestsRun | None = None
    unable: tuple[Doubt, ...] = ()


def run_old(
    project: Project, quarantine: Quarantine, looked: Looked, options: LookOptions, *, slot: int = 0
) -> OldNews:
    """Runs the target's versions of the tests that a work changes; the records stay in this quarantine."""
    base = project.target.head
    candidate = link_on(project, quarantine, looked.work, base, trailers(options.allow))
    subject = subject_of(project, quarantine, looked.work.id, base, candidate)
    ready = prepared(project, quarantine, candidate, subject.settings.get, options.python)
    if isinstance(ready, Doubt):
        return _unable(looked, ready)
    try:
        asked = OldTestsOptions(slot, options.tell)
        ran = run_old_tests(project, quarantine, subject, ready.interpreter, asked)
    except UndeterminedError as error:
        return _unable(looked, Doubt(reason=str(error), remedy=error.remedy))
    return OldNews(looked=judged_old(project, quarantine, subject, looked, ran), ran=ran)


def judged_old(
    project: Project, quarantine: Quarantine, subject: Subject, looked: Looked, ran: OldTestsRun | None
) -> Looked:
    """A work with what the target's versions of its changed tests say."""
    found, doubts = old_tests_findings(project, quarantine, subject, ran)
    return replace(looked, seen=(*looked.seen, *found), doubts=(*looked.doubts, *doubts), old_tests=False)


def _unable(looked: Looked, doubt: Doubt) -> OldNews:
    return OldNews(looked=replace(looked, doubts=(*looked.doubts, doubt), old_tests=False), unable=(doubt,))
