"""`moa plan`: what there is to gate, a row a job. Runs no tests, moves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.model.fleet import TRAIN, Plan, Row
from pytest_moa.services.boarding import boarding
from pytest_moa.services.landings import ahead_of_pushed
from pytest_moa.services.look import LookOptions
from pytest_moa.services.project import Project


def plan(project: Project, wanted: Sequence[str] | None, options: LookOptions) -> Plan:
    """One row an agent that may go in, in the queue's order, and one for the train where two or more may go in together.

    Raises AgentError for an unknown id.
    """
    options.tell.step("Looking at who may go in")
    found = boarding(project, wanted, options)
    rows = [Row(agent=w.id, branch=w.branch.name, head=w.branch.head) for w in found.alone]
    if found.top is not None:
        rows.append(Row(agent=TRAIN, branch=project.target.name, head=found.top))
    ahead = [note for work in found.alone for note in ahead_of_pushed(project, work.branch)]
    return Plan(
        target=project.target.name,
        at=project.target.head,
        include=tuple(rows),
        members=tuple(one.work.id for one in found.train),
        waiting=found.waiting,
        notes=tuple(dict.fromkeys([*project.notes, *ahead])),
    )
