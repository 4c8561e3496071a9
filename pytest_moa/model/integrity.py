"""The rules against gamed gates by name: what a policy may name, without importing what they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Severity = Literal["block", "warn", "note", "off"]

DEFAULT_SEVERITY: Mapping[str, Severity] = {
    "tests-removed": "block",
    "tests-silenced": "block",
    "old-tests-fail": "block",
    "assertions-weakened": "warn",
    "coverage-evaded": "block",
    "settings-changed": "block",
    "hooks-added": "block",
    "early-exit": "block",
    "shadowed-module": "block",
    "odd-source": "block",
    "outside-scope": "warn",
    "constant-answers": "warn",
    "mocked-subject": "warn",
    "agent-instructions": "warn",
    "no-new-failure": "off",
    "probe-unnoticed": "note",
    "probe-blind": "block",
}
"""Every rule and its severity where the policy says nothing; a rule may give some of its findings a milder one."""
