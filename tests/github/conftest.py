from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.github import TOKEN, Clock, FakeGitHub, serving

from pytest_moa.github.client import GitHub


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no token of the caller's."""
    for name in [n for n in os.environ if n.lower().endswith("_proxy") or n == "GH_TOKEN"]:
        monkeypatch.delenv(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as fake:
        yield fake


@pytest.fixture
def client(github: FakeGitHub, clock: Clock) -> GitHub:
    return GitHub(github.repository, TOKEN, github.api_url, sleep=clock.sleep, now=clock.time)
