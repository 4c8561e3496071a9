"""GitHub's REST API for one repository: pull requests, statuses, checks, and who we are. Decides nothing.

Source: docs.github.com, "GitHub REST API", version 2022-11-28. `tests/github` checks each request and each answer
of these tests against the OpenAPI description that GitHub publishes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from pytest_moa.errors import GitHubError, NotPermittedError, RefusedError
from pytest_moa.github import wire
from pytest_moa.github.checks import CheckState, united
from pytest_moa.github.retry import Answer, pause_before_retry, rate_limited

if TYPE_CHECKING:
    from pytest_moa.github.transport import Transport

PUBLIC_API = "https://api.github.com"
WAITING = 120.0
"""Seconds that one client waits in all, so that a job ends: enough for one secondary rate limit."""

DESCRIPTION_LIMIT = 140
"""Characters of a status' description."""
_PAGES = 500
_PAGE_SIZE = "100"

StatusState = Literal["error", "failure", "pending", "success"]

_Shape = TypeVar("_Shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """An open pull request. `head` is the commit, `base` the branch that it wants to go to."""

    number: int
    head: str
    base: str
    draft: bool
    author: str
    labels: tuple[str, ...]


class _Secret:
    """A token that shows itself in no representation: of a traceback's locals, of a client."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class GitHub:
    """`repository` is `owner/name`; `api_url` has no path but that of GitHub Enterprise (`/api/v3`).

    Every method raises NotPermittedError where the token may not do it, and GitHubError where GitHub gives no usable
    answer within the time that there is. No message of either holds the token.
    """

    def __init__(
        self,
        repository: str,
        token: str | None,
        api_url: str = PUBLIC_API,
        *,
        waiting: float = WAITING,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
            raise RefusedError(
                f"{repository[:200]!r} is no repository of GitHub", remedy="Name it as `owner/name`."
            )
        self.repository = repository
        self.api_url = _checked_url(api_url)
        self._token = _Secret(_checked_token(token))
        self._waiting = waiting
        self._sleep = sleep
        self._now = now

    def __repr__(self) -> str:
        return f"GitHub({self.repository!r}, api_url={self.api_url!r})"

    # What there is

    def pull_requests_of(self, branch: str) -> tuple[PullRequest, ...]:
        """The open pull requests whose head is that branch of this repository (never a fork's), by number."""
        query = {"state": "open", "head": f"{self.repository.partition('/')[0]}:{branch}"}
        found = self.pages(wire.Pull, self.in_repository("pulls"), query)
        # `head` of the query names an owner and a branch: a second fork of the same owner answers to it, too.
        own = (p for p in found if p.head.ref == branch and self._is_here(p.head.repo))
        return tuple(sorted(map(_pull_request, own), key=lambda pull: pull.number))

    def approved(self, pull: PullRequest) -> bool:
        """Whether somebody who may write approved this very head, and nobody who may write asks for changes."""
        place = self.in_repository("pulls", str(pull.number), "reviews")
        last: dict[str, wire.Review] = {}
        for review in self.pages(wire.Review, place):
            if review.user is not None and review.state in wire.DECISIVE and review.by_writer:
                last[review.user.login] = review
        states = {r.state for r in last.values()}
        return "CHANGES_REQUESTED" not in states and any(
            r.state == "APPROVED" and r.commit_id == pull.head for r in last.values()
        )

    def checks_of(self, oid: str, source: str | None = None) -> Mapping[str, CheckState]:
        """Check runs and commit statuses of a commit, by name; with `source` only those that it made.

        A source is an App's name with `[bot]` (`github-actions[bot]`), or a person's. Where a name was told more than once
        (a run and a status, two workflows), the worst counts, as GitHub's protection has it.
        """
        commit = self.in_repository("commits", oid)
        runs = self.pages(wire.CheckRun, f"{commit}/check-runs", {"filter": "latest"}, within="check_runs")
        statuses = self.pages(wire.Status, f"{commit}/statuses")
        return united(runs, statuses, source)

    # What we say

    def set_status(
        self, oid: str, context: str, state: StatusState, description: str = "", target_url: str | None = None
    ) -> None:
        """A commit status. The description is cut at the length that GitHub takes."""
        short = (
            description
            if len(description) <= DESCRIPTION_LIMIT
            else f"{description[: DESCRIPTION_LIMIT - 1]}…"
        )
        fields = {"state": state, "context": context, "description": short}
        if target_url is not None:
            fields["target_url"] = target_url
        self.ask("POST", self.in_repository("statuses", oid), fields)

    # Who we are

    @cached_property
    def login(self) -> str | None:
        """The name under which this token writes; None where GitHub does not tell.

        `GET /user` is a person's. An installation's token (GITHUB_TOKEN, a GitHub App's) is refused there; GraphQL's
        `viewer` tells its name, as in `github-actions[bot]`.
        """
        try:
            return self.decoded(self.ask("GET", "/user"), wire.User).login
        except NotPermittedError:
            pass
        try:
            answer = self.ask("POST", self._graphql, {"query": "query { viewer { login } }"})
            return self.decoded(answer, wire.ViewerAnswer).data.viewer.login
        except GitHubError:
            return None

    @cached_property
    def _graphql(self) -> str:
        # GitHub Enterprise Server: https://HOST/api/v3 and https://HOST/api/graphql.
        root = self.api_url.removesuffix("/v3") if self.api_url.endswith("/api/v3") else self.api_url
        return f"{root}/graphql"

    # Asking

    def in_repository(self, *parts: str) -> str:
        """A path below this repository's, each part quoted: a branch may hold slashes and anything else."""
        return "/".join((f"/repos/{self.repository}", *(quote(part, safe="") for part in parts)))

    def pages(
        self,
        shape: type[_Shape],
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        within: str | None = None,
    ) -> Iterator[_Shape]:
        """All things of a list, page by page; `within` names the key of lists that come in an object."""
        wanted: dict[str, str] | None = {**(query or {}), "per_page": _PAGE_SIZE}
        for _ in range(_PAGES):
            if wanted is None:
                return
            answer = self.ask("GET", path, query=wanted)
            if within is None:
                yield from self.decoded(answer, list[shape])  # type: ignore[valid-type] # a shape given at run time
            else:
                page = self.decoded(answer, dict[str, msgspec.Raw])
                yield from self.decoded(answer, list[shape], page.get(within))  # type: ignore[valid-type] # as above
            wanted = _next_query(answer.headers.get("link", ""))
        raise GitHubError(
            f"{path} has more than {_PAGES} pages", remedy="Tell us: nothing of GitHub's is so long."
        )

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, repeated while that helps and the time allows; the answer has a status below 300."""
        address = path if path.startswith(("http://", "https://")) else f"{self.api_url}{path}"
        url = f"{address}?{urlencode(query)}" if query else address
        body = None if fields is None else json.dumps(fields).encode()
        attempt = 0
        while True:
            attempt += 1
            started = self._now()
            answer, trouble = self._sent(method, url, body)
            if answer is not None and answer.status < 300:
                return answer
            # A request that failed slowly has waited, too.
            self._waiting -= max(self._now() - started, 0.0)
            pause = pause_before_retry(answer, attempt, self._now())
            if pause is None or pause > self._waiting:
                raise self._refusal(f"{method} {urlsplit(address).path}", answer, trouble, pause)
            self._waiting -= pause
            self._sleep(pause)

    def decoded(self, answer: Answer, shape: type[_Shape], part: msgspec.Raw | None = None) -> _Shape:
        """The answer's body (or a part of it) in that shape; GitHubError where it has another one."""
        try:
            return msgspec.json.decode(answer.body if part is None else part, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise GitHubError(
                "GitHub's answer cannot be read",
                status=answer.status,
                reason=self._clean(str(error)),
                remedy=f"Check that {self.api_url} is the address of GitHub's REST API.",
            ) from None

    def _sent(self, method: str, url: str, body: bytes | None) -> tuple[Answer | None, str]:
        from pytest_moa.github.transport import NoAnswerError  # noqa: PLC0415 - the extra may be missing

        try:
            return self._transport.send(method, url, self._headers(body), body), ""
        except NoAnswerError as error:
            return None, str(error)

    @cached_property
    def _transport(self) -> Transport:
        try:
            from pytest_moa.github.transport import Transport  # noqa: PLC0415 - the extra may be missing
        except ImportError as error:
            raise RefusedError(
                "GitHub cannot be asked without urllib3",
                reason=str(error),
                remedy="Install it: `pip install 'pytest-moa[github]'`.",
            ) from error
        return Transport(self.api_url)

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/vnd.github+json",
            "User-Agent": "pytest-moa",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        if self._token.value:
            headers["Authorization"] = f"Bearer {self._token.value}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _refusal(self, what: str, answer: Answer | None, trouble: str, pause: float | None) -> GitHubError:
        if answer is None:
            return GitHubError(
                f"GitHub does not answer: {what}",
                reason=self._clean(trouble),
                remedy=f"Check the network, the proxy's settings and {self.api_url}, then run again.",
            )
        reason = self._clean(f"{answer.status} {wire.message_of(answer.body)}")
        if rate_limited(answer):
            wait = "" if pause is None else f" in {pause:.0f} seconds"
            return GitHubError(
                f"GitHub's rate limit is used up: {what}",
                status=answer.status,
                reason=reason,
                remedy=f"Run again{wait or ' later'}, or use another token.",
            )
        if answer.status in {401, 403, 404}:
            return NotPermittedError(
                f"The token may not do this: {what}",
                status=answer.status,
                reason=reason,
                remedy=_permission_remedy(answer),
            )
        return GitHubError(
            f"GitHub refuses: {what}",
            status=answer.status,
            reason=reason,
            remedy="Run again later."
            if answer.status >= 500
            else "Read GitHub's reason; moa asked for something impossible.",
        )

    def _clean(self, text: str) -> str:
        """Foreign text for a message: one line, short, without the token, whoever put it there."""
        if self._token.value:
            text = text.replace(self._token.value, "***")
        line = "".join(c if c.isprintable() else " " for c in text)
        return line if len(line) <= 400 else f"{line[:399]}…"

    def _is_here(self, repo: wire.Repo | None) -> bool:
        return repo is not None and repo.full_name.lower() == self.repository.lower()


def _pull_request(pull: wire.Pull) -> PullRequest:
    return PullRequest(
        number=pull.number,
        head=pull.head.sha,
        base=pull.base.ref,
        draft=pull.draft,
        author=pull.user.login if pull.user else "",
        labels=tuple(label.name for label in pull.labels),
    )


def _next_query(link: str) -> dict[str, str] | None:
    """The next page's query. Only that is taken of the address: the token goes to no other place than `api_url`."""
    for part in link.split(","):
        found = re.fullmatch(r'\s*<([^<>]*)>\s*;.*\brel="?next"?.*', part)
        if found:
            return dict(parse_qsl(urlsplit(found[1]).query))
    return None


def _checked_url(api_url: str) -> str:
    address = urlsplit(api_url)
    if (
        address.scheme not in {"https", "http"}
        or not address.hostname
        or address.query
        or "@" in address.netloc
    ):
        raise RefusedError(
            f"{api_url[:200]!r} is no address of GitHub's API",
            remedy="Set GITHUB_API_URL to https://api.github.com, or https://HOST/api/v3 of GitHub Enterprise.",
        )
    return api_url.rstrip("/")


def _checked_token(token: str | None) -> str:
    """The token without space around it. What cannot stand in a header is refused here, without being shown."""
    token = (token or "").strip()
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise RefusedError(
            "The token holds characters that no token has",
            remedy="Give GITHUB_TOKEN or GH_TOKEN the token alone.",
        )
    return token


def _permission_remedy(answer: Answer) -> str:
    if answer.status == 401:
        return "Give a token that is valid: this one is wrong, expired or revoked."
    wanted = answer.headers.get("x-accepted-github-permissions", "")
    if re.fullmatch(r"[a-z_=,; ]+", wanted):
        return f"Give the token these permissions: {wanted}."
    return "Give the token that permission (`permissions:` in a workflow); a fork's pull request gets a read-only token."
