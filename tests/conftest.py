"""Every test runs apart from the user's git settings, variables and caches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_OURS = ("GIT_", "MOA_", "AGENT_", "GITHUB_", "ACTIONS_", "RUNNER_", "PYTEST_", "COV_", "COVERAGE_")


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a cache and a temporary folder of the test's own; nothing of the caller's is seen."""
    place = tmp_path_factory.mktemp("iso")
    for name in [n for n in os.environ if n.startswith(_OURS) and n != "PYTEST_CURRENT_TEST"]:
        monkeypatch.delenv(name)
    for name, folder in {"HOME": "home", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}.items():
        (place / folder).mkdir()
        monkeypatch.setenv(name, str(place / folder))
    config = place / "gitconfig"
    config.write_text(
        "[user]\n\tname = Tester\n\temail = tester@example.invalid\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # tempfile caches its answer for the process
    monkeypatch.setattr("tempfile.tempdir", None)
    return place
