"""What is probed, in which order, and which tests may notice: from sources, coverage contexts and a seed, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_moa.rules.probes.faults import Fault, Source, source_of

Contexts = Mapping[str, Mapping[int, frozenset[str]]]
"""Path to line to the contexts under which it ran: test ids, and `@NAME` for a fixture that several tests share."""

DEAREST = 0.25
"""A fault whose tests take a larger share of the time budget than this is left out, where it was not asked for."""


_CRASHING = frozenset({"condition", "comparison", "not"})
"""Kinds that often only make the code crash (54 of 58 such faults in one package, 27 of 38 others): a function's last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning that probes may confirm: a place in own code, or a test by the beginning of its id (`test`)."""

    rule: str
    path: str
    line: int | None
    test: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where faults may be put: own files as git has them, with their own lines (None: all of the file)."""

    texts: Mapping[str, str]
    lines: Mapping[str, frozenset[int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`count` caps the probes (None: every fault); `thorough`: all of them are asked even where the case is clear."""

    count: int | None
    seconds: float
    thorough: bool = False
    warned: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`order` holds the faults in the order of the sample; `tests` those that ran a fault's line, cheapest first."""

    seed: str
    wish: Wish
    sources: Mapping[str, Source]
    order: tuple[Fault, ...]
    tests: Mapping[str, tuple[str, ...]]
    directed: Mapping[Warned, tuple[Fault, ...]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def cost(self, fault: Fault) -> float:
        """Seconds that the fault's tests took in the run; a shared fixture's users are taken for all tests."""
        return cost_of(self.tests[fault.id], self.seconds)


def plan_of(ground: Ground, contexts: Contexts, seconds: Mapping[str, float], wish: Wish, seed: str) -> Plan:
    """The plan of a run. `seconds` are those of each test in the run."""
    sources = {path: source for path, text in ground.texts.items() if (source := source_of(path, text))}
    tests: dict[str, tuple[str, ...]] = {}
    faults = []
    for path, source in sorted(sources.items()):
        ran, own = contexts.get(path, {}), ground.lines[path]
        for fault in source.faults:
            if own is not None and not own & {fault.line, fault.statement}:
                continue
            names = ran.get(fault.line) or ran.get(fault.statement) or frozenset()
            if names:
                tests[fault.id] = tuple(sorted(names, key=lambda n: (n[:1] == "@", seconds.get(n, 0.0), n)))
                faults.append(fault)
    affordable = [
        f for f in faults if wish.thorough or cost_of(tests[f.id], seconds) <= wish.seconds * DEAREST
    ]
    order = _spread(affordable, seed)
    if not wish.thorough:
        # What tells most first; a test at the edge is nobody's duty.
        order = [fault for kind in ("plain", "blunt") for fault in order if fault.strength == kind]
    return Plan(
        seed=seed,
        wish=wish,
        sources=sources,
        order=tuple(order),
        tests=tests,
        directed={warned: _under(warned, order, tests) for warned in wish.warned},
        seconds=seconds,
    )


def cost_of(tests: tuple[str, ...], seconds: Mapping[str, float]) -> float:
    if any(name.startswith("@") for name in tests):
        return sum(seconds.values())
    return sum(seconds.get(name, 0.0) for name in tests)


def _spread(faults: list[Fault], seed: str) -> list[Fault]:
    """Each function's first before any function's second, so that one odd function does not speak for all."""
    lots = {fault.id: hashlib.sha256(f"{seed}\0{fault.id}".encode()).hexdigest() for fault in faults}
    turn: dict[tuple[str, int], int] = {}
    ranked = []
    for fault in sorted(faults, key=lambda f: (f.strength != "plain", f.kind in _CRASHING, lots[f.id])):
        place = (fault.path, fault.first)
        turn[place] = turn.get(place, 0) + 1
        ranked.append((turn[place], lots[fault.id], fault))
    return [fault for _, _, fault in sorted(ranked, key=lambda entry: entry[:2])]


def _under(warned: Warned, order: list[Fault], tests: Mapping[str, tuple[str, ...]]) -> tuple[Fault, ...]:
    if warned.test is not None:
        return tuple(f for f in order if any(is_of(name, warned.test) for name in tests[f.id]))
    if warned.line is None:
        return ()
    beside = [f for f in order if f.path == warned.path]
    # The function that holds the line is the last one that begins at or above it.
    firsts = [f.first for f in beside if f.first <= warned.line]
    return tuple(f for f in beside if firsts and f.first == max(firsts))


def is_of(test: str, function: str) -> bool:
    """Whether a test id is one of a function's: itself, or one of its parametrised cases.

    Ids are relative to pytest's root folder, which may lie below the repository's: the function's path may be longer.
    """
    path, colons, name = test.partition("::")
    place, _, wanted = function.partition("::")
    return bool(
        colons
        and (name == wanted or name.startswith(wanted + "["))
        and (place == path or place.endswith("/" + path))
    )
