"""The rules' names, default severities and pages: what `moa explain` prints and what a policy may name."""

from __future__ import annotations

import re

from pytest_moa.model.policy import Severity
from pytest_moa.rules.integrity import RULES
from pytest_moa.rules.integrity import page as _static_page

AT_RUN_TIME: dict[str, Severity] = {
    "old-tests-fail": "block",
    "no-new-failure": "off",
    "probe-blind": "block",
    "probe-unnoticed": "note",
}
"""Rules that need a run, with their default severities; the others read the change's text."""


def rule_names() -> tuple[str, ...]:
    """Every rule's name, those of the text first."""
    return (*(rule.NAME for rule in RULES), *AT_RUN_TIME)


def default_severity(rule: str) -> Severity:
    """A rule's severity where the policy says nothing. Raises KeyError for a name that no rule has."""
    return {**{known.NAME: known.DEFAULT for known in RULES}, **AT_RUN_TIME}[rule]


def page(rule: str) -> str | None:
    """A rule's page as Markdown; None where no rule has that name."""
    return _static_page(rule)


def summary(rule: str) -> str:
    """What the rule sees, in one line of plain text."""
    first = (page(rule) or "").split("\n\n", 1)[0]
    said = re.sub(r"\s+", " ", first.removeprefix("**Sees:**")).strip()
    return re.split(r"(?<=[.;])\s", said, maxsplit=1)[0].rstrip(".;")
