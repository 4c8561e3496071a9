"""When noticed and unnoticed faults say that the tests look away, or that they do not: a sequential test.

Faults that an assertion saw stand against those that nobody noticed. One that only made the code crash says nothing:
a test without any assertion notices it, too (in one package 85 of 99 faults).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

Decision = Literal["blind", "fine"]

HONEST, HOLLOW = 0.80, 0.20
"""The shares of noticed faults that are told apart."""

_NOTICED = math.log(HOLLOW / HONEST)
_UNNOTICED = math.log((1 - HOLLOW) / (1 - HONEST))
BLIND, FINE = 5 * _UNNOTICED, 4 * _NOTICED
_SLACK = 1e-9

ENOUGH = 5
"""No fewer probes call a suite blind."""


def decide(noticed: Iterable[bool]) -> Decision | None:
    """What the outcomes say, in their order; None while they leave it open.

    Wald's sequential probability ratio test: an unnoticed and a noticed fault weigh the same, five more of the one or
    four more of the other decide. Within twenty probes a suite that notices 95 % of the faults is called blind once in
    a million, one of 90 % twice in 100,000, one of 80 % once in 1,000, one of 70 % once in 80; of suites that notice
    20 %, 4 in 1,000 are taken for fine.
    """
    weight = 0.0
    for tried, outcome in enumerate(noticed, start=1):
        weight += _NOTICED if outcome else _UNNOTICED
        if tried >= ENOUGH and weight >= BLIND - _SLACK:
            return "blind"
        if weight <= FINE + _SLACK:
            return "fine"
    return None
