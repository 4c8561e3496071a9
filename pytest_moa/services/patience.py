"""Asking git about many things at once, of which some may be broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pytest_moa.errors import MoaError, RepositoryError

T = TypeVar("T")
A = TypeVar("A")


def patiently(work: Callable[[Sequence[T]], Sequence[A]], items: Sequence[T]) -> list[A | MoaError]:
    """The work's answers; where it fails, halves are tried, so that one broken item spoils no other's answer (law 8)."""
    if not items:
        return []
    try:
        return list(work(items))
    except RepositoryError as error:
        if len(items) == 1:
            return [error]
        half = len(items) // 2
        return [*patiently(work, items[:half]), *patiently(work, items[half:])]
