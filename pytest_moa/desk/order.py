"""Groups of tests by the agents they belong to, and an order in which the group changes seldom. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Groups = Sequence[tuple[str, Sequence[str]]]
PREFIX = "moa:"


def group_of(path: str, groups: Groups) -> tuple[str, ...]:
    """The agents whose tests a file is; an agent without tests of its own has every test."""
    here = Path(path)
    return tuple(
        agent
        for agent, tests in groups
        if not tests or any(here.is_relative_to(test.split("::", 1)[0]) for test in tests)
    )


def label(group: Sequence[str]) -> str:
    """The coverage context of a group. Commas and colons cannot stand in an id."""
    return PREFIX + ",".join(group)


def in_few_switches(
    items: Sequence[T], group: Callable[[T], Hashable], chain: Callable[[T], Sequence[Hashable]]
) -> list[T]:
    """The items with equal groups side by side, as far as the scopes of fixtures allow.

    `chain` names the packages around an item and its module, outermost first. Whatever was contiguous stays so:
    packages and modules move as a whole, and within a module nothing moves. Where pytest has already taken a
    package or module apart (parametrized fixtures of a wide scope), everything is left as it is.
    """
    chains = [tuple(chain(item)) for item in items]
    if not _contiguous(chains):
        return list(items)
    rank: dict[Hashable, int] = {}
    first: dict[tuple[Hashable, ...], tuple[int, int]] = {}
    for index, (item, nodes) in enumerate(zip(items, chains, strict=True)):
        place = rank.setdefault(group(item), len(rank))
        for depth in range(1, len(nodes) + 1):
            first.setdefault(nodes[:depth], (place, index))
    keys = [tuple(first[nodes[:depth]] for depth in range(1, len(nodes) + 1)) for nodes in chains]
    order = sorted(range(len(items)), key=lambda index: keys[index])
    return [items[index] for index in order]


def _contiguous(chains: Sequence[tuple[Hashable, ...]]) -> bool:
    closed: set[tuple[Hashable, ...]] = set()
    before: tuple[Hashable, ...] = ()
    for nodes in chains:
        for depth in range(1, len(before) + 1):
            if before[:depth] != nodes[:depth]:
                closed.add(before[:depth])
        if any(nodes[:depth] in closed for depth in range(1, len(nodes) + 1)):
            return False
        before = nodes
    return True
