"""How far an agent is: progress is earned by what was seen, not declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from pytest_moa.model.agents import AgentStatus
from pytest_moa.model.results import GateResult
from pytest_moa.rules.landed import Place

WEIGHTS = {"branch": 10, "collected": 10, "tests": 20, "coverage": 20, "gate": 25, "merges": 10}
"""What each step earns; landed is 100. Together 95: the last part is the landing itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one agent: `gate` is the last verdict on this very head, `fresh` whether on this target."""

    place: Place | None
    gate: GateResult | None = None
    fresh: bool = False
    merges: bool | None = None
    held: bool = False
    blockers: tuple[str, ...] = ()


def status_of(facts: Facts) -> AgentStatus:
    """One of the four words. Ready: its gate passed on this head, it merges, and nothing holds it back."""
    if facts.place is None or facts.place == "untouched":
        return "not_started"
    if facts.place == "landed":
        return "completed"
    passed = facts.gate is not None and facts.gate.verdict == "passed"
    ready = passed and facts.merges is not False and not facts.held and not facts.blockers
    return "ready_for_integration" if ready else "in_progress"


def progress_of(facts: Facts) -> Decimal:
    """0 to 100, one decimal."""
    if facts.place is None or facts.place == "untouched":
        return Decimal("0.0")
    if facts.place == "landed":
        return Decimal("100.0")
    earned = Decimal(WEIGHTS["branch"])
    if facts.merges:
        earned += WEIGHTS["merges"]
    if facts.gate is not None:
        earned += _earned_by_gate(facts.gate)
    return earned.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def flags_of(facts: Facts) -> tuple[str, ...]:
    """`conflicted`, `failing`, `stale`, `held`, `blocked`, those that hold."""
    open_work = facts.place == "ahead"
    told = {
        "blocked": bool(facts.blockers),
        "conflicted": facts.merges is False,
        "failing": facts.gate is not None and facts.gate.verdict == "failed",
        "stale": facts.gate is not None and not facts.fresh,
        "held": facts.held,
    }
    return tuple(flag for flag, holds in told.items() if holds and open_work)


def next_step(agent: str, facts: Facts) -> str | None:
    """The next command that makes sense; None where nothing is left to do."""
    if facts.place == "landed":
        return None
    if facts.place is None:
        return f"git switch -c agent-{agent}-…"
    if facts.place == "untouched":
        return "git commit"
    if facts.merges is False:
        return f"moa gate {agent}" if facts.gate is None else "git merge the target into the branch"
    return f"moa integrate {agent}" if status_of(facts) == "ready_for_integration" else f"moa gate {agent}"


def overall(progress: Sequence[Decimal]) -> Decimal:
    """The mean of all agents, one decimal; 0 where there is none."""
    if not progress:
        return Decimal("0.0")
    return (sum(progress, Decimal(0)) / len(progress)).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def week_of(start: date | None, weeks: int | None, today: date) -> int | None:
    """The project's week, 1-based, from 0 (before the start) to `weeks`; None without a start."""
    if start is None:
        return None
    week = 0 if today < start else (today - start).days // 7 + 1
    return week if weeks is None else min(week, weeks)


def _earned_by_gate(gate: GateResult) -> Decimal:
    tests = gate.tests
    earned = Decimal(WEIGHTS["collected"] if tests.collected else 0)
    ran = tests.passed + tests.failed + tests.errors
    if ran:
        earned += Decimal(WEIGHTS["tests"]) * tests.passed / ran
    figure = gate.coverage
    if figure is None:
        earned += WEIGHTS["coverage"] if gate.verdict == "passed" else 0
    elif figure.threshold:
        earned += WEIGHTS["coverage"] * min(Decimal(1), figure.percent / figure.threshold)
    else:
        earned += WEIGHTS["coverage"]
    return earned + (WEIGHTS["gate"] if gate.verdict == "passed" else 0)
