"""`moa gate ID`: the agent's tests and own code, on the merge of its pinned head with the target."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pytest_moa.errors import AgentError, ConflictError
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import GateResult, Verdict
from pytest_moa.rules.gate import Doubt, failures
from pytest_moa.rules.threshold import raised
from pytest_moa.services.allowing import trailers
from pytest_moa.services.chain import Work, link_on
from pytest_moa.services.evidence_folder import require_place
from pytest_moa.services.examine import Examination, ExamineOptions, case_of, examine
from pytest_moa.services.landings import ahead_of_pushed, place_of_head, without_common_history
from pytest_moa.services.perform import PerformOptions
from pytest_moa.services.probing import ProbesAsked
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject
from pytest_moa.services.suite import SuiteRun, is_due, run_suite, suite_verdict
from pytest_moa.services.telling import Telling
from pytest_moa.services.traces import Traces
from pytest_moa.services.travelling import Asked, Circumstances, Left, leave
from pytest_moa.services.verdicts import remember
from pytest_moa.services.watch import Watch, require_undone
from pytest_moa.services.words import conflict_words, survivors_words, swept, touched_words


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """`threshold` may raise the policy's figure, never lower it; `head` gates that commit instead of the branch's.

    `allow` are the caller's words for findings that may pass; `evidence` is a folder to leave the evidence in.
    """

    threshold: Decimal | None = None
    python: str | None = None
    head: str | None = None
    allow: tuple[Allowance, ...] = ()
    probes: ProbesAsked | None = None
    evidence: Path | None = None
    tell: Telling = field(default_factory=Telling)


def gate(project: Project, wanted: str, options: GateOptions) -> GateResult:
    """The verdict that counts, on one agent's pinned head merged with the pinned target.

    Raises AgentError for an agent that cannot be gated, RepositoryError where git refuses. What the candidate
    does is never raised: it is the verdict.
    """
    started = time.monotonic()
    if options.evidence is not None:
        require_place(options.evidence)
    agent, branch = pinned(project, wanted, options.head)
    require_undone(project)
    watch = Watch(project)
    removed = swept()
    blank = blank_result(project, agent, branch)
    if (nothing := nothing_to_judge(project, blank, branch)) is not None:
        result = replace(nothing, seconds=time.monotonic() - started)
        _leave(project, None, options, result)
        return result
    with Quarantine.open(project.repo) as quarantine:
        judged = judge_candidate(project, quarantine, branch, options, blank)
        suite = _suite(project, quarantine, judged, options)
        around = Circumstances(
            around=(*project.notes, *ahead_of_pushed(project, branch), *removed),
            touched=(*watch.differences(), *taken_in(project, branch)),
        )
        result = finished(with_suite(judged.result, suite), around)
        result = replace(result, seconds=time.monotonic() - started)
        _leave(project, quarantine, options, result, judged=judged, suite=suite, circumstances=around)
    remember(project, result)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCandidate:
    """A result and what it was made from; the rest is None where there is no candidate."""

    result: GateResult
    examination: Examination | None = None
    subject: Subject | None = None

    @property
    def traces(self) -> Traces | Doubt | None:
        return self.examination.traces if self.examination is not None else None


def _suite(
    project: Project, quarantine: Quarantine, judged: JudgedCandidate, options: GateOptions
) -> SuiteRun | None:
    """The whole suite, for evidence that a landing may rest on; what does not pass by itself does not need it."""
    if options.evidence is None or judged.subject is None or judged.result.verdict != "passed":
        return None
    if not is_due(project, judged.subject):
        return None
    return run_suite(project, quarantine, judged.subject, python=options.python, tell=options.tell)


def with_suite(result: GateResult, suite: SuiteRun | None) -> GateResult:
    """The result with a word on the whole suite. It is no part of the verdict on the agent's own work."""
    if suite is None:
        return result
    said = suite_verdict(suite).reason
    return replace(result, notes=(*result.notes, f"For a landing: {said}."))


def taken_in(project: Project, branch: BranchRef) -> tuple[str, ...]:
    """Whether the target holds the judged head by now. Whoever landed it, this verdict is not what let it in."""
    target = git.resolve(project.repo, project.target.ref)
    if target in {None, project.target.head} or not git.is_ancestor(project.repo, branch.head, target or ""):
        return ()
    return (f"{project.target.name} was moved to a commit that holds the judged head",)


def _leave(
    project: Project,
    quarantine: Quarantine | None,
    options: GateOptions,
    result: GateResult,
    *,
    judged: JudgedCandidate | None = None,
    suite: SuiteRun | None = None,
    circumstances: Circumstances | None = None,
) -> None:
    if options.evidence is None:
        return
    left = Left(
        result=result,
        traces=judged.traces if judged is not None else None,
        suite=suite,
        asked=Asked(threshold=options.threshold, allow=trailers(options.allow)),
        circumstances=circumstances or Circumstances(),
    )
    leave(options.evidence, project, quarantine, left)


def threshold_of(project: Project, asked: Decimal | None) -> tuple[Decimal, tuple[str, ...]]:
    """The threshold that holds, and a sentence where the caller asked for less than the policy's."""
    policy = project.policy.agents.test_threshold
    if asked is not None and asked < policy:
        return policy, (
            f"A threshold of {asked}% was asked for; the policy's {policy}% holds (it can only be raised).",
        )
    return raised(policy, asked), ()


def pinned(project: Project, wanted: str, commit: str | None) -> tuple[Agent, BranchRef]:
    """The agent and its branch at its pinned head, or at the commit that the caller names. Raises AgentError."""
    if commit is None:
        return project.agent(wanted)

    head = git.resolve(project.repo, commit)
    if head is None:
        raise AgentError(
            f"There is no commit {commit!r} here",
            reason="it was not fetched, or it is no commit",
            remedy="Fetch it, or check out with fetch-depth: 0.",
        )
    known = next((a for a in project.agents if a.id == wanted), Agent(id=wanted, name=wanted))
    name = known.branch.name if known.branch is not None else commit
    return known, BranchRef(name=name, ref=commit, head=head)


def nothing_to_judge(project: Project, blank: GateResult, branch: BranchRef) -> GateResult | None:
    """The result of a branch on which there is nothing to judge; None where there is something."""
    place, commit = place_of_head(project, branch.head)
    if place == "landed":
        as_what = f", as {commit[:10]}" if commit else ""
        nothing: tuple[str, str | None] | None = (
            f"{branch.name} has landed on {project.target.name} already{as_what}",
            None,
        )
    elif place == "untouched":
        nothing = (
            f"{branch.name} has no commit that {project.target.name} has not",
            "Commit work on it first.",
        )
    else:
        nothing = without_common_history(project, branch)
    if nothing is None:
        return None
    return replace(blank, verdict="undetermined", reason=nothing[0], remedy=nothing[1])


def judge_candidate(
    project: Project,
    quarantine: Quarantine,
    branch: BranchRef,
    options: GateOptions,
    blank: GateResult,
    *,
    replay: Callable[[Subject], Traces | Doubt] | None = None,
) -> JudgedCandidate:
    """Builds the candidate and judges it, by a run or by the traces that `replay` gives; and what the run left."""
    options.tell.step(f"Merging {branch.name} with {project.target.name}")
    work = Work(agent=Agent(id=blank.agent, name=blank.name), branch=branch)
    try:
        candidate = link_on(project, quarantine, work, project.target.head, trailers(options.allow))
    except ConflictError as error:
        return JudgedCandidate(result=_conflicted(project, blank, error))
    threshold, notes = threshold_of(project, options.threshold)
    examine_options = ExamineOptions(
        threshold=threshold,
        perform=PerformOptions(
            suite=False, python=options.python, tell=options.tell, replay=replay, probes=options.probes
        ),
        allow=options.allow,
    )
    case = case_of(project, quarantine, blank.agent, candidate, examine_options)
    if replay is None:
        options.tell.step(f"Running the tests of agent {blank.agent} on the merge")
    examination = examine(project, quarantine, case, examine_options)
    return JudgedCandidate(
        result=_result(blank, candidate, examination, notes), examination=examination, subject=case.subject
    )


def finished(result: GateResult, circumstances: Circumstances) -> GateResult:
    """The result with what lies around the run: notes, and a real repository that is not as it was (law 7)."""
    result = replace(result, notes=(*circumstances.around, *result.notes))
    if not circumstances.touched:
        return result
    reason, remedy = touched_words(circumstances.touched)
    return undetermined(result, reason, remedy)


def undetermined(result: GateResult, reason: str, remedy: str) -> GateResult:
    """The result with one more reason why nothing can be said; what failed, failed all the same."""
    verdict: Verdict = "failed" if result.verdict == "failed" else "undetermined"
    told = f"{result.reason}; {reason}" if result.reason else reason
    return replace(result, verdict=verdict, reason=told, remedy=remedy)


def blank_result(project: Project, agent: Agent, branch: BranchRef) -> GateResult:
    """A result that says of whom and what it is, and nothing else yet."""
    return GateResult(
        agent=agent.id,
        name=agent.name,
        branch=branch.name,
        verdict=None,
        head=branch.head,
        target=project.target.head,
        candidate=None,
    )


def _result(
    blank: GateResult, candidate: ObjectId, examination: Examination, notes: tuple[str, ...]
) -> GateResult:
    judgement = examination.judgement
    return replace(
        blank,
        verdict=judgement.verdict,
        candidate=candidate,
        tests=examination.tests,
        failures=failures(examination.evidence),
        coverage=examination.figure,
        findings=examination.findings,
        allowed=examination.allowed,
        probes=examination.probes,
        environment=examination.environment,
        reason=judgement.reason,
        remedy=judgement.remedy,
        notes=(*notes, *examination.notes, *survivors_words(examination.evidence.end)),
        output=examination.evidence.end.output,
    )


def _conflicted(project: Project, blank: GateResult, error: ConflictError) -> GateResult:
    reason, remedy = conflict_words(project, blank.branch, blank.head, error.paths)
    return replace(blank, verdict="undetermined", reason=reason, remedy=remedy, conflicts=error.paths)
