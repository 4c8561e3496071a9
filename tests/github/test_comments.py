"""One comment a purpose: found by marker and author, kept in place, sent only where something changed."""

from __future__ import annotations

import pytest
from support.github import APP_TOKEN, TOKEN, Clock, FakeGitHub, Fault, serving

from pytest_moa.errors import BugError, GitHubError, NotPermittedError
from pytest_moa.github.client import GitHub
from pytest_moa.github.comments import BODY_BYTES, put_comment

_US = "moa-robot"
_WRITING = ("POST", "PATCH", "DELETE")


def test_created_then_unchanged_then_updated_in_place(github: FakeGitHub, client: GitHub) -> None:
    assert put_comment(client, 5, "gate", "first") == "created"
    assert put_comment(client, 5, "gate", "first") == "unchanged"
    assert github.sent(*_WRITING) == ["POST /repos/octo/team/issues/5/comments"]
    assert put_comment(client, 5, "gate", "second") == "updated"
    assert github.sent("PATCH") == ["PATCH /repos/octo/team/issues/comments/1"]
    (body,) = github.bodies(5, _US)
    assert body.endswith("\nsecond")


def test_purposes_and_pull_requests_have_their_own(github: FakeGitHub, client: GitHub) -> None:
    for number, purpose in ((5, "gate"), (5, "queue"), (6, "gate")):
        assert put_comment(client, number, purpose, "same") == "created"
    assert [len(github.bodies(number, _US)) for number in (5, 6)] == [2, 1]
    assert put_comment(client, 5, "queue", "same") == "unchanged"


def test_ours_is_found_behind_more_comments_than_a_page_holds(github: FakeGitHub, client: GitHub) -> None:
    for number in range(250):
        github.comment(5, "ana", f"talk {number}")
    put_comment(client, 5, "gate", "text")
    for number in range(150):
        github.comment(5, "ana", f"more talk {number}")
    assert put_comment(client, 5, "gate", "text") == "unchanged"
    assert put_comment(client, 5, "gate", "other") == "updated"


def test_a_strangers_comment_with_our_marker_is_never_touched_and_never_counts(
    github: FakeGitHub, client: GitHub
) -> None:
    put_comment(client, 5, "gate", "text")
    (ours,) = github.bodies(5, _US)
    github.comments.clear()
    github.comment(5, "eve", ours)
    github.comment(5, "moa-robot2", ours)
    assert put_comment(client, 5, "gate", "text") == "created"
    assert put_comment(client, 5, "gate", "news") == "updated"
    assert github.bodies(5, "eve") == github.bodies(5, "moa-robot2") == [ours]
    assert len(github.bodies(5, _US)) == 1


def test_our_other_comments_are_left_alone(github: FakeGitHub, client: GitHub) -> None:
    quoted = "> <!-- pytest-moa:gate:0123456789abcdef -->"
    github.comment(5, _US, quoted)
    assert put_comment(client, 5, "gate", "text") == "created"
    assert github.bodies(5, _US)[0] == quoted


def test_duplicates_of_ours_go_and_the_oldest_stays(github: FakeGitHub, client: GitHub) -> None:
    put_comment(client, 5, "gate", "text")
    (ours,) = github.bodies(5, _US)
    github.comment(5, "eve", ours)
    github.comment(5, _US, ours)
    assert put_comment(client, 5, "gate", "text") == "updated"
    assert github.sent("PATCH", "DELETE") == ["DELETE /repos/octo/team/issues/comments/3"]
    assert github.bodies(5, "eve") == [ours]


def test_two_jobs_at_once_leave_one_comment(github: FakeGitHub, client: GitHub) -> None:
    rival = GitHub(github.repository, TOKEN, github.api_url)
    put_comment(rival, 6, "gate", "theirs")
    (theirs,) = github.bodies(6, _US)

    def another_first(operation: str) -> None:
        if operation == "issues/create-comment":
            github.comment(5, _US, theirs)
            github.before = lambda _: None

    github.before = another_first
    assert put_comment(client, 5, "gate", "ours") == "updated"
    (body,) = github.bodies(5, _US)
    assert body.endswith("\nours")


def test_a_duplicate_that_another_job_removed_meanwhile_is_no_error(
    github: FakeGitHub, client: GitHub
) -> None:
    put_comment(client, 5, "gate", "text")
    (ours,) = github.bodies(5, _US)
    github.comment(5, _US, ours)

    def removed(operation: str) -> None:
        if operation == "issues/delete-comment":
            github.comments = github.comments[:1]

    github.before = removed
    assert put_comment(client, 5, "gate", "text") == "updated"


def test_an_answer_that_was_lost_leaves_one_comment(github: FakeGitHub, client: GitHub, clock: Clock) -> None:
    assert client.login == _US

    def lose_the_answer(operation: str) -> None:
        if operation == "issues/list-comments":
            github.faults = [Fault(lost=True)]
            github.before = lambda _: None

    github.before = lose_the_answer
    assert put_comment(client, 5, "gate", "text") == "updated"
    assert github.sent(*_WRITING) == [
        "POST /repos/octo/team/issues/5/comments",
        "POST /repos/octo/team/issues/5/comments",
        "DELETE /repos/octo/team/issues/comments/2",
    ]
    assert len(github.bodies(5, _US)) == 1
    assert clock.slept == [1]


@pytest.mark.parametrize("bot", ["github-actions[bot]", "our-moa[bot]"])
def test_an_installation_knows_its_name(github: FakeGitHub, bot: str) -> None:
    github.people[APP_TOKEN] = bot
    app = GitHub(github.repository, APP_TOKEN, github.api_url)
    assert put_comment(app, 5, "gate", "text") == "created"
    assert put_comment(app, 5, "gate", "text") == "unchanged"
    assert app.login == bot


def test_where_nobody_tells_our_name_the_first_answer_does(github: FakeGitHub) -> None:
    github.graphql = False
    github.comment(5, "other[bot]", "<!-- pytest-moa:gate:0123456789abcdef -->\ntheirs")
    for text, outcome in (("one", "created"), ("two", "updated"), ("three", "updated")):
        app = GitHub(github.repository, APP_TOKEN, github.api_url)
        assert put_comment(app, 5, "gate", text) == outcome
        (body,) = github.bodies(5, "github-actions[bot]")
        assert body.endswith(f"\n{text}")
    assert len(github.bodies(5, "other[bot]")) == 1


def test_a_read_only_token_is_told_apart(github: FakeGitHub, client: GitHub) -> None:
    github.read_only = True
    with pytest.raises(NotPermittedError, match="may not do this"):
        put_comment(client, 5, "gate", "text")
    github.read_only = False
    put_comment(client, 5, "gate", "text")
    github.read_only = True
    assert put_comment(client, 5, "gate", "text") == "unchanged"
    with pytest.raises(NotPermittedError):
        put_comment(client, 5, "gate", "other")


def test_no_token_at_all_is_told_apart(github: FakeGitHub) -> None:
    with pytest.raises(NotPermittedError, match="may not do this"):
        put_comment(GitHub(github.repository, None, github.api_url), 5, "gate", "text")


def test_whatever_unicode_there_is_arrives(github: FakeGitHub, client: GitHub) -> None:
    text = "ü 🐙 \u2028 \u202e \ufeff " + "\ud800" + "\0" + "\r\n| a\t|"
    put_comment(client, 5, "gate", text)
    (body,) = github.bodies(5, _US)
    assert body.split("\n", 1)[1] == text.replace("\ud800", "?").replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert put_comment(client, 5, "gate", text) == "unchanged"


@pytest.mark.parametrize("character", ["x", "ü", "🐙"])
def test_the_longest_body_fits_and_a_longer_one_is_not_sent(
    github: FakeGitHub, client: GitHub, character: str
) -> None:
    size = len(character.encode())
    purpose = "a" * 32
    assert put_comment(client, 5, purpose, character * (BODY_BYTES // size)) == "created"
    asked = len(github.asked)
    for body in (character * (BODY_BYTES // size + 1), character * 10_000_000):
        with pytest.raises(GitHubError, match="too long"):
            put_comment(client, 5, "gate", body)
    assert len(github.asked) == asked


def test_ten_megabytes_of_a_stranger_are_read_past(github: FakeGitHub, client: GitHub) -> None:
    github.comment(5, "eve", "<!-- pytest-moa:gate:0123456789abcdef -->\n" + "🐙" * 2_500_000)
    assert put_comment(client, 5, "gate", "text") == "created"
    assert put_comment(client, 5, "gate", "text") == "unchanged"


@pytest.mark.parametrize("purpose", ["", "Gate", "gate -->", "a" * 33])
def test_a_purpose_is_a_plain_word(client: GitHub, purpose: str) -> None:
    with pytest.raises(BugError):
        put_comment(client, 5, purpose, "text")


def test_on_enterprise_too() -> None:
    with serving(FakeGitHub(base="/api/v3")) as enterprise:
        app = GitHub(enterprise.repository, APP_TOKEN, enterprise.api_url)
        assert put_comment(app, 5, "gate", "text") == "created"
        assert put_comment(app, 5, "gate", "text") == "unchanged"
