"""Runs the target's versions of changed tests against the branch's source, in work trees of their own.

What is run and what follows from it is `rules.old_tests`' business; what is here runs, and reads git.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from pytest_moa.git import blobs
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Finding
from pytest_moa.rules import own_code
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.integrity.kit import Side
from pytest_moa.rules.integrity.tests_model import Patterns
from pytest_moa.rules.old_tests import NAME, OldTests, Trees, findings, plan
from pytest_moa.rules.old_tests.judging import broken_start, left_after, needs_baseline, suspects
from pytest_moa.services.environment import Interpreter
from pytest_moa.services.generated import write_version_files
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject, source_roots
from pytest_moa.services.telling import Telling
from pytest_moa.testing.made_environment import prepare_tree
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.run import run_child

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that the plan still reads."""

# Old files that cannot be imported must not keep the others from running, nor the first failure.
_ALL_OF_THEM = ("--continue-on-collection-errors", "--maxfail=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTestsRun:
    """What the runs left: the old tests on the branch's source, the suspects once more, the rest of them on the target.

    `again` and `baseline` are None where nothing made them necessary.
    """

    evidence: Evidence
    again: Evidence | None = None
    baseline: Evidence | None = None

    @property
    def runs(self) -> int:
        """How many children ran tests."""
        return sum(run is not None for run in (self.evidence, self.again, self.baseline))


@dataclass(frozen=True, slots=True)
class OldTestsOptions:
    """`slot` is MOA_SLOT."""

    slot: int = 0
    tell: Telling = field(default_factory=Telling)


def run_old_tests(
    project: Project,
    quarantine: Quarantine,
    subject: Subject,
    interpreter: Interpreter,
    options: OldTestsOptions,
) -> OldTestsRun | None:
    """None where the branch touched nothing that the target's tests consist of, or the policy has the rule off.

    Nothing is raised for what the branch does. Raises UndeterminedError where `environment.prepare` fails.
    """
    wanted = planned(project, quarantine, subject)
    if wanted is None:
        return None
    options.tell.step("Running the target's versions of the changed tests on the branch's source")
    place = Place(project, quarantine, subject, interpreter, options)
    tree = place.tree(subject.candidate, "old")
    quarantine.restore(tree.work, subject.base, [project.prefix + path for path in wanted.overlay])
    tree = replace(with_settings(tree, wanted.settings), redirects=asdict(wanted.redirects))
    evidence = place.run(tree, "old-run", wanted.arguments)
    if broken_start(wanted, evidence) is not None or needs_baseline(evidence):
        return OldTestsRun(evidence=evidence, baseline=_on_target(place, wanted.arguments))
    asked = suspects(wanted, evidence)
    if not asked:
        return OldTestsRun(evidence=evidence)
    again = place.run(tree, "old-again", [suspect.argument for suspect in asked])
    left = left_after(asked, wanted, again)
    baseline = _on_target(place, [suspect.argument for suspect in left]) if left else None
    return OldTestsRun(evidence=evidence, again=again, baseline=baseline)


def old_tests_findings(
    project: Project, quarantine: Quarantine, subject: Subject, ran: OldTestsRun | None
) -> tuple[list[Finding], list[Doubt]]:
    """What the runs say, the plan made anew from git: evidence that lacks them where they are due is a doubt."""
    wanted = planned(project, quarantine, subject)
    if wanted is None:
        return [], []
    if ran is None:
        remedy = "Run the gate again: the evidence was made by another version, or is not whole."
        return [], [Doubt(reason="the target's versions of the changed tests were not run", remedy=remedy)]
    found, doubts = findings(wanted, ran.evidence, ran.again, ran.baseline)
    return [replace(f, path=project.prefix + f.path) for f in found], doubts


def planned(project: Project, quarantine: Quarantine, subject: Subject) -> OldTests | None:
    """The plan for a candidate; None where there is nothing to run, or the policy has the rule off."""
    if project.policy.integrity.severity.get(NAME) == "off":
        return None
    with trees_of(project, quarantine, subject) as trees:
        return plan(trees)


@contextmanager
def trees_of(project: Project, quarantine: Quarantine, subject: Subject) -> Iterator[Trees]:
    """Both sides as the plan reads them, below the working directory; files are read while the block lasts."""
    repo, prefix = quarantine.repository, project.prefix
    sides: dict[Side, dict[str, blobs.Entry]] = {
        "base": _below(blobs.entries(repo, subject.base), prefix),
        "head": _below(blobs.entries(repo, subject.candidate), prefix),
    }
    known: dict[tuple[str, Side], str | None] = {}
    with blobs.reader(repo) as reader:

        def read(path: str, side: Side) -> str | None:
            if (path, side) not in known:
                entry = sides[side].get(path)
                readable = entry is not None and entry.size <= LARGEST
                known[path, side] = (
                    reader.read(entry.object).decode("utf-8", "surrogateescape")
                    if entry is not None and readable
                    else None
                )
            return known[path, side]

        yield Trees(
            base={path: entry.mode + entry.object for path, entry in sides["base"].items()},
            head={path: entry.mode + entry.object for path, entry in sides["head"].items()},
            read=read,
            patterns=_patterns(subject),
            named=tuple({*subject.tests, *(t for e in project.policy.registry for t in e.tests)}),
        )


def _below(entries: dict[str, blobs.Entry], prefix: str) -> dict[str, blobs.Entry]:
    return {
        path.removeprefix(prefix): entry
        for path, entry in entries.items()
        if path.startswith(prefix) and entry.mode != blobs.SUBMODULE
    }


def _patterns(subject: Subject) -> Patterns:
    said = subject.pytest
    return Patterns(
        files=said.python_files,
        classes=said.python_classes,
        functions=said.python_functions,
        testpaths=said.testpaths,
        norecurse=said.norecursedirs,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what the runs of one candidate happen."""

    project: Project
    quarantine: Quarantine
    subject: Subject
    interpreter: Interpreter
    options: OldTestsOptions

    def tree(self, commit: ObjectId, name: str) -> ChildRequest:
        """A work tree of its own of a commit, as a request to which only the tests are missing."""
        project, subject = self.project, self.subject
        work = self.quarantine.checkout(commit, name)
        folder = work / project.prefix if project.prefix else work
        write_version_files(work, folder, subject.settings.get)
        policy = project.policy
        if policy.environment.prepare:
            prepare_tree(
                policy.environment.prepare,
                project=folder,
                timeout=policy.environment.timeout,
                environ=project.environ,
                python=self.interpreter.python,
                keep=policy.environment.keep,
                drop=policy.environment.drop,
            )
        tree = frozenset(blobs.entries(self.quarantine.repository, commit))
        own = [path for path in subject.own if path in tree]
        roots = (*source_roots(own, tree, project.prefix), *self._python_path())
        return ChildRequest(
            python=self.interpreter.python,
            work=work,
            project=folder,
            run_dir=self.quarantine.make_folder(f"{name}-run"),
            source_roots=tuple(dict.fromkeys(roots)),
            elsewhere=(project.root,),
            own_modules=tuple((own_code.module_name(path, tree), path) for path in own),
            timeout=float(policy.agents.timeout),
            slot=self.options.slot,
            keep=policy.environment.keep,
            drop=policy.environment.drop,
            environ=project.environ,
            extra_args=_ALL_OF_THEM,
        )

    def run(self, tree: ChildRequest, name: str, tests: Sequence[str]) -> Evidence:
        request = replace(tree, run_dir=self.quarantine.make_folder(name), tests=tuple(tests))
        return run_child(request, progress=self.options.tell.tick)

    def _python_path(self) -> list[str]:
        """Folders that the target's own settings put on the path: its tests need them where the branch's say otherwise."""
        folders = (
            self.project.prefix + name.removeprefix("./").rstrip("/")
            for name in self.subject.pytest.pythonpath
        )
        return [folder for folder in folders if folder.strip("/.") and ".." not in folder]


def with_settings(tree: ChildRequest, settings: Sequence[str]) -> ChildRequest:
    """The same with pytest's settings as these `key=value` words have them."""
    said = [word for setting in settings for word in ("-o", setting)]
    return replace(tree, extra_args=(*tree.extra_args, *said))


def _on_target(place: Place, tests: Sequence[str]) -> Evidence:
    place.options.tell.step("Running what failed there on the target alone")
    return place.run(place.tree(place.subject.base, "base"), "base-run", tests)
