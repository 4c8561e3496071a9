"""Runs git: a scrubbed environment, pinned settings, bytes in and out, failures told with their remedy.

Knows nothing of what the commands mean.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pytest_moa.errors import RepositoryError, UndeterminedError

OLDEST_GIT = (2, 39)
NETWORK_SECONDS = 600.0

# What a user's access to remotes and to git itself rests on. Everything else named GIT_* (GIT_DIR and
# GIT_INDEX_FILE above all, which git sets for its hooks) would point our commands at another repository.
_KEPT = frozenset(
    {
        "GIT_ALLOW_PROTOCOL",
        "GIT_ASKPASS",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_PROXY_COMMAND",
        "GIT_PROXY_SSL_CAINFO",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
    }
)
_KEPT_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_HTTP_", "GIT_SSL_")
_NOT_HERMETIC = ("GIT_CONFIG_",)

_PINNED_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "color.ui=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "log.showSignature=false",
    "advice.detachedHead=false",
)
FETCH = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
    "--no-write-fetch-head",
    "--refmap=",
)
"""A fetch that moves nothing but the refs that it is told, whatever the remote's own refspecs say."""

PINNED = tuple(word for setting in _PINNED_SETTINGS for word in ("-c", setting))

_REMEDIES = (
    (
        r"dubious ownership",
        "The repository belongs to another user. If you trust it: git config --global --add safe.directory {where}",
    ),
    (
        r"\.lock': File exists|another git process",
        "Another git command is at work there, or one was killed: wait for it, or remove the lock file named above.",
    ),
    (
        (
            r"(?i)permission denied \(publickey|authentication failed|could not read (user|pass)"
            r"|terminal prompts disabled|invalid credentials|HTTP Basic|403"
        ),
        "Check the credentials that git uses for this remote: git ls-remote {where}",
    ),
    (
        (
            r"(?i)could not resolve|could not read from remote|unable to access"
            r"|connection (refused|timed out|reset)|does not appear to be a git repository"
        ),
        "Check that the remote's address is right and that it can be reached: git remote -v",
    ),
    (r"(?i)no space left", "Free some space on the disk and run the command again."),
    (
        r"(?i)permission denied|read-only file system|insufficient permission",
        "moa needs write access there: check who owns the repository's .git folder.",
    ),
    (
        (
            r"(?i)bad object|missing (blob|tree|commit|object)|unable to read|loose object|corrupt"
            r"|(not a valid commit name|could not read) [0-9a-f]{40}"
        ),
        "Objects are missing or damaged: run git fsck; in a shallow or partial clone, git fetch --unshallow.",
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished command. `status` is the exit status, negative where a signal ended it."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def said(self) -> str:
        """The last line of git's own words, without its `fatal:`."""
        return last_line(self.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Where and how git runs. `hermetic` leaves out every system and user setting, for quarantines."""

    cwd: Path
    git_dir: Path | None = None
    work_tree: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    hermetic: bool = False
    timeout: float | None = None

    def run(
        self,
        *args: str,
        input: bytes | None = None,  # noqa: A002 - as in subprocess
        check: bool = True,
        doing: str = "",
    ) -> Result:
        """Run one git command. With `check`, a failure raises RepositoryError; `doing` is its purpose in words."""
        result = self._execute(args, b"" if input is None else input, doing or f"run git {args[0]}")
        if check and not result.ok:
            raise self.failure(result, doing or f"run git {args[0]}")
        return result

    def text(self, *args: str, input: bytes | None = None, doing: str = "") -> str:  # noqa: A002 - as in subprocess
        """Standard output without its last newline; bytes that are no UTF-8 survive as surrogates."""
        return decode(self.run(*args, input=input, doing=doing).stdout).removesuffix("\n")

    def lines0(self, *args: str, input: bytes | None = None, doing: str = "") -> list[str]:  # noqa: A002 - as in subprocess
        """The records of a command that ends each with NUL."""
        return records(self.run(*args, input=input, doing=doing).stdout)

    def with_env(self, **variables: str) -> Git:
        return replace(self, env={**self.env, **variables})

    def with_settings(self, *settings: str) -> Git:
        return replace(self, settings=(*self.settings, *settings))

    def over_network(self, seconds: float = NETWORK_SECONDS) -> Git:
        """The same git for a command that talks to a remote: it has a time limit, and no terminal to ask on."""
        return replace(self, timeout=seconds)

    def failure(self, result: Result, doing: str) -> RepositoryError:
        reason = result.said or f"git exited with status {result.status}"
        return RepositoryError(f"Could not {doing}", reason=reason, remedy=remedy(result.stderr, self.cwd))

    def environment(self) -> dict[str, str]:
        return {
            **inherited(hermetic=self.hermetic),
            **({"GIT_DIR": str(self.git_dir)} if self.git_dir else {}),
            **({"GIT_WORK_TREE": str(self.work_tree)} if self.work_tree else {}),
            **self.env,
        }

    def _execute(self, args: tuple[str, ...], data: bytes, doing: str) -> Result:
        settings = tuple(word for setting in self.settings for word in ("-c", setting))
        command = [os.fsencode(word) for word in ("git", *PINNED, *settings, *args)]
        try:
            process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A session of its own: the helpers that git starts for a remote die with it at the time limit.
                start_new_session=self.timeout is not None,
            )
        except OSError as error:
            raise _not_started(error, self.cwd, doing) from error
        with process:
            try:
                stdout, stderr = process.communicate(data, timeout=self.timeout)
            except BaseException as error:
                _end(process, group=self.timeout is not None)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise _timed_out(doing, error.timeout) from None
                raise
        return Result(process.returncode, stdout, stderr)


def inherited(*, hermetic: bool) -> dict[str, str]:
    """The caller's variables that our git may see, and those that we set for every command."""
    kept = {name: value for name, value in os.environ.items() if _kept(name, hermetic=hermetic)}
    ours = {
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "LANGUAGE": "",
    }
    if hermetic:
        ours |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return kept | ours


def _kept(name: str, *, hermetic: bool) -> bool:
    if not name.startswith("GIT_"):
        return True
    if hermetic and name.startswith(_NOT_HERMETIC):
        return False
    return name in _KEPT or name.startswith(_KEPT_PREFIXES)


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def records(raw: bytes) -> list[str]:
    return [decode(record) for record in raw.split(b"\0")[:-1]]


def last_line(stderr: bytes) -> str:
    """The last line that says something: no advice, no progress, no blank."""
    lines = [line.strip() for line in decode(stderr).replace("\r", "\n").splitlines()]
    said = [line for line in lines if line and not line.startswith(("hint:", "warning:"))]
    return re.sub(r"^(fatal|error): ", "", said[-1]) if said else ""


def remedy(stderr: bytes, where: Path) -> str:
    """What a person can do about git's words; empty where we know nothing better than the words."""
    words = decode(stderr)
    return next(
        (advice.format(where=where) for pattern, advice in _REMEDIES if re.search(pattern, words)), ""
    )


@cache
def require_git() -> tuple[int, int]:
    """The version of the git on the path. Raises RepositoryError where there is none, or too old a one."""
    if shutil.which("git") is None:
        raise _no_git()
    said = Git(cwd=Path("/"), hermetic=True).text("--version", doing="ask git for its version")
    found = re.search(r"(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST_GIT:
        raise RepositoryError(
            f"{said} is too old",
            reason="moa merges with git merge-tree --write-tree, which needs git 2.39",
            remedy="Install git 2.39 or newer.",
        )
    return version


def _no_git() -> RepositoryError:
    return RepositoryError(
        "git was not found", reason="no command named git is on the PATH", remedy="Install git 2.39 or newer."
    )


def _not_started(error: OSError, cwd: Path, doing: str) -> RepositoryError:
    if isinstance(error, FileNotFoundError) and cwd.is_dir():
        return _no_git()
    return RepositoryError(f"Could not {doing}", reason=f"{error.strerror}: {error.filename}")


def _timed_out(doing: str, seconds: float) -> UndeterminedError:
    return UndeterminedError(
        f"Could not {doing}",
        reason=f"git did not end within {seconds:.0f} seconds",
        remedy="Check that the remote can be reached: git remote -v, git ls-remote",
    )


def _end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a command that we will not wait for; SIGTERM first, so that git removes its lock files."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, sign)
            else:
                process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=2)
            return
