"""Runs a branch's new test modules on the target's source; only where the policy asks for it."""

from __future__ import annotations

from dataclasses import replace

from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Finding
from pytest_moa.rules.no_new_failure import NAME, NewTests, findings, plan
from pytest_moa.services.environment import Interpreter
from pytest_moa.services.old_tests import OldTestsOptions, Place, trees_of, with_settings
from pytest_moa.services.project import Project
from pytest_moa.services.subject import Subject


def run_new_tests(
    project: Project,
    quarantine: Quarantine,
    subject: Subject,
    interpreter: Interpreter,
    options: OldTestsOptions,
) -> Evidence | None:
    """What the run left; None where the policy does not ask for it, or there is nothing to run."""
    wanted = _planned(project, quarantine, subject)
    if wanted is None:
        return None
    options.tell.step("Running the new tests on the target's source")
    place = Place(project, quarantine, subject, interpreter, options)
    tree = place.tree(subject.base, "new")
    quarantine.restore(tree.work, subject.candidate, [project.prefix + path for path in wanted.overlay])
    return place.run(with_settings(tree, wanted.settings), "new-run", wanted.arguments)


def new_tests_findings(
    project: Project, quarantine: Quarantine, subject: Subject, evidence: Evidence | None
) -> list[Finding]:
    """What the run says. Without a run there is nothing to say: the rule accuses nobody, it only notes."""
    wanted = _planned(project, quarantine, subject) if evidence is not None else None
    if wanted is None or evidence is None:
        return []
    return [replace(f, path=project.prefix + f.path) for f in findings(wanted, evidence)]


def _planned(project: Project, quarantine: Quarantine, subject: Subject) -> NewTests | None:
    if project.policy.integrity.severity.get(NAME, "off") == "off":
        return None
    with trees_of(project, quarantine, subject) as trees:
        return plan(trees)
