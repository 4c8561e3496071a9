"""The group of verbs, and the one place where an exception becomes words and an exit code."""

from __future__ import annotations

import os
import platform
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import click

from pytest_moa import __version__
from pytest_moa.cli.output import say, say_error
from pytest_moa.errors import BugError, InterruptedByUserError, MoaError, UsageError
from pytest_moa.render.json_contract import dumps, error_json
from pytest_moa.render.terminal import error_lines

_TRACKER = "https://github.com/org/moa-action/issues"


_VERBS = (
    "bootstrap",
    "conflicts",
    "explain",
    "freeze",
    "gate",
    "group",
    "init",
    "integrate",
    "judge",
    "land",
    "plan",
    "ready",
    "report",
    "reset",
    "status",
    "unfreeze",
    "unready",
)
"""Each is a function of the same name in a module of the same name, imported when it is asked for."""


class _Verbs(click.Group):
    """A verb costs the import of what it needs itself, not of what all of them need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click asks
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click asks
        if cmd_name not in _VERBS:
            return None
        command: click.Command = getattr(import_module(f"pytest_moa.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="moa")
def moa() -> None:
    """Gate, merge and report the work of many coding agents. Nothing lands that was not seen to pass.

    \b
    Exit codes: 0 passed · 1 failed or rejected · 2 usage, config or a refused request · 3 undetermined
    4 conflicts need a person · 5 lost the race, nothing changed · 70 a bug of ours · 130 interrupted
    """  # noqa: D301 - \b is click's mark for text that keeps its lines


def run(argv: Sequence[str] | None = None) -> int:
    """Runs a command line. With `--json` an error is an object on standard output, and words on standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    ends = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    previous = {number: signal.signal(number, _terminated) for number in ends}
    try:
        return _run(arguments)
    except BrokenPipeError:
        # The reader went away (`moa status | head`): nothing is left to be told, nor to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _run(arguments: list[str]) -> int:
    try:
        code = moa.main(arguments, prog_name="moa", standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "moa"
        return _told(
            UsageError(error.format_message(), remedy=f"`{path} --help` shows what can be said."), arguments
        )
    except (click.exceptions.Abort, KeyboardInterrupt):
        remedy = "Run the same command again: what was done stands, what was not was left alone."
        return _told(InterruptedByUserError("Interrupted", remedy=remedy), arguments)
    except MoaError as error:
        return _told(error, arguments)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place that turns a mistake of ours into a report
        return _told(_bug(error), arguments)
    return code if isinstance(code, int) else 0


def _told(error: MoaError, arguments: list[str]) -> int:
    if "--json" in arguments:
        say(dumps(error_json(error)))
    for line in error_lines(error):
        say_error(line)
    return error.exit_code


def _bug(error: Exception) -> BugError:
    trace = "".join(traceback.format_exception(error))
    facts = f"moa {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return BugError(
        f"This is a bug in moa: {type(error).__name__}: {error}",
        reason=f"{facts}\n{trace}",
        remedy=f"`moa report` tells what has landed: only what passed. Please paste the lines above at {_TRACKER}.",
    )


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal without UTF-8 shows escapes; it must not end a gate with an encoding error.
            reconfigure(errors="backslashreplace")


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
