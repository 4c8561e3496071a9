"""A registry entry's command and its reports belong together."""

from __future__ import annotations

import pytest

from pytest_moa.config import load_from_reader
from pytest_moa.errors import ConfigError


def problems(entry: str) -> tuple[str, ...]:
    text = f"registry:\n  - {{id: '03', {entry}}}\n".encode()
    try:
        load_from_reader({"moa.yaml": text}.get, origin="develop", environ={})
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("command: [npm, test], junit: out.xml", None),
        ("command: [npm, test], junit: 'reports/**/*.xml', coverage: lcov.info", None),
        ("command: [npm, test]", "registry[0].junit: a command needs it"),
        ("junit: out.xml", "registry[0].command: junit needs it"),
        ("coverage: lcov.info", "registry[0].command: coverage needs it"),
        ("command: [npm], junit: /tmp/out.xml", "registry[0].junit"),
        ("command: [npm], junit: ../out.xml", "registry[0].junit"),
        ("command: npm test, junit: out.xml", "is no program's name"),
        ("command: [''], junit: out.xml", "registry[0].command[0]"),
    ],
)
def test_what_belongs_together_and_lies_inside_is_taken(entry: str, problem: str | None) -> None:
    found = problems(entry)
    assert found == () if problem is None else any(problem in sentence for sentence in found), found
