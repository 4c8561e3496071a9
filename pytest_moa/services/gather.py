"""Who of the ready can be tried together: each looked at by itself, then chained, the earlier of two that conflict first."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pytest_moa.errors import ConflictError, RepositoryError
from pytest_moa.git.history import paths_of_merge
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.results import Finding, Rejected, RejectionClass
from pytest_moa.rules.gate import judge
from pytest_moa.services.allowing import trailers
from pytest_moa.services.chain import Work, link_on, rejection
from pytest_moa.services.landings import history
from pytest_moa.services.look import Looked, LookOptions, look, with_old_tests
from pytest_moa.services.project import Project
from pytest_moa.services.readiness import Readiness
from pytest_moa.services.words import conflict_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A work that conflicts with `rivals`, which go before it, in `paths`; without paths it stands on one that waits."""

    work: Work
    rivals: tuple[str, ...]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """`going` can be tried together, in their order. `runs` counts the children that ran old tests."""

    going: tuple[Looked, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    runs: int = 0


def gather(
    project: Project, ready: Readiness, options: LookOptions, *, run_old_tests: bool = True
) -> Gathered:
    """Looks at each of the ready, and chains those that nothing stands against. Without `run_old_tests` nothing is run."""
    looked: list[Looked] = []
    rejected: list[Rejected] = []
    with Quarantine.open(project.repo) as quarantine:
        for work in ready.works:
            try:
                looked.append(look(project, quarantine, work, options))
            except ConflictError as error:
                rejected.append(_conflict(project, work, error))
            except RepositoryError as error:
                # Something of it is missing here, which stops nobody else (law 8).
                rejected.append(rejection(work, "infrastructure", str(error), error.remedy or ""))
        if run_old_tests:
            looked = _with_old_tests(project, looked, options)
        refused = [_refused(one) for one in looked]
        rejected += [r for r in refused if r is not None]
        kept, held = _without_held([one for one, r in zip(looked, refused, strict=True) if r is None], ready)
        going, waiting = _chained(project, quarantine, kept, ready, trailers(options.allow))
    return Gathered(
        going=going,
        waiting=waiting,
        rejected=(*rejected, *held),
        runs=sum(one.runs for one in looked),
    )


def _with_old_tests(project: Project, looked: list[Looked], options: LookOptions) -> list[Looked]:
    """With the news of the target's versions of changed tests: several at once, each in a slot of its own."""
    wanted = [one for one in looked if one.old_tests and not one.blocked and not one.doubts]
    if not wanted:
        return looked
    slots = min(len(wanted), project.policy.agents.max_parallel_integrations)
    with ThreadPoolExecutor(slots) as pool:
        found = pool.map(
            lambda pair: with_old_tests(project, pair[1], options, slot=pair[0] % slots), enumerate(wanted)
        )
        by_id = {one.work.id: one for one in found}
    return [by_id.get(one.work.id, one) for one in looked]


def _refused(one: Looked) -> Rejected | None:
    """Why the rules, or what cannot be run, speak against it before its code runs beside the others'."""
    reviewed = one.reviewed
    judgement = judge(None, coverage=None, findings=reviewed.findings, doubts=one.doubts)
    if judgement.verdict == "passed":
        return None
    kind = kind_of_findings(reviewed.findings)
    return rejection(
        one.work, kind, judgement.reason or "", judgement.remedy or "", findings=reviewed.findings
    )


def kind_of_findings(findings: Sequence[Finding]) -> RejectionClass:
    """The class of a work that the rules block, or of which nothing can be said."""
    return "integrity" if any(f.severity == "block" for f in findings) else "undetermined"


def _without_held(kept: Sequence[Looked], ready: Readiness) -> tuple[list[Looked], list[Rejected]]:
    """Without those whose dependencies fell out already."""
    going = {one.work.id for one in kept}
    left: list[Looked] = []
    held: list[Rejected] = []
    for one in kept:
        missing = tuple(sorted(d for d in ready.depends.get(one.work.id, ()) if d not in going))
        if not missing:
            left.append(one)
            continue
        reason = f"agent {one.work.id} depends on {', '.join(missing)}, which did not land"
        held.append(rejection(one.work, "held", reason, "Integrate these first.", with_agents=missing))
        going.discard(one.work.id)
    return left, held


def _chained(
    project: Project, quarantine: Quarantine, kept: Sequence[Looked], ready: Readiness, allow: Sequence[str]
) -> tuple[tuple[Looked, ...], tuple[Waiting, ...]]:
    """Of two that conflict the earlier goes on. Those that stand on one that waits wait with it."""
    at = project.target.head
    going: list[Looked] = []
    waiting: list[Waiting] = []
    for one in kept:
        behind = tuple(w.work.id for w in waiting if w.work.id in ready.depends.get(one.work.id, ()))
        if behind:
            waiting.append(Waiting(work=one.work, rivals=behind))
            continue
        try:
            at = link_on(project, quarantine, one.work, at, allow)
            going.append(one)
        except ConflictError as error:
            rivals = _rivals(quarantine, one, going, error.paths)
            waiting.append(Waiting(work=one.work, rivals=rivals, paths=error.paths))
    return tuple(going), tuple(waiting)


def _rivals(
    quarantine: Quarantine, one: Looked, going: Sequence[Looked], paths: Sequence[str]
) -> tuple[str, ...]:
    """With whom of those before it a work conflicts: in pairs, or else whoever changed the same files."""
    merges = quarantine.merges([(other.candidate, one.candidate) for other in going])
    paired = tuple(o.work.id for o, merge in zip(going, merges, strict=True) if not merge.clean)
    return paired or tuple(o.work.id for o in going if o.paths.intersection(paths))


def _conflict(project: Project, work: Work, error: ConflictError) -> Rejected:
    reason, remedy = conflict_words(project, work.branch.name, work.branch.head, error.paths)
    others = tuple(agent for agent in _authors(project, error.paths) if agent != work.id)
    return rejection(work, "conflict", reason, remedy, with_agents=others)


def _authors(project: Project, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The agents whose landings changed these files, newest first."""
    found: dict[str, None] = {}
    for merged in history(project)[:50]:
        agents = merged.trailers.get("Moa-Agent", ())
        if agents and set(paths).intersection(paths_of_merge(project.repo, merged.commit)):
            found.update(dict.fromkeys(agents))
    return tuple(found)
