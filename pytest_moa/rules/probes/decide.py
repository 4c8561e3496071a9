"""When noticed and unnoticed faults say that the tests look away, or that they do not: a sequential test."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

Decision = Literal["blind", "fine"]

HONEST, HOLLOW = 0.70, 0.20
"""The shares of noticed faults that are told apart. Measured: honest suites 0.9 and more, hollow ones 0.2 and less."""

_NOTICED = math.log(HOLLOW / HONEST)
_UNNOTICED = math.log((1 - HOLLOW) / (1 - HONEST))
BLIND, FINE = 5 * _UNNOTICED, 3 * _NOTICED
_SLACK = 1e-9

ENOUGH = 5
"""No fewer probes call a suite blind."""


def decide(noticed: Iterable[bool]) -> Decision | None:
    """What the outcomes say, in their order; None while they leave it open.

    Wald's sequential probability ratio test between two shares of noticed faults: an unnoticed fault weighs 0.98, a
    noticed one -1.25; five unnoticed in a row are enough, three noticed in a row as well.
    """
    weight = 0.0
    for tried, outcome in enumerate(noticed, start=1):
        weight += _NOTICED if outcome else _UNNOTICED
        if tried >= ENOUGH and weight >= BLIND - _SLACK:
            return "blind"
        if weight <= FINE + _SLACK:
            return "fine"
    return None
