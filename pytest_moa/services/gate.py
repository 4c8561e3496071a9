"""`moa gate ID`: the agent's tests and own code, on the merge of its pinned head with the target."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pytest_moa.errors import AgentError, ConflictError
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import GateResult, Verdict
from pytest_moa.rules.gate import failures
from pytest_moa.rules.threshold import raised
from pytest_moa.services.allowing import trailers
from pytest_moa.services.examine import Examination, ExamineOptions, case_of, examine
from pytest_moa.services.landings import ahead_of_pushed, place_of_head, without_common_history
from pytest_moa.services.perform import PerformOptions
from pytest_moa.services.project import Project
from pytest_moa.services.telling import Telling
from pytest_moa.services.verdicts import remember
from pytest_moa.services.words import conflict_words, swept, touched_words


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """`threshold` may raise the policy's figure, never lower it; `head` gates that commit instead of the branch's.

    `allow` are the caller's words for findings that may pass.
    """

    threshold: Decimal | None = None
    python: str | None = None
    head: str | None = None
    allow: tuple[Allowance, ...] = ()
    tell: Telling = field(default_factory=Telling)


def gate(project: Project, wanted: str, options: GateOptions) -> GateResult:
    """The verdict that counts, on one agent's pinned head merged with the pinned target.

    Raises AgentError for an agent that cannot be gated, RepositoryError where git refuses. What the candidate
    does is never raised: it is the verdict.
    """
    started = time.monotonic()
    agent, branch = _pinned(project, wanted, options)
    before = git.fingerprint(project.repo)
    removed = swept()
    blank = _blank(project, agent, branch)
    if (nothing := _nothing_to_judge(project, branch)) is not None:
        reason, remedy = nothing
        seconds = time.monotonic() - started
        return replace(blank, verdict="undetermined", reason=reason, remedy=remedy, seconds=seconds)
    with Quarantine.open(project.repo) as quarantine:
        result = _in_quarantine(project, quarantine, branch, options, blank)
    result = _untouched(result, git.differences(before, git.fingerprint(project.repo)))
    notes = (
        *project.notes,
        *ahead_of_pushed(project, branch),
        *removed,
        *result.notes,
    )
    result = replace(result, notes=notes, seconds=time.monotonic() - started)
    remember(project, result)
    return result


def threshold_of(project: Project, asked: Decimal | None) -> tuple[Decimal, tuple[str, ...]]:
    """The threshold that holds, and a sentence where the caller asked for less than the policy's."""
    policy = project.policy.agents.test_threshold
    if asked is not None and asked < policy:
        return policy, (
            f"A threshold of {asked}% was asked for; the policy's {policy}% holds (it can only be raised).",
        )
    return raised(policy, asked), ()


def _pinned(project: Project, wanted: str, options: GateOptions) -> tuple[Agent, BranchRef]:
    if options.head is None:
        return project.agent(wanted)

    head = git.resolve(project.repo, options.head)
    if head is None:
        raise AgentError(
            f"There is no commit {options.head!r} here",
            reason="it was not fetched, or it is no commit",
            remedy="Fetch it, or check out with fetch-depth: 0.",
        )
    known = next((a for a in project.agents if a.id == wanted), Agent(id=wanted, name=wanted))
    name = known.branch.name if known.branch is not None else options.head
    return known, BranchRef(name=name, ref=options.head, head=head)


def _nothing_to_judge(project: Project, branch: BranchRef) -> tuple[str, str | None] | None:
    place, commit = place_of_head(project, branch.head)
    if place == "landed":
        as_what = f", as {commit[:10]}" if commit else ""
        return f"{branch.name} has landed on {project.target.name} already{as_what}", None
    if place == "untouched":
        return f"{branch.name} has no commit that {project.target.name} has not", "Commit work on it first."
    return without_common_history(project, branch)


def _in_quarantine(
    project: Project, quarantine: Quarantine, branch: BranchRef, options: GateOptions, blank: GateResult
) -> GateResult:
    options.tell.step(f"Merging {branch.name} with {project.target.name}")
    target = project.target
    try:
        candidate = quarantine.candidate(
            target.head,
            branch.head,
            agent=blank.agent,
            branch=branch.name,
            into=target.name,
            allow=trailers(options.allow),
        )
    except ConflictError as error:
        return _conflicted(project, blank, error)
    threshold, notes = threshold_of(project, options.threshold)
    examine_options = ExamineOptions(
        threshold=threshold,
        perform=PerformOptions(suite=False, python=options.python, tell=options.tell),
        allow=options.allow,
    )
    case = case_of(project, quarantine, blank.agent, candidate, examine_options)
    options.tell.step(f"Running the tests of agent {blank.agent} on the merge")
    examination = examine(project, quarantine, case, examine_options)
    return _result(blank, candidate, examination, notes)


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
        notes=(*notes, *examination.notes, *_survivors(examination)),
        output=examination.evidence.end.output,
    )


def _survivors(examination: Examination) -> tuple[str, ...]:
    left = examination.evidence.end.survivors
    return (f"The tests left processes running, which were ended: {', '.join(left[:5])}",) if left else ()


def _conflicted(project: Project, blank: GateResult, error: ConflictError) -> GateResult:
    reason, remedy = conflict_words(project, blank.branch, error.paths)
    return replace(blank, verdict="undetermined", reason=reason, remedy=remedy, conflicts=error.paths)


def _untouched(result: GateResult, differences: tuple[str, ...]) -> GateResult:
    """Law 7: a run after which the real repository's settings differ proves nothing."""
    if not differences:
        return result
    reason, remedy = touched_words(differences)
    verdict: Verdict = "failed" if result.verdict == "failed" else "undetermined"
    told = f"{result.reason}; {reason}" if result.reason else reason
    return replace(result, verdict=verdict, reason=told, remedy=remedy)


def _blank(project: Project, agent: Agent, branch: BranchRef) -> GateResult:
    return GateResult(
        agent=agent.id,
        name=agent.name,
        branch=branch.name,
        verdict=None,
        head=branch.head,
        target=project.target.head,
        candidate=None,
    )
