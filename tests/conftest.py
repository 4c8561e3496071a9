"""Every test runs apart from the user's git settings, variables and caches."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.apart import set_apart

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a cache and a temporary folder of the test's own; nothing of the caller's is seen."""
    place = tmp_path_factory.mktemp("iso")
    set_apart(place, monkeypatch)
    return place
