"""The variables that beat the file; a threshold from one can only raise the policy's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_moa.config.decode import decode_value
from pytest_moa.config.documents import Plain
from pytest_moa.config.shape import Choice, Flag, Key, Table, policy_shape
from pytest_moa.model.policy import Policy
from pytest_moa.rules.threshold import raised

VARIABLES: Mapping[str, tuple[str, str]] = {
    "MOA_LOG_LEVEL": ("moa", "log_level"),
    "MOA_REPORT_INTERVAL": ("moa", "report_interval"),
    "MOA_AUTO_RESOLVE": ("moa", "auto_resolve"),
    "GIT_REMOTE": ("git", "remote"),
    "GIT_DEVELOP_BRANCH": ("git", "develop_branch"),
    "GIT_MAIN_BRANCH": ("git", "main_branch"),
    "AGENT_TIMEOUT": ("agents", "timeout"),
    "AGENT_TEST_THRESHOLD": ("agents", "test_threshold"),
}

_TRUTHS = {"1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The policy under the variables, what is wrong with them, and what was ignored."""

    policy: Policy
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def overlay(policy: Policy, environ: Mapping[str, str]) -> Overlaid:
    """The policy as the variables change it. An empty variable counts as none, as workflows leave them."""
    problems: list[str] = []
    warnings: list[str] = []
    for variable, (section, name) in VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        kind = _key(section, name).kind
        value, wrong = decode_value(kind, Plain(_usual(kind, text)), variable)
        problems.extend(wrong)
        if wrong:
            continue
        old = getattr(getattr(policy, section), name)
        if name == "test_threshold" and raised(old, value) != value:
            warnings.append(
                f"{variable}={text} is ignored: it may raise the policy's threshold of {old}, never lower it."
            )
            continue
        policy = _with(policy, section, name, value)
    return Overlaid(policy, tuple(problems), tuple(warnings))


def _key(section: str, name: str) -> Key:
    (table,) = (key.kind for key in policy_shape().keys if key.name == section)
    assert isinstance(table, Table)  # noqa: S101 - tells the type checker what the table above guarantees
    (key,) = (key for key in table.keys if key.name == name)
    return key


def _usual(kind: Any, text: str) -> str:
    """The spellings that variables are given in: `1` and `yes` for true, a level in small letters."""
    if isinstance(kind, Flag):
        return _TRUTHS.get(text.lower(), text.lower())
    if isinstance(kind, Choice):
        return text.upper()
    return text


def _with(policy: Policy, section: str, name: str, value: Any) -> Policy:
    changed: dict[str, Any] = {section: replace(getattr(policy, section), **{name: value})}
    return replace(policy, **changed)
