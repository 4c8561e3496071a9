"""`moa integrate`: rounds over whoever may go in, until nobody is left that could; and the landing of staged candidates."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_moa.errors import MoaError, RaceError, RefusedError, UndeterminedError
from pytest_moa.git import repository as git
from pytest_moa.git.history import commits_between
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import IntegrationResult, Landed, Rejected
from pytest_moa.rules.queue.round import Round
from pytest_moa.rules.queue.steps import Ended, Limits, Member
from pytest_moa.services.asking import require_thawed, standing
from pytest_moa.services.blame_words import rejected_of
from pytest_moa.services.carrier import Carrier
from pytest_moa.services.chain import Work, chain_of, landed_as, rejection
from pytest_moa.services.gate import threshold_of
from pytest_moa.services.gather import Waiting, gather
from pytest_moa.services.landing import land
from pytest_moa.services.landings import ahead_of_pushed
from pytest_moa.services.look import Looked, LookOptions
from pytest_moa.services.project import Project, reread
from pytest_moa.services.queue_options import Deadline, IntegrateOptions
from pytest_moa.services.readiness import Readiness, readiness
from pytest_moa.services.recording import record, rejected_event, with_company
from pytest_moa.services.recovery import recover
from pytest_moa.services.staging import Staged, read_staged
from pytest_moa.services.turn import turn
from pytest_moa.services.watch import require_undone
from pytest_moa.services.words import frozen_words, swept

ATTEMPTS = 3
"""How often candidates are rebuilt and tested again because the target moved, before the race is given up."""


@dataclass(kw_only=True)
class _Call:
    """What one call has come to so far."""

    wanted: tuple[str, ...] | None
    before: ObjectId
    landed: list[Landed] = field(default_factory=list)
    staged: list[Landed] = field(default_factory=list)
    already: dict[str, Landed] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    flaky: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    would_test: tuple[str, ...] = ()
    dropped: frozenset[ObjectId] = frozenset()
    refused: MoaError | None = None
    runs: int = 0
    races: int = 0

    def note(self, notes: Iterable[str]) -> None:
        self.notes.update(dict.fromkeys(notes))

    def reject(self, rejected: Iterable[Rejected]) -> None:
        for one in rejected:
            self.rejected.setdefault(one.agent, one)

    @property
    def decided(self) -> set[str]:
        return {*self.rejected, *(done.agent for done in (*self.landed, *self.staged))}


def integrate(project: Project, wanted: Sequence[str] | None, options: IntegrateOptions) -> IntegrationResult:
    """Lands the agents of these ids (None: all that may go in), as many at once as pass together.

    Raises AgentError for an unknown id before anything is done, RaceError where the target moved under every
    attempt and nothing landed, RefusedError and RepositoryError where nothing may land. What a candidate does is never
    raised: it is a rejection.
    """
    started = time.monotonic()
    _require_child(project)
    for agent in wanted or ():
        project.agent(agent)
    call = _Call(wanted=None if wanted is None else tuple(wanted), before=project.target.head)
    budget = options.budget if options.budget is not None else project.policy.integration.budget
    deadline = Deadline(budget)
    call.note([*project.notes, *swept()])
    with turn(project, deadline, options.tell) as waited:
        project = reread(project) if waited else project
        require_undone(project)
        if not options.dry_run:
            call.note(recover(project, push=options.stage is None))
        call.note(threshold_of(project, options.threshold)[1])
        project = _rounds(project, call, options, deadline)
    if not options.dry_run:
        call.note(record(project, [rejected_event(project, r) for r in call.rejected.values()], push=False))
    # Once more: a dead run's children may have outlived the first look by a moment.
    call.note(swept())
    if call.refused is not None and not call.landed:
        raise call.refused
    return _result(project, call, options, time.monotonic() - started)


def _require_child(project: Project) -> None:
    if project.policy.integration.executor != "child":
        raise RefusedError(
            "This version of moa cannot leave the tests of a candidate to the team's own CI",
            reason="`integration.executor` is `checks` on the target",
            remedy="Say `executor: child`, or leave the key out: pytest runs here then.",
        )


def _rounds(project: Project, call: _Call, options: IntegrateOptions, deadline: Deadline) -> Project:
    """Round after round on the target as it is, as long as somebody is left who could go in."""
    while True:
        ready = _ready(project, call)
        if not ready.works:
            return project
        again = _round(project, call, ready, options, deadline)
        if options.dry_run or options.stage is not None or call.refused is not None:
            return project
        if call.races >= ATTEMPTS:
            _give_up_racing(project, call, ready)
            return project
        if not again:
            return project
        fresh = reread(project)
        if not git.is_ancestor(fresh.repo, project.target.head, fresh.target.head):
            call.dropped |= commits_between(fresh.repo, fresh.target.head, project.target.head)
            call.note(
                [f"{project.target.name} was moved back meanwhile; what was taken from it does not return."]
            )
        project = fresh


def _ready(project: Project, call: _Call) -> Readiness:
    stands = standing(project)
    ready = readiness(project, call.wanted, stands, dropped=call.dropped)
    if stands.frozen is not None:
        words = frozen_words(project.target.name, stands.frozen)
        held = [rejection(work, "held", *words) for work in ready.works]
        ready = replace(ready, works=(), held=(*ready.held, *held))
    for done in ready.already:
        if done.agent not in {landed.agent for landed in call.landed}:
            call.already.setdefault(done.agent, done)
    decided = call.decided
    call.reject(r for r in ready.held if r.agent not in decided)
    return replace(ready, works=tuple(work for work in ready.works if work.id not in decided))


def _round(
    project: Project, call: _Call, ready: Readiness, options: IntegrateOptions, deadline: Deadline
) -> bool:
    """One round; returns whether another one may find somebody to land."""
    for work in ready.works:
        call.note(ahead_of_pushed(project, work.branch))
    asked = LookOptions(allow=options.allow, python=options.python, tell=options.tell)
    gathered = gather(project, ready, asked, run_old_tests=not options.dry_run)
    call.reject(gathered.rejected)
    call.runs += gathered.runs
    looked, waiting = gathered.going, gathered.waiting
    pythonic = [one for one in looked if not project.policy.entry(one.work.id).command]
    foreign = [one for one in looked if project.policy.entry(one.work.id).command]
    # A command of an agent's own is a run of its own: such agents go one by one, after the others.
    joint = pythonic or foreign[:1]
    if not joint:
        return _settle_waiting(project, call, waiting)
    if options.dry_run:
        call.would_test = tuple(one.work.id for one in joint)
        _settle_waiting(project, call, waiting, as_if=set(call.would_test))
        return False
    with Carrier(project, {one.work.id: one for one in joint}, options, deadline) as carrier:
        ended = _driven(project, carrier, joint, ready)
        book = carrier.notebook
    call.runs += ended.runs
    call.landed += book.landed
    call.staged += book.staged
    call.flaky.update(dict.fromkeys(ended.flaky))
    call.note(book.notes)
    by_id = {one.work.id: one.work for one in joint}
    blamed = [rejected_of(project, by_id[agent], blame, book) for agent, blame in ended.blamed.items()]
    call.reject(with_company(project, blamed))
    if ended.raced:
        call.races += 1
        options.tell.step(f"{project.target.name} moved meanwhile; building the candidate again")
        return True
    if book.refused is not None:
        call.refused = book.refused
        works = [*(one.work for one in looked), *(one.work for one in waiting)]
        rest = [work for work in works if work.id not in by_id]
        call.reject(rejection(work, "held", "not tried, since a landing was refused", "") for work in rest)
        return False
    left = _settle_waiting(project, call, waiting)
    return left or len(looked) > len(joint)


def _driven(project: Project, carrier: Carrier, joint: Sequence[Looked], ready: Readiness) -> Ended:
    integration = project.policy.integration
    ids = {one.work.id for one in joint}
    members = [
        Member(id=one.work.id, depends=ready.depends.get(one.work.id, frozenset()) & ids, opaque=one.opaque)
        for one in joint
    ]
    limits = Limits(flaky_cap=integration.flaky_cap, known_flaky=frozenset(integration.known_flaky))
    course = Round(members, limits).course()
    steps = next(course)
    while True:
        try:
            steps = course.send(carrier.carry_out(steps))
        except StopIteration as stop:
            ended: Ended = stop.value
            return ended


def _settle_waiting(
    project: Project, call: _Call, waiting: Sequence[Waiting], *, as_if: set[str] | None = None
) -> bool:
    """Those whose rivals landed are told so; whether somebody is left whose rivals did not."""
    landed = {done.agent for done in (*call.landed, *call.staged)} | (as_if or set())
    left = False
    for one in waiting:
        rivals = tuple(rival for rival in one.rivals if rival in landed)
        if not rivals:
            left = True
            continue
        where = f", in {', '.join(one.paths[:5])}" if one.paths else ""
        reason = f"{one.work.branch.name} conflicts with agent {', '.join(rivals)}, which goes first{where}"
        remedy = f"When that has landed: merge {project.target.name} into {one.work.branch.name}, resolve the conflicts there, and push."
        call.reject([rejection(one.work, "conflict", reason, remedy, with_agents=rivals)])
    return left


def _give_up_racing(project: Project, call: _Call, ready: Readiness) -> None:
    words = f"{project.target.name} moved {ATTEMPTS} times while candidates were tested"
    remedy = "Nothing was changed; run the same command again when it is quieter."
    decided = call.decided
    call.reject(rejection(work, "moved", words, remedy) for work in ready.works if work.id not in decided)
    if not call.landed:
        call.refused = RaceError(words, remedy=remedy)


def _result(project: Project, call: _Call, options: IntegrateOptions, seconds: float) -> IntegrationResult:
    return IntegrationResult(
        branch=project.target.name,
        before=call.before,
        after=git.resolve(project.repo, project.target.ref) or project.target.head,
        runs=call.runs,
        landed=tuple(call.landed),
        staged=tuple(call.staged),
        already=tuple(call.already.values()),
        rejected=tuple(call.rejected.values()),
        flaky=tuple(call.flaky),
        notes=tuple(call.notes),
        seconds=seconds,
        dry_run=options.dry_run,
        would_test=call.would_test,
    )


def land_staged(
    project: Project, wanted: Sequence[str] | None, folder: Path, commit: ObjectId
) -> IntegrationResult:
    """Lands a candidate that another step tested and left in `folder`; runs no agents' code.

    `commit` travelled by another way than the folder: the candidate is rebuilt from git and must have that id. `wanted`
    are the agents that it has to be of, None for whomever. Raises UndeterminedError where it is another candidate, RaceError
    where the target or a head moved since.
    """
    started = time.monotonic()
    staged = read_staged(folder)
    ids = tuple(member.agent for member in staged.members)
    before = project.target.head
    if staged.commit != commit or (wanted is not None and set(wanted) != set(ids)):
        raise UndeterminedError(
            f"{folder} holds another candidate than the one named",
            reason=f"agent {', '.join(ids)}, commit {staged.commit}",
            remedy="Stage it again: `moa integrate … --stage DIR`.",
        )
    works = [Work(agent=agent, branch=branch) for agent, branch in map(project.agent, ids)]
    _require_unmoved(staged, before, works)
    require_thawed(project)
    with Quarantine.open(project.repo) as quarantine:
        chain = chain_of(project, quarantine, works, staged.allow)
        if chain.top != commit:
            raise UndeterminedError(
                "The candidate cannot be rebuilt as it was tested",
                reason=f"rebuilt {chain.top}, tested {commit}",
                remedy="Use the same version of moa and git in both steps, and stage it again.",
            )
        done = [
            landed_as(link.work, link.commit, member.tests, member.coverage, staged.allow)
            for link, member in zip(chain.links, staged.members, strict=True)
        ]
        notes = land(project, chain, done)
    return IntegrationResult(
        branch=project.target.name,
        before=before,
        after=git.resolve(project.repo, project.target.ref) or before,
        runs=0,
        landed=tuple(done),
        notes=tuple(notes),
        seconds=time.monotonic() - started,
    )


def _require_unmoved(staged: Staged, target: ObjectId, works: Sequence[Work]) -> None:
    moved = [
        f"agent {work.id} is at {work.branch.head[:10]} now, tested was {member.head[:10]}"
        for work, member in zip(works, staged.members, strict=True)
        if work.branch.head != member.head
    ]
    if staged.base != target:
        moved.append(f"the target is at {target[:10]} now, tested was on {staged.base[:10]}")
    if moved:
        raise RaceError(
            "The target or a branch moved since the candidate was tested",
            reason="; ".join(moved),
            remedy="Integrate again: nothing was changed.",
        )
