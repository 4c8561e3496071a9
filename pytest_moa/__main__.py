"""`python -m pytest_moa`: starts itself again without the current folder on `sys.path`, then is `moa`."""

from __future__ import annotations

import os
import sys


def _restart_apart() -> None:
    # `-m` puts the current folder first on sys.path: a work tree's `click.py` would be imported as ours.
    if sys.flags.safe_path or sys.flags.isolated:
        return
    os.execv(sys.executable, [sys.executable, "-P", "-m", "pytest_moa", *sys.argv[1:]])  # noqa: S606 - no shell, on purpose


if __name__ == "__main__":
    _restart_apart()
    from pytest_moa.cli import main

    sys.exit(main())
