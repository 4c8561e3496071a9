"""Everything that a run left and a judgement needs, as plain data: the judge elsewhere reads it from a folder."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import EnvironmentFacts
from pytest_moa.rules.gate import Doubt
from pytest_moa.rules.probes.record import ProbeRecord
from pytest_moa.services.old_tests import OldTestsRun
from pytest_moa.testing.request import ChildRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """`request` names where the clean coverage data (`run_dir`) and the work tree lie; `doubts` were found on the way.

    `work` is the root of the work tree that the tests ran in, as reports of theirs may name files.
    """

    request: ChildRequest
    evidence: Evidence
    environment: EnvironmentFacts
    work: str = ""
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()
    old_tests: OldTestsRun | None = None
    new_tests: Evidence | None = None
    probes: ProbeRecord | None = None
    labels: tuple[str, ...] | None = None
    """The coverage contexts of the agent's own tests; None: every test counts."""
    runs: int = 1
    """How many children ran tests."""
