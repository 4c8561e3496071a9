"""What the user typed against what the project's settings say, and whether that makes a run partial."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """`paths` as typed. `selections` are typed options that leave tests out, in words."""

    paths: tuple[str, ...] = ()
    selections: tuple[str, ...] = ()


def typed(config: pytest.Config, parser: pytest.Parser) -> Typed:
    """The command line (and PYTEST_ADDOPTS) alone, without the project's own addopts."""
    words = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    options = parser.parse_known_args(words)
    return Typed(paths=tuple(options.file_or_dir or ()), selections=_selections(options))


def _selections(options: argparse.Namespace) -> tuple[str, ...]:
    words = {
        "keyword": "-k",
        "markexpr": "-m",
        "deselect": "--deselect",
        "ignore": "--ignore",
        "ignore_glob": "--ignore-glob",
    }
    return tuple(word for name, word in words.items() if getattr(options, name, None))


def outside(paths: Sequence[str], tests: Sequence[Path], here: Path) -> tuple[str, ...]:
    """Those of the agent's tests that the typed paths leave out; node ids leave out all but themselves."""
    if not paths:
        return ()
    folders = [(here / path).resolve() for path in paths if "::" not in path]
    wanted = [test.resolve() for test in tests]
    return tuple(str(test) for test in wanted if not any(test.is_relative_to(f) for f in folders))


def reaches_further(paths: Sequence[str], tests: Sequence[Path], here: Path) -> bool:
    """Whether the paths may collect tests that are not the agent's."""
    wanted = [test.resolve() for test in tests]
    places = [(here / path.split("::", 1)[0]).resolve() for path in paths]
    return not all(any(place.is_relative_to(test) for test in wanted) for place in places)


def distributes(options: argparse.Namespace) -> bool:
    """Whether xdist will run the tests in workers."""
    return bool(
        getattr(options, "numprocesses", None)
        or getattr(options, "tx", None)
        or getattr(options, "dist", "no") != "no"
    )
