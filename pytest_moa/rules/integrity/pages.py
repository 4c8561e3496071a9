"""The rules' names and pages: what `moa explain` prints and the policy may name."""

from __future__ import annotations

from pytest_moa.rules.integrity import RULES

AT_RUN_TIME = ("old-tests-fail", "no-new-failure", "probe-unnoticed", "probe-blind")
"""Rules that need a run; the others read the change's text."""


def rule_names() -> tuple[str, ...]:
    """Every rule's name, those of the text first."""
    return (*(rule.NAME for rule in RULES), *AT_RUN_TIME)
