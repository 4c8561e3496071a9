"""Where words go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from pytest_moa.errors import RefusedError
from pytest_moa.github.outputs import append
from pytest_moa.render.terminal import safe
from pytest_moa.services.telling import Telling


def say(line: str) -> None:
    click.echo(line)


def say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def say_error(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def progress() -> Iterator[Telling]:
    """Tells what is being done: a spinner on a terminal, a plain line for each step elsewhere."""
    if not sys.stderr.isatty():
        yield Telling(step=lambda text: say_error(f"… {safe(text)}"))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True)
    step = ""
    with console.status(Text("…")) as status:

        def stepping(text: str) -> None:
            nonlocal step
            step = safe(text)
            status.update(Text(step))

        yield Telling(step=stepping, tick=lambda text: status.update(Text(f"{step}: {safe(text)}")))


@dataclass(frozen=True, slots=True)
class Written:
    """Where a command's texts for GitHub go. They are written last: everything that it started is dead by then."""

    summary: Path | None
    comments: Path | None = None
    step: bool = False

    def write(self, summary: Callable[[], str], comments: Callable[[], Mapping[str, str]] = dict) -> None:
        """`comments` are texts by the names of their files. Raises RefusedError where a file cannot be written."""
        if self.summary is not None:
            write_summary(self.summary, summary())
        elif self.step and (path := os.environ.get("GITHUB_STEP_SUMMARY")):
            append(Path(path), summary())
        if self.comments is not None:
            texts = comments()
            with _told(self.comments):
                self.comments.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                write_summary(self.comments / name, text)


def write_summary(path: Path, text: str) -> None:
    """Writes a Markdown text. Raises RefusedError where the file cannot be written."""
    with _told(path):
        path.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(
            f"The summary could not be written to {path}",
            reason=error.strerror or str(error),
            remedy="Name a file in a folder that is there and can be written.",
        ) from error
