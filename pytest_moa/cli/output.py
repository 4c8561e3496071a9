"""Where words go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pytest_moa.errors import RefusedError
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


def write_summary(path: Path, text: str) -> None:
    """Writes a Markdown summary. Raises RefusedError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise RefusedError(
            f"The summary could not be written to {path}",
            reason=error.strerror or str(error),
            remedy="Name a file in a folder that is there and can be written.",
        ) from error
