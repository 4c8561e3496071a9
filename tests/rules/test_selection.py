"""Which tests run for an agent, and for the suite."""

from __future__ import annotations

import pytest

from pytest_moa.model.policy import Policy, RegistryEntry
from pytest_moa.rules.selection import missing_tests, suite_arguments
from pytest_moa.rules.selection import tests_of as selected

REGISTERED = Policy(registry=(RegistryEntry(id="03", tests=("checks/core/", "tests/x.py::test_a")),))


def test_the_registry_beats_the_folder_and_the_folder_beats_the_suite() -> None:
    assert selected(REGISTERED, "03", lambda _: True) == ("checks/core", "tests/x.py::test_a")
    assert selected(Policy(), "03", lambda path: path == "tests/agent03") == ("tests/agent03",)
    assert selected(Policy(), "03", lambda _: False) == ()


def test_named_tests_that_are_not_there_are_told() -> None:
    assert missing_tests(("a.py::test_x", "b"), lambda path: path == "a.py") == ("b",)


@pytest.mark.parametrize(
    ("suite", "testpaths", "agent", "arguments"),
    [
        ((), (), ("tests/agent03",), ()),
        ((), ("tests",), ("tests/agent03",), ()),
        ((), ("unit",), ("tests/agent03",), ("unit", "tests/agent03")),
        (("tests/unit",), ("tests",), ("tests/agent03",), ("tests/unit", "tests/agent03")),
        (("tests",), (), ("tests/agent03/test_a.py::test_b",), ("tests",)),
        ((".",), (), ("tests/agent03",), (".",)),
        (("tests/unit",), (), (), ("tests/unit",)),
    ],
)
def test_one_run_holds_the_suite_and_the_agents_own_tests(
    suite: tuple[str, ...], testpaths: tuple[str, ...], agent: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    assert suite_arguments(suite, testpaths, agent) == arguments
