"""One run over a candidate: what to run, the run itself, and each agent's verdict from its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pytest_moa.errors import UndeterminedError
from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.model.results import CoverageFigure, EnvironmentFacts, TestCounts
from pytest_moa.rules import own_code as rules
from pytest_moa.rules.figures import coverage_figure
from pytest_moa.rules.gate import Doubt, Judgement, counts, judge
from pytest_moa.rules.selection import missing_tests, suite_arguments, tests_of
from pytest_moa.services.environment import Interpreter, interpreter_for
from pytest_moa.services.generated import write_version_files
from pytest_moa.services.project import Project
from pytest_moa.services.telling import Telling
from pytest_moa.testing.made_environment import discard, verify
from pytest_moa.testing.request import ChildRequest, Group
from pytest_moa.testing.run import analyse, run_child
from pytest_moa.testing.settings import (
    SETTINGS_FILES,
    CoverageSettings,
    PytestSettings,
    read_coverage_settings,
    read_pytest_settings,
)

_OTHERS = "everybody else's tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineOptions:
    """`threshold` may only raise the policy's; `python` counts where the policy names none; `slot` is MOA_SLOT."""

    threshold: Decimal
    python: str | None = None
    slot: int = 0
    tell: Telling = field(default_factory=Telling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A candidate in its quarantine, and the part of one agent in it: own code and own tests."""

    agent: str
    candidate: ObjectId
    own: Mapping[str, frozenset[int] | None]
    tests: tuple[str, ...]
    tree: frozenset[str]
    pytest: PytestSettings
    coverage: CoverageSettings
    settings: Mapping[str, bytes]

    @property
    def whole(self) -> bool:
        """Whether the agent's own tests are the whole suite."""
        return not self.tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A run and what follows from it. `ran` is False where nothing could be started (then `judgement` says why)."""

    judgement: Judgement
    evidence: Evidence = field(default_factory=Evidence)
    figure: CoverageFigure | None = None
    tests: TestCounts = field(default_factory=TestCounts)
    environment: EnvironmentFacts = field(default_factory=lambda: EnvironmentFacts(python=""))
    notes: tuple[str, ...] = ()
    ran: bool = False


def subject_of(
    project: Project, quarantine: Quarantine, agent: str, base: ObjectId, candidate: ObjectId
) -> Subject:
    """What there is to examine: the agent's own lines are what the candidate adds to `base`; settings are base's."""
    policy = project.policy
    prefix = project.prefix
    repo = quarantine.repository

    blobs = git.read_blobs(repo, base, [prefix + name for name in SETTINGS_FILES])
    settings = {path.removeprefix(prefix): data for path, data in blobs.items()}
    tree = frozenset(git.tree_paths(repo, candidate))
    pytest_settings = read_pytest_settings(settings.get)
    coverage_settings = read_coverage_settings(settings.get, quarantine.make_folder("settings"))
    tests = tests_of(policy, agent, _exists(tree, prefix))
    source = rules.SourceRules(
        working_directory=prefix.rstrip("/") or ".",
        python_files=pytest_settings.python_files,
        testpaths=pytest_settings.testpaths,
        tests=tests,
        source=coverage_settings.source,
        include=coverage_settings.include,
        omit=coverage_settings.omit,
    )
    changed = {
        path: lines
        for path, lines in git.added_lines(repo, base, candidate).items()
        if lines and rules.is_source(path, source)
    }
    texts = git.read_blobs(repo, candidate, list(changed))
    added = {
        path: rules.statement_lines(_text(texts.get(path, b"")), lines) for path, lines in changed.items()
    }
    own = rules.own_code(added=added, registered=policy.entry(agent).source, tree=tree, rules=source)
    return Subject(
        agent=agent,
        candidate=candidate,
        own=own,
        tests=tests,
        tree=tree,
        pytest=pytest_settings,
        coverage=coverage_settings,
        settings=settings,
    )


def examine(
    project: Project, quarantine: Quarantine, subject: Subject, options: ExamineOptions, *, suite: bool
) -> Examination:
    """Runs the agent's tests (`suite`: the integration suite and the agent's tests, in one run) and judges.

    Nothing is raised for what the candidate does: that is a verdict. Git's own failures are raised.
    """
    prefix = project.prefix
    if absent := missing_tests(subject.tests, _exists(subject.tree, prefix)):
        return _not_run(
            f"the registry names tests that are not there: {', '.join(absent)}",
            "Add them on the branch, or correct `registry: tests` on the target.",
        )
    work = quarantine.checkout(subject.candidate)
    folder = work / prefix if prefix else work
    if not folder.is_dir():
        return _not_run(
            f"the candidate has no folder {prefix}", "Correct `project.working_directory` on the target."
        )
    generated = write_version_files(work, folder, subject.settings.get)
    try:
        interpreter = interpreter_for(project, work, folder, options.python)
    except UndeterminedError as error:
        return _not_run(str(error), error.remedy)
    policy = project.policy
    own = tuple(subject.own)
    tests, groups = _arguments(project, subject, suite=suite)
    request = ChildRequest(
        python=interpreter.python,
        work=work,
        project=folder,
        run_dir=quarantine.make_folder("run"),
        tests=tests,
        source_dirs=rules.folders_of(own),
        groups=groups,
        source_roots=source_roots(own, subject.tree, prefix),
        elsewhere=(project.root,),
        own_modules=tuple((rules.module_name(path, subject.tree), path) for path in own),
        timeout=float(policy.agents.timeout),
        slot=options.slot,
        keep=policy.environment.keep,
        drop=policy.environment.drop,
        environ=project.environ,
        branch_coverage=subject.coverage.branch,
    )
    evidence = run_child(request, progress=options.tell.tick)
    examination = _judged(quarantine, subject, Run(interpreter, request, evidence), options.threshold)
    return replace(examination, notes=(*generated, *examination.notes))


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was asked for and what it left."""

    interpreter: Interpreter
    request: ChildRequest
    evidence: Evidence


def _judged(quarantine: Quarantine, subject: Subject, run: Run, threshold: Decimal) -> Examination:
    made, evidence = run.interpreter.made, run.evidence
    files: tuple[FileLines, ...] = ()
    doubts: list[Doubt] = []
    if subject.own and evidence.session_status is not None:
        files, doubts = _measured(quarantine, subject, run.request)
    if made is not None and made.key is not None and not verify(made):
        discard(made)
        remedy = (
            "Look for a test that installs or writes into site-packages; the environment was thrown away."
        )
        doubts = [Doubt(reason="the tests wrote into the environment that was made for them", remedy=remedy)]
    figure = coverage_figure(subject.own, files, threshold)
    return Examination(
        judgement=judge(evidence, coverage=figure, doubts=doubts),
        evidence=evidence,
        figure=figure,
        tests=counts(evidence),
        environment=run.interpreter.facts,
        ran=True,
    )


def _measured(
    quarantine: Quarantine, subject: Subject, request: ChildRequest
) -> tuple[tuple[FileLines, ...], list[Doubt]]:
    """Coverage of the own files from raw data and git's sources; the tests may have rewritten the work tree's."""
    paths = tuple(subject.own)
    quarantine.restore(request.work, subject.candidate, paths)
    contexts = [subject.agent] if request.groups else None
    try:
        files = analyse(request, paths, subject.coverage, contexts)
    except UndeterminedError as error:
        return (), [Doubt(reason=str(error), remedy=error.remedy)]
    if files is None:
        remedy = "Look for code that stops or patches the tracer."
        return (), [Doubt(reason="the run left no readable coverage data", remedy=remedy)]
    absent = sorted(set(paths) - {file.path for file in files})
    if absent:
        reason = f"coverage says nothing of {', '.join(absent[:3])}"
        return files, [Doubt(reason=reason, remedy="A coverage setting of the target may hide it.")]
    return files, []


def _arguments(
    project: Project, subject: Subject, *, suite: bool
) -> tuple[tuple[str, ...], tuple[Group, ...]]:
    if not suite:
        return subject.tests, ()
    # In a run of the whole suite the agent's own lines count only where its own tests ran them: the others' lines get
    # a label, too, since lines without one are those of import time, which count for everyone.
    own = Group(label=subject.agent, paths=tuple(test.split("::", 1)[0] for test in subject.tests))
    groups = (own, Group(label=_OTHERS, paths=("",))) if subject.tests else ()
    wanted = suite_arguments(project.policy.integration.suite, subject.pytest.testpaths, subject.tests)
    return wanted, groups


def source_roots(own: Sequence[str], tree: frozenset[str], prefix: str) -> tuple[str, ...]:
    """Folders (relative to the root) that modules are imported from: `src` layouts first, so that the candidate's
    code is what the tests import even where the project is installed from another checkout.
    """
    roots = {rules.source_root(path, tree) for path in own}
    for name in ("src", "lib"):
        place = prefix + name
        if (
            any(path.startswith(place + "/") and path.endswith(".py") for path in tree)
            and f"{place}/__init__.py" not in tree
        ):
            roots.add(place)
    return tuple(sorted(roots))


def _exists(tree: frozenset[str], prefix: str) -> Callable[[str], bool]:
    def exists(path: str) -> bool:
        full = (prefix + path.removeprefix("./")).rstrip("/")
        return full in {"", "."} or full in tree or any(p.startswith(full + "/") for p in tree)

    return exists


def _text(data: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    return ""


def _not_run(reason: str, remedy: str) -> Examination:
    return Examination(judgement=Judgement(verdict="undetermined", reason=reason, remedy=remedy))
