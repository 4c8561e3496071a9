"""One comment a pull request and purpose, kept up to date in place. Never touches a comment that is not ours.

Ours is what holds our hidden marker *and* was written under our own name: anybody can copy a marker.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from pytest_moa.errors import BugError, GitHubError
from pytest_moa.github import wire
from pytest_moa.github.client import GitHub

Outcome = Literal["created", "updated", "unchanged"]

_LIMIT = 65_536
_DIGEST = 16


def _marker(purpose: str, digest: str) -> str:
    return f"<!-- pytest-moa:{purpose}:{digest} -->\n"


BODY_BYTES = _LIMIT - len(_marker("x" * 32, "0" * _DIGEST))
"""The longest body: GitHub counts 65,536 characters with the marker; bytes are never fewer than characters."""


def put_comment(github: GitHub, number: int, purpose: str, body: str) -> Outcome:
    """The pull request's one comment of that purpose (`gate`, `queue`) says `body`; nothing is sent where it does.

    `body` is Markdown of at most BODY_BYTES bytes of UTF-8. Duplicates of ours, left by two jobs at once, go; the oldest
    stays. Raises NotPermittedError and GitHubError.
    """
    if not re.fullmatch(r"[a-z][a-z-]{0,31}", purpose):
        raise BugError(f"{purpose!r} is no purpose of a comment", remedy="Use lower-case letters and `-`.")
    text = _with_marker(purpose, body)
    marked = _marked(github, number, purpose)
    if github.login is not None:
        ours = _of(github.login, marked)
        if ours:
            return _kept_up(github, ours, text)
    created = github.decoded(
        github.ask("POST", github.in_repository("issues", str(number), "comments"), {"body": text}),
        wire.Comment,
    )
    return _alone(github, number, purpose, created, text)


def _alone(github: GitHub, number: int, purpose: str, created: wire.Comment, text: str) -> Outcome:
    """After creating: another job, an answer that was lost, or a name that GitHub told only now may mean that there is one."""
    name = created.user.login if created.user else None
    if name is None:
        return "created"
    ours = _of(name, _marked(github, number, purpose))
    if len(ours) < 2:
        return "created"
    _kept_up(github, ours, text)
    return "created" if ours[0].id == created.id else "updated"


def _kept_up(github: GitHub, ours: list[wire.Comment], text: str) -> Outcome:
    first, *others = ours
    changed = not _says(first, text)
    if changed:
        github.ask("PATCH", _place(github, first), {"body": text})
    for other in others:
        _deleted(github, other)
    return "updated" if changed or others else "unchanged"


def _says(comment: wire.Comment, text: str) -> bool:
    """By the marker's digest: GitHub may store line ends and trailing space in its own way."""
    return (comment.body or "").split("\n", 1)[0].rstrip() == text.split("\n", 1)[0]


def _deleted(github: GitHub, comment: wire.Comment) -> None:
    try:
        github.ask("DELETE", _place(github, comment))
    except GitHubError as error:
        # The other job was faster.
        if error.status not in {404, 410}:
            raise


def _place(github: GitHub, comment: wire.Comment) -> str:
    return github.in_repository("issues", "comments", str(comment.id))


def _marked(github: GitHub, number: int, purpose: str) -> list[wire.Comment]:
    pages = github.pages(wire.Comment, github.in_repository("issues", str(number), "comments"))
    begin = f"<!-- pytest-moa:{purpose}:"
    return [comment for comment in pages if (comment.body or "").startswith(begin)]


def _of(login: str, comments: Iterable[wire.Comment]) -> list[wire.Comment]:
    """Those of that author, the oldest first. GitHub's names differ by more than case."""
    own = (c for c in comments if c.user is not None and c.user.login.lower() == login.lower())
    return sorted(own, key=lambda comment: comment.id)


def _with_marker(purpose: str, body: str) -> str:
    # A lone surrogate has no UTF-8, and GitHub takes no NUL.
    raw = body.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", errors="replace")
    if len(raw) > BODY_BYTES:
        raise GitHubError(
            f"A comment of {len(raw)} bytes is too long for GitHub",
            reason=f"it takes {BODY_BYTES} bytes",
            remedy="Shorten the template of the comment: the summary of the job holds the whole.",
        )
    return _marker(purpose, hashlib.sha256(raw).hexdigest()[:_DIGEST]) + raw.decode()
