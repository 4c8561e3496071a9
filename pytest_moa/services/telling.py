"""How a service tells what it is doing while it does it; where the words go is the caller's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Telling:
    """`step` is told once for each thing that begins, `tick` often, while it goes on."""

    step: Callable[[str], None] = _silent
    tick: Callable[[str], None] = _silent
