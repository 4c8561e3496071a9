"""`moa report`: the whole project, put together from status, landings and conflicts; and what was recorded before. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from pytest_moa.errors import MoaError
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.report import LandedRow, OwnTemplates, Previous, ProjectReport
from pytest_moa.model.results import Event
from pytest_moa.rules.landed import AGENT_TRAILER, HEAD_TRAILER
from pytest_moa.services.conflicts import matrix_of
from pytest_moa.services.landings import history
from pytest_moa.services.observe import status
from pytest_moa.services.project import Project
from pytest_moa.services.telling import Telling

TEMPLATE_BYTES = 256 * 1024
TEMPLATES = 100


def report(project: Project, today: date, tell: Telling | None = None) -> ProjectReport:
    """The project as git and the ledger have it now."""
    figures = {event.data.get("commit"): _figures(event) for event in _landings(project)}
    landed = tuple(
        LandedRow(
            agent=agent, head=head, commit=merged.commit, figures=figures.get(merged.commit, Previous())
        )
        for merged in history(project)
        for agent, head in zip(
            merged.trailers.get(AGENT_TRAILER, ()), merged.trailers.get(HEAD_TRAILER, ()), strict=False
        )
    )
    return ProjectReport(
        project=project.policy.project.name or project.root.name,
        branch=project.target.name,
        target=project.target.head,
        status=status(project, today),
        landed=landed,
        matrix=matrix_of(project, tell=tell),
    )


def previous(project: Project, but: Collection[ObjectId] = ()) -> dict[str, Previous]:
    """What the ledger recorded last of each agent's landings, those as a commit of `but` left out."""
    return {
        event.agent: _figures(event)
        for event in _landings(project)
        if event.agent is not None and event.data.get("commit") not in but
    }


def own_templates(project: Project) -> OwnTemplates:
    """The templates of `report.templates` as the target's commit has them. What cannot be read is a problem, no error."""
    folder = (project.policy.report.templates or "").strip("/").removeprefix("./")
    if not folder:
        return OwnTemplates()
    try:
        paths = [p for p in git.tree_paths(project.repo, project.target.head, [folder]) if p.endswith(".j2")]
        found = git.read_blobs(project.repo, project.target.head, paths[:TEMPLATES], limit=TEMPLATE_BYTES)
    except MoaError as error:
        return OwnTemplates(folder=folder, problems=(f"{folder}: {error}",))
    problems = [] if paths else [f"{folder} on {project.target.name} holds no template (`*.j2`)"]
    problems += [
        f"{path} is larger than {TEMPLATE_BYTES} bytes" for path in paths[:TEMPLATES] if path not in found
    ]
    problems += [f"{folder} holds more than {TEMPLATES} templates"] if len(paths) > TEMPLATES else []
    files = {}
    for path, content in found.items():
        try:
            files[path.removeprefix(folder + "/")] = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            problems.append(f"{path} is not UTF-8")
    return OwnTemplates(folder=folder, files=files, problems=tuple(problems))


def _landings(project: Project) -> list[Event]:
    """A ledger that cannot be read takes figures away, nothing else."""
    try:
        events = ledger.read(project.repo, remote=project.remote)
    except MoaError:
        return []
    return [event for event in events if event.kind == "landed"]


def _figures(event: Event) -> Previous:
    """Untrusted: whoever can push can write events."""
    tests, coverage = event.data.get("tests"), event.data.get("coverage")
    passed = tests.get("passed") if isinstance(tests, Mapping) else None
    percent = coverage.get("percent") if isinstance(coverage, Mapping) else None
    return Previous(passed=passed if type(passed) is int and passed >= 0 else None, percent=_percent(percent))


def _percent(value: object) -> Decimal | None:
    try:
        number = Decimal(value) if isinstance(value, str) and len(value) <= 10 else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and 0 <= number <= 100 else None
