"""What there is to examine in a candidate: the agent's own lines and tests, and the target's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.policy import RegistryEntry
from pytest_moa.rules import own_code as rules
from pytest_moa.rules.named_code import named_code
from pytest_moa.rules.selection import tests_of
from pytest_moa.services.project import Project
from pytest_moa.testing.settings import (
    SETTINGS_FILES,
    CoverageSettings,
    PytestSettings,
    read_coverage_settings,
    read_pytest_settings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A candidate on its base in a quarantine, and the part of one agent in it: own code and own tests.

    `own` is path to lines (None: the whole file); `tree` holds all paths of the candidate; settings are the base's.
    `foreign` is the registry's entry of an agent whose tests are run by a command of its own, not by pytest.
    """

    agent: str
    base: ObjectId
    candidate: ObjectId
    own: Mapping[str, frozenset[int] | None]
    tests: tuple[str, ...]
    tree: frozenset[str]
    pytest: PytestSettings
    coverage: CoverageSettings
    settings: Mapping[str, bytes]
    foreign: RegistryEntry | None = None

    @property
    def whole(self) -> bool:
        """Whether the agent's own tests are the whole suite."""
        return not self.tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A candidate and its base, as all agents in it share them: the candidate's paths, and what the base's settings say."""

    base: ObjectId
    candidate: ObjectId
    tree: frozenset[str]
    settings: Mapping[str, bytes]
    pytest: PytestSettings
    coverage: CoverageSettings


def ground_of(project: Project, quarantine: Quarantine, base: ObjectId, candidate: ObjectId) -> Ground:
    repo, prefix = quarantine.repository, project.prefix
    blobs = git.read_blobs(repo, base, [prefix + name for name in SETTINGS_FILES])
    settings = {path.removeprefix(prefix): data for path, data in blobs.items()}
    return Ground(
        base=base,
        candidate=candidate,
        tree=frozenset(git.tree_paths(repo, candidate)),
        settings=settings,
        pytest=read_pytest_settings(settings.get),
        coverage=read_coverage_settings(settings.get, quarantine.make_folder("settings")),
    )


def subject_of(
    project: Project, quarantine: Quarantine, agent: str, base: ObjectId, candidate: ObjectId
) -> Subject:
    """What there is to examine: the agent's own lines are what the candidate adds to `base`; settings are base's."""
    added = git.added_lines(quarantine.repository, base, candidate)
    return subject_in(project, quarantine, ground_of(project, quarantine, base, candidate), agent, added)


def subject_in(
    project: Project,
    quarantine: Quarantine,
    ground: Ground,
    agent: str,
    added: Mapping[str, frozenset[int]],
    *,
    others: Mapping[str, frozenset[int]] | None = None,
) -> Subject:
    """One agent's part in a candidate: `added` are the lines that it brought, `others` those that others brought."""
    policy, prefix, tree = project.policy, project.prefix, ground.tree
    tests = tests_of(policy, agent, exists_in(tree, prefix))
    source = rules.SourceRules(
        working_directory=prefix.rstrip("/") or ".",
        python_files=ground.pytest.python_files,
        testpaths=ground.pytest.testpaths,
        tests=tests,
        source=ground.coverage.source,
        include=ground.coverage.include,
        omit=ground.coverage.omit,
    )
    changed = {path: lines for path, lines in added.items() if lines and rules.is_source(path, source)}
    entry = policy.entry(agent)
    foreign = entry if entry.command else None
    texts = _texts(quarantine, ground, list(changed))
    whole = {path: rules.statement_lines(texts.get(path, ""), lines) for path, lines in changed.items()}
    own: Mapping[str, frozenset[int] | None] = (
        named_code(entry.source, entry.tests, tree, prefix)
        if foreign
        else rules.own_code(added=whole, registered=entry.source, tree=tree, rules=source)
    )
    # Of a file that is somebody's as a whole its lines are counted, where others brought some of them.
    shared = [path for path, lines in own.items() if lines is None and others and others.get(path)]
    return Subject(
        agent=agent,
        base=ground.base,
        candidate=ground.candidate,
        own=rules.without_others(own, others, texts | _texts(quarantine, ground, shared)) if others else own,
        tests=tests,
        tree=tree,
        pytest=ground.pytest,
        coverage=ground.coverage,
        settings=ground.settings,
        foreign=foreign,
    )


def _texts(quarantine: Quarantine, ground: Ground, paths: Sequence[str]) -> dict[str, str]:
    if not paths:
        return {}
    found = git.read_blobs(quarantine.repository, ground.candidate, paths)
    return {path: text_of(data) for path, data in found.items()}


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


def exists_in(tree: frozenset[str], prefix: str) -> Callable[[str], bool]:
    """Whether a path of the project (below `prefix`) is a file or folder of the tree."""

    def exists(path: str) -> bool:
        full = (prefix + path.removeprefix("./")).rstrip("/")
        return full in {"", "."} or full in tree or any(p.startswith(full + "/") for p in tree)

    return exists


def text_of(data: bytes) -> str:
    """A source file's text; empty where it is no UTF-8."""
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    return ""
