"""Which coverage threshold holds. A variable, an option or an input may raise the policy's, never lower it."""

from __future__ import annotations

from decimal import Decimal


def raised(policy: Decimal, *words: Decimal | None) -> Decimal:
    """The greatest of the policy's figure and what was asked for besides; None asks for nothing."""
    return max([policy, *(word for word in words if word is not None)])
