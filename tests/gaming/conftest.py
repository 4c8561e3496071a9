"""Most scenarios are texts in and findings out: only those that ask for a folder get a home of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def isolated(request: pytest.FixtureRequest) -> object:
    """The whole suite's isolation where a scenario runs something; making folders takes longer than a rule."""
    return request.getfixturevalue("isolated") if "tmp_path" in request.fixturenames else None
