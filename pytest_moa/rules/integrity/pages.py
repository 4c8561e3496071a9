"""The rules' names, default severities and pages: what `moa explain` prints and what a policy may name."""

from __future__ import annotations

import re

from pytest_moa.model.integrity import DEFAULT_SEVERITY, Severity
from pytest_moa.rules import no_new_failure, old_tests
from pytest_moa.rules.integrity import page as _static_page

_AT_RUN_TIME = {rule.NAME: rule.__doc__ for rule in (old_tests, no_new_failure)}
"""The rules whose news only a run can bring; the package's own read the text."""


def rule_names() -> tuple[str, ...]:
    """Every rule's name, also of those that need a run."""
    return tuple(DEFAULT_SEVERITY)


def default_severity(rule: str) -> Severity:
    """A rule's severity where the policy says nothing. Raises KeyError for a name that no rule has."""
    return DEFAULT_SEVERITY[rule]


def page(rule: str) -> str | None:
    """A rule's page as Markdown; None where no rule has that name."""
    written = _AT_RUN_TIME.get(rule)
    return _static_page(rule) if written is None else written.strip() + "\n"


def summary(rule: str) -> str:
    """What the rule sees, in one line of plain text."""
    first = (page(rule) or "").split("\n\n", 1)[0]
    said = re.sub(r"\s+", " ", first.removeprefix("**Sees:**")).strip()
    return re.split(r"(?<=[.;])\s", said, maxsplit=1)[0].rstrip(".;")
