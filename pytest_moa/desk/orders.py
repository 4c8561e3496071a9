"""What a process that runs tests has to know: arguments to insert, groups of tests, own modules. Plain data."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "MOA_DESK_ORDERS"
"""Names the file that xdist workers read their orders from: their command line is the user's, not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`insert` goes before the given arguments. `groups`: an agent's id and the absolute paths of its tests
    (none: every test is its own). `modules`: dotted names of own code and the files they have to come from.
    """

    insert: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    root: str = ""
    contexts: bool = False


def leave(orders: Orders) -> Path:
    """Write the orders for the workers to a file of this user alone, and name it in the environment."""
    handle, name = tempfile.mkstemp(prefix="moa-orders-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**asdict(orders), "modules": dict(orders.modules)}, file)
    os.environ[VARIABLE] = name
    return Path(name)


def withdraw(place: Path) -> None:
    """Take the orders back when the session is over."""
    place.unlink(missing_ok=True)
    if os.environ.get(VARIABLE) == str(place):
        del os.environ[VARIABLE]


def take() -> Orders | None:
    """A worker's orders. The variable goes away: a pytest that the tests start is no worker of ours."""
    name = os.environ.pop(VARIABLE, None)
    if name is None or "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    try:
        value = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Orders(
        insert=tuple(value["insert"]),
        groups=tuple((agent, _texts(tests)) for agent, tests in value["groups"]),
        modules=value["modules"],
        root=value["root"],
        contexts=value["contexts"],
    )


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
