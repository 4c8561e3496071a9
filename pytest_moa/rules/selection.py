"""Which tests an agent's gate and the integration suite run. Paths are relative to the working directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_moa.model.policy import Policy

NOBODYS = "everybody else's tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A coverage context: lines run by the tests under `paths` (relative to the project) carry `label`."""

    label: str
    paths: tuple[str, ...]


def tests_of(policy: Policy, agent: str, exists: Callable[[str], bool]) -> tuple[str, ...]:
    """The agent's own tests: the registry's, else `tests/agent<id>/` where that is; empty means the whole suite."""
    named = policy.entry(agent).tests
    if named:
        return tuple(path.rstrip("/") or "." for path in named)
    conventional = f"tests/agent{agent}"
    return (conventional,) if exists(conventional) else ()


def missing_tests(tests: Sequence[str], exists: Callable[[str], bool]) -> tuple[str, ...]:
    """Those of the named tests that are not there (node ids are looked up by their file)."""
    return tuple(test for test in tests if not exists(test.split("::", 1)[0]))


def suite_arguments(
    suite: Sequence[str], testpaths: Sequence[str], agent_tests: Sequence[str]
) -> tuple[str, ...]:
    """What pytest is given to run the integration suite and, in the same run, every agent's own tests.

    Empty: what the project's settings collect, which without `testpaths` is everything below the folder.
    """
    base = tuple(suite) or tuple(testpaths)
    extra = tuple(test for test in agent_tests if not any(_within(test, place) for place in base))
    if not extra or not base:
        return tuple(suite)
    return (*base, *extra)


def groups_of(
    tests: Mapping[str, Sequence[str]],
) -> tuple[tuple[Group, ...], dict[str, tuple[str, ...] | None]]:
    """The coverage contexts of a run of the whole suite, and for each agent the labels of those that are its own tests.

    An agent whose tests are the whole suite has None: every test counts. Nobody's tests have a label, too, since lines
    without one are those of import time, which count for everyone. Where everybody's tests are all, nothing is told apart.
    """
    places = list(
        dict.fromkeys(test.split("::", 1)[0].rstrip("/") for some in tests.values() for test in some)
    )
    if not places:
        return (), dict.fromkeys(tests)
    labels = {place: f"tests-{number}" for number, place in enumerate(places)}
    groups = (
        *(Group(label=labels[place], paths=(place,)) for place in places),
        Group(label=NOBODYS, paths=("",)),
    )
    return groups, {
        agent: tuple(labels[p] for p in places if any(_within(p, test.split("::", 1)[0]) for test in some))
        if some
        else None
        for agent, some in tests.items()
    }


def _within(test: str, place: str) -> bool:
    path, folder = test.split("::", 1)[0].strip("/"), place.strip("/").removeprefix("./")
    return folder in {"", "."} or path == folder or path.startswith(folder + "/")
