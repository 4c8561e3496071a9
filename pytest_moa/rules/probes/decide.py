"""When noticed and unnoticed faults say that the tests look away, or that they do not: a sequential test."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

Decision = Literal["blind", "fine"]

HONEST, HOLLOW = 0.70, 0.20
"""The shares of noticed faults that are told apart. Measured: honest suites 0.9 and more, hollow ones 0.2 and less."""

BLIND = 5 * math.log((1 - HOLLOW) / (1 - HONEST))
FINE = math.log(HOLLOW / HONEST) * 3

ENOUGH = 5
"""No fewer probes call a suite blind."""


def decide(noticed: Iterable[bool]) -> Decision | None:
    """What the outcomes say, in their order; None while they leave it open.

    Wald's sequential probability ratio test between two shares of noticed faults: an unnoticed fault weighs 0.98, a
    noticed one -1.25; five unnoticed in a row are enough, three noticed in a row as well.
    """
    weight, tried = 0.0, 0
    for outcome in noticed:
        tried += 1
        weight += math.log(HOLLOW / HONEST) if outcome else math.log((1 - HOLLOW) / (1 - HONEST))
        if tried >= ENOUGH and weight >= BLIND - 1e-9:
            return "blind"
        if weight <= FINE + 1e-9:
            return "fine"
    return None
