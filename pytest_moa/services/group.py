"""`moa group`: a commit that somebody else's merge queue built of agents' heads and of others' work. Lands nothing.

The whole suite runs once on that very commit; every agent whose head is in it is judged from that run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property

from pytest_moa.errors import ConflictError, RefusedError
from pytest_moa.git import repository as git
from pytest_moa.git.changes import patch_between
from pytest_moa.git.history import first_parent_line
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import BranchRef, ObjectId
from pytest_moa.model.fleet import GROUP
from pytest_moa.model.results import EnvironmentFacts, GateResult, MemberVerdict
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.queue.lines import Changed, Patch, changes_at_top
from pytest_moa.services.chain import Chain, Link, Work
from pytest_moa.services.gate import GateOptions, finished, gate, threshold_of, undetermined
from pytest_moa.services.joint import JointOptions, run_joint
from pytest_moa.services.look import Looked, LookOptions, run_old
from pytest_moa.services.old_tests import planned
from pytest_moa.services.prepare import absent_tests
from pytest_moa.services.project import Project
from pytest_moa.services.review import judges_for, seen_by_rules
from pytest_moa.services.subject import subject_of
from pytest_moa.services.suite import run_suite, suite_verdict
from pytest_moa.services.train import TrainRun, examined_train, train_result
from pytest_moa.services.travelling import Circumstances
from pytest_moa.services.watch import Watch, require_undone
from pytest_moa.services.words import swept


@dataclass(frozen=True, kw_only=True)
class _Group(Chain):
    """A chain in which not every step is an agent's; `steps` are all its commits, the last one is what was built."""

    steps: tuple[ObjectId, ...] = field(default=())

    @property
    def top(self) -> ObjectId:
        return self.steps[-1]

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        repo = self.quarantine.repository
        ends = (self.base, *self.steps)
        return tuple(patch_between(repo, a, b) for a, b in zip(ends, self.steps, strict=False))

    @cached_property
    def changes(self) -> dict[str, dict[str, Changed]]:
        own = dict(zip(self.steps, changes_at_top(self.patches), strict=True))
        return {link.work.id: own[link.commit] for link in self.links}


def gate_group(project: Project, head: str, base: str, options: GateOptions) -> GateResult:
    """The verdict on the commit `head`, which stands on `base`. The policy is the target's, as ever.

    Raises RefusedError where the one does not stand on the other. What the code does is never raised: it is the verdict.
    """
    started = time.monotonic()
    top, bottom = _commit(project, head), _commit(project, base)
    if not git.is_ancestor(project.repo, bottom, top) or top == bottom:
        raise RefusedError(
            f"{head} does not stand on {base}",
            reason="a group is its base with something merged into it",
            remedy="Give the head_sha and the base_sha of the event merge_group.",
        )
    # Own code and changed tests are told by comparison with what the group stands on, which may not have landed yet.
    standing = replace(project, target=replace(project.target, head=bottom))
    require_undone(project)
    watch = Watch(project)
    removed = swept()
    with ExitStack() as opened:
        quarantine = opened.enter_context(Quarantine.open(project.repo))
        links = _links(project, bottom, top)
        steps = tuple(commit for commit, _ in first_parent_line(project.repo, bottom, top))
        chain = _Group(base=bottom, links=links, quarantine=quarantine, steps=steps)
        result = _judged(standing, opened, chain, options) if links else _nobodys(standing, chain, options)
        touched = watch.differences()
    result = finished(result, Circumstances(around=(*project.notes, *removed), touched=touched))
    return replace(result, seconds=time.monotonic() - started)


def _commit(project: Project, wanted: str) -> ObjectId:
    found = git.resolve(project.repo, wanted)
    if found is None:
        raise RefusedError(
            f"There is no commit {wanted!r} here",
            reason="it was not fetched, or it is no commit",
            remedy="Check out with fetch-depth: 0.",
        )
    return found


def _links(project: Project, base: ObjectId, top: ObjectId) -> tuple[Link, ...]:
    """The merges of the line whose second parent is an agent's head, or was one before the branch went on."""
    refs = [(agent, agent.branch) for agent in project.agents if agent.branch is not None]
    found: dict[str, Link] = {}
    for commit, parents in first_parent_line(project.repo, base, top):
        if len(parents) != 2:
            continue
        merged = parents[1]
        same = [(agent, ref) for agent, ref in refs if ref.head == merged]
        holding = same or [(a, ref) for a, ref in refs if git.is_ancestor(project.repo, merged, ref.head)]
        for agent, ref in holding[:1]:
            pinned = BranchRef(name=ref.name, ref=merged, head=merged)
            found[agent.id] = Link(work=Work(agent=agent, branch=pinned), commit=commit)
    return tuple(found.values())


def _judged(project: Project, opened: ExitStack, chain: _Group, options: GateOptions) -> GateResult:
    """Everybody's verdict from one run; of an agent whose tests a command runs, by a gate of its own."""
    foreign = [link for link in chain.links if project.policy.entry(link.work.id).command]
    ours = replace(chain, links=tuple(link for link in chain.links if link not in foreign))
    apart = [_by_itself(project, link, options) for link in foreign]
    if not ours.links:
        result = _nobodys(project, chain, options)
    else:
        looked = {link.work.id: _looked(project, opened, ours, link, options) for link in ours.links}
        asked = JointOptions(
            threshold=threshold_of(project, options.threshold)[0],
            python=options.python,
            probes=options.probes,
            tell=options.tell,
        )
        joint = run_joint(project, ours.quarantine, ours, looked, asked)
        ran = TrainRun(chain=ours, looked=looked)
        if joint.absent:
            agent, doubt = next(iter(joint.absent.items()))
            ran = replace(ran, unable=replace(doubt, reason=f"agent {agent}: {doubt.reason}"))
        elif joint.unable is not None:
            ran = replace(ran, unable=joint.unable)
        else:
            ran = examined_train(ours.quarantine, replace(ran, joint=joint))
        result = train_result(project, ran, threshold_of(project, options.threshold)[1])
    return _named(_with(result, apart), chain)


def _looked(project: Project, opened: ExitStack, chain: _Group, link: Link, options: GateOptions) -> Looked:
    """What the rules say of a merge as the queue built it, and the target's versions of the tests that it changes."""
    quarantine, work = chain.quarantine, link.work
    before = (chain.base, *chain.steps)[chain.steps.index(link.commit)]
    changed = git.changed_paths(quarantine.repository, before, link.commit)
    subject = subject_of(project, quarantine, work.id, before, link.commit)
    absent = absent_tests(project, subject)
    looked = Looked(
        work=work,
        candidate=link.commit,
        seen=seen_by_rules(project, quarantine, work.id, before, link.commit),
        judges=judges_for(project, quarantine, work.id, link.commit, options.allow),
        paths=frozenset(path for change in changed for path in (change.path, change.old_path) if path),
        doubts=(absent,) if absent is not None else (),
        old_tests=planned(project, quarantine, subject) is not None,
    )
    if not looked.old_tests:
        return looked
    asked = LookOptions(allow=options.allow, python=options.python, tell=options.tell)
    try:
        return run_old(project, opened.enter_context(Quarantine.open(project.repo)), looked, asked).looked
    except ConflictError as error:
        doubt = Doubt(
            reason=f"the target's versions of its tests could not be run: {error}",
            remedy="Gate it by itself once what stands before it has landed.",
        )
        return replace(looked, doubts=(*looked.doubts, doubt), old_tests=False)


def _by_itself(project: Project, link: Link, options: GateOptions) -> MemberVerdict:
    found = gate(project, link.work.id, replace(options, head=link.work.branch.head, evidence=None))
    return MemberVerdict(
        agent=link.work.id,
        branch=link.work.branch.name,
        head=link.work.branch.head,
        verdict=found.verdict or "undetermined",
        coverage=found.coverage,
        findings=found.findings,
        probes=found.probes,
        reason=found.reason,
        remedy=found.remedy,
    )


def _with(result: GateResult, apart: Sequence[MemberVerdict]) -> GateResult:
    """The result with those judged by themselves: what one says against itself is said against the group."""
    result = replace(result, members=(*result.members, *apart))
    for member in apart:
        reason = f"agent {member.agent}: {member.reason}"
        if member.verdict == "failed":
            told = f"{result.reason}; {reason}" if result.reason else reason
            result = replace(result, verdict="failed", reason=told, remedy=member.remedy)
        elif member.verdict != "passed":
            result = undetermined(result, reason, member.remedy or "")
    return result


def _nobodys(project: Project, chain: _Group, options: GateOptions) -> GateResult:
    """The suite alone, where no agent's head is in the group (a queue that squashes hides them)."""
    subject = subject_of(project, chain.quarantine, GROUP, chain.base, chain.top)
    ran = run_suite(project, chain.quarantine, subject, python=options.python, tell=options.tell)
    blank = GateResult(
        agent=GROUP,
        name=GROUP,
        branch=project.target.name,
        verdict="undetermined",
        head=chain.top,
        target=chain.base,
        candidate=chain.top,
        environment=EnvironmentFacts(python=""),
    )
    if ran is None:
        return replace(
            blank, reason="no environment for the tests could be made", remedy="`moa bootstrap` checks it."
        )
    said = suite_verdict(ran)
    note = "No agent's head is in this group, so that the suite alone was asked."
    if said.kind is None:
        return replace(blank, verdict="passed", tests=said.tests, notes=(note,))
    return replace(
        blank,
        verdict="failed" if said.kind in {"red", "hang"} else "undetermined",
        tests=said.tests,
        failures=said.failures,
        reason=said.reason,
        remedy=said.remedy,
        notes=(note,),
    )


def _named(result: GateResult, chain: _Group) -> GateResult:
    """Of a group with one agent in it, that agent's; its figures are the group's."""
    named = replace(result, agent=GROUP, name=GROUP, head=chain.top, candidate=chain.top, target=chain.base)
    if len(chain.links) != 1 or len(result.members) != 1:
        return named
    work, member = chain.links[0].work, result.members[0]
    return replace(
        named,
        agent=work.id,
        name=work.agent.name,
        branch=work.branch.name,
        coverage=member.coverage,
        probes=member.probes,
    )
