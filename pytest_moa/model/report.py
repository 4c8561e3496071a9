"""The project at one moment: what `moa report` answers; what was recorded before; and the user's own templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.conflicts import Matrix
from pytest_moa.model.results import StatusReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What the ledger recorded last of an agent: passed tests and percent of own code; None where it does not say."""

    passed: int | None = None
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedRow:
    """A landing that the target holds, newest first in a report. Figures are the ledger's, where it has them."""

    agent: str
    head: ObjectId
    commit: ObjectId
    figures: Previous = field(default_factory=Previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReport:
    """`project` is a name for people, `branch` and `target` are the target's name and commit."""

    project: str
    branch: str
    target: ObjectId
    status: StatusReport
    landed: tuple[LandedRow, ...]
    matrix: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTemplates:
    """The user's templates as the target's commit has them: `files` by name, each text of the folder `folder`.

    `problems` are sentences about what could not be read.
    """

    folder: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
