"""`moa reset`."""

from __future__ import annotations

import os
import sys

import click

from pytest_moa.cli import options
from pytest_moa.cli.output import say, say_all
from pytest_moa.render.asking import reset_json, reset_lines
from pytest_moa.render.json_contract import dumps
from pytest_moa.services.reset import clear, survey


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Remove it without asking.")
@options.as_json
def reset(*, yes: bool, as_json: bool) -> int:
    """Remove what moa has cached, for every project of yours, and what runs that died have left.

    Lists it first, and asks; without a terminal it only lists. History, branches, the ledger and whatever a living run
    uses stay.
    """
    found = survey(os.environ)
    if not as_json:
        say_all(reset_lines(found))
    if not found.of("found") or not (yes or _agreed(as_json)):
        if as_json:
            say(dumps(reset_json(found)))
        return 0
    done = clear(os.environ, found)
    say_all([dumps(reset_json(done))] if as_json else ["", *reset_lines(done)])
    return 1 if done.of("failed") else 0


def _agreed(as_json: bool) -> bool:
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        return click.confirm("Remove this?", default=False)
    if not as_json:
        say("Nothing was removed. To remove it: moa reset --yes")
    return False
