"""Where words go: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pytest_moa.errors import RefusedError
from pytest_moa.render.terminal import safe


def say(line: str) -> None:
    click.echo(line)


def say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def say_error(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Tells what is being done: a spinner on a terminal, plain lines (each once) elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.text import Text  # noqa: PLC0415

        console = Console(stderr=True)
        with console.status(Text("…")) as status:
            yield lambda text: status.update(Text(safe(text)))
        return
    last: list[str] = []

    def plainly(text: str) -> None:
        # A count that moves (`12 of 50 tests`) is for terminals; a log gets each step once.
        step = "".join(c for c in text if not c.isdigit())
        if step not in last:
            last.append(step)
            say_error(f"… {safe(text)}")

    yield plainly


def write_summary(path: Path | None, text: str) -> None:
    """Writes a Markdown summary. Raises RefusedError where the file cannot be written."""
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise RefusedError(
            f"The summary could not be written to {path}",
            reason=error.strerror or str(error),
            remedy="Name a file in a folder that is there and can be written.",
        ) from error
