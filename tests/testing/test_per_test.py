"""What each test of a real run ran, and which places a text names."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_moa.testing.per_test import LinesByTest, lines_by_test, places_in
from pytest_moa.testing.request import Group

CONFTEST = """
    import pytest
    import mod

    @pytest.fixture(scope="module")
    def wide(): return mod.wide()

    @pytest.fixture
    def narrow(): return mod.narrow()
"""
MODULE = """\
def wide():
    return 1
def narrow():
    return 2
def own(x):
    if x:
        return 3
    return 4
"""
TESTS = """\
import mod
def test_one(wide): assert mod.own(1)
def test_two(wide, narrow):
    assert mod.own(0) == 0
"""


@pytest.fixture
def measured(project: Any) -> Any:
    return project.has("src/mod.py", MODULE).has("conftest.py", CONFTEST).has("t/test_t.py", TESTS)


def seen_by(project: Any, *words: str, **facts: Any) -> LinesByTest:
    evidence = project.runs(
        "-p", "xdist", *words, source_roots=("src",), source_dirs=(".",), each=True, **facts
    )
    assert (evidence.session_status, evidence.problems) == (1, ()), evidence.end.output
    return lines_by_test(project.request, work=str(project.work.resolve()))


@pytest.mark.parametrize("workers", ["-n0", "-n2"], ids=["alone", "xdist"])
@pytest.mark.parametrize("grouped", [True, False])
def test_each_test_its_lines_wide_fixtures_for_all_and_imports_apart(
    measured: Any, workers: str, grouped: bool
) -> None:
    groups = (Group(label="03", paths=("t",)),) if grouped else ()
    seen = seen_by(measured, workers, "--dist=loadfile", groups=groups)
    assert seen.tests.keys() == {"t/test_t.py::test_one", "t/test_t.py::test_two"}
    one, two = (seen.tests[f"t/test_t.py::test_{name}"] for name in ("one", "two"))
    assert one == {"src/mod.py": {6, 7}, "t/test_t.py": {2}}
    assert two["src/mod.py"] == {4, 6, 8}
    assert two["t/test_t.py"] == {4}
    assert two["conftest.py"] == {9}
    assert seen.shared == {"src/mod.py": {2}, "conftest.py": {6}}
    assert seen.imported["src/mod.py"] == {1, 3, 5}
    assert seen.imported["t/test_t.py"] >= {1, 2, 3}


def test_files_that_the_projects_figures_leave_out_are_evidence_all_the_same(measured: Any) -> None:
    measured.has(".coveragerc", "[run]\nomit = t/*\n  src/*\nbranch = true\n")
    seen = seen_by(measured)
    assert seen.tests["t/test_t.py::test_one"] == {"src/mod.py": {6, 7}, "t/test_t.py": {2}}


def test_data_that_cannot_be_believed_name_nobody(measured: Any) -> None:
    seen_by(measured)
    next(measured.request.run_dir.glob("coverage.*")).write_bytes(b"nothing of the kind")
    assert lines_by_test(measured.request, work=str(measured.work.resolve())) == LinesByTest()


def test_a_test_that_repeats_has_the_lines_of_all_its_runs(project: Any) -> None:
    project.has("mod.py", "def f(n):\n    if n < 2:\n        return n\n    return 2\n")
    project.has(
        "test_r.py", "import mod\nn = []\ndef test_r():\n    n.append(1)\n    assert not mod.f(len(n))\n"
    )
    seen = seen_by(project, "-p", "pytest_rerunfailures", "--reruns=1")
    assert seen.tests["test_r.py::test_r"]["mod.py"] == {2, 3, 4}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('  File "/w/a b.py", line 3 in f\n  File "/w/c.py", line 4, in g\n', {"a b.py": {3}, "c.py": {4}}),
        ('  File "/usr/lib/python3/x.py", line 3, in f\n', {}),
        ('  File "<frozen importlib._bootstrap>", line 3, in f\n', {}),
        ('  File "/w/../etc/x.py", line 3, in f\n', {}),
        ("t/test_t.py:6: assert 1 == 2", {"t/test_t.py": {6}}),
        ("t/with blanks.py:6: in f", {"t/with blanks.py": {6}}),
        ("mod.py:1: in <module>\nsub/mod.py:2: in <module>\nE   KeyError: 'a.py:x'", {"mod.py": {1}, "sub/mod.py": {2}}),
        ("/usr/lib/python3/json/decoder.py:355: json.decoder.JSONDecodeError: line 1 column 1", {}),
        ("../outside.py:6: assert 0", {}),
        ("raised in mod.py:12 (deep.py:3)", {"mod.py": {12}, "deep.py": {3}}),
        ("https://example.org/x.py:80 and 12:30:00", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_places_of_the_work_tree_that_a_text_names(text: str, places: dict[str, set[int]]) -> None:
    assert places_in(text, "/w") == places


def test_a_relative_place_lies_below_the_projects_folder_or_tells_it_already() -> None:
    text = "mod.py:1: in f\npy/test_t.py:2: in g\npython.py:3: in h\n"
    assert places_in(text, "/w", folder="py/") == {"py/mod.py": {1}, "py/test_t.py": {2}, "py/python.py": {3}}


def test_a_failing_test_a_broken_import_and_a_syntax_error_name_their_places(project: Any) -> None:
    project.has("pkg/__init__.py", "").has("pkg/old.py", "from pkg.new import gone\n").has(
        "pkg/new.py", "x = 1\n"
    )
    project.has("pkg/bad.py", "x = 1\ndef f(:\n").has("pkg/late.py", "def f():\n    return {}['k']\n")
    project.has("test_i.py", "x = 1\nimport pkg.old\n").has("test_s.py", "import pkg.bad\n")
    project.has("test_f.py", "import pkg.late\ndef test_f():\n    pkg.late.f()\n")
    seen = project.runs(keep_going=True, source_roots=(".",))
    told = {o.id: o.message for o in (*seen.collection_errors, *seen.outcomes)}
    work = str(project.work.resolve())
    assert places_in(told["test_i.py"], work) == {"test_i.py": {2}, "pkg/old.py": {1}}
    assert places_in(told["test_s.py"], work) == {"test_s.py": {1}, "pkg/bad.py": {2}}
    assert places_in(told["test_f.py::test_f"], work) == {"pkg/late.py": {2}}


@pytest.mark.parametrize("workers", ["-n0", "-n1"], ids=["alone", "xdist"])
def test_a_hang_names_where_it_stood(project: Any, workers: str) -> None:
    project.has("mod.py", "import time\ndef wait():\n    time.sleep(600)\n")
    project.has("test_h.py", "import mod\ndef test_h():\n    mod.wait()\n")
    seen = project.runs("-p", "xdist", workers, timeout=5.0)
    assert seen.end.timed_out
    places = places_in(seen.end.output, str(project.work.resolve()))
    assert places["mod.py"] == places["test_h.py"] == {3}
