"""What a caller asks of the queue."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pytest_moa.model.policy import Allowance
from pytest_moa.services.gate import threshold_of
from pytest_moa.services.probing import ProbesAsked
from pytest_moa.services.project import Project
from pytest_moa.services.telling import Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrateOptions:
    """`stage`: a folder to leave a passed candidate in instead of landing it, for a step that runs no agents' code.

    `allow` are the caller's words for findings that may pass; the merge commit carries them. `budget` are seconds after
    which nothing further is begun (None: as the policy says); `dry_run` tests and lands nothing.
    """

    threshold: Decimal | None = None
    python: str | None = None
    stage: Path | None = None
    allow: tuple[Allowance, ...] = ()
    probes: ProbesAsked | None = None
    budget: int | None = None
    dry_run: bool = False
    tell: Telling = field(default_factory=Telling)

    def threshold_of(self, project: Project) -> Decimal:
        return threshold_of(project, self.threshold)[0]


class Deadline:
    """The moment after which nothing further is begun; None: there is none."""

    def __init__(self, seconds: float | None) -> None:
        self.until = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until
