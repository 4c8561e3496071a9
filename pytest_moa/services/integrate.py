"""`moa integrate ID`: candidate, one run of the integration suite on it, landing, verification, ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pytest_moa.errors import (
    ConflictError,
    MoaError,
    RaceError,
    RefusedError,
    RepositoryError,
    UndeterminedError,
)
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.checkouts import checkouts, require_clean
from pytest_moa.git.history import paths_of_merge
from pytest_moa.git.landing import land_local, land_remote, verify
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import Agent, BranchRef, ObjectId
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import Event, IntegrationResult, Landed, Rejected, RejectionClass
from pytest_moa.render.json_contract import counts_json, coverage_json
from pytest_moa.rules.agents import in_dependency_order
from pytest_moa.rules.gate import failures
from pytest_moa.services.allowing import trailers
from pytest_moa.services.examine import Examination, ExamineOptions, case_of, examine, with_notes
from pytest_moa.services.gate import threshold_of
from pytest_moa.services.landings import ahead_of_pushed, history, place_of_head, without_common_history
from pytest_moa.services.perform import PerformOptions
from pytest_moa.services.probing import ProbesAsked
from pytest_moa.services.project import Project, reread
from pytest_moa.services.recovery import recover
from pytest_moa.services.staging import read_staged, write_staged
from pytest_moa.services.telling import Telling
from pytest_moa.services.words import conflict_words, swept, touched_words

ATTEMPTS = 3
"""How often a candidate is rebuilt and tested again because the target moved, before the race is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrateOptions:
    """`stage`: a folder to leave a passed candidate in instead of landing it, for a step that runs no agents' code.

    `allow` are the caller's words for findings that may pass; the merge commit carries them.
    """

    threshold: Decimal | None = None
    python: str | None = None
    stage: Path | None = None
    allow: tuple[Allowance, ...] = ()
    probes: ProbesAsked | None = None
    tell: Telling = field(default_factory=Telling)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """What came of one agent: exactly one of the outcomes is set. `runs` counts the children that ran tests."""

    runs: int = 0
    landed: Landed | None = None
    staged: Landed | None = None
    already: Landed | None = None
    rejected: Rejected | None = None
    notes: tuple[str, ...] = ()


def integrate(project: Project, wanted: Sequence[str], options: IntegrateOptions) -> IntegrationResult:
    """Lands the agents of these ids, one after the other, each on what the one before left.

    Raises AgentError for an unknown id before anything is done, RaceError where the target moved under every
    attempt, RepositoryError where git refuses. What a candidate does is never raised: it is a rejection.
    """
    started = time.monotonic()
    for agent in wanted:
        project.agent(agent)
    notes = [
        *project.notes,
        *swept(),
        *recover(project, push=options.stage is None),
    ]
    before = project.target.head
    done: list[_Attempt] = []
    ordered = in_dependency_order(project.policy, wanted)
    for number, agent in enumerate(ordered):
        try:
            project = reread(project) if done else project
            attempt, project = _with_retries(project, agent, options)
            done.append(attempt)
        except (RaceError, RefusedError) as error:
            if not any(attempt.landed for attempt in done):
                raise
            # What landed before has landed, and is told: an error alone would hide it.
            done += _stopped(project, ordered[number:], error)
            break
    # Once more: a dead run's children may have outlived the first look by a moment.
    notes += swept()
    return IntegrationResult(
        branch=project.target.name,
        before=before,
        after=_target_now(project),
        runs=sum(attempt.runs for attempt in done),
        landed=tuple(a.landed for a in done if a.landed),
        staged=tuple(a.staged for a in done if a.staged),
        already=tuple(a.already for a in done if a.already),
        rejected=tuple(a.rejected for a in done if a.rejected),
        notes=tuple(dict.fromkeys([*notes, *(note for a in done for note in a.notes)])),
        seconds=time.monotonic() - started,
    )


def _stopped(project: Project, rest: Sequence[str], error: MoaError) -> list[_Attempt]:
    """The agent whose landing was refused, and those that were not tried after it."""
    first: RejectionClass = "moved" if isinstance(error, RaceError) else "target"
    attempts = []
    for number, agent_id in enumerate(rest):
        agent, branch = project.agent(agent_id)
        kind: RejectionClass = "held" if number else first
        reason = f"not tried, since the landing of {rest[0]} was refused" if number else str(error)
        rejected = Rejected(
            agent=agent.id, name=agent.name, head=branch.head, kind=kind, reason=reason, remedy=error.remedy
        )
        attempts.append(_Attempt(rejected=rejected))
    return attempts


def land_staged(project: Project, wanted: str, folder: Path, commit: ObjectId) -> IntegrationResult:
    """Lands a candidate that another step tested and left in `folder`; runs no agents' code.

    `commit` travelled by another way than the folder: the candidate is rebuilt from git and must have that id.
    Raises UndeterminedError where it has not, RaceError where base or head moved since.
    """
    started = time.monotonic()
    staged = read_staged(folder)
    agent, branch = project.agent(wanted)
    before = project.target.head
    if (staged.agent, staged.commit) != (wanted, commit):
        raise UndeterminedError(
            f"{folder} holds another candidate than the one named",
            reason=f"agent {staged.agent}, commit {staged.commit}",
            remedy="Stage it again: `moa integrate ID --stage DIR`.",
        )
    if (staged.base, staged.head) != (before, branch.head):
        raise RaceError(
            "The target or the branch moved since the candidate was tested",
            reason=f"tested on {staged.base[:10]} with {staged.head[:10]}",
            remedy="Integrate again: nothing was changed.",
        )
    with Quarantine.open(project.repo) as quarantine:
        rebuilt = _candidate(project, quarantine, agent, branch, staged.allow)
        if rebuilt != commit:
            raise UndeterminedError(
                "The candidate cannot be rebuilt as it was tested",
                reason=f"rebuilt {rebuilt}, tested {commit}",
                remedy="Use the same version of moa and git in both steps, and stage it again.",
            )
        notes = _land(project, quarantine, commit)
    landed = Landed(
        agent=agent.id,
        name=agent.name,
        head=branch.head,
        commit=commit,
        tests=staged.tests,
        coverage=staged.coverage,
        allow=staged.allow,
    )
    notes += _record(project, [_landed_event(project, landed, branch, before)])
    return IntegrationResult(
        branch=project.target.name,
        before=before,
        after=_target_now(project),
        runs=0,
        landed=(landed,),
        notes=tuple(notes),
        seconds=time.monotonic() - started,
    )


def _with_retries(project: Project, wanted: str, options: IntegrateOptions) -> tuple[_Attempt, Project]:
    runs = 0
    for left in range(ATTEMPTS - 1, -1, -1):
        agent, branch = project.agent(wanted)
        try:
            attempt = _attempt(project, agent, branch, options)
        except _LostAttempt as lost:
            runs += lost.runs
            if not left:
                raise RaceError(
                    f"{project.target.name} moved {ATTEMPTS} times while candidates were tested",
                    reason=lost.error.reason or lost.error.message,
                    remedy="Nothing was changed; run the same command again when it is quieter.",
                ) from lost.error
            options.tell.step(f"{project.target.name} moved meanwhile; building the candidate again")
            project = reread(project)
            continue
        notes = (*ahead_of_pushed(project, branch), *attempt.notes)
        return replace(attempt, runs=attempt.runs + runs, notes=notes), project
    raise AssertionError  # pragma: no cover - the loop returns or raises


class _LostAttempt(Exception):  # noqa: N818 - not an error of the user's: a retry
    def __init__(self, error: RaceError, runs: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.runs = runs


def _attempt(project: Project, agent: Agent, branch: BranchRef, options: IntegrateOptions) -> _Attempt:
    place, commit = place_of_head(project, branch.head)
    if place == "landed":
        landed = Landed(agent=agent.id, name=agent.name, head=branch.head, commit=commit or branch.head)
        return _Attempt(already=landed)
    if (held := _held(project, agent, branch, place)) is not None:
        return _Attempt(rejected=held)
    before = git.fingerprint(project.repo)
    with Quarantine.open(project.repo) as quarantine:
        options.tell.step(f"Merging {branch.name} with {project.target.name}")
        try:
            candidate = _candidate(project, quarantine, agent, branch, trailers(options.allow))
        except ConflictError as error:
            return _rejection(project, _conflict(project, agent, branch, error))
        _require_landable(project, quarantine, candidate)
        examination = _examined(project, quarantine, agent, candidate, options)
        differences = git.differences(before, git.fingerprint(project.repo))
        rejected = _not_passed(agent, branch, examination, differences)
        if rejected is not None:
            return _rejection(project, rejected, runs=examination.runs)
        return _passed(
            project, quarantine, _Tested(agent, branch, candidate, examination, options.allow), options
        )


@dataclass(frozen=True, slots=True)
class _Tested:
    """A candidate that passed, not yet landed."""

    agent: Agent
    branch: BranchRef
    candidate: ObjectId
    examination: Examination
    allow: tuple[Allowance, ...]

    @property
    def landed(self) -> Landed:
        return Landed(
            agent=self.agent.id,
            name=self.agent.name,
            head=self.branch.head,
            commit=self.candidate,
            tests=self.examination.tests,
            coverage=self.examination.figure,
            allow=trailers(self.allow),
        )


def _not_passed(
    agent: Agent, branch: BranchRef, examination: Examination, differences: tuple[str, ...]
) -> Rejected | None:
    if differences:
        return _touched(agent, branch, examination, differences)
    return None if examination.judgement.verdict == "passed" else _failed(agent, branch, examination)


def _passed(project: Project, quarantine: Quarantine, tested: _Tested, options: IntegrateOptions) -> _Attempt:
    branch, landed, runs = tested.branch, tested.landed, tested.examination.runs
    if options.stage is not None:
        write_staged(options.stage, landed, base=project.target.head, branch=branch.name)
        return _Attempt(runs=runs, staged=landed, notes=tested.examination.notes)
    if _head_moved(project, branch):
        moved = Rejected(
            agent=landed.agent,
            name=landed.name,
            head=branch.head,
            kind="moved",
            reason=f"{branch.name} moved while its candidate was tested",
            remedy=f"Nobody is to blame: `moa integrate {landed.agent}` takes its new head.",
        )
        return _rejection(project, moved, runs=runs)
    options.tell.step(f"Landing {landed.commit[:10]} on {project.target.name}")
    try:
        notes = _land(project, quarantine, landed.commit)
    except RaceError as error:
        raise _LostAttempt(error, runs) from error
    notes += _record(project, [_landed_event(project, landed, branch, project.target.head)])
    return _Attempt(runs=runs, landed=landed, notes=(*tested.examination.notes, *notes))


def _require_landable(project: Project, quarantine: Quarantine, candidate: ObjectId) -> None:
    """What would stop the landing is told before the tests are paid for. Raises RefusedError."""
    objects = project.repo.common_dir / "objects"
    if not os.access(objects, os.W_OK | os.X_OK):
        raise RefusedError(
            "This repository may only be read",
            reason=f"{objects} cannot be written",
            remedy="Run moa as a user who may write there, or give yourself permission.",
        )
    if project.where == "local":
        for tree in checkouts(project.repo, project.target.name):
            require_clean(tree, quarantine.repository, project.target.head, candidate, project.target.name)


def _candidate(
    project: Project, quarantine: Quarantine, agent: Agent, branch: BranchRef, allow: Sequence[str]
) -> ObjectId:
    target = project.target
    return quarantine.candidate(
        target.head, branch.head, agent=agent.id, branch=branch.name, into=target.name, allow=allow
    )


def _examined(
    project: Project, quarantine: Quarantine, agent: Agent, candidate: ObjectId, options: IntegrateOptions
) -> Examination:
    threshold, notes = threshold_of(project, options.threshold)
    examine_options = ExamineOptions(
        threshold=threshold,
        perform=PerformOptions(suite=True, python=options.python, tell=options.tell, probes=options.probes),
        allow=options.allow,
        news_first=True,
    )
    case = case_of(project, quarantine, agent.id, candidate, examine_options)
    options.tell.step("Running the integration suite on the candidate")
    return with_notes(examine(project, quarantine, case, examine_options), notes)


def _land(project: Project, quarantine: Quarantine, commit: ObjectId) -> list[str]:
    """Moves the target to the tested commit and reads it afresh. Raises RaceError where somebody was faster."""
    name, old = project.target.name, project.target.head
    if project.remote is not None:
        notes = list(land_remote(project.repo, quarantine, project.remote, name, old, commit))
    else:
        notes = list(land_local(project.repo, quarantine, name, old, commit))
    verify(project.repo, project.remote, name, commit)
    return notes


def _head_moved(project: Project, branch: BranchRef) -> bool:
    if project.remote is not None and branch.remote is not None:
        return git.remote_head(project.repo, branch.remote, branch.name) != branch.head
    return git.resolve(project.repo, branch.ref) != branch.head


def _target_now(project: Project) -> ObjectId:
    return git.resolve(project.repo, project.target.ref) or project.target.head


def _held(project: Project, agent: Agent, branch: BranchRef, place: str) -> Rejected | None:
    """Why an agent's work cannot be tried at all; None where nothing stands against it."""

    def held(reason: str, remedy: str, with_agents: tuple[str, ...] = ()) -> Rejected:
        return Rejected(
            agent=agent.id,
            name=agent.name,
            head=branch.head,
            kind="held",
            reason=reason,
            remedy=remedy,
            with_agents=with_agents,
        )

    if place == "untouched":
        return held(
            f"{branch.name} has no commit that {project.target.name} has not", "Commit work on it first."
        )
    if (unrelated := without_common_history(project, branch)) is not None:
        return replace(held(*unrelated), kind="undetermined")
    if agent.unpushed:
        return held(
            f"{branch.name} is only here, not on {project.target.remote}",
            f"Push it: `git push {project.target.remote} {branch.name}`.",
        )
    if (unasked := _unasked(project, branch)) is not None:
        return held(*unasked)
    waiting = tuple(
        other for other in project.policy.entry(agent.id).depends_on if not _has_landed(project, other)
    )
    if waiting:
        return held(
            f"agent {agent.id} depends on {', '.join(waiting)}, not landed yet",
            "Integrate these first.",
            waiting,
        )
    return None


def _unasked(project: Project, branch: BranchRef) -> tuple[str, str] | None:
    """Why the agent itself, by its head's trailer, holds its work back or has not asked; and the remedy."""
    word = (git.commit_info(project.repo, branch.head).values("Moa-Ready") or ("",))[-1].strip().lower()
    if word == "no":
        return (
            f"the head of {branch.name} says `Moa-Ready: no`",
            "Commit again without it when the work is done.",
        )
    if "requested" in project.policy.integration.require and word != "yes":
        return (
            f"the policy asks for a request, and the head of {branch.name} has no `Moa-Ready: yes`",
            "Add the trailer `Moa-Ready: yes` to the head's message.",
        )
    return None


def _has_landed(project: Project, wanted: str) -> bool:
    other = next((a for a in project.agents if a.id == wanted), None)
    if other is None or other.branch is None:
        return any(wanted in merged.trailers.get("Moa-Agent", ()) for merged in history(project))
    return place_of_head(project, other.branch.head)[0] == "landed"


def _conflict(project: Project, agent: Agent, branch: BranchRef, error: ConflictError) -> Rejected:
    reason, remedy = conflict_words(project, branch.name, error.paths)
    return Rejected(
        agent=agent.id,
        name=agent.name,
        head=branch.head,
        kind="conflict",
        reason=reason,
        remedy=remedy,
        with_agents=_authors(project, error.paths),
    )


def _authors(project: Project, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The agents whose landings changed these files, newest first."""
    found: dict[str, None] = {}
    for merged in history(project)[:50]:
        agents = merged.trailers.get("Moa-Agent", ())
        if agents and set(paths).intersection(paths_of_merge(project.repo, merged.commit)):
            found.update(dict.fromkeys(agents))
    return tuple(found)


def _failed(agent: Agent, branch: BranchRef, examination: Examination) -> Rejected:
    judgement = examination.judgement
    red = failures(examination.evidence)
    return Rejected(
        agent=agent.id,
        name=agent.name,
        head=branch.head,
        kind=_kind(examination, bool(red)),
        reason=_reason(judgement.reason or "the candidate did not pass", red=bool(red)),
        remedy=judgement.remedy or "",
        tests=tuple(f.id for f in red) or ((judgement.hang,) if judgement.hang else ()),
        findings=examination.findings,
        failures=red,
        counts=examination.tests,
    )


def _reason(reason: str, *, red: bool) -> str:
    return f"Integration tests failed: {reason}" if red else reason


def _kind(examination: Examination, red: bool) -> RejectionClass:
    end = examination.evidence.end
    if red:
        return "red"
    if any(f.severity == "block" for f in examination.findings):
        return "integrity"
    if end.timed_out:
        return "hang"
    if examination.judgement.verdict == "failed":
        return "coverage"
    return "undetermined"


def _touched(
    agent: Agent, branch: BranchRef, examination: Examination, differences: tuple[str, ...]
) -> Rejected:
    reason, remedy = touched_words(differences)
    return Rejected(
        agent=agent.id,
        name=agent.name,
        head=branch.head,
        kind="undetermined",
        reason=reason,
        remedy=remedy,
        counts=examination.tests,
    )


def _rejection(project: Project, rejected: Rejected, *, runs: int = 0) -> _Attempt:
    data: dict[str, object] = {
        "head": rejected.head,
        "class": rejected.kind,
        "reason": rejected.reason,
        "target": project.target.head,
        "tests": list(rejected.tests[:50]),
    }
    event = Event(kind="rejected", at=ledger.now(), agent=rejected.agent, data=data)
    # A rejection is news for this machine; only a landing is worth a push.
    return _Attempt(runs=runs, rejected=rejected, notes=tuple(_record(project, [event], push=False)))


def _landed_event(project: Project, landed: Landed, branch: BranchRef, before: ObjectId) -> Event:
    data: dict[str, object] = {
        "head": landed.head,
        "commit": landed.commit,
        "branch": branch.name,
        "target": project.target.name,
        "before": before,
        "tests": counts_json(landed.tests),
        "coverage": coverage_json(landed.coverage),
        "allow": list(landed.allow),
    }
    return Event(kind="landed", at=ledger.now(), agent=landed.agent, data=data)


def _record(project: Project, events: list[Event], *, push: bool = True) -> list[str]:
    """Appends to the ledger. A ledger that cannot be written takes nothing back: git holds what landed."""
    try:
        ledger.append(project.repo, events, remote=project.remote if push else None)
    except (RepositoryError, RaceError, RefusedError) as error:
        return [f"The ledger could not be written ({error.reason or error.message}); the next run does it."]
    return []
