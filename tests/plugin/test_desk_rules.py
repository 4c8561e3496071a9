"""The desk's pure parts, as tables."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_moa.desk.measure import contexts_for, core_that_switches, foreign, watched, with_import_time
from pytest_moa.desk.order import group_of, in_few_switches
from pytest_moa.desk.own import modules_of, walk
from pytest_moa.desk.typed import outside, reaches_further
from pytest_moa.desk.witness import Witness
from pytest_moa.model.evidence import FileLines

GROUPS = (("1", ("/p/tests/a", "/p/tests/x.py")), ("2", ("/p/tests/b",)), ("3", ()))


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/p/tests/a/test_x.py", ("1", "3")),
        ("/p/tests/x.py", ("1", "3")),
        ("/p/tests/b/deep/test_x.py", ("2", "3")),
        ("/p/tests/ab/test_x.py", ("3",)),
    ],
)
def test_a_file_belongs_to_the_agents_whose_tests_hold_it(path: str, group: tuple[str, ...]) -> None:
    assert group_of(path, GROUPS) == group


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a:1 b:2 a:3", "a:1 a:3 b:2"),
        # modules stay whole and in their own order
        ("a:m:1 b:n:1 a:o:1 a:o:2", "a:m:1 a:o:1 a:o:2 b:n:1"),
        # a package stays whole: its fixtures are set up once
        ("a:p/m b:p/n a:q/m", "a:p/m b:p/n a:q/m"),
        ("a:p/m b:p/n a:p/o", "a:p/m a:p/o b:p/n"),
        # what pytest has taken apart for the sake of parametrized fixtures is left alone
        ("a:p/m:1 b:n:1 a:p/m:2", "a:p/m:1 b:n:1 a:p/m:2"),
        ("", ""),
    ],
)
def test_few_switches_without_breaking_scopes(given: str, wanted: str) -> None:
    def chain(item: str) -> list[str]:
        # group:package/module:test, where package and test may be missing
        place = item.split(":")[1]
        return [place.rpartition("/")[0], place] if "/" in place else [place]

    assert in_few_switches(given.split(), lambda item: item[0], chain) == wanted.split()


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        ([], []),
        (["."], []),
        (["tests"], []),
        (["tests/a"], []),
        (["tests/a/"], []),
        (["tests/b", "tests/a"], []),
        (["tests/b"], ["tests/a"]),
        (["tests/a/test_x.py"], ["tests/a"]),
        (["tests/a::test"], ["tests/a"]),
    ],
)
def test_paths_that_leave_an_agents_tests_out(paths: list[str], left: list[str], tmp_path: Path) -> None:
    assert outside(paths, [tmp_path / "tests/a"], tmp_path) == tuple(str(tmp_path / p) for p in left)


@pytest.mark.parametrize(
    ("paths", "further"),
    [([], False), (["tests/a"], False), (["tests/a/x.py::test"], False), (["tests"], True)],
)
def test_paths_that_may_collect_others_tests(paths: list[str], further: bool, tmp_path: Path) -> None:
    assert reaches_further(paths, [tmp_path / "tests/a"], tmp_path) is further


@pytest.mark.parametrize(
    ("sources", "seen"),
    [
        ([], False),
        (["src"], True),
        (["src/shop"], True),
        (["src/shop/"], True),
        (["shop"], True),
        (["shop.core"], True),
        (["shop.cart"], False),
        (["hop"], False),
        ([""], False),
        (["tests", "shop"], True),
    ],
)
def test_what_a_users_cov_watches(sources: list[str], seen: bool, tmp_path: Path) -> None:
    (tmp_path / "src/shop").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    assert watched(tmp_path / "src/shop/core.py", sources, tmp_path) is seen


@pytest.mark.parametrize(
    ("static", "measured", "mine", "doubted"),
    [
        ("", ["", "moa:1,3", "moa:2,3", "moa:", "moa:11"], ["", "moa:1,3"], False),
        ("py|x", ["py|x", "py|x|moa:1", "py|x|moa:2"], ["py|x", "py|x|moa:1"], False),
        (
            "",
            ["tests/a/t.py::test[a|b]|run", "tests/b/t.py::test|setup"],
            ["tests/a/t.py::test[a|b]|run"],
            False,
        ),
        ("", ["", "test_module.test_function"], [""], True),
    ],
)
def test_the_contexts_of_an_agent(static: str, measured: list[str], mine: list[str], doubted: bool) -> None:
    found, doubt = contexts_for("1", measured, groups=GROUPS, root=Path("/p"), static=static)
    assert (found, doubt is not None) == (mine, doubted)


def test_import_time_counts_for_everyone_and_function_bodies_do_not() -> None:
    text = "x = 1\n\n@deco\ndef f(a=1):\n    if a:\n        return 1\n    return 2\n\nclass C:\n    y = 2\n    def g(self): return 3\n"
    nobody = FileLines(
        path="m.py",
        executed=frozenset(),
        missing=frozenset({1, 3, 4, 5, 6, 7, 9, 10, 11}),
        missing_branches=frozenset({(5, 6), (5, 7)}),
    )
    everyone = FileLines(
        path="m.py",
        executed=frozenset({1, 3, 4, 5, 6, 9, 10, 11}),
        missing=frozenset({7}),
        executed_branches=frozenset({(5, 6)}),
        missing_branches=frozenset({(5, 7)}),
    )
    found = with_import_time(nobody, everyone, text)
    assert (found.executed, found.missing) == (frozenset({1, 3, 4, 9, 10, 11}), frozenset({5, 6, 7}))
    assert found.missing_branches == frozenset({(5, 6), (5, 7)})


def test_a_module_from_elsewhere_is_foreign_and_one_from_here_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(name: str, file: Path) -> None:
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)

    here, there = tmp_path / "here", tmp_path / "there"
    names = ["zz.mine", "zz.theirs", "zz.installed", "zz.copied", "zz.absent"]
    loaded("zz.mine", here / "src/zz/mine.py")
    loaded("zz.theirs", there / "src/zz/theirs.py")
    loaded("zz.installed", here / ".venv/lib/site-packages/zz/installed.py")
    loaded("zz.copied", here / "other/zz/copied.py")
    modules = {name: str(here / "src" / f"{name.replace('.', '/')}.py") for name in names}
    assert [m.name for m in foreign(modules, str(here))] == ["zz.theirs", "zz.installed"]


def test_a_module_named_like_a_standard_one_is_not_taken_for_it(tmp_path: Path) -> None:
    assert foreign({"json": str(tmp_path / "json.py")}, str(tmp_path)) == ()


def test_bare_names_count_only_in_usual_roots(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").touch()
    files = dict.fromkeys(["top.py", "src/flat.py", "tools/utils.py", "pkg/__init__.py", "pkg/core.py"])
    assert sorted(modules_of(files, tmp_path)) == ["flat", "pkg", "pkg.core", "top"]


def test_environments_and_build_folders_are_no_source(tmp_path: Path) -> None:
    for name in ("a.py", "sub/b.py", ".tox/c.py", "env/pyvenv.cfg", "env/d.py", "build/e.py", "sub/f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in walk(tmp_path)] == ["a.py", "b.py"]


@pytest.mark.parametrize(
    ("environ", "core"),
    [({}, "ctrace"), ({"COVERAGE_CORE": "sysmon"}, "ctrace"), ({"COVERAGE_CORE": "pytrace"}, None)],
)
def test_the_core_that_is_asked_for(environ: dict[str, str], core: str | None) -> None:
    assert core_that_switches(environ) == core


def _report(when: str, outcome: str, **more: Any) -> Any:
    found = pytest.TestReport("t::x", ("t", 0, "x"), {}, "passed", None, when, duration=1.0)  # type: ignore[arg-type]
    found.outcome = outcome  # type: ignore[assignment]  # rerunfailures has a word of its own
    vars(found).update(more)
    return found


@pytest.mark.parametrize(
    ("reports", "outcome"),
    [
        ([_report("setup", "passed"), _report("call", "passed"), _report("teardown", "passed")], "passed"),
        ([_report("setup", "passed"), _report("call", "failed"), _report("teardown", "passed")], "failed"),
        ([_report("setup", "failed")], "error"),
        ([_report("call", "passed"), _report("teardown", "failed")], "error"),
        ([_report("call", "failed"), _report("teardown", "failed")], "failed"),
        ([_report("setup", "skipped")], "skipped"),
        ([_report("call", "skipped", wasxfail="")], "xfailed"),
        ([_report("call", "passed", wasxfail="")], "xpassed"),
        ([_report("call", "rerun"), _report("call", "passed")], "passed"),
        ([_report("call", "rerun"), _report("call", "failed")], "failed"),
        ([_report("call", "failed", context=object()), _report("call", "passed")], "failed"),
        ([_report("call", "skipped", context=object()), _report("call", "passed")], "passed"),
        ([_report("setup", "passed")], None),
    ],
)
def test_the_outcome_of_several_reports(reports: list[Any], outcome: str | None) -> None:
    witness = Witness()
    for report in reports:
        witness.saw(report)
    kept = witness.evidence(0, "3").outcomes
    assert [one.outcome for one in kept] == ([] if outcome is None else [outcome])
