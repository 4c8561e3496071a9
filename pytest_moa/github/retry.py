"""Whether a request to GitHub is worth repeating, and after how long. Pure: waits for nothing itself.

Source: docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API".
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass

ATTEMPTS = 6
"""A request is sent at most so often."""

_SECONDARY_PAUSE = 60.0
"""GitHub asks for at least a minute where a secondary limit names no time."""
_BROKEN = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names in lower case, the body as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def rate_limited(answer: Answer) -> bool:
    """Whether the request was turned away unread, by the primary limit or by a secondary one."""
    if answer.status not in {403, 429}:
        return False
    return (
        answer.status == 429
        or "retry-after" in answer.headers
        or answer.headers.get("x-ratelimit-remaining") == "0"
        or b"secondary rate limit" in answer.body[:4096].lower()
    )


def pause_before_retry(answer: Answer | None, attempt: int, now: float) -> float | None:
    """Seconds to wait before the request is sent again; None where that would not help.

    `answer` is None where none came. `attempt` counts from 1. `now` is seconds since the epoch.
    """
    if attempt >= ATTEMPTS:
        return None
    backoff = float(2 ** (attempt - 1))
    if answer is None:
        return backoff
    if rate_limited(answer):
        return _told(answer, now) or _SECONDARY_PAUSE * backoff
    if answer.status in _BROKEN:
        return max(_retry_after(answer, now) or 0.0, backoff)
    return None


def _told(answer: Answer, now: float) -> float | None:
    """The pause that GitHub asks for, None where it names none. Never less than a second."""
    after = _retry_after(answer, now)
    if after is not None:
        return max(after, 1.0)
    if answer.headers.get("x-ratelimit-remaining") != "0":
        return None
    reset = _number(answer.headers.get("x-ratelimit-reset"))
    # A second more, since the clocks of two machines differ.
    return None if reset is None else max(reset - now, 0.0) + 1.0


def _retry_after(answer: Answer, now: float) -> float | None:
    value = answer.headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        # Proxies before GitHub Enterprise send a date (RFC 9110, 10.2.3).
        return max(email.utils.parsedate_to_datetime(value).timestamp() - now, 0.0)
    except ValueError:
        return None


def _number(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
