"""Failing tests once more: on the candidate, with a coverage context each, for evidence; and on the target alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Failure
from pytest_moa.rules.gate import Doubt, failures, incomplete
from pytest_moa.rules.integrity.kit import is_test_path
from pytest_moa.rules.queue.steps import SeenAgain, SeenOnTarget
from pytest_moa.rules.queue.suspects import (
    Part,
    Seen,
    author_of,
    in_the_way,
    leaves_state,
    loose_names,
    owners_of,
    stands,
    suspects_of,
    touched_by,
)
from pytest_moa.rules.selection import suite_arguments
from pytest_moa.services.chain import Chain
from pytest_moa.services.joint import Joint, JointOptions
from pytest_moa.services.prepare import prepared, request_for
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Ground, Subject, ground_of, text_of
from pytest_moa.testing.per_test import lines_by_test, places_in
from pytest_moa.testing.run import run_child

MOST = 200
"""So many failing ids are run again; where more fail, these tell enough."""


Places = Mapping[str, frozenset[int]]
"""Path to lines of the candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RanAgain:
    """What the ids did, and what they left for a later judgement. `places`: by test and member the changed lines it ran."""

    seen: SeenAgain
    evidence: Evidence
    places: Mapping[str, Mapping[str, Places]] = field(default_factory=dict)


def run_again(
    project: Project,
    joint: Joint,
    told: Mapping[str, Failure],
    target: ObjectId,
    options: JointOptions,
) -> RanAgain:
    """Runs the ids of `told` once more on a run's tree. `target` is the commit on which they may stand."""
    chain = joint.chain
    quarantine = chain.quarantine
    subjects = [case.subject for case in joint.cases.values()]
    subject = subjects[0]
    ids = tuple(told)[:MOST]
    if subject.foreign is not None:  # what its command runs cannot be run one by one
        alone = dict.fromkeys(told, (subject.agent,))
        return RanAgain(seen=SeenAgain(still=tuple(told), suspects=alone, runs=0), evidence=Evidence())
    ready = prepared(project, quarantine, chain.top, subject.settings.get, options.python)
    if isinstance(ready, Doubt):
        return RanAgain(seen=SeenAgain(still=tuple(told), runs=0), evidence=Evidence())
    options.tell.step(f"Running what failed once more, by itself ({len(ids)})")
    request = request_for(
        project,
        quarantine,
        ready,
        subjects,
        tests=files_of(project, subject.tree, ids),
        groups=(),
        slot=options.slot,
        name="again",
    )
    request = replace(request, only=ids, each=True, keep_going=True, source_dirs=(project.prefix or ".",))
    evidence = run_child(request, progress=options.tell.tick, cancelled=options.cancelled)
    still = [i for i in told if i not in ids or not passed_now(i, evidence)]
    work = str(ready.work.resolve())
    lines = lines_by_test(request, work=work)
    prefix = project.prefix
    messages = {prefix + i: _message(i, told, evidence) for i in ids}
    seen = Seen(
        ran={prefix + i: found for i, found in lines.tests.items()},
        shared=lines.shared,
        imported=lines.imported,
        places={i: _places(message, work, prefix) for i, message in messages.items()},
        messages=messages,
    )
    parts, texts = _parts(chain)
    on_target = git.read_blobs(project.repo, target, sorted({(prefix + i).split("::", 1)[0] for i in ids}))
    standing = {i for i in ids if stands(prefix + i, _text(on_target, (prefix + i).split("::", 1)[0]))}
    authors = {i: author_of(prefix + i, seen, parts, texts) for i in ids if i not in standing}
    suspects = {i: suspects_of(prefix + i, seen, parts, texts) for i in ids}
    for test, other in ((i, in_the_way(told[i].message)) for i in ids):
        if other is not None:
            still = [*still, *(() if test in still else (test,))]
            own = (authors[test],) if authors.get(test) is not None else ()
            suspects[test] = tuple(dict.fromkeys([*own, *owners_of(other, parts)]))
    return RanAgain(
        seen=SeenAgain(
            still=tuple(still),
            suspects=suspects,
            standing=frozenset(standing),
            authors={i: author for i, author in authors.items() if author is not None},
            leaving=_leaving(joint.evidence, prefix, [i for i in ids if i not in still], parts, texts),
        ),
        evidence=evidence,
        places={
            i: {member: touched_by(prefix + i, seen, part) for member, part in parts.items()} for i in ids
        },
    )


def _leaving(
    ran: Evidence, prefix: str, ids: Sequence[str], parts: Mapping[str, Part], texts: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """For each of these the members whose tests ran before it in the whole run and seem to change what outlives them."""
    stateful = {p for p, text in texts.items() if is_test_path(p) and leaves_state(text)}
    found = {}
    for test in ids if stateful else ():
        # A conftest.py has no tests of its own; what it does is done when its first test runs.
        before = {p for p in stateful if p.endswith("/conftest.py") or p == "conftest.py"}
        for outcome in ran.outcomes:
            if outcome.id == test:
                break
            before.add(prefix + outcome.id.split("::", 1)[0])
        names = (before & stateful) - {prefix + test.split("::", 1)[0]}
        found[test] = tuple(m for m, part in parts.items() if not names.isdisjoint(part.changes))
    return found


def run_on_target(
    project: Project, quarantine: Quarantine, ids: Sequence[str], options: JointOptions
) -> SeenOnTarget:
    """Runs these ids on the target alone; without ids the whole suite, to see whether anything can be run there."""
    head = project.target.head
    ground = ground_of(project, quarantine, head, head)
    subject = _nobody(ground)
    ready = prepared(project, quarantine, head, ground.settings.get, options.python)
    if isinstance(ready, Doubt):
        return SeenOnTarget(able=False, runs=0)
    options.tell.step(f"Running what failed on {project.target.name} alone")
    suite = suite_arguments(project.policy.integration.suite, ground.pytest.testpaths, ())
    tests = files_of(project, ground.tree, ids) if ids else suite
    request = request_for(project, quarantine, ready, [subject], tests=tests, groups=(), slot=options.slot)
    request = replace(request, only=tuple(ids) or None, keep_going=True)
    evidence = run_child(request, progress=options.tell.tick, cancelled=options.cancelled)
    red = tuple(dict.fromkeys(f.id for f in failures(evidence)))
    if not ids:
        return SeenOnTarget(red=red, able=bool(red) or not incomplete(evidence))
    hung = evidence.end.timed_out or evidence.end.signal is not None
    stuck = (evidence.running,) if hung and evidence.running else ()
    return SeenOnTarget(red=tuple(i for i in ids if i in {*red, *stuck}))


def _nobody(ground: Ground) -> Subject:
    return Subject(
        agent="",
        base=ground.base,
        candidate=ground.candidate,
        own={},
        tests=(),
        tree=ground.tree,
        pytest=ground.pytest,
        coverage=ground.coverage,
        settings=ground.settings,
    )


def passed_now(test: str, evidence: Evidence) -> bool:
    """Whether a test, or every test of a file that could not be collected, passed this time."""
    if any(f.id == test for f in failures(evidence)) or evidence.running == test:
        return False
    return any(o.id == test or o.id.startswith(test + "::") for o in evidence.outcomes)


def _message(test: str, told: Mapping[str, Failure], evidence: Evidence) -> str:
    again = next((f.message for f in failures(evidence) if f.id == test), "")
    stacks = evidence.end.output if evidence.end.timed_out and evidence.running == test else ""
    return "\n".join(text for text in (told[test].message, again, stacks) if text)


def _places(message: str, work: str, prefix: str) -> Mapping[str, frozenset[int]]:
    """Where a failure's message says that it broke. The recorder leaves the throwaway folder's name out of it."""
    return places_in(message, work, folder=prefix)


def files_of(project: Project, tree: frozenset[str], ids: Sequence[str]) -> tuple[str, ...]:
    """The files of these ids, as arguments; where one is not found below the project's folder, the settings decide."""
    files = dict.fromkeys(i.split("::", 1)[0] for i in ids)
    return tuple(files) if all(project.prefix + file in tree for file in files) else ()


def _parts(chain: Chain) -> tuple[dict[str, Part], dict[str, str]]:
    """What each member changed, as suspicion reads it, and the changed Python files of the top."""
    repo = chain.quarantine.repository
    changes = chain.changes
    changed = sorted({path for of_agent in changes.values() for path in of_agent if path.endswith(".py")})
    texts = {path: text_of(data) for path, data in git.read_blobs(repo, chain.top, changed).items()}
    parts = {}
    at = chain.base
    for link, patch in zip(chain.links, chain.patches, strict=True):
        agent = link.work.id
        paths = sorted(path for path in patch.paths if path.endswith(".py"))
        before, after = (git.read_blobs(repo, commit, paths) for commit in (at, link.commit))
        names: frozenset[str] = frozenset()
        for path in paths:
            names |= loose_names(_text(before, path), _text(after, path), changes[agent].get(path))
        names |= {path.removesuffix(".py").rsplit("/", 1)[-1] for path in patch.gone if path.endswith(".py")}
        parts[agent] = Part(changes=changes[agent], names=names)
        at = link.commit
    return parts, texts


def _text(blobs: Mapping[str, bytes], path: str) -> str | None:
    return text_of(blobs[path]) if path in blobs else None
