"""The rules' names, default severities and pages: what `moa explain` prints and what a policy may name."""

from __future__ import annotations

import re

from pytest_moa.model.integrity import DEFAULT_SEVERITY, Severity
from pytest_moa.rules.integrity import page as _static_page


def rule_names() -> tuple[str, ...]:
    """Every rule's name, also of those that need a run."""
    return tuple(DEFAULT_SEVERITY)


def default_severity(rule: str) -> Severity:
    """A rule's severity where the policy says nothing. Raises KeyError for a name that no rule has."""
    return DEFAULT_SEVERITY[rule]


def page(rule: str) -> str | None:
    """A rule's page as Markdown; None where no rule has that name."""
    return _static_page(rule)


def summary(rule: str) -> str:
    """What the rule sees, in one line of plain text."""
    first = (page(rule) or "").split("\n\n", 1)[0]
    said = re.sub(r"\s+", " ", first.removeprefix("**Sees:**")).strip()
    return re.split(r"(?<=[.;])\s", said, maxsplit=1)[0].rstrip(".;")
