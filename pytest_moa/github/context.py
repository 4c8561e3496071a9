"""What happened on GitHub: event, branches, whether the work comes from a fork. Untrusted JSON, parsed with caps.

Touches nothing but the event file. Sources: docs.github.com, "Variables reference" and "Webhook events and payloads".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_moa.errors import RefusedError

EVENT_BYTES = 32 * 1024 * 1024
"""GitHub caps a webhook payload at 25 MB."""

_NAME_LIMIT = 1024
_FROM_PULL_REQUEST = frozenset(
    {"pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Whose work another workflow's run was about: a branch of `repository` (`owner/name`), at `head`."""

    repository: str
    branch: str
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`branch` is the branch that the event is about, None where it is about none (a tag, a schedule).

    `head` is the commit that the event names, `base_head` the one that a merge group stands on. `fork` is True wherever the work comes from another repository
    or where that cannot be told.
    """

    event: str
    branch: str | None = None
    head: str | None = None
    base: str | None = None
    base_head: str | None = None
    pull_request: int | None = None
    run: Run | None = None
    fork: bool = False
    default_branch: str | None = None


def read_context(environ: Mapping[str, str]) -> Context:
    """The context of the running workflow; an event file that cannot be read is a RefusedError."""
    name = environ.get("GITHUB_EVENT_NAME", "")
    return parse_context(name, environ.get("GITHUB_REF", ""), environ.get("GITHUB_SHA"), _event(environ))


def parse_context(event: str, ref: str, sha: str | None, payload: Mapping[str, Any]) -> Context:
    default = _text(payload, "repository", "default_branch")
    if event in _FROM_PULL_REQUEST:
        return Context(
            event=event,
            branch=_text(payload, "pull_request", "head", "ref"),
            head=_oid(_text(payload, "pull_request", "head", "sha")),
            base=_text(payload, "pull_request", "base", "ref"),
            pull_request=_number(payload, "pull_request", "number"),
            fork=_differ(payload, ("pull_request", "head", "repo"), ("pull_request", "base", "repo")),
            default_branch=default,
        )
    if event == "merge_group":
        return Context(
            event=event,
            head=_oid(_text(payload, "merge_group", "head_sha")),
            base=(_text(payload, "merge_group", "base_ref") or "").removeprefix("refs/heads/") or None,
            base_head=_oid(_text(payload, "merge_group", "base_sha")),
            default_branch=default,
        )
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return Context(
        event=event,
        branch=branch,
        head=_oid(sha),
        run=_run(payload) if event == "workflow_run" else None,
        fork=_from_elsewhere(event, payload),
        default_branch=default,
    )


def _run(payload: Mapping[str, Any]) -> Run | None:
    head = _oid(_text(payload, "workflow_run", "head_sha"))
    branch = _text(payload, "workflow_run", "head_branch")
    repository = _text(payload, "workflow_run", "head_repository", "full_name")
    return Run(repository=repository, branch=branch, head=head) if head and branch and repository else None


def _from_elsewhere(event: str, payload: Mapping[str, Any]) -> bool:
    if event == "workflow_run":
        return _differ(payload, ("workflow_run", "head_repository"), ("repository",))
    # A comment on a pull request does not tell where its head lies.
    return event == "issue_comment" and isinstance(_at(payload, "issue", "pull_request"), dict)


def _differ(payload: Mapping[str, Any], head: tuple[str, ...], base: tuple[str, ...]) -> bool:
    ours, theirs = _text(payload, *base, "full_name"), _text(payload, *head, "full_name")
    return ours is None or theirs is None or ours.lower() != theirs.lower()


def _event(environ: Mapping[str, str]) -> dict[str, Any]:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(EVENT_BYTES + 1)
        event = json.loads(raw) if len(raw) <= EVENT_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(event, dict):
        raise _unreadable(path, f"it is no JSON object of at most {EVENT_BYTES} bytes")
    return event


def _unreadable(path: str, reason: str) -> RefusedError:
    return RefusedError(
        f"The event file {path} cannot be used",
        reason=reason,
        remedy="Run in a job of GitHub Actions, or leave GITHUB_EVENT_PATH unset.",
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(payload: Mapping[str, Any], *keys: str) -> str | None:
    value = _at(payload, *keys)
    return value if isinstance(value, str) and 0 < len(value) <= _NAME_LIMIT else None


def _number(payload: Mapping[str, Any], *keys: str) -> int | None:
    value = _at(payload, *keys)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _oid(value: str | None) -> str | None:
    well_formed = value is not None and len(value) in (40, 64) and all(c in "0123456789abcdef" for c in value)
    return value if well_formed else None
