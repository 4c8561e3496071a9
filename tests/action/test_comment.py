"""The action's comments, written to a GitHub on the loopback: which pull request, which text, and what fails nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.github import FakeGitHub, serving

from pytest_moa.action.comment import write_comments
from pytest_moa.action.report import Report
from pytest_moa.github.context import Context, Run

_TOKEN = "ghp_of-a-robot"  # noqa: S105 - the fake's own
_HEAD = "a" * 40
_BRANCHES = {"03": "agent-03-x", "04": "agent-04-y"}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serving(FakeGitHub()) as fake:
        fake.people[_TOKEN] = "moa-robot"
        fake.pull(7, "agent-03-x", head=_HEAD, state="open")
        fake.pull(8, "agent-04-y", head=_HEAD, state="open")
        fake.pull(9, "agent-03-x", head=_HEAD, repo="stranger/team", state="open")
        yield fake
    assert fake.problems == []


def _written(fake: FakeGitHub, context: Context, token: str = _TOKEN, **texts: str) -> list[str]:
    comments = {f"{name.replace('_', '-')}.md": text for name, text in texts.items()}
    report = Report(doing="gate", comments=comments, branches=_BRANCHES)
    environ = {"GITHUB_REPOSITORY": fake.repository, "GITHUB_API_URL": fake.api_url, "MOA_TOKEN": token}
    return write_comments([report], context, environ)


def _texts(fake: FakeGitHub) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for one in fake.comments:
        found.setdefault(one["number"], []).append(one["comment"]["body"].partition("\n")[2])
    return found


def test_the_gate_of_a_pull_request_is_told_there_and_kept_up_to_date(github: FakeGitHub) -> None:
    context = Context(event="pull_request", branch="agent-03-x", pull_request=7)
    assert _written(github, context, gate_03="failed") == []
    assert _written(github, context, gate_03="passed") == []
    assert _texts(github) == {7: ["passed"]}


def test_a_pushed_branchs_gate_is_told_on_its_own_pull_request_and_on_no_forks(github: FakeGitHub) -> None:
    assert _written(github, Context(event="push", branch="agent-03-x"), gate_03="passed") == []
    assert _texts(github) == {7: ["passed"]}


def test_the_queue_tells_each_agent_beside_its_gate(github: FakeGitHub) -> None:
    _written(github, Context(event="push", branch="agent-03-x"), gate_03="passed")
    assert _written(github, Context(event="schedule"), queue_03="landed", queue_04="waits") == []
    assert _texts(github) == {7: ["passed", "landed"], 8: ["waits"]}


def test_a_forks_gate_is_told_where_its_head_is_what_was_gated(github: FakeGitHub) -> None:
    run = Run(repository="stranger/team", branch="agent-03-x", head=_HEAD)
    assert _written(github, Context(event="workflow_run", run=run, fork=True), gate_03="passed") == []
    assert _texts(github) == {9: ["passed"]}
    moved = Run(repository="stranger/team", branch="agent-03-x", head="c" * 40)
    assert _written(github, Context(event="workflow_run", run=moved, fork=True), gate_03="other") == []
    assert _texts(github) == {9: ["passed"]}


@pytest.mark.parametrize("token", [_TOKEN, "ghs-of-nobody"])
def test_what_the_token_may_not_do_is_told_and_fails_nothing(github: FakeGitHub, token: str) -> None:
    github.read_only = True
    context = Context(event="pull_request", branch="agent-03-x", pull_request=9, fork=True)
    (told,) = _written(github, context, token, gate_03="passed")
    assert told.startswith("No comment was written")
    assert token not in told
    assert github.comments == []


@pytest.mark.parametrize("name", ["gate-$(id)", "other-03", "gate-", "gate-03.md\n", "../gate-03"])
def test_a_file_of_another_name_is_no_comment(github: FakeGitHub, name: str) -> None:
    report = Report(doing="gate", comments={f"{name}.md": "x"}, branches={name: "agent-03-x"})
    assert write_comments([report], Context(event="push"), {}) == []
    assert github.asked == []


def test_a_repository_without_a_name_is_told_and_fails_nothing() -> None:
    report = Report(doing="gate", comments={"gate-03.md": "x"}, branches=_BRANCHES)
    (told,) = write_comments([report], Context(event="push"), {"MOA_TOKEN": _TOKEN})
    assert "is no repository of GitHub" in told


def test_without_texts_github_is_not_asked(tmp_path: Path, github: FakeGitHub) -> None:
    assert _written(github, Context(event="schedule")) == []
    assert github.asked == []
