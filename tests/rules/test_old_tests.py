"""What `old-tests-fail` plans to run, and what it makes of the runs; no repository and no run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from textwrap import dedent

import pytest

from pytest_moa.model.evidence import Evidence, ProcessEnd, TestOutcome
from pytest_moa.rules.integrity.kit import Side
from pytest_moa.rules.integrity.tests_model import Patterns
from pytest_moa.rules.old_tests import OldTests, Redirects, Trees, findings, plan
from pytest_moa.rules.old_tests.judging import SHOWN, left_after, suspects
from pytest_moa.rules.old_tests.sameness import only_adds_tests, same

BASE: Mapping[str, str] = {
    "pkg/__init__.py": "",
    "pkg/core.py": "def total(prices):\n    return sum(prices)\n\n\ndef count(prices):\n    return len(prices)\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n",
    "tests/helpers.py": "def check(value):\n    assert value\n",
    "tests/data/a.json": "{}",
    "tests/unit/test_core.py": "from helpers import check\nfrom pkg.core import count, total\n\n\ndef test_total():\n    check(total([1]))\n",
    "tests/unit/test_plain.py": "def test_plain(one):\n    assert one\n",
    "tests/web/conftest.py": "from helpers import check\n",
    "tests/web/test_web.py": "def test_web():\n    assert True\n",
}
CORE, PLAIN, WEB = "tests/unit/test_core.py", "tests/unit/test_plain.py", "tests/web/test_web.py"


def trees(after: Mapping[str, str | None], base: Mapping[str, str] = BASE, **more: object) -> Trees:
    head = {path: text for path, text in {**base, **after}.items() if text is not None}
    texts: dict[Side, Mapping[str, str]] = {"base": base, "head": head}

    def read(path: str, side: Side) -> str | None:
        return texts[side].get(path)

    return Trees(base, head, read, **more)  # type: ignore[arg-type]  # a text is as good as its blob's id


def planned(after: Mapping[str, str | None], base: Mapping[str, str] = BASE, **more: object) -> OldTests:
    found = plan(trees(after, base, **more))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def test_a():\n    f()\n", "# why\ndef test_a():\n    '''What.'''\n\n    f( )\n"),
        ("def test_a(x):\n    f(x)\n", "def test_a(x: int) -> None:\n    f(x)\n"),
        ("import a\nfrom b import c, d\n", "from b import d\nfrom b import c\nimport a\n"),
        ("def test_a():\n    f()\n", "from __future__ import annotations\nfrom typing import Any\n\ndef test_a():\n    f()\n"),
        ("class TestA:\n    '''One.'''\n    def test_a(self):\n        f()\n", "class TestA:\n    def test_a(self):\n        f()\n"),
    ],
)  # fmt: skip
def test_what_pytest_does_not_see_is_the_same(before: str, after: str) -> None:
    assert same(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def test_a():\n    f(1)\n", "def test_a():\n    f(2)\n"),
        ("def test_a(x=1):\n    f(x)\n", "def test_a(x=2):\n    f(x)\n"),
        ("from a import f\n", "from b import f\n"),
        ("from a import f\n", "from a import f\nfrom typing import cast as f\n"),
        ("from a import cast\n", "from a import cast\nfrom typing import cast\n"),
        ("from a import f\nfrom b import f\n", "from b import f\nfrom a import f\n"),
        ("def test_a():\n    f()\n", "import evil\ndef test_a():\n    f()\n"),
        ("class A:\n    x: int\n", "class A:\n    x: str\n"),
        ("import a\na.f()\nimport b\n", "import a\nimport b\na.f()\n"),
        ("def test_a():\n    f()\n", "def test_a(:\n"),
    ],
)
def test_what_it_does_see_is_not(before: str, after: str) -> None:
    assert not same(before, after)


OLD = "import pytest\nfrom pkg import f\n\n\ndef test_a():\n    assert f(1) == 1\n"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (OLD + "\n\ndef test_b():\n    assert f(2) == 2\n", True),
        (OLD.replace("import f", "import f, g") + "\n\ndef test_b():\n    assert g()\n", True),
        (OLD + "\n\n@pytest.mark.parametrize('x', [pytest.param(1, id='one')])\ndef test_b(x):\n    assert f(x)\n", True),
        (OLD + "\n\ndef test_b():\n    thing = f(1)\n    thing.x = 1\n    assert thing.x\n", True),
        (OLD + "\n\ndef test_b():\n    f.x = lambda: 1\n", False),
        (OLD + "\n\ndef test_b():\n    setattr(f, 'x', 1)\n", False),
        (OLD + "\n\ndef test_b():\n    global f\n    f = int\n", False),
        (OLD + "\n\n@evil()\ndef test_b():\n    pass\n", False),
        (OLD + "\n\ndef test_b(x=evil()):\n    pass\n", False),
        (OLD + "\n\ndef test_a():\n    pass\n", False),
        (OLD + "\n\ndef f(x):\n    return x\n", False),
        (OLD + "\n\nf = int\n", False),
        (OLD.replace("== 1", "== 2") + "\n\ndef test_b():\n    pass\n", False),
        (OLD.replace("import pytest\n", "import pytest, fresh.evil\n"), False),
        (OLD.replace("import pytest\n", "import pytest\nfrom x import f\n"), False),
        (OLD.replace("import pytest\n", "import pytest\nfrom x import *\n"), False),
        (OLD.replace("import pytest\n", ""), False),
    ],
)  # fmt: skip
def test_a_file_that_only_gains_tests_is_known(after: str, *, expected: bool) -> None:
    assert only_adds_tests(OLD, after, ("test",), ("fresh",)) is expected


@pytest.mark.parametrize(
    "after",
    [
        {"pkg/core.py": "def total(prices):\n    return 0\n"},
        {"README.md": "words"},
        {"tests/unit/test_new.py": "def test_new():\n    assert 1\n"},
        {"tests/data/b.json": "[]"},
        {CORE: BASE[CORE] + "\n\ndef test_more():\n    assert total([]) == 0\n"},
        {"tests/helpers.py": "# a word\n" + BASE["tests/helpers.py"]},
    ],
)
def test_a_branch_that_leaves_the_targets_tests_alone_runs_nothing(after: Mapping[str, str]) -> None:
    assert plan(trees(after)) is None


@pytest.mark.parametrize(
    ("after", "arguments"),
    [
        pytest.param({PLAIN: "def test_plain():\n    pass\n"}, (PLAIN,), id="itself"),
        pytest.param({PLAIN: None}, (PLAIN,), id="a removed one"),
        pytest.param({"tests/web/conftest.py": "X = 1\n"}, (WEB,), id="those below a conftest"),
        pytest.param({"tests/unit/conftest.py": "X = 1\n"}, (CORE, PLAIN), id="those below a new conftest"),
        pytest.param(
            {"tests/helpers.py": "def check(value):\n    pass\n"},
            (CORE, WEB),
            id="users of a helper, by way of a conftest, too",
        ),
        pytest.param({"tests/data/a.json": "[]"}, (CORE, PLAIN, WEB), id="all of the suite of a data file"),
        pytest.param(
            {"tests/odd.py": None},
            (CORE, PLAIN, WEB),
            id="all of the suite of a helper that nobody names",
        ),
    ],
)
def test_the_targets_tests_that_see_what_was_touched_are_run(
    after: Mapping[str, str | None], arguments: tuple[str, ...]
) -> None:
    assert planned(after, {**BASE, "tests/odd.py": "X = 1\n"}).arguments == arguments


def test_all_of_the_tests_files_are_put_back_and_what_came_beside_them_is_out_of_the_way() -> None:
    after = {
        PLAIN: "def test_plain():\n    pass\n",
        "tests/helpers.py": None,
        "tests/helpers/__init__.py": "",
        "tests/unit/test_new.py": "def test_new():\n    pass\n",
        "pkg/core.py": "",
        "pytest.ini": "[pytest]\naddopts = -p tests.plugin\n",
        "tests/plugin.py": "X = 1\n",
    }
    assert planned(after).overlay == (
        "tests/helpers.py",
        "tests/helpers/__init__.py",
        "tests/unit/test_new.py",
        PLAIN,
    )


@pytest.mark.parametrize(
    ("files", "named", "is_test"),
    [
        ({"pkg/test/client.py": "", "pkg/core.py": ""}, "pkg/test/client.py", False),
        ({"pkg/test/client.py": "", "pkg/test/test_client.py": ""}, "pkg/test/client.py", True),
        ({"pkg/test_core.py": "", "pkg/core.py": ""}, "pkg/core.py", False),
        ({"pkg/test_core.py": "", "pkg/testdata/a.txt": ""}, "pkg/testdata/a.txt", True),
        ({"specs/a_spec.py": "", "specs/kit.py": "", "pkg/core.py": ""}, "specs/kit.py", True),
        ({"specs/a_spec.py": "", "pkg/core.py": ""}, "pkg/core.py", False),
    ],
)
def test_what_belongs_to_the_tests_is_told_by_what_lies_there(
    files: Mapping[str, str], named: str, *, is_test: bool
) -> None:
    patterns = Patterns(files=("test_*.py", "*_spec.py", "*.py"), testpaths=("specs", "pkg"))
    assert trees({}, files, patterns=patterns).area(named) is is_test


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("", 'addopts = "-k count"', ("addopts=",)),
        ('addopts = "-q"', "", ("addopts=-q",)),
        ('filterwarnings = ["error"]', "", ("filterwarnings=error",)),
        ("", "xfail_strict = true", ("xfail_strict=false",)),
        ('markers = ["slow"]', 'markers = ["heavy"]', ("markers=slow\nheavy",)),
        ('python_functions = ["check_*"]', "", ("python_functions=check_*",)),
        ("", 'asyncio_mode = "auto"', ()),
        ('testpaths = ["tests"]', 'testpaths = ["checks"]', ()),
    ],
)
def test_the_old_tests_run_with_the_targets_settings(before: str, after: str, words: tuple[str, ...]) -> None:
    header = "[tool.pytest.ini_options]\n"
    base = {**BASE, "pyproject.toml": header + before + "\n"}
    found = planned({PLAIN: None, "pyproject.toml": header + after + "\n"}, base)
    assert found.settings == words


COUNT = "def count(prices):\n    return len(prices)\n"
TOTAL = "def total(prices):\n    return sum(prices)\n"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(
            {"pkg/core.py": None, "pkg/sums.py": BASE["pkg/core.py"]},
            Redirects(modules={"pkg.core": "pkg.sums"}),
            id="a module",
        ),
        pytest.param(
            {"pkg/core.py": TOTAL, "pkg/numbers.py": COUNT},
            Redirects(names={"pkg.core": {"count": "pkg.numbers:count"}}),
            id="a function",
        ),
        pytest.param(
            {"pkg/core.py": TOTAL + "\n\n" + COUNT.replace("count", "number_of")},
            Redirects(names={"pkg.core": {"count": "pkg.core:number_of"}}),
            id="a function under another name",
        ),
        pytest.param(
            {"pkg/core.py": TOTAL}, Redirects(names={"pkg.core": {"count": None}}), id="one that is gone"
        ),
        pytest.param(
            {"pkg/core.py": None}, Redirects(modules={"pkg.core": None}), id="a module that is gone"
        ),
        pytest.param(
            {"pkg/core.py": TOTAL + "\n\ndef count(prices):\n    return 0\n"}, Redirects(), id="nothing moved"
        ),
        pytest.param(
            {"pkg/core.py": TOTAL, "pkg/other.py": "class Sheep:\n    wool = 3\n"},
            Redirects(names={"pkg.core": {"count": None}}),
            id="something else came",
        ),
        pytest.param(
            {
                "pkg/__init__.py": None,
                "pkg/core.py": None,
                "src/pkg/__init__.py": "",
                "src/pkg/core.py": BASE["pkg/core.py"],
            },
            Redirects(),
            id="the same names in a src layout",
        ),
    ],
)
def test_source_that_moved_is_followed(after: Mapping[str, str | None], expected: Redirects) -> None:
    assert planned({CORE: None, **after}).redirects == expected


WANTED = OldTests(
    overlay=("tests/test_a.py",),
    arguments=("tests/test_a.py", "tests/test_b.py"),
    lines={"tests/test_a.py::test_x": 3, "tests/test_a.py::test_y": 7, "tests/test_b.py::test_z": 1},
    gone=frozenset({"tests/test_b.py::test_z"}),
)
X, Y, Z = "tests/test_a.py::test_x", "tests/test_a.py::test_y", "tests/test_b.py::test_z"


def ran(
    outcomes: Mapping[str, str],
    status: int | None = None,
    errors: Mapping[str, str] | None = None,
    **more: object,
) -> Evidence:
    red = any(o in {"failed", "error"} for o in outcomes.values()) or errors
    ended = (1 if red else 0) if status is None else status
    evidence = Evidence(
        collected=tuple(outcomes),
        outcomes=tuple(TestOutcome(id=i, outcome=o, message="assert 1 == 2") for i, o in outcomes.items()),  # type: ignore[arg-type]  # a table's word
        collection_errors=tuple(
            TestOutcome(id=i, outcome="error", message=m) for i, m in (errors or {}).items()
        ),
        session_status=ended,
        end=ProcessEnd(status=ended),
    )
    return replace(evidence, **more)  # type: ignore[arg-type]  # fields by name


GREEN = {X: "passed", Y: "passed", Z: "passed"}


def test_nothing_is_said_of_a_green_run() -> None:
    assert suspects(WANTED, ran(GREEN)) == ()
    assert findings(WANTED, ran(GREEN), None, None) == ([], [])


def test_what_fails_twice_and_passes_on_the_target_blocks_with_its_line_there() -> None:
    red = ran({**GREEN, X: "failed"})
    (found,), doubts = findings(WANTED, red, ran({X: "failed"}), ran({X: "passed"}))
    assert (found.severity, found.path, found.line, doubts) == ("block", "tests/test_a.py", 3, [])
    assert "assert 1 == 2" in found.message


@pytest.mark.parametrize(
    ("again", "baseline"),
    [
        pytest.param(ran({X: "passed"}), None, id="flaky"),
        pytest.param(ran({X: "failed"}), ran({X: "failed"}), id="red on the target"),
        pytest.param(ran({X: "failed"}), ran({}, 4), id="a target that cannot run it"),
        pytest.param(ran({X: "failed"}), ran({X: "skipped"}), id="skipped on the target"),
    ],
)
def test_nobody_is_blamed_for(again: Evidence, baseline: Evidence | None) -> None:
    assert findings(WANTED, ran({**GREEN, X: "failed"}), again, baseline) == ([], [])


@pytest.mark.parametrize(
    ("again", "baseline"),
    [
        pytest.param(None, None, id="never run again"),
        pytest.param(ran({X: "failed"}), None, id="the target not asked"),
        pytest.param(ran({X: "passed"}, problems=("The record is cut.",)), None, id="a second run that lies"),
        pytest.param(
            ran({X: "failed"}), ran({X: "failed"}, problems=("The record is cut.",)), id="a target that lies"
        ),
    ],
)
def test_a_failure_is_not_cleared_by_evidence_that_is_not_whole(
    again: Evidence | None, baseline: Evidence | None
) -> None:
    found, (_,) = findings(WANTED, ran({**GREEN, X: "failed"}), again, baseline)
    assert found == []


def test_one_parameter_that_broke_is_enough_although_another_is_red_on_the_target_as_well() -> None:
    red = ran({f"{X}[1]": "failed", f"{X}[2]": "failed", Y: "passed", Z: "passed"})
    baseline = ran({f"{X}[1]": "passed", f"{X}[2]": "failed"})
    found, _ = findings(WANTED, red, red, baseline)
    assert [f.line for f in found] == [3]
    assert left_after(suspects(WANTED, red), WANTED, ran({f"{X}[1]": "passed", f"{X}[2]": "failed"}))[
        0
    ].ids == {f"{X}[2]"}


def test_parameters_from_a_set_are_compared_by_function() -> None:
    red = ran({f"{X}[a]": "failed", Y: "passed", Z: "passed"})
    found, _ = findings(WANTED, red, ran({f"{X}[b]": "failed"}), ran({f"{X}[c]": "passed"}))
    assert [f.line for f in found] == [3]


def test_a_file_that_cannot_be_imported_any_more_blocks_as_a_whole() -> None:
    red = ran({Z: "passed"}, errors={"tests/test_a.py": "ImportError: cannot import name 'x'"})
    (found,), _ = findings(WANTED, red, red, ran({X: "passed", Y: "failed"}))
    assert (found.path, found.line) == ("tests/test_a.py", None)
    assert "cannot import name 'x'" in found.message


def test_a_test_that_the_branch_removes_is_only_noted() -> None:
    red = ran({**GREEN, Z: "failed"})
    (found,), _ = findings(WANTED, red, red, ran({Z: "passed"}))
    assert (found.severity, found.path) == ("note", "tests/test_b.py")
    broken = ran({X: "passed", Y: "passed"}, errors={"tests/test_b.py": "ImportError"})
    (found,), _ = findings(WANTED, broken, broken, ran({Z: "passed"}))
    assert found.severity == "note"


def test_a_skip_that_no_text_asks_for_is_looked_at_and_one_that_does_is_not() -> None:
    quiet = ran({**GREEN, X: "skipped"})
    assert [s.argument for s in suspects(WANTED, quiet)] == [X]
    assert suspects(replace(WANTED, may_skip=frozenset({"tests/test_a.py"})), quiet) == ()


def test_a_file_of_which_nothing_was_collected_is_looked_at() -> None:
    silent = ran({Z: "passed"})
    assert [s.argument for s in suspects(WANTED, silent)] == ["tests/test_a.py"]
    (found,), _ = findings(WANTED, silent, ran({}, 5), ran({X: "passed"}))
    assert "nothing of this file was collected" in found.message


def test_a_test_that_the_process_does_not_come_back_from_is_blamed_by_the_target_alone() -> None:
    hung = ran({Z: "passed"}, running=X, session_status=None, end=ProcessEnd(status=None, timed_out=True))
    (found,), doubts = findings(WANTED, hung, hung, ran({X: "passed"}))
    assert ("did not end" in found.message, doubts) == (True, [])
    found_none, (doubt,) = findings(WANTED, hung, ran({X: "passed"}), None)
    assert (found_none, "time limit" in doubt.reason) == ([], True)


def test_a_conftest_that_cannot_be_imported_blocks_where_the_target_can() -> None:
    output = "ImportError while loading conftest '/x/old/tests/conftest.py'.\nE   ImportError: no y\n"
    wanted = replace(WANTED, overlay=("tests/conftest.py", "tests/test_a.py"))
    broken = ran({}, 4, end=ProcessEnd(status=4, output=output))
    (found,), doubts = findings(wanted, broken, None, ran(GREEN))
    assert (found.path, "no y" in found.message, doubts) == ("tests/conftest.py", True, [])
    assert findings(wanted, broken, None, ran({}, 4)) == ([], [])


def test_a_run_that_could_not_start_is_a_doubt_only_where_the_target_can() -> None:
    refused = ran({}, 4)
    assert findings(WANTED, refused, None, ran({}, 4)) == ([], [])
    found, (doubt,) = findings(WANTED, refused, None, ran(GREEN))
    assert (found, "exit status 4" in doubt.reason) == ([], True)


def test_a_forged_record_is_a_doubt() -> None:
    forged = ran(GREEN, problems=("The record says twice that the run ended.",))
    found, (doubt,) = findings(WANTED, forged, None, None)
    assert (found, "twice" in doubt.reason) == ([], True)


def test_many_failures_of_a_file_are_counted_in_one() -> None:
    names = [f"tests/test_a.py::test_{n}" for n in range(SHOWN + 4)]
    red, green = ran(dict.fromkeys(names, "failed") | {Z: "passed"}), ran(dict.fromkeys(names, "passed"))
    found, _ = findings(WANTED, red, red, green)
    assert len(found) == SHOWN + 1
    assert "4 more tests" in found[-1].message


def test_ids_of_a_root_that_lies_elsewhere_are_understood() -> None:
    red = ran({"sub/tests/test_a.py::test_x": "failed", Y: "passed", Z: "passed"})
    assert [s.argument for s in suspects(WANTED, red)] == [X]


def test_the_lines_of_tests_in_classes_are_known() -> None:
    text = dedent("""
        class TestA:
            class TestB:
                def test_x(self):
                    pass
        """)
    base = {**BASE, PLAIN: text}
    assert planned({PLAIN: None}, base).lines[f"{PLAIN}::TestA::TestB::test_x"] == 4
