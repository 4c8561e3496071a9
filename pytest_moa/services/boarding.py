"""Who may go in now, and who of these together: what a plan, a train's gate and a landing all have to agree on. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.fleet import TRAIN
from pytest_moa.model.results import Landed, Rejected
from pytest_moa.rules.rejections import Refusal
from pytest_moa.services.allowing import trailers
from pytest_moa.services.asking import refused_heads, standing
from pytest_moa.services.chain import Work, chain_of, rejection
from pytest_moa.services.gather import Waiting, gather
from pytest_moa.services.look import Looked, LookOptions
from pytest_moa.services.project import Project
from pytest_moa.services.readiness import Readiness, readiness
from pytest_moa.services.words import frozen_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Boarding:
    """`alone` have something to gate, in the queue's order; `train` are those of them that may go in together.

    `top` is the joint candidate's commit, None without a train.
    """

    alone: tuple[Work, ...] = ()
    train: tuple[Looked, ...] = ()
    top: ObjectId | None = None
    waiting: tuple[Rejected, ...] = ()
    already: tuple[Landed, ...] = ()


def boarding(project: Project, wanted: Sequence[str] | None, options: LookOptions) -> Boarding:
    """Looks at everybody (or `wanted`), without running anything. Raises AgentError for an unknown id."""
    ready = admitted(project, wanted)
    refused = refused_heads(project)
    again = [work for work in ready.works if work.branch.head in refused]
    works = tuple(work for work in ready.works if work.branch.head not in refused)
    found = gather(project, replace(ready, works=works), options, run_old_tests=False)
    going = tuple(one for one in found.going if not project.policy.entry(one.work.id).command)
    train = going if len(going) > 1 else ()
    gated = {one.work.id for one in found.going}
    # Whoever conflicts with one that goes before may be the one that passes.
    gated |= {one.work.id for one in found.waiting if one.paths}
    return Boarding(
        alone=tuple(work for work in works if work.id in gated),
        train=train,
        top=_top(project, train, options) if train else None,
        waiting=(
            *ready.held,
            *(_refused(work, refused[work.branch.head][-1]) for work in again),
            *found.rejected,
            *(_behind(one) for one in found.waiting),
        ),
        already=ready.already,
    )


def admitted(project: Project, wanted: Sequence[str] | None) -> Readiness:
    """Who may go in by everybody's word; nobody while the target is frozen, and nobody under the train's own name."""
    stands = standing(project)
    ready = readiness(project, wanted, stands)
    held: list[Rejected] = []
    if stands.frozen is not None:
        words = frozen_words(project.target.name, stands.frozen)
        held += [rejection(work, "held", *words) for work in ready.works]
    else:
        reason = f"`{TRAIN}` is what the joint candidate is called, so that no agent can have it for its id"
        held += [
            rejection(work, "held", reason, "Rename its branch.") for work in ready.works if work.id == TRAIN
        ]
    names = {one.agent for one in held}
    works = tuple(work for work in ready.works if work.id not in names)
    return replace(ready, works=works, held=(*ready.held, *held))


def unmet(ready: Readiness, agent: str, before: Sequence[str] = ()) -> tuple[str, ...]:
    """The agents that have to land before this one and are not among `before`."""
    depends: Mapping[str, frozenset[str]] = ready.depends
    return tuple(sorted(depends.get(agent, frozenset()).difference(before)))


def _top(project: Project, train: Sequence[Looked], options: LookOptions) -> ObjectId:
    with Quarantine.open(project.repo) as quarantine:
        return chain_of(project, quarantine, [one.work for one in train], trailers(options.allow)).top


def _refused(work: Work, refusal: Refusal) -> Rejected:
    remedy = f"Mend the branch and push, or ask for it again: `moa ready {work.id}`."
    return rejection(work, "held", f"refused as {refusal.kind}: {refusal.reason}", remedy)


def _behind(one: Waiting) -> Rejected:
    rivals = ", ".join(one.rivals)
    if not one.paths:
        reason = f"it stands on agent {rivals}, which waits"
        return rejection(one.work, "held", reason, "Integrate these first.", with_agents=one.rivals)
    reason = f"conflicts with agent {rivals}, which goes first, in {', '.join(one.paths[:5])}"
    remedy = "It is gated all the same: where the others do not land, it may."
    return rejection(one.work, "conflict", reason, remedy, with_agents=one.rivals)
