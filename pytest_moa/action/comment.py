"""The step that writes comments: texts that moa left for pull requests, each to its own. Runs nothing of an agent's.

What the token may not do is told, and fails nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pytest_moa.action.report import Report
from pytest_moa.errors import GitHubError, MoaError, NotPermittedError, RefusedError
from pytest_moa.github import wire
from pytest_moa.github.client import PUBLIC_API, GitHub
from pytest_moa.github.comments import put_comment
from pytest_moa.github.context import Context, Run

_NAME = re.compile(r"(?P<purpose>gate|queue)-(?P<agent>[A-Za-z0-9][A-Za-z0-9._-]*)\.md", re.ASCII)
_WHERE = "the text is in the folder `artifacts`, where one was named, for a workflow that may write it (docs/action.md)"


def texts_of(reports: Sequence[Report]) -> dict[tuple[str, str], str]:
    """Purpose and agent of each comment to its text: the last step's word counts."""
    found: dict[tuple[str, str], str] = {}
    for report in reports:
        for name, text in report.comments.items():
            if match := _NAME.fullmatch(name):
                found[match["purpose"], match["agent"]] = text
    return found


def write_comments(reports: Sequence[Report], context: Context, environ: Mapping[str, str]) -> list[str]:
    """Writes them; returns what has to be told, in sentences."""
    texts = texts_of(reports)
    if not texts:
        return []
    branches = {agent: branch for report in reports for agent, branch in report.branches.items()}
    notices: list[str] = []
    try:
        github = GitHub(
            environ.get("GITHUB_REPOSITORY", ""),
            environ.get("MOA_TOKEN"),
            environ.get("GITHUB_API_URL") or PUBLIC_API,
        )
        for (purpose, agent), text in texts.items():
            for number in _numbers(github, context, purpose, branches.get(agent, "")):
                put_comment(github, number, purpose, text)
    except NotPermittedError as error:
        notices.append(f"No comment was written, {_said(error)}; {_WHERE}")
    except (GitHubError, RefusedError) as error:
        notices.append(f"Not every comment was written, {_said(error)}; {_WHERE}")
    return notices


def _numbers(github: GitHub, context: Context, purpose: str, branch: str) -> Iterator[int]:
    """The pull request that the event is about, for its own gate; else those of the agent's branch."""
    if purpose == "gate" and context.pull_request is not None:
        yield context.pull_request
    elif purpose == "gate" and context.run is not None:
        yield from _of_run(github, context.run)
    elif branch:
        yield from (pull.number for pull in github.pull_requests_of(branch))


def _of_run(github: GitHub, run: Run) -> Iterator[int]:
    """The pull requests whose head is still what the other workflow's run was about, from wherever they come."""
    query = {"state": "open", "head": f"{run.repository.partition('/')[0]}:{run.branch}"}
    for pull in github.pages(wire.Pull, github.in_repository("pulls"), query):
        theirs = pull.head.repo is not None and pull.head.repo.full_name.lower() == run.repository.lower()
        if theirs and pull.head.sha == run.head:
            yield pull.number


def _said(error: MoaError) -> str:
    return f"{error}. {error.remedy}".rstrip(". ")
