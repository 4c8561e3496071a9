"""The processes that calls are forked from, one for each program and session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from invariants.truth import Suites
from support.faults import Forking


@pytest.fixture(scope="session")
def moa() -> Iterator[Forking]:
    program = Forking("moa")
    yield program
    program.close()


@pytest.fixture(scope="session")
def suites() -> Iterator[Suites]:
    found = Suites()
    yield found
    found.pytest.close()
