"""The `moa` command: words to a service, a result to a renderer, an error to an exit code."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code (see `pytest_moa.errors`)."""
    from pytest_moa.cli.app import run  # noqa: PLC0415 - `moa --help` of a broken environment still names the problem

    return run(argv)
