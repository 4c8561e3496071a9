"""A GitHub on the loopback that remembers what it was told, and checks each request and answer by the description."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

from support import openapi

TOKEN = "ghp_S3cret-that-nobody-may-see"  # noqa: S105 - of nobody
"""A person's; the fake knows it as `moa-robot`."""
APP_TOKEN = "ghs_of-an-installation"  # noqa: S105 - of nobody
GRAPHQL_QUERY = {"query": "query { viewer { login } }"}


class Clock:
    """Time that passes where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def time(self) -> float:
        return self.now


@dataclass(frozen=True)
class Fault:
    """What is answered in place of the truth; `lost` does what was asked and then breaks the connection."""

    status: int = 502
    message: str = "Server Error"
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeGitHub:
    """`people` maps a token to the login that it writes under; `[bot]` is an installation's, which is no user."""

    repository: str = "octo/team"
    base: str = ""
    people: dict[str, str] = field(
        default_factory=lambda: {TOKEN: "moa-robot", APP_TOKEN: "github-actions[bot]"}
    )
    read_only: bool = False
    graphql: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    repo: dict[str, Any] = field(default_factory=dict)
    scopes: str | None = None
    protection: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict)
    workflow_permissions: str = "read"
    forbidden: set[str] = field(default_factory=set)
    """Operations that this token may not ask for."""
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called with an operation's name before it is carried out: what somebody else does meanwhile."""
    port: int = 0

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}"

    def sent(self, *methods: str) -> list[str]:
        return [f"{one.method} {one.target}" for one in self.asked if one.method in methods]

    # What there is

    def comment(self, number: int, author: str, body: str) -> dict[str, Any]:
        one = openapi.of_shape("issue-comment", id=len(self.comments) + 1, body=body, user=_user(author))
        self.comments.append({"number": number, "comment": one})
        return one

    def bodies(self, number: int, author: str) -> list[str]:
        own = [one["comment"] for one in self.comments if one["number"] == number]
        return [comment["body"] for comment in own if comment["user"]["login"] == author]

    def pull(self, number: int, branch: str, *, head: str, repo: str | None = None, **values: Any) -> None:
        ends = {
            "head": self._end(branch, head, repo or self.repository),
            "base": self._end(values.pop("base", "develop"), "b" * 40, self.repository),
        }
        labels = [_label(name) for name in values.pop("labels", ())]
        values = {"state": "open", **values, "user": _user(values.pop("author", "dev"))}
        self.pulls.append(
            openapi.of_shape("pull-request-simple", number=number, labels=labels, **ends, **values)
        )

    def run(
        self, oid: str, name: str, conclusion: str | None, *, app: str = "github-actions", suite: int = 1
    ) -> None:
        status = "in_progress" if conclusion is None else "completed"
        self.runs.append(
            openapi.of_shape(
                "check-run",
                id=len(self.runs) + 1,
                name=name,
                head_sha=oid,
                status=status,
                conclusion=conclusion,
                html_url=f"https://example.invalid/{name}",
                app=openapi.of_shape("integration", slug=app, owner=_user("octo")),
                check_suite={"id": suite},
            )
        )

    def status(self, oid: str, context: str, state: str, author: str) -> dict[str, Any]:
        one = openapi.of_shape(
            "status", id=len(self.statuses) + 1, context=context, state=state, creator=_user(author), url=oid
        )
        self.statuses.insert(0, {"oid": oid, "status": one})
        return one

    def _end(self, ref: str, sha: str, repo: str) -> dict[str, Any]:
        owner, name = repo.split("/")
        shape = openapi.of_shape(
            "repository", name=name, full_name=repo, owner=_user(owner), default_branch="main"
        )
        return {"label": f"{owner}:{ref}", "ref": ref, "sha": sha, "repo": shape, "user": _user(owner)}

    # Answers

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        """Status, headers, body; what breaks the description is kept in `problems`."""
        if not asked.target.startswith(f"{self.base}/") and asked.target != self._graphql:
            self.problems.append(f"{asked.target} lies outside of {self.base}")
            return _refusal(404, "Not Found")
        if asked.target == self._graphql:
            return self._viewer(asked)
        target = asked.target.removeprefix(self.base)
        found = openapi.operation(asked.method, target)
        if found is None:
            self.problems.append(f"no operation: {asked.method} {target}")
            return _refusal(404, "Not Found")
        self._check_headers(asked)
        wrong = openapi.wrong_with_request(found, asked.body)
        self.problems += [f"{found.id} asked: {one}" for one in wrong]
        self.before(found.id)
        status, headers, body = self._permitted(found, asked)
        wrong = openapi.wrong_with_answer(found, status, body)
        self.problems += [f"{found.id} answered {status}: {one}" for one in wrong]
        return status, headers, body

    def _check_headers(self, asked: Asked) -> None:
        if asked.headers.get("accept") != "application/vnd.github+json":
            self.problems.append(f"{asked.target}: GitHub wants to be asked for its own JSON")
        if not asked.headers.get("user-agent"):
            self.problems.append(f"{asked.target}: GitHub refuses requests without a user agent")
        if asked.body and asked.headers.get("content-type") != "application/json":
            self.problems.append(f"{asked.target}: a body without its type")

    def _who(self, asked: Asked) -> str | None:
        return self.people.get(asked.headers.get("authorization", "").removeprefix("Bearer "))

    def _permitted(self, found: openapi.Operation, asked: Asked) -> tuple[int, dict[str, str], Any]:
        who = self._who(asked)
        if who is None:
            return _refusal(401, "Bad credentials")
        writes = asked.method != "GET"
        if found.id in self.forbidden or (writes and self.read_only):
            return _refusal(403, "Resource not accessible by integration")
        if found.path.get("owner", "octo") + "/" + found.path.get("repo", "team") != self.repository:
            return _refusal(404, "Not Found")
        fields = json.loads(asked.body) if asked.body else {}
        return _OPERATIONS[found.id](self, found, fields, who)

    @property
    def _graphql(self) -> str:
        return f"{self.base.removesuffix('/v3')}/graphql"

    def _viewer(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        # GraphQL is not in the description: this one question is checked word by word.
        if asked.method != "POST" or json.loads(asked.body) != GRAPHQL_QUERY:
            self.problems.append(f"GraphQL was asked {asked.body!r}")
        if not self.graphql:
            return _refusal(403, "Resource not accessible by integration")
        return 200, {}, {"data": {"viewer": {"login": self._who(asked)}}}

    def _page(self, found: openapi.Operation, things: list[Any]) -> tuple[dict[str, str], list[Any]]:
        size, page = int(found.query.get("per_page", 30)), int(found.query.get("page", 1))
        if size > 100:
            self.problems.append(f"{found.id}: GitHub gives at most 100 a page")
        first = (page - 1) * size
        headers = {}
        if first + size < len(things):
            # As on GitHub the address is one of its own, here one that is not to be trusted with a token.
            query = urlencode({**found.query, "page": page + 1})
            link = f"http://127.0.0.1:1/repositories/1/things?{query}"
            headers["Link"] = f'<{link}>; rel="next", <{link}>; rel="last"'
        return headers, things[first : first + size]

    # Operations

    def _get_user(
        self, _: openapi.Operation, __: dict[str, Any], who: str
    ) -> tuple[int, dict[str, str], Any]:
        if who.endswith("[bot]"):
            return _refusal(403, "Resource not accessible by integration")
        headers = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
        return 200, headers, openapi.of_shape("public-user", login=who, user_view_type="public")

    def _list_comments(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        number = int(found.path["issue_number"])
        own = [one["comment"] for one in self.comments if one["number"] == number]
        headers, page = self._page(found, own)
        return 200, headers, page

    def _create_comment(
        self, found: openapi.Operation, fields: dict[str, Any], who: str
    ) -> tuple[int, dict[str, str], Any]:
        if len(fields["body"]) > 65_536:
            return _invalid("IssueComment", "body is too long (maximum is 65536 characters)")
        return 201, {}, self.comment(int(found.path["issue_number"]), who, fields["body"])

    def _update_comment(
        self, found: openapi.Operation, fields: dict[str, Any], _: str
    ) -> tuple[int, dict[str, str], Any]:
        one = self._one_comment(found)
        if one is None:
            return _refusal(404, "Not Found")
        one["comment"]["body"] = fields["body"]
        return 200, {}, one["comment"]

    def _delete_comment(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        one = self._one_comment(found)
        if one is None:
            return _refusal(404, "Not Found")
        self.comments.remove(one)
        return 204, {}, None

    def _one_comment(self, found: openapi.Operation) -> dict[str, Any] | None:
        number = int(found.path["comment_id"])
        return next((one for one in self.comments if one["comment"]["id"] == number), None)

    def _list_pulls(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        own = [
            one
            for one in self.pulls
            if found.query.get("head") in {None, one["head"]["label"]}
            and found.query.get("state", "open") == one["state"]
        ]
        headers, page = self._page(found, own)
        return 200, headers, page

    def _list_reviews(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        headers, page = self._page(found, self.reviews)
        return 200, headers, page

    def _list_runs(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        own = [one for one in self.runs if one["head_sha"] == found.path["ref"]]
        headers, page = self._page(found, own)
        return 200, headers, {"total_count": len(own), "check_runs": page}

    def _list_statuses(
        self, found: openapi.Operation, _: dict[str, Any], __: str
    ) -> tuple[int, dict[str, str], Any]:
        headers, page = self._page(
            found, [one["status"] for one in self.statuses if one["oid"] == found.path["ref"]]
        )
        return 200, headers, page

    def _create_status(
        self, found: openapi.Operation, fields: dict[str, Any], who: str
    ) -> tuple[int, dict[str, str], Any]:
        if len(fields.get("description") or "") > 140:
            return _invalid("Status", "description is too long (maximum is 140 characters)")
        one = self.status(found.path["sha"], fields["context"], fields["state"], who)
        one.update({key: fields[key] for key in ("description", "target_url") if key in fields})
        return 201, {}, one

    def _get_repo(self, *_: object) -> tuple[int, dict[str, str], Any]:
        owner, name = self.repository.split("/")
        shape = openapi.of_shape(
            "full-repository", name=name, full_name=self.repository, owner=_user(owner), **self.repo
        )
        headers = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
        return 200, headers, shape

    def _get_protection(self, found: openapi.Operation, *_: object) -> tuple[int, dict[str, str], Any]:
        protection = self.protection.get(found.path["branch"])
        return _refusal(404, "Branch not protected") if protection is None else (200, {}, protection)

    def _get_rules(self, found: openapi.Operation, *_: object) -> tuple[int, dict[str, str], Any]:
        headers, page = self._page(found, self.rules.get(found.path["branch"], []))
        return 200, headers, page

    def _get_ruleset(self, found: openapi.Operation, *_: object) -> tuple[int, dict[str, str], Any]:
        ruleset = self.rulesets.get(int(found.path["ruleset_id"]))
        return _refusal(404, "Not Found") if ruleset is None else (200, {}, ruleset)

    def _get_workflow_permissions(self, *_: object) -> tuple[int, dict[str, str], Any]:
        word = self.workflow_permissions
        return 200, {}, {"default_workflow_permissions": word, "can_approve_pull_request_reviews": False}


_OPERATIONS: dict[str, Callable[..., tuple[int, dict[str, str], Any]]] = {
    "actions/get-github-actions-default-workflow-permissions-repository": FakeGitHub._get_workflow_permissions,
    "checks/list-for-ref": FakeGitHub._list_runs,
    "issues/create-comment": FakeGitHub._create_comment,
    "issues/delete-comment": FakeGitHub._delete_comment,
    "issues/list-comments": FakeGitHub._list_comments,
    "issues/update-comment": FakeGitHub._update_comment,
    "pulls/list": FakeGitHub._list_pulls,
    "pulls/list-reviews": FakeGitHub._list_reviews,
    "repos/create-commit-status": FakeGitHub._create_status,
    "repos/get": FakeGitHub._get_repo,
    "repos/get-branch-protection": FakeGitHub._get_protection,
    "repos/get-branch-rules": FakeGitHub._get_rules,
    "repos/get-repo-ruleset": FakeGitHub._get_ruleset,
    "repos/list-commit-statuses-for-ref": FakeGitHub._list_statuses,
    "users/get-authenticated": FakeGitHub._get_user,
}


def _user(login: str) -> dict[str, Any]:
    return openapi.of_shape("simple-user", login=login, type="Bot" if login.endswith("[bot]") else "User")


def _label(name: str) -> dict[str, Any]:
    plain = {"id": 1, "node_id": "x", "url": "https://example.invalid/", "color": "ffffff", "default": False}
    return {**plain, "name": name, "description": ""}


def _refusal(status: int, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"message": message, "documentation_url": "https://docs.github.com/rest"}


def _invalid(resource: str, message: str) -> tuple[int, dict[str, str], Any]:
    error = {"resource": resource, "field": "body", "code": "custom", "message": message}
    return 422, {}, {"message": "Validation Failed", "documentation_url": "https://x", "errors": [error]}


def _handler(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            with lock:
                fake.asked.append(asked)
                fault = fake.faults.pop(0) if fake.faults else None
                if fault is None or fault.lost:
                    status, more, answer = fake.answer(asked)
            if fault is not None and fault.lost:
                self.close_connection = True
                return
            if fault is not None:
                status, more, answer = fault.status, fault.headers, {"message": fault.message}
            self._write(status, more, answer)

        def _write(self, status: int, more: dict[str, str], answer: Any) -> None:
            raw = b"" if answer is None else json.dumps(answer, ensure_ascii=False).encode()
            self.send_response(status)
            for name, value in {**more, "Content-Type": "application/json; charset=utf-8"}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(fake: FakeGitHub) -> Iterator[FakeGitHub]:
    """While it is open GitHub listens; when it closes, nothing may have broken the description."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake)) as server:
        server.daemon_threads = True
        # Else closing would wait for a connection that a client keeps open.
        server.block_on_close = False
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
    assert not fake.problems, "\n".join(fake.problems)
