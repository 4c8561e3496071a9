"""Desks to run pytest at."""

from __future__ import annotations

import pytest
from support.desks import Desk


@pytest.fixture
def desk(pytester: pytest.Pytester) -> Desk:
    return Desk(pytester)
