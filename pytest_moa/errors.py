"""What can go wrong, as one tree: each kind has its own exit code, and says what, why and what to do."""

from __future__ import annotations

from typing import ClassVar


class MoaError(Exception):
    """An expected failure, told to a person as message, reason and remedy.

    `kind` is the word in the JSON error object, `exit_code` what the command exits with.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, reason: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if not self.reason else f"{self.message.rstrip('.')}: {self.reason}"


class RefusedError(MoaError):
    """The request cannot be carried out as given; nothing was changed (exit 2)."""

    kind = "refused"
    exit_code = 2


class UsageError(RefusedError):
    """The words of the call are wrong."""

    kind = "usage"


class ConfigError(RefusedError):
    """A config file, variable or option says something impossible. `problems` lists all of them."""

    kind = "config"

    def __init__(
        self, message: str, *, problems: tuple[str, ...] = (), reason: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.problems = problems


class RepositoryError(RefusedError):
    """No repository, a bare one, an empty one, or git itself refused."""

    kind = "repository"


class AgentError(RefusedError):
    """No such agent, no branch for it, or more than one."""

    kind = "agent"


class NoAgentError(AgentError):
    """A branch that belongs to no agent: told apart, since for a workflow this is no error."""

    kind = "no-agent"


class GitHubError(RefusedError):
    """GitHub did not answer, or refused a request; `status` is its HTTP status, None where no answer came."""

    kind = "github"

    def __init__(
        self, message: str, *, status: int | None = None, reason: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.status = status


class NotPermittedError(GitHubError):
    """The token may not do that, or may not even see it (401, 403, 404): told apart, since for a comment it is a notice."""

    kind = "not-permitted"


class UndeterminedError(MoaError):
    """Nothing can be said about the work: evidence is missing or contradicts itself (exit 3)."""

    kind = "undetermined"
    exit_code = 3


class ConflictError(MoaError):
    """A merge has conflicts that need a person (exit 4). `paths` names the files."""

    kind = "conflict"
    exit_code = 4

    def __init__(
        self, message: str, *, paths: tuple[str, ...] = (), reason: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.paths = paths


class RaceError(MoaError):
    """Somebody else moved the target first; nothing was changed (exit 5)."""

    kind = "race"
    exit_code = 5


class BugError(MoaError):
    """A mistake of ours, with a report to paste (exit 70, EX_SOFTWARE of sysexits.h)."""

    kind = "bug"
    exit_code = 70


class InterruptedByUserError(MoaError):
    """Ctrl-C or SIGTERM (exit 130, 128 + SIGINT)."""

    kind = "interrupted"
    exit_code = 130
