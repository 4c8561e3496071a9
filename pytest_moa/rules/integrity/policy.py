"""What the target's policy makes of findings: its severities and a person's allowances. Reads nothing itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from pytest_moa.model.policy import Allowance, Policy, Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.kit import Owner, Ownership


def ownership_of(policy: Policy, prefix: str, agent: str) -> Ownership | None:
    """What the registry gives to whom, as paths below the repository's root; None where it names nobody's files.

    `prefix` is the working directory as the beginning of a path: empty, or ending in a slash.
    """
    owners = tuple(
        Owner(agent=entry.id, paths=tuple(prefix + path for path in (*entry.source, *entry.tests)))
        for entry in policy.registry
        if entry.source
    )
    return Ownership(agent=agent, owners=owners) if owners else None


def apply_policy(
    findings: Iterable[Finding],
    severities: Mapping[str, Severity],
    allowances: Iterable[Allowance],
    *,
    agent: str,
    today: date,
    blob_ids: Mapping[str, str],
) -> list[Finding]:
    """The findings that remain, with the policy's severity where it names the rule; `off` and allowed ones fall out.

    `blob_ids` are the candidate's blobs by path: an allowance that was given for other content does not hold.
    """
    given = tuple(a for a in allowances if holds(a, agent, today))
    kept = (f for f in findings if not any(allows(a, f, blob_ids) for a in given))
    return [judged for f in kept if (judged := _judged(f, severities)) is not None]


def allows(allowance: Allowance, finding: Finding, blob_ids: Mapping[str, str]) -> bool:
    """Whether the allowance speaks of this finding: rule, path, and the content that it was given for."""
    if allowance.rule not in ("*", finding.rule) or not path_matches(finding.path, allowance.path):
        return False
    return allowance.content is None or blob_ids.get(finding.path, "").startswith(allowance.content)


def path_matches(path: str, glob: str) -> bool:
    """Glob of a path: `*` and `?` stay inside a folder, `**` crosses folders, a folder's name means all of it."""
    return re.fullmatch(_pattern(glob.removeprefix("./")), path, re.DOTALL) is not None


def _pattern(glob: str) -> str:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.rstrip("/"))
    return "".join(words.get(part) or re.escape(part) for part in parts) + "(?:/.*)?"


def holds(allowance: Allowance, agent: str, today: date) -> bool:
    """Whether an allowance speaks to this agent, and still does on that day."""
    return allowance.agent in (None, agent) and (allowance.until is None or today <= allowance.until)


def _judged(finding: Finding, severities: Mapping[str, Severity]) -> Finding | None:
    severity = severities.get(finding.rule)
    if severity is None:
        return finding
    return None if severity == "off" else replace(finding, severity=severity)
