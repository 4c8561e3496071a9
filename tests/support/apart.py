"""A home, a cache, a temporary folder and git settings that are nobody's: what each test runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OURS = ("GIT_", "MOA_", "AGENT_", "GITHUB_", "ACTIONS_", "RUNNER_", "PYTEST_", "COV_", "COVERAGE_")
_CONFIG = "[user]\n\tname = Tester\n\temail = tester@example.invalid\n[init]\n\tdefaultBranch = main\n"
# No test takes the power away, and nothing here lives long enough to be packed.
_QUICK = "[core]\n\tfsync = none\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"


def set_apart(place: Path, patch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's is seen any more; `place`, an empty folder, holds what is seen instead."""
    for name in [n for n in os.environ if n.startswith(_OURS) and n != "PYTEST_CURRENT_TEST"]:
        patch.delenv(name)
    for name, folder in {"HOME": "home", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}.items():
        (place / folder).mkdir()
        patch.setenv(name, str(place / folder))
    config = place / "gitconfig"
    config.write_text(_CONFIG + _QUICK)
    patch.setenv("GIT_CONFIG_GLOBAL", str(config))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # tempfile caches its answer for the process
    patch.setattr("tempfile.tempdir", None)


@contextmanager
def apart(place: Path) -> Iterator[None]:
    """The same for what is made once for several tests, which no test's own isolation covers."""
    with pytest.MonkeyPatch.context() as patch:
        set_apart(place, patch)
        yield
