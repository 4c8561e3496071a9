"""What pytest told during a run, as evidence: collected ids, outcomes, the end. Keeps, does not judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest

from pytest_moa.model.evidence import Evidence, ForeignModule, Outcome, ProcessEnd, TestOutcome

_MOST = 2000
_WEIGHT: dict[Outcome, int] = {"skipped": 0, "xfailed": 0, "passed": 1, "xpassed": 1, "error": 2, "failed": 3}


@dataclass(slots=True)
class Witness:
    """Fed by pytest's hooks in the process that judges (under xdist the controller)."""

    collected: dict[str, None] = field(default_factory=dict)
    outcomes: dict[str, tuple[Outcome, float, str]] = field(default_factory=dict)
    broken: list[TestOutcome] = field(default_factory=list)
    foreign: list[ForeignModule] = field(default_factory=list)
    deselected: int = 0
    interrupted: bool = False

    def saw_collected(self, ids: Iterable[str]) -> None:
        self.collected.update(dict.fromkeys(ids))

    def saw_collection(self, report: pytest.CollectReport) -> None:
        if report.failed:
            text = str(report.longrepr)[-_MOST:]
            self.broken.append(TestOutcome(id=report.nodeid or ".", outcome="error", message=text))

    def saw(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's reports: setup, call, teardown, subtests; a rerun is no outcome yet.

        Called three times a test while a tracer watches every call that it makes: so it makes few.
        """
        if report.outcome == "passed" and report.when != "call":
            return
        outcome = _outcome(report)
        if outcome is None:
            return
        before = self.outcomes.get(report.nodeid)
        if before is None or _WEIGHT[outcome] >= _WEIGHT[before[0]]:
            text = _message(report) if outcome in {"failed", "error"} else ""
            self.outcomes[report.nodeid] = (outcome, report.duration + (before[1] if before else 0.0), text)

    def evidence(self, status: int, python: str) -> Evidence:
        return Evidence(
            collected=tuple(self.collected),
            outcomes=tuple(
                TestOutcome(id=test, outcome=outcome, seconds=seconds, message=message)
                for test, (outcome, seconds, message) in self.outcomes.items()
            ),
            session_status=status,
            end=ProcessEnd(status=status),
            foreign=tuple({found.name: found for found in self.foreign}.values()),
            collection_errors=tuple(self.broken),
            python=python,
        )

    def stopped(self) -> bool:
        """Whether the run ended early at something red: without that, a missing outcome is a mystery."""
        red = bool(self.broken) or any(
            outcome in {"failed", "error"} for outcome, _, _ in self.outcomes.values()
        )
        return red and any(test not in self.outcomes for test in self.collected)


def only(evidence: Evidence, mine: Callable[[str], bool]) -> Evidence:
    """The evidence of those ids that are `mine`, as if they had been the run."""
    collected = tuple(test for test in evidence.collected if mine(test))
    outcomes = tuple(outcome for outcome in evidence.outcomes if mine(outcome.id))
    broken = tuple(outcome for outcome in evidence.collection_errors if mine(outcome.id))
    status = evidence.session_status
    if status in {0, 1, 5}:
        red = any(outcome.outcome in {"failed", "error"} for outcome in outcomes)
        status = 5 if not collected else int(red)
    return replace(
        evidence,
        collected=collected,
        outcomes=outcomes,
        collection_errors=broken,
        session_status=status,
        end=ProcessEnd(status=status),
    )


def _outcome(report: pytest.TestReport) -> Outcome | None:
    subtest = hasattr(report, "context") and report.context is not None
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if subtest or str(report.outcome) == "rerun":
        return None
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.when != "call":
        return None
    return "xpassed" if hasattr(report, "wasxfail") else "passed"


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", None) or report.longreprtext)[:_MOST]
