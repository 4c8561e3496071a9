"""Values to the runner's output file, with delimiters that no value can hold. Knows no output by name."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from pytest_moa.errors import BugError, RefusedError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)

VALUE_BYTES = 1024 * 1024
"""GitHub takes at most 1 MB a job's outputs (docs.github.com, "Workflow syntax", `jobs.<job_id>.outputs`)."""


def entry(name: str, value: str) -> str:
    """The lines that set one output."""
    if not _NAME.fullmatch(name):
        raise BugError(f"{name!r} is no name of an output", remedy="Use letters, digits, `_` and `-`.")
    delimiter = f"moa_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def write_outputs(path: Path, values: Mapping[str, str]) -> None:
    """Append all values to the runner's file, which has to be there as a plain file."""
    text = "".join(entry(name, value) for name, value in values.items())
    append(path, text)


def append(path: Path, text: str) -> None:
    """Append to one of the runner's files; a link in its place is refused, since it may lead anywhere."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RefusedError(
            f"The runner's file {path} cannot be written",
            reason=str(error),
            remedy="Run the action on a runner that offers it, and look what replaced the file.",
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as stream:
        stream.write(text)
