"""Functions that only ran while their modules were imported, and were called by no test."""

from __future__ import annotations

import pytest

from pytest_moa.rules.probes.plan import Ground
from pytest_moa.rules.probes.reached import only_imported

WARM = "def rate(kind):\n    kind = kind or 'food'\n    return kind\n\n\nrate('a')\n"
LAMBDAS = "rate = lambda k: k\ntax = lambda c: rate(c)\n"
DECORATED = "def mark(f):\n    f.marked = True\n    return f\n\n\n@mark\ndef one():\n    return 1\n"


@pytest.mark.parametrize(
    ("text", "executed", "called", "told"),
    [
        (WARM, {1, 2, 3, 6}, {}, 2),
        (WARM, {1, 2, 3, 6}, {2: frozenset({"t.py::test"})}, None),
        (WARM, {1, 6}, {}, None),
        (LAMBDAS, {1, 2}, {}, 1),
        (LAMBDAS, {1, 2}, {1: frozenset({"t.py::test"})}, None),
        (DECORATED, {1, 2, 3, 6, 7}, {}, None),
        ("def broken(:\n", {1}, {}, None),
    ],
)
def test_own_calls_at_import_are_no_tests(
    text: str, executed: set[int], called: dict[int, frozenset[str]], told: int | None
) -> None:
    ground = Ground(texts={"m.py": text}, lines={"m.py": None})
    found = only_imported(ground, {"m.py": called}, {"m.py": frozenset(executed)})
    assert (found and found.line) == told
    assert found is None or (found.rule, found.severity) == ("coverage-evaded", "block")
