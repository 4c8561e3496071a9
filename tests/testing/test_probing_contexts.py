"""Which tests are asked about a line: those whose context it carries; every test where only children ran it."""

from __future__ import annotations

from pathlib import Path

from coverage import CoverageData

from pytest_moa.testing.probing import contexts_in

TESTS = ("t.py::test_a", "t.py::test_b")


def data(folder: Path, name: str, *contexts: tuple[str, set[int]]) -> None:
    file = CoverageData(basename=str(folder / f"coverage.{name}"))
    for label, lines in contexts:
        file.set_context(label)
        file.add_lines({"/tree/src/m.py": lines})
    file.write()
    file.close()


def test_lines_that_only_children_ran_may_be_any_tests(tmp_path: Path) -> None:
    data(tmp_path, "0000", ("", {1}), (f"|{TESTS[0]}", {2}))
    data(tmp_path, "0001", ("", {2, 3}))
    found = contexts_in(tmp_path, "/tree", ["src/m.py"], None, TESTS)
    assert found == {"src/m.py": {2: frozenset(TESTS[:1]), 3: frozenset(TESTS)}}


def test_one_process_has_no_children_and_import_time_counts_for_none(tmp_path: Path) -> None:
    data(tmp_path, "0000", ("", {1, 3}), (f"|{TESTS[0]}", {2}))
    assert contexts_in(tmp_path, "/tree", ["src/m.py"], None, TESTS) == {
        "src/m.py": {2: frozenset(TESTS[:1])}
    }


def test_in_a_run_of_groups_a_childs_lines_are_nobodys(tmp_path: Path) -> None:
    data(tmp_path, "0000", (f"03|{TESTS[0]}", {2}), (f"others|{TESTS[1]}", {2, 4}))
    data(tmp_path, "0001", ("", {3}))
    assert contexts_in(tmp_path, "/tree", ["src/m.py"], frozenset({"03"}), TESTS) == {
        "src/m.py": {2: frozenset(TESTS[:1])}
    }
