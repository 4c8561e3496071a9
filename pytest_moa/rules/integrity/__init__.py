"""Rules against gamed gates, one a file; `review` asks them all about a change, without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity import (
    agent_instructions,
    assertions_weakened,
    constant_answers,
    coverage_evaded,
    early_exit,
    hooks_added,
    mocked_subject,
    odd_source,
    outside_scope,
    settings_changed,
    shadowed_module,
    tests_removed,
    tests_silenced,
)
from pytest_moa.rules.integrity.kit import Change, FileChange, Ownership, Read, Rule
from pytest_moa.rules.integrity.policy import apply_policy

__all__ = ["RULES", "Change", "FileChange", "Finding", "apply_policy", "review"]

RULES: tuple[Rule, ...] = (
    tests_removed,
    tests_silenced,
    settings_changed,
    hooks_added,
    early_exit,
    coverage_evaded,
    shadowed_module,
    odd_source,
    assertions_weakened,
    constant_answers,
    mocked_subject,
    outside_scope,
    agent_instructions,
)

UNREAD = "this rule could not read the change"
BUG = (
    "This is a mistake of pytest-moa's: please report it with the file. Until it is mended, a person who has read the "
    'change can let it through: `--allow {rule}:PATH --because "…"`.'
)


def review(
    files: Iterable[FileChange | Mapping[str, str | None]],
    read: Read | None = None,
    *,
    ownership: Ownership | None = None,
) -> list[Finding]:
    """What the rules see in a change, each with its own severity, sorted, each once; pure, and never raises.

    `files` are the changed files, each a FileChange or `{"path", "before", "after"}` (None: not there);
    `read(path, "base" | "head")` gives unchanged files. `ownership` is what the registry says, if anything.
    """
    change = Change(tuple(_file(f) for f in files), read, ownership)
    return _sorted(finding for rule in RULES for finding in _checked(rule, change))


def _file(given: FileChange | Mapping[str, str | None]) -> FileChange:
    if isinstance(given, FileChange):
        return given
    return FileChange(
        path=str(given["path"]), before=_as_text(given.get("before")), after=_as_text(given.get("after"))
    )


def _as_text(given: str | None) -> str | None:
    return None if given is None else str(given)


def _checked(rule: Rule, change: Change) -> list[Finding]:
    """What a rule sees; where it breaks on odd input, a finding that blocks, since what was not read is not passed."""
    try:
        return list(rule.check(change))
    except RecursionError:
        where = max(change.files, key=lambda f: len(f.after or ""))
        remedy = "Split deeply nested expressions into several statements."
        return [_unread(rule, where.path, "the change nests too deeply to be read by this rule", remedy)]
    except Exception as error:  # noqa: BLE001 - reported as a finding that blocks; our own tests refuse that finding
        message = f"{UNREAD}: {type(error).__name__}: {str(error)[:200]}"
        return [_unread(rule, _culprit(rule, change), message, BUG.format(rule=rule.NAME))]


def _unread(rule: Rule, path: str, message: str, remedy: str) -> Finding:
    return Finding(rule=rule.NAME, severity="block", path=path, line=None, message=message, remedy=remedy)


def _culprit(rule: Rule, change: Change) -> str:
    """The file that the rule breaks on by itself; the first one where it takes several."""
    for file in change.files:
        try:
            list(rule.check(Change((file,), change.read, change.ownership)))
        except Exception:  # noqa: BLE001 - the one that is looked for
            return file.path
    return change.files[0].path if change.files else ""


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(set(findings), key=lambda f: (f.path, f.line or 0, f.rule, f.severity, f.message, f.remedy))
