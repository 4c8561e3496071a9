"""What the client asks for, how often, and what it makes of the answers."""

from __future__ import annotations

import logging
import traceback

import pytest
from support import openapi
from support.github import TOKEN, Clock, FakeGitHub, Fault, serving

from pytest_moa.errors import GitHubError, NotPermittedError, RefusedError
from pytest_moa.github.client import GitHub, PullRequest
from pytest_moa.github.retry import Answer

_HEAD = "a" * 40


def test_the_description_is_the_cut_that_the_tool_makes() -> None:
    operations = {one["operationId"] for ms in openapi.description()["paths"].values() for one in ms.values()}
    assert len(operations) == 15
    assert openapi.description()["info"]["license"]["name"] == "MIT"


@pytest.mark.parametrize(
    ("method", "target", "body", "wrong"),
    [
        ("GET", "/repos/o/r/pulls?state=opened", b"", "'opened' is not one of"),
        ("GET", "/repos/o/r/pulls?heads=x", b"", "heads is not described"),
        ("POST", f"/repos/o/r/statuses/{_HEAD}", b'{"context": "x"}', "'state' is a required property"),
        ("POST", f"/repos/o/r/statuses/{_HEAD}", b'{"state": "passed"}', "'passed' is not one of"),
        ("POST", "/repos/o/r/issues/1/comments", b'{"body": "x", "text": "y"}', "text is no key"),
        ("POST", "/repos/o/r/issues/1/comments", b'{"body": "\xff"}', "no JSON in UTF-8"),
        ("DELETE", "/repos/o/r/issues/comments/x", b"", "'x' is not of type 'integer'"),
    ],
)
def test_the_fake_github_sees_a_request_that_the_description_forbids(
    method: str, target: str, body: bytes, wrong: str
) -> None:
    asked = openapi.operation(method, target)
    assert asked is not None
    assert any(wrong in one for one in openapi.wrong_with_request(asked, body))


def test_the_fake_github_sees_its_own_answer_that_the_description_forbids() -> None:
    asked = openapi.operation("GET", "/repos/o/r/pulls")
    assert asked is not None
    assert openapi.wrong_with_answer(asked, 200, [{"number": 1}])
    assert openapi.wrong_with_answer(asked, 200, [openapi.of_shape("pull-request-simple", draft=None)])
    assert openapi.wrong_with_answer(asked, 200, [openapi.of_shape("pull-request-simple")]) == []


def test_pull_requests_of_a_branch_are_those_of_this_repository(github: FakeGitHub, client: GitHub) -> None:
    branch = "agent-03-über/#1?&x=ü,y"
    github.pull(7, branch, head=_HEAD, draft=True, author="ana", labels=["moa:ready", "bug"], base="main")
    github.pull(3, branch, head=_HEAD)
    github.pull(8, branch, head=_HEAD, repo="octo/another-fork")
    github.pull(9, "agent-04", head=_HEAD)
    github.pull(10, branch, head=_HEAD, state="closed")
    assert client.pull_requests_of(branch) == (
        PullRequest(number=3, head=_HEAD, base="develop", draft=False, author="dev", labels=()),
        PullRequest(number=7, head=_HEAD, base="main", draft=True, author="ana", labels=("moa:ready", "bug")),
    )


def test_a_hundred_and_more_pages_through(github: FakeGitHub, client: GitHub) -> None:
    for number in range(1, 251):
        github.pull(number, "b", head=_HEAD)
    assert [pull.number for pull in client.pull_requests_of("b")] == list(range(1, 251))
    assert [one.rpartition("page=")[2] for one in github.sent("GET")] == ["100", "2", "3"]


@pytest.mark.parametrize(
    ("reviews", "approved"),
    [
        ([], False),
        ([("ana", "APPROVED", "MEMBER", _HEAD)], True),
        ([("ana", "APPROVED", "MEMBER", "b" * 40)], False),
        ([("eve", "APPROVED", "NONE", _HEAD)], False),
        ([("ana", "APPROVED", "MEMBER", _HEAD), ("ana", "COMMENTED", "MEMBER", _HEAD)], True),
        ([("ana", "APPROVED", "MEMBER", _HEAD), ("ana", "DISMISSED", "MEMBER", _HEAD)], False),
        ([("ana", "APPROVED", "OWNER", _HEAD), ("bob", "CHANGES_REQUESTED", "MEMBER", "b" * 40)], False),
        ([("bob", "CHANGES_REQUESTED", "MEMBER", _HEAD), ("bob", "APPROVED", "MEMBER", _HEAD)], True),
        ([("ana", "APPROVED", "OWNER", _HEAD), ("eve", "CHANGES_REQUESTED", "CONTRIBUTOR", _HEAD)], True),
    ],
)
def test_approved_means_this_head_by_somebody_who_may_write(
    github: FakeGitHub, client: GitHub, reviews: list[tuple[str, str, str, str]], approved: bool
) -> None:
    github.pull(1, "b", head=_HEAD)
    for login, state, association, commit in reviews:
        user = openapi.of_shape("simple-user", login=login)
        github.reviews.append(
            openapi.of_shape(
                "pull-request-review",
                state=state,
                author_association=association,
                commit_id=commit,
                user=user,
            )
        )
    (pull,) = client.pull_requests_of("b")
    assert client.approved(pull) is approved


def test_checks_are_runs_and_statuses_and_the_worst_of_a_name_counts(
    github: FakeGitHub, client: GitHub
) -> None:
    github.run(_HEAD, "green", "success")
    github.run(_HEAD, "skipped", "skipped")
    github.run(_HEAD, "running", None)
    github.run(_HEAD, "cancelled", "cancelled")
    github.run(_HEAD, "again", "failure")
    github.run(_HEAD, "again", "success")
    github.run(_HEAD, "two suites", "failure", suite=1)
    github.run(_HEAD, "two suites", "success", suite=2)
    github.run(_HEAD, "both", "failure")
    github.status(_HEAD, "both", "success", "eve")
    github.status(_HEAD, "ci/other", "pending", "eve")
    github.status(_HEAD, "ci/other", "success", "jenkins[bot]")
    github.status(_HEAD, "ci/broken", "error", "jenkins[bot]")
    github.run("c" * 40, "elsewhere", "success")
    found = client.checks_of(_HEAD)
    assert {name: check.state for name, check in found.items()} == {
        "green": "passed",
        "skipped": "neutral",
        "running": "pending",
        "cancelled": "failed",
        "again": "passed",
        "two suites": "failed",
        "both": "failed",
        "ci/other": "passed",
        "ci/broken": "failed",
    }
    assert (found["green"].source, found["green"].url) == (
        "github-actions[bot]",
        "https://example.invalid/green",
    )


def test_of_a_required_source_a_forged_status_is_nothing(github: FakeGitHub, client: GitHub) -> None:
    github.status(_HEAD, "moa/gate", "failure", "moa[bot]")
    github.status(_HEAD, "moa/gate", "success", "eve")
    github.status(_HEAD, "only eve's", "success", "eve")
    github.run(_HEAD, "moa/gate", "success", app="other")
    assert client.checks_of(_HEAD)["moa/gate"].state == "passed"
    found = client.checks_of(_HEAD, "moa[bot]")
    assert {name: check.state for name, check in found.items()} == {"moa/gate": "failed"}


def test_more_checks_than_a_page_holds(github: FakeGitHub, client: GitHub) -> None:
    for number in range(130):
        github.run(_HEAD, f"run {number}", "success")
        github.status(_HEAD, f"status {number}", "success", "ci")
    assert len(client.checks_of(_HEAD)) == 260


def test_a_status_says_what_it_was_told_and_its_description_fits(github: FakeGitHub, client: GitHub) -> None:
    client.set_status(_HEAD, "moa/gate", "failure", "ü" * 200, "https://example.invalid/run")
    client.set_status(_HEAD, "moa/merge", "pending")
    merge, gate = (one["status"] for one in github.statuses)
    assert (gate["context"], gate["state"], gate["target_url"]) == (
        "moa/gate",
        "failure",
        "https://example.invalid/run",
    )
    assert gate["description"] == "ü" * 139 + "…"
    assert (merge["context"], merge["state"], merge["description"]) == ("moa/merge", "pending", "")


def test_enterprise_lies_below_api_v3() -> None:
    with serving(FakeGitHub(base="/api/v3")) as enterprise:
        enterprise.pull(1, "b", head=_HEAD)
        client = GitHub("octo/team", "ghs_of-an-installation", f"{enterprise.api_url}/")
        assert [pull.number for pull in client.pull_requests_of("b")] == [1]
        assert client.login == "github-actions[bot]"
        assert [one.target.partition("?")[0] for one in enterprise.asked] == [
            "/api/v3/repos/octo/team/pulls",
            "/api/v3/user",
            "/api/graphql",
        ]


def _limited(**headers: str) -> Fault:
    return Fault(403, "API rate limit exceeded", {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("faults", "slept"),
    [
        ([Fault(502), Fault(503), Fault(500)], [1, 2, 4]),
        ([Fault(503, headers={"Retry-After": "7"})], [7]),
        ([Fault(429, "Too many", {"Retry-After": "30"})], [30]),
        ([Fault(403, "You have exceeded a secondary rate limit")], [60]),
        ([Fault(403, "You have exceeded a secondary rate limit", {"Retry-After": "5"})], [5]),
        ([_limited(x_ratelimit_remaining="0", x_ratelimit_reset="1800000040")], [41]),
        ([_limited(x_ratelimit_remaining="0", x_ratelimit_reset="1700000000")], [1]),
        ([Fault(403, "x", {"Retry-After": "Fri, 15 Jan 2027 08:00:09 GMT"})], [9]),
        ([Fault(lost=True)], [1]),
    ],
)
def test_what_passes_is_waited_for(
    github: FakeGitHub, client: GitHub, clock: Clock, faults: list[Fault], slept: list[float]
) -> None:
    github.pull(1, "b", head=_HEAD)
    github.faults = list(faults)
    assert len(client.pull_requests_of("b")) == 1
    assert clock.slept == slept
    assert len(github.asked) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "asked", "message"),
    [
        (Fault(502), 6, "GitHub refuses"),
        (Fault(502, headers={"Retry-After": "4000"}), 1, "GitHub refuses"),
        (_limited(x_ratelimit_remaining="0", x_ratelimit_reset="1800003000"), 1, "rate limit is used up"),
        (Fault(403, "You have exceeded a secondary rate limit"), 2, "rate limit is used up"),
        (Fault(lost=True), 6, "does not answer"),
    ],
)
def test_the_time_for_waiting_is_bounded(
    github: FakeGitHub, client: GitHub, clock: Clock, *, fault: Fault, asked: int, message: str
) -> None:
    github.faults = [fault] * 20
    with pytest.raises(GitHubError, match=message) as caught:
        client.pull_requests_of("b")
    assert not isinstance(caught.value, NotPermittedError)
    assert len(github.asked) == asked
    assert sum(clock.slept) <= 120
    assert caught.value.remedy


def test_one_client_waits_no_longer_in_all(github: FakeGitHub, client: GitHub, clock: Clock) -> None:
    for _ in range(2):
        github.faults = [Fault(429, "x", {"Retry-After": "50"})]
        client.pull_requests_of("b")
    github.faults = [Fault(429, "x", {"Retry-After": "50"})]
    with pytest.raises(GitHubError, match="rate limit"):
        client.pull_requests_of("b")
    assert clock.slept == [50, 50]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_is_not_permitted_is_told_apart_and_not_repeated(
    github: FakeGitHub, client: GitHub, clock: Clock, status: int
) -> None:
    wanted = {"X-Accepted-GitHub-Permissions": "statuses=write"}
    github.faults = [Fault(status, "Resource not accessible by integration", wanted)]
    with pytest.raises(NotPermittedError) as caught:
        client.set_status(_HEAD, "moa/gate", "success")
    assert caught.value.status == status
    assert "Resource not accessible" in caught.value.reason
    assert "statuses=write" in caught.value.remedy or status == 401
    assert (clock.slept, len(github.asked)) == ([], 1)


def test_a_refusal_is_told_in_githubs_words_on_one_line(github: FakeGitHub, client: GitHub) -> None:
    github.faults = [Fault(422, "No commit\nfound\x1b[31m for SHA")]
    with pytest.raises(GitHubError, match="GitHub refuses") as caught:
        client.set_status(_HEAD, "moa/gate", "success")
    assert caught.value.status == 422
    assert caught.value.reason == "422 No commit found [31m for SHA"


@pytest.mark.parametrize("body", ["{}", "[{}]", "<html>", "[" * 100_000, '"\\ud800"', ""])
def test_an_answer_of_another_shape_is_an_error_of_githubs(
    github: FakeGitHub, client: GitHub, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(client._transport, "send", lambda *_: Answer(200, {}, body.encode()))
    with pytest.raises(GitHubError, match="cannot be read"):
        client.pull_requests_of("b")


def test_the_token_is_in_no_message_no_log_and_no_traceback(
    github: FakeGitHub, client: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = [repr(client), str(vars(client))]
    for fault in (Fault(401, f"bad {TOKEN}"), Fault(422, TOKEN), Fault(lost=True), Fault(500, TOKEN)):
        github.faults = [fault] * 6
        with pytest.raises(GitHubError) as caught:
            client.set_status(_HEAD, "x", "success", TOKEN[:10])
        error = caught.value
        told += [str(error), error.remedy, "".join(traceback.format_exception(error))]
    with pytest.raises(RefusedError) as refused:
        GitHub("o/r", f"{TOKEN}\nX-Evil: 1")
    told += [str(refused.value), "".join(traceback.format_exception(refused.value))]
    assert TOKEN not in "\n".join([*told, caplog.text])
    assert all(one.headers["authorization"] == f"Bearer {TOKEN}" for one in github.asked)
    assert not any(TOKEN in one.target for one in github.asked)


def test_the_token_goes_to_no_other_host(github: FakeGitHub, client: GitHub) -> None:
    with serving(FakeGitHub()) as other:
        github.faults = [Fault(307, "Moved", {"Location": f"{other.api_url}/repos/octo/team/pulls"})]
        with pytest.raises(NotPermittedError):
            client.pull_requests_of("b")
        assert [one.headers.get("authorization") for one in other.asked] == [None]


def test_a_renamed_repository_is_followed(github: FakeGitHub, client: GitHub) -> None:
    github.faults = [Fault(307, "Moved", {"Location": f"/repos/octo/team/statuses/{_HEAD}"})]
    client.set_status(_HEAD, "moa/gate", "success")
    assert [one["status"]["context"] for one in github.statuses] == ["moa/gate"]


@pytest.mark.parametrize("name", ["", "team", "octo/team/x", "octo/te am", "../..?", "octo/ü"])
def test_what_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="no repository"):
        GitHub(name, TOKEN)


@pytest.mark.parametrize("url", ["", "api.github.com", "ftp://x", "https://user:pw@x", "https://x/?y=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="no address"):
        GitHub("octo/team", TOKEN, url)
