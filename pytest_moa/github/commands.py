"""Words to the runner: annotations, and a fence behind which a child's output can say nothing to it.

Writes to the stream it is given only. Source: docs.github.com, "Workflow commands for GitHub Actions"; and
actions/runner, which also obeys `##[command]` in the middle of a line.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

Level = Literal["error", "warning", "notice"]

MESSAGE_LIMIT = 4000
ANNOTATIONS_OF_A_KIND = 10
"""GitHub shows at most ten annotations of each kind a step."""


def escape_data(value: str) -> str:
    """Text as a command's message: one line, whatever it holds."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(value: str) -> str:
    return escape_data(value).replace(":", "%3A").replace(",", "%2C")


def annotation(
    level: Level, message: str, *, path: str | None = None, line: int | None = None, title: str = ""
) -> str:
    """One annotation as a line without its end."""
    properties = {"file": path, "line": str(line) if line else None, "title": title or None}
    words = ",".join(f"{k}={escape_property(_plain(v))}" for k, v in properties.items() if v)
    return f"::{level}{' ' + words if words else ''}::{escape_data(_plain(message[:MESSAGE_LIMIT]))}"


def _plain(value: str) -> str:
    """Without control characters other than line ends, which are escaped."""
    return re.sub(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", " ", value)


def neutral(text: str) -> str:
    """Log text in which the runner finds no command. Lines are cut at line feeds alone."""
    return "\n".join(_neutral_line(line) for line in text.split("\n"))


def _neutral_line(line: str) -> str:
    # A carriage return may count as a line's end for whoever reads the log.
    line = _plain(line.replace("\r", " ")).replace("##[", "##\\[")
    return re.sub(r"^(\s*)::", r"\1\\::", line)


@contextmanager
def fence(stream: TextIO) -> Iterator[None]:
    """While it is open, the runner obeys nothing that is printed."""
    token = secrets.token_hex(32)
    stream.write(f"::stop-commands::{token}\n")
    stream.flush()
    try:
        yield
    finally:
        # What was printed last may not have ended its line.
        stream.write(f"\n::{token}::\n")
        stream.flush()
