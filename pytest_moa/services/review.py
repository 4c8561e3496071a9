"""What the integrity rules see in a candidate, after the target's policy and a person's word. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pytest_moa.git import blobs
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.policy import Allowance
from pytest_moa.model.results import Allowed, Finding
from pytest_moa.rules.integrity import FileChange, review
from pytest_moa.rules.integrity.kit import Side
from pytest_moa.rules.integrity.policy import allows, apply_policy, holds, ownership_of
from pytest_moa.services.project import Project

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that rules still read; a larger one is told instead."""

NEVER_RUN = frozenset({"shadowed-module", "odd-source"})
"""Rules whose block findings forbid that anything is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """How findings become what counts: the policy's severities and allowances, and the caller's own word."""

    agent: str
    today: date
    blob_ids: Mapping[str, str]
    project: Project
    given: tuple[Allowance, ...] = ()

    def apply(self, findings: Sequence[Finding]) -> Reviewed:
        """The findings that remain, and which were let through by whom."""
        integrity = self.project.policy.integrity
        allowances = (*integrity.allow, *self.given)
        remaining = apply_policy(
            findings,
            integrity.severity,
            allowances,
            agent=self.agent,
            today=self.today,
            blob_ids=self.blob_ids,
        )
        valid = [a for a in allowances if holds(a, self.agent, self.today)]
        allowed = {
            Allowed(rule=f.rule, path=f.path, because=a.because or "")
            for f in findings
            for a in valid
            if allows(a, f, self.blob_ids)
        }
        return Reviewed(
            findings=tuple(remaining), allowed=tuple(sorted(allowed, key=lambda a: (a.path, a.rule)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """`findings` count; `allowed` are those that a person let through."""

    findings: tuple[Finding, ...] = ()
    allowed: tuple[Allowed, ...] = ()

    @property
    def forbids_running(self) -> bool:
        return any(f.rule in NEVER_RUN and f.severity == "block" for f in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changed files of a candidate as the rules read them."""

    files: tuple[FileChange, ...]
    too_large: tuple[str, ...]


def judges_for(
    project: Project,
    quarantine: Quarantine,
    agent: str,
    candidate: ObjectId,
    given: tuple[Allowance, ...] = (),
) -> Judges:
    """`given` are the caller's allowances; the policy's are the target's."""
    ids = {path: e.object for path, e in blobs.entries(quarantine.repository, candidate).items()}
    return Judges(agent=agent, today=datetime.now(UTC).date(), blob_ids=ids, project=project, given=given)


def seen_by_rules(
    project: Project, quarantine: Quarantine, agent: str, base: ObjectId, candidate: ObjectId
) -> tuple[Finding, ...]:
    """What the rules see in the candidate against `base` (the target's commit), each with its own severity."""
    repo = quarantine.repository
    sides: dict[Side, dict[str, blobs.Entry]] = {
        "base": blobs.entries(repo, base),
        "head": blobs.entries(repo, candidate),
    }
    paths = sorted(
        path
        for path in sides["base"].keys() | sides["head"].keys()
        if sides["base"].get(path) != sides["head"].get(path)
    )
    with ExitStack() as stack:
        reader = stack.enter_context(blobs.reader(repo))

        def read(path: str, side: Side) -> str | None:
            entry = sides[side].get(path)
            if entry is None or entry.mode == blobs.SUBMODULE or entry.size > LARGEST:
                return None
            return reader.read(entry.object).decode("utf-8", "surrogateescape")

        files = [_change(path, sides, read) for path in paths]
        found = review(files, read, ownership=ownership_of(project.policy, project.prefix, agent))
    large = [path for path in paths if (e := sides["head"].get(path)) is not None and e.size > LARGEST]
    return (*found, *(_too_large(path) for path in large if path.endswith(_READ)))


_READ = (".py", ".pyi", ".toml", ".ini", ".cfg", ".pth", ".yaml", ".yml", ".coveragerc")


def _change(
    path: str,
    sides: Mapping[Side, Mapping[str, blobs.Entry]],
    read: Callable[[str, Side], str | None],
) -> FileChange:
    before, after = (
        None if path not in sides[side] else (read(path, side) or "") for side in ("base", "head")
    )
    entry = sides["head"].get(path)
    mode = None if entry is None else entry.mode
    return FileChange(
        path=path, before=before, after=after, mode=mode, link=after if mode == blobs.LINK else None
    )


def _too_large(path: str) -> Finding:
    return Finding(
        rule="odd-source",
        severity="block",
        path=path,
        line=None,
        message=f"the file is too large to be read ({LARGEST // 1024 // 1024} MiB are)",
        remedy="Split it, or keep generated data out of files that Python or its tools read.",
    )
