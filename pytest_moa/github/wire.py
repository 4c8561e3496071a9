"""The parts of GitHub's answers that we read, and nothing else of them. Shapes are checked as they are decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

DECISIVE = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
"""Reviews that say yes or no, or take that back; a mere comment leaves its author's word as it was."""

_WRITERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


@dataclass(frozen=True, slots=True)
class User:
    login: str


@dataclass(frozen=True, slots=True)
class Repo:
    full_name: str


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pull request; `repo` is None where the fork is gone."""

    ref: str
    sha: str
    repo: Repo | None = None


@dataclass(frozen=True, slots=True)
class Label:
    name: str


@dataclass(frozen=True, slots=True)
class Pull:
    number: int
    head: End
    base: End
    user: User | None = None
    draft: bool = False
    labels: list[Label] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Review:
    state: str
    author_association: str = "NONE"
    commit_id: str | None = None
    user: User | None = None

    @property
    def by_writer(self) -> bool:
        return self.author_association in _WRITERS


@dataclass(frozen=True, slots=True)
class App:
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    id: int


@dataclass(frozen=True, slots=True)
class CheckRun:
    id: int
    name: str
    status: str
    conclusion: str | None = None
    html_url: str | None = None
    app: App | None = None
    check_suite: Suite | None = None


@dataclass(frozen=True, slots=True)
class Status:
    id: int
    context: str
    state: str
    target_url: str | None = None
    creator: User | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    body: str | None = None
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    viewer: User


@dataclass(frozen=True, slots=True)
class ViewerAnswer:
    data: Viewer


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str = ""
    field: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _Refusal:
    message: str = ""
    errors: list[_Problem | str] | str | None = None


def message_of(body: bytes) -> str:
    """Why GitHub refused, in its own words; empty where the body is not GitHub's."""
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    problems = refusal.errors if isinstance(refusal.errors, list) else [refusal.errors or ""]
    return "; ".join(filter(None, (refusal.message, *map(_words, problems))))


def _words(problem: _Problem | str) -> str:
    if isinstance(problem, str):
        return problem
    return problem.message or " ".join(filter(None, (problem.field, problem.code)))
