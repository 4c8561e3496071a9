"""A trap of pytest's: before plugins are loaded, `--moa-report FILE` is an unknown option and a path of tests.

Where that file is there and lies outside of the current folder, pytest looks for the project's root and settings
around it. No hook can turn that back, so the same command is started again with `--moa-report=FILE`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_moa.errors import UsageError

_OPTIONS = frozenset({"--moa-config", "--moa-report"})


def start_again_if_misled(config: pytest.Config) -> None:
    """Returns where nothing was mistaken; else the process begins anew, or a UsageError says what to write."""
    given = [str(word) for word in config.invocation_params.args]
    meant = joined(given, config.invocation_params.dir)
    if meant == given or config.known_args_namespace.inifilename:
        return
    command = sys.orig_argv
    if given and given == sys.argv[1:] == command[-len(given) :]:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *command[1 : -len(given)], *meant])  # noqa: S606 - the user's own command
    raise UsageError(
        "pytest takes the file of a moa option for a path of tests",
        reason="it reads the command line before it knows the option, and the file lies outside of this folder",
        remedy=f"Write it with an equals sign: {next(word for word in meant if word not in given)}",
    )


def joined(words: Sequence[str], here: Path) -> list[str]:
    """The words with `--option FILE` as `--option=FILE` where FILE is there and lies outside of `here`."""
    out: list[str] = []
    for word in words:
        if out and out[-1] in _OPTIONS and _outside(word, here):
            out[-1] = f"{out[-1]}={word}"
        else:
            out.append(word)
    return out


def _outside(word: str, here: Path) -> bool:
    try:
        path = (here / word).resolve()
        return path.exists() and not path.is_relative_to(here.resolve())
    except (OSError, ValueError):
        return False
