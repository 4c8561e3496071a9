"""A plan and what the run left become a gate result per agent. Pure but for reading coverage's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_moa.desk.measure import contexts_for, lines_of, unwatched, with_import_time
from pytest_moa.desk.order import group_of
from pytest_moa.desk.orders import Orders
from pytest_moa.desk.plan import AgentPlan, Plan
from pytest_moa.desk.review import Seen
from pytest_moa.desk.witness import only
from pytest_moa.errors import UndeterminedError
from pytest_moa.model.evidence import Evidence, FileLines
from pytest_moa.model.results import CoverageFigure, EnvironmentFacts, GateResult
from pytest_moa.rules.figures import coverage_figure
from pytest_moa.rules.gate import Doubt, counts, failures, judge

if TYPE_CHECKING:
    from coverage import Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """pytest-cov's combined data after the run (None: it left none), and the sources that it watched."""

    cov: Coverage | None
    sources: Sequence[object] = ()


def results(
    plan: Plan,
    orders: Orders,
    evidence: Evidence,
    measuring: Measuring,
    *,
    partial: str | None,
    seen: Mapping[str, Seen],
    seconds: float,
) -> tuple[GateResult, ...]:
    """A result for each agent of the plan; under `partial` without a verdict. `seen`: what the rules saw, by agent."""
    return tuple(
        _result(
            agent,
            plan,
            orders,
            evidence,
            measuring,
            partial=partial,
            seen=seen.get(agent.id, Seen()),
            seconds=seconds,
        )
        for agent in plan.agents
    )


def _result(
    agent: AgentPlan,
    plan: Plan,
    orders: Orders,
    evidence: Evidence,
    measuring: Measuring,
    *,
    partial: str | None,
    seen: Seen,
    seconds: float,
) -> GateResult:
    mine = only(evidence, _is_mine(agent, plan)) if orders.contexts else evidence
    figure, doubts = _figure(agent, plan, orders, measuring)
    result = GateResult(
        agent=agent.id,
        name=agent.name,
        branch=plan.changes.branch or "",
        verdict=None,
        head=plan.changes.head,
        target=plan.changes.target,
        candidate=None,
        tests=counts(mine),
        failures=failures(mine),
        coverage=figure,
        findings=seen.findings,
        allowed=seen.allowed,
        environment=EnvironmentFacts(python=evidence.python),
        notes=(*plan.notes, *agent.own.notes),
        seconds=seconds,
        advisory=True,
    )
    if partial is not None:
        return replace(result, partial=True, reason=partial)
    if agent.own.absent:
        first = agent.own.doubts[0]
        return replace(result, reason=first.reason, remedy=first.remedy)
    unseen = (seen.doubt,) if seen.doubt is not None else ()
    judged = judge(
        mine,
        coverage=figure,
        findings=seen.findings,
        doubts=(*plan.doubts, *agent.own.doubts, *doubts, *unseen),
    )
    return replace(result, verdict=judged.verdict, reason=judged.reason, remedy=judged.remedy)


def _is_mine(agent: AgentPlan, plan: Plan) -> Callable[[str], bool]:
    groups = [(agent.id, tuple(map(str, agent.tests)))]
    return lambda test: bool(group_of(str(plan.rootdir / test.split("::", 1)[0]), groups))


def _figure(
    agent: AgentPlan, plan: Plan, orders: Orders, measuring: Measuring
) -> tuple[CoverageFigure | None, tuple[Doubt, ...]]:
    """The coverage of an agent's own code by its own tests; a doubt where it cannot be had."""
    if not agent.own.files or plan.doubts:
        return None, ()
    cov = measuring.cov
    if cov is None:
        return None, (_NOTHING,)
    own, root = sorted(agent.own.files), plan.place.root
    if unseen := unwatched(cov, measuring.sources, own, root=root, here=plan.here):
        return None, (_unseen(unseen, root),)
    try:
        files, doubts = _lines(agent, plan, orders, cov, own)
    except UndeterminedError as error:
        return None, (Doubt(reason=str(error), remedy=error.remedy),)
    return coverage_figure(agent.own.files, files, plan.threshold), doubts


def _lines(
    agent: AgentPlan, plan: Plan, orders: Orders, cov: Coverage, own: Sequence[str]
) -> tuple[tuple[FileLines, ...], tuple[Doubt, ...]]:
    root = plan.place.root
    if not orders.contexts:
        return lines_of(cov, own, root=root, here=plan.here), ()
    chosen, doubt = contexts_for(
        agent.id,
        cov.get_data().measured_contexts(),
        groups=orders.groups,
        root=plan.rootdir,
        static=str(cov.get_option("run:context") or ""),
    )
    everyone = lines_of(cov, own, root=root, here=plan.here)
    mine = lines_of(cov, own, root=root, here=plan.here, contexts=chosen)
    texts = [(root / path).read_bytes().decode("utf-8", "replace") for path in own]
    files = tuple(map(with_import_time, mine, everyone, texts))
    return files, (doubt,) if doubt else ()


_NOTHING = Doubt(
    reason="coverage left no data",
    remedy="Look above for what stopped pytest-cov before its data were combined.",
)


def _unseen(paths: Sequence[str], root: Path) -> Doubt:
    return Doubt(
        reason=f"the run's --cov does not watch {paths[0]}, which is own code",
        remedy=f"Leave --cov to moa, or add --cov={(root / paths[0]).parent}.",
    )
