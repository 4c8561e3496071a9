"""`moa land`: judges evidence folders again and lands what they prove: the train, else the first that passed alone.

Runs no agents' code.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_moa.errors import ConflictError, MoaError, RaceError, RefusedError, RepositoryError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.results import (
    Event,
    GateResult,
    IntegrationResult,
    Landed,
    MemberVerdict,
    Rejected,
    RejectionClass,
    TestCounts,
)
from pytest_moa.rules.rejections import FAULTS, TARGET_KEY
from pytest_moa.services.allowing import trailers
from pytest_moa.services.asking import refused_heads, require_thawed
from pytest_moa.services.boarding import admitted, unmet
from pytest_moa.services.chain import Chain, Work, chain_of, landed_as, rejection
from pytest_moa.services.evidence_places import Place, evidence_below
from pytest_moa.services.judge import Judged, JudgeOptions, judged_folder
from pytest_moa.services.landing import land, moved_heads
from pytest_moa.services.landings import history, place_of_head
from pytest_moa.services.project import Project, reread
from pytest_moa.services.queue_options import Deadline
from pytest_moa.services.readiness import Readiness
from pytest_moa.services.recording import record, rejected_event
from pytest_moa.services.recovery import recover
from pytest_moa.services.suite import is_due, suite_verdict
from pytest_moa.services.turn import turn
from pytest_moa.services.watch import require_undone
from pytest_moa.services.words import swept

_NEXT = "Nothing is wrong with the branch: the next `moa plan` takes it up again."
_AGAIN = "Gate it again: `moa plan` has a row for it."


@dataclass(kw_only=True)
class _Call:
    """What one call has come to so far. `refused` is why a landing that was tried was refused.

    `over`: the target moved, by us or by others, so that no evidence here is of it any more; or it may not move.
    """

    project: Project
    ready: Readiness
    options: JudgeOptions
    landed: list[Landed] = field(default_factory=list)
    already: list[Landed] = field(default_factory=list)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    refused: MoaError | None = None
    over: bool = False

    def reject(self, one: Rejected) -> None:
        self.rejected.setdefault(one.agent, one)

    def note(self, notes: Iterable[str]) -> None:
        self.notes.update(dict.fromkeys(notes))

    def work(self, agent: str) -> Work | None:
        return next((work for work in self.ready.works if work.id == agent), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What an agent's evidence comes to: `kind` is None where it passed and may land alone."""

    kind: RejectionClass | None
    result: GateResult
    reason: str = ""
    remedy: str = ""
    tests: TestCounts = field(default_factory=TestCounts)


def land_evidence(project: Project, places: Sequence[Path], options: JudgeOptions) -> IntegrationResult:
    """Lands from the evidence below these folders. Evidence lets nothing in that git, the policy and the ledger hold back.

    Raises UsageError and RefusedError for folders that cannot be taken, RaceError where the target moved before the first
    landing, RefusedError and RepositoryError where nothing may land. What evidence says is never raised: it is a rejection.
    """
    started = time.monotonic()
    found = evidence_below(project, places)
    removed = swept()
    with turn(project, Deadline(None), options.tell) as waited:
        project = reread(project) if waited else project
        require_undone(project)
        notes = [*project.notes, *removed, *recover(project)]
        call = _Call(project=project, ready=admitted(project, None), options=options)
        call.note(notes)
        if not found:
            call.note(["There is no evidence below the folders that were named."])
        _land(call, found)
        call.note(_tell_faults(call))
    if call.refused is not None and not call.landed:
        raise call.refused
    return IntegrationResult(
        branch=project.target.name,
        before=project.target.head,
        after=git.resolve(project.repo, project.target.ref) or project.target.head,
        runs=0,
        landed=tuple(call.landed),
        already=tuple(call.already),
        rejected=tuple(call.rejected.values()),
        notes=tuple(call.notes),
        seconds=time.monotonic() - started,
    )


def _land(call: _Call, found: Sequence[Place]) -> None:
    by_agent: dict[str, list[Place]] = {}
    for place in found:
        by_agent.setdefault(place.agent, []).append(place)
    trains = [judged_folder(call.project, place.folder, call.options) for place in by_agent.pop(TRAIN, [])]
    by_agent = _still_to_land(call, by_agent, trains)
    _land_train(call, trains)
    landed = {done.agent for done in (*call.landed, *call.already)}
    left = {agent: places for agent, places in by_agent.items() if agent not in landed}
    proofs = {agent: _proof(call, agent, places) for agent, places in left.items()}
    _tell_unready(call, proofs)
    if not call.over:
        _land_first(call, proofs)
    _tell_rest(call, proofs, trains)


def _still_to_land(
    call: _Call, by_agent: dict[str, list[Place]], trains: Sequence[Judged]
) -> dict[str, list[Place]]:
    """Without whoever has landed, whose evidence need not be looked at any more."""
    named = {*by_agent, *(agent for train in trains for agent, _ in _heads(train))}
    call.already += [done for done in call.ready.already if done.agent in named]
    landed = {done.agent for done in call.already}
    return {agent: places for agent, places in by_agent.items() if agent not in landed}


def _land_train(call: _Call, trains: Sequence[Judged]) -> None:
    if not trains:
        return
    train = trains[0]
    why = _against_train(call, trains)
    if why is None and train.train is not None:
        figures = {member.agent: member for member in train.result.members}
        works = [link.work for link in train.train.chain.links]
        why = _try(call, works, train.result, figures)
    if why is not None:
        call.note([f"The train was not landed: {why}"])


def _against_train(call: _Call, trains: Sequence[Judged]) -> str | None:
    """Why the train does not land; None where nothing stands against it."""
    first = trains[0]
    if any(not _agree(first, other) for other in trains[1:]):
        return "two folders tell of it, and not the same"
    if first.result.verdict != "passed" or first.train is None:
        return first.result.reason or "it did not pass"
    before: list[str] = []
    for link in first.train.chain.links:
        work = call.work(link.work.id)
        if work is None or work.branch.head != link.work.branch.head:
            held = next((one.reason for one in call.ready.held if one.agent == link.work.id), "")
            return f"agent {link.work.id} may not go in" + (f": {held}" if held else "")
        if missing := unmet(call.ready, work.id, before):
            return f"agent {work.id} depends on {', '.join(missing)}, which did not land"
        before.append(work.id)
    return None


def _proof(call: _Call, agent: str, places: Sequence[Place]) -> _Proof:
    judged = [judged_folder(call.project, place.folder, call.options) for place in places]
    first = judged[0]
    # The name of the folder is nobody's word: what was judged has to be of the agent that it was taken for.
    if any(one.manifest is not None and one.manifest.agent != agent for one in judged):
        return _Proof(
            kind="undetermined",
            result=first.result,
            reason="the evidence changed while it was read",
            remedy=_AGAIN,
        )
    if any(not _agree(first, other) for other in judged[1:]):
        return _Proof(
            kind="undetermined",
            result=first.result,
            reason=f"{len(judged)} folders tell of it, and not the same",
            remedy="Look at who wrote them; gate it again.",
        )
    return _of_one(call.project, first)


def _agree(one: Judged, other: Judged) -> bool:
    return _gist(one) == _gist(other)


def _gist(judged: Judged) -> tuple[object, ...]:
    found = judged.result
    whole = suite_verdict(judged.suite).kind if judged.suite is not None else None
    return found.agent, found.verdict, found.head, found.target, found.candidate, judged.stale, whole


def _of_one(project: Project, judged: Judged) -> _Proof:
    result = judged.result
    reason, remedy = result.reason or "it did not pass", result.remedy or ""
    proof = _Proof(kind=_kind(judged), result=result, reason=reason, remedy=remedy, tests=result.tests)
    if proof.kind is not None or judged.subject is None:
        return proof
    if not is_due(project, judged.subject):
        return proof
    if judged.suite is None:
        return replace(
            proof, kind="undetermined", reason="the whole suite was not run on its candidate", remedy=_AGAIN
        )
    said = suite_verdict(judged.suite)
    if said.kind is None:
        return replace(proof, tests=said.tests)
    return replace(
        proof,
        kind=said.kind,
        reason=said.reason,
        remedy=said.remedy,
        tests=said.tests,
        result=replace(result, failures=said.failures),
    )


def _kind(judged: Judged) -> RejectionClass | None:
    """The class of what does not pass by itself; None for what passed."""
    result, found = judged.result, judged.examination
    if judged.stale:
        return "moved"
    if result.conflicts:
        return "conflict"
    if found is not None and found.evidence.end.timed_out and result.verdict != "passed":
        return "hang"
    if result.verdict != "failed":
        return None if result.verdict == "passed" else "undetermined"
    return _kind_of_failure(result)


def _kind_of_failure(found: GateResult | MemberVerdict) -> RejectionClass:
    if any(finding.severity == "block" for finding in found.findings):
        return "integrity"
    if isinstance(found, GateResult) and found.failures:
        return "red"
    return "coverage" if found.coverage is not None and not found.coverage.enough else "undetermined"


def _tell_unready(call: _Call, proofs: dict[str, _Proof]) -> None:
    """Whoever may not go in is told why, whatever the evidence says."""
    for agent in [agent for agent in proofs if call.work(agent) is None]:
        proof = proofs.pop(agent)
        held = next((one for one in call.ready.held if one.agent == agent), None)
        reason = proof.reason or "there is no such agent, or nothing of it to land"
        call.reject(
            held
            or Rejected(
                agent=agent,
                name=agent,
                head=proof.result.head,
                kind="moved" if proof.kind == "moved" else "undetermined",
                reason=reason,
                remedy=proof.remedy,
            )
        )


def _land_first(call: _Call, proofs: dict[str, _Proof]) -> None:
    """The first in the queue's order that passed alone, and needs nobody to land before it."""
    for work in call.ready.works:
        proof = proofs.get(work.id)
        if proof is None or proof.kind is not None or unmet(call.ready, work.id):
            continue
        figures = {work.id: proof.result}
        why = _try(call, [work], proof.result, figures, tests=proof.tests)
        if call.over:
            return
        call.reject(rejection(work, "moved", why or "", _NEXT))


def _try(
    call: _Call,
    works: Sequence[Work],
    result: GateResult,
    figures: dict[str, MemberVerdict] | dict[str, GateResult],
    *,
    tests: TestCounts | None = None,
) -> str | None:
    """Lands these works as the very commit that was judged; a sentence where that did not come about."""
    project, allow = call.project, trailers(call.options.allow)
    call.options.tell.step(f"Landing {str(result.candidate)[:10]} on {project.target.name}")
    with Quarantine.open(project.repo) as quarantine:
        try:
            chain = chain_of(project, quarantine, works, allow)
        except ConflictError as error:
            return str(error)
        if (why := _why_not(project, chain, works, result)) is not None:
            return why
        done = [
            landed_as(link.work, link.commit, tests or result.tests, figures[link.work.id].coverage, allow)
            for link in chain.links
        ]
        try:
            require_thawed(project)
            call.note(land(project, chain, done))
        except (RaceError, RefusedError, RepositoryError) as error:
            call.over = True
            if isinstance(error, RaceError) and _landed_by_others(call, works):
                return None
            call.refused = error
            return str(error)
    call.landed += done
    call.over = True
    return None


def _why_not(project: Project, chain: Chain, works: Sequence[Work], result: GateResult) -> str | None:
    """Why what was built here is not what was judged, or is not what the branches hold any more."""
    if chain.top != result.candidate:
        return f"it is built as {chain.top[:10]} here, and {str(result.candidate)[:10]} was tested"
    if moved := moved_heads(project, works):
        return f"the branch of agent {', '.join(moved)} moved while the evidence was judged"
    return None


def _landed_by_others(call: _Call, works: Sequence[Work]) -> bool:
    """Whether another run landed the very same heads meanwhile."""
    fresh = reread(call.project)
    known = history(fresh)
    places = [place_of_head(fresh, work.branch.head, known) for work in works]
    if any(place != "landed" for place, _ in places):
        return False
    call.already += [
        landed_as(work, commit or work.branch.head) for work, (_, commit) in zip(works, places, strict=True)
    ]
    return True


def _tell_rest(call: _Call, proofs: dict[str, _Proof], trains: Sequence[Judged]) -> None:
    """Those whose evidence failed are told so; those that passed wait for the next plan, and are not blamed."""
    landed = {done.agent for done in (*call.landed, *call.already)}
    gone = ", ".join(done.agent for done in call.landed)
    for agent, proof in proofs.items():
        work = call.work(agent)
        if work is None or agent in landed:
            continue
        if proof.kind is not None:
            call.reject(_rejected(work, proof))
            continue
        missing = unmet(call.ready, agent)
        reason = (
            f"agent {agent} depends on {', '.join(missing)}, not landed yet"
            if missing
            else f"its evidence is of {call.project.target.name} before agent {gone} landed"
            if gone
            else str(call.refused or "it was not landed")
        )
        call.reject(rejection(work, "held", reason, _NEXT, with_agents=missing))
    for train in trains[:1]:
        _tell_members(call, train, landed)


def _tell_members(call: _Call, train: Judged, landed: set[str]) -> None:
    """Members of a train that did not land, and of whom no other evidence tells."""
    verdicts = {member.agent: member for member in train.result.members}
    for agent, head in _heads(train):
        work, said = call.work(agent), verdicts.get(agent)
        if agent in landed or agent in call.rejected:
            continue
        if work is None:
            for held in (one for one in call.ready.held if one.agent == agent):
                call.reject(held)
            continue
        if train.stale or work.branch.head != head:
            call.reject(rejection(work, "moved", train.result.reason or "it moved", _NEXT))
        elif said is not None and said.verdict == "failed" and said.reason:
            kind = _kind_of_failure(said)
            call.reject(rejection(work, kind, said.reason, said.remedy or "", findings=said.findings))
        else:
            reason = f"the train that it was on was not landed: {train.result.reason or call.refused or 'see the notes'}"
            call.reject(rejection(work, "held", reason, _NEXT))


def _heads(train: Judged) -> list[tuple[str, ObjectId]]:
    manifest = train.manifest
    return [] if manifest is None else [(member.agent, member.head) for member in manifest.members]


def _rejected(work: Work, proof: _Proof) -> Rejected:
    result, kind = proof.result, proof.kind or "undetermined"
    blamed = kind in {"red", "hang", "flaky", "target"}
    return replace(
        rejection(work, kind, proof.reason, proof.remedy, findings=result.findings),
        tests=tuple(dict.fromkeys(failure.id for failure in result.failures)) if blamed else (),
        failures=result.failures,
        counts=proof.tests,
    )


def _tell_faults(call: _Call) -> list[str]:
    """Faults go to the ledger, where the next plan finds them; what is told there already is not told again."""
    project = call.project
    told = refused_heads(project)
    events: list[Event] = []
    for one in call.rejected.values():
        known = {refusal.kind for refusal in told.get(one.head or "", ())}
        if one.kind in FAULTS and one.head is not None and one.kind not in known:
            event = rejected_event(project, one)
            events.append(replace(event, data={**event.data, TARGET_KEY: project.target.name}))
    if events:
        return record(project, events)
    return _shared(project)


def _shared(project: Project) -> list[str]:
    """A fault that was told here and not pushed goes along now."""
    if project.remote is None:
        return []
    try:
        ledger.share(project.repo, project.remote)
    except MoaError as error:
        return [
            f"The ledger could not be shared ({error.reason or error.message}); the next run tries again."
        ]
    return []
