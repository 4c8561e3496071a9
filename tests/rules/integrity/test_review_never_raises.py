"""Whatever a branch holds, `review` answers: it never raises, never breaks on the way, and gives the same twice."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_moa.rules.integrity import UNREAD, Finding, review
from pytest_moa.rules.integrity.kit import Owner, Ownership

MODULE = """\
import os, sys, pytest, unittest
from unittest import mock
from billing import total, rates as r

MARKS = {"slow": pytest.mark.skip}
CASES = [(1, 2), (3, 4)]
pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="x")]

@pytest.fixture(autouse=True)
def calm(monkeypatch):
    monkeypatch.setattr(r, "rate", lambda code: 3)
    yield

@pytest.mark.parametrize("given, expected", [([1], 1), pytest.param([2], 2, marks=pytest.mark.xfail)])
def test_table(given, expected):
    assert total(given) == expected

class TestTotal(unittest.TestCase):
    def setUp(self):
        self.x = 1

    def test_total(self):
        with self.assertRaises(ValueError):
            total([-1])
        self.assertEqual(total([1, 2]), 3)

    async def test_later(self):
        try:
            assert await total([]) == 0
        except AssertionError as error:
            print(error)

def helper(n):
    match n:
        case 1 | 2:
            return "a"
        case {"k": [x, *rest]} if rest:
            return x
    if "PYTEST_CURRENT_TEST" in os.environ:
        return 3
    globals()["test_table"] = None

test_total = MARKS["slow"](helper)
del CASES
"""
CONFTEST = """\
import pytest

collect_ignore = ["x"]
pytest_plugins = ["pytester"]

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
"""
TOML = """\
[tool.pytest.ini_options]
addopts = ["-ra", "-k not slow"]
testpaths = "tests"
python_files = ["check_*.py"]

[tool.coverage.run]
omit = ["src/x.py"]
branch = true
"""
INI = "[pytest]\naddopts = -ra --deselect x\nmarkers =\n    slow: it is\n[coverage:run]\nomit =\n    a.py\n"
YAML = "moa:\n  target: develop\nintegrity:\n  allow:\n    - {rule: '*', path: '**'}\non: [push]\njobs:\n  a:\n    steps:\n    - run: moa gate\n"
SEEDS = {
    "tests/test_total.py": MODULE,
    "tests/conftest.py": CONFTEST,
    "src/billing.py": MODULE.replace("test_", "make_"),
    "pyproject.toml": TOML,
    "pytest.ini": INI,
    "tox.ini": INI,
    "setup.cfg": INI.replace("[pytest]", "[tool:pytest]"),
    ".coveragerc": INI.replace("[coverage:run]", "[run]"),
    ".github/workflows/ci.yml": YAML,
    "moa.yaml": YAML,
    "noxfile.py": MODULE,
    "setup.py": MODULE,
    "x.pth": "import os; os._exit(0)\n",
    "AGENTS.md": "# words\n",
}
PATHS = [*SEEDS, "/", "..", "a//b.py", "./x.py", "../x.py", "tests/", "tests/test_\udce9.py", "tests/test_é.py",
         "tests/test_a\nb.py", "tests/test_[x]*.py", "test_.py", ".py", "conftest.py/x", "a" * 4000 + ".py", "C:\\x.py",
         "tests/\u202etest_x.py", "sitecustomize.py", "pytest_cov/__init__.py", ".coverage", "x.dist-info/entry_points.txt"]  # fmt: skip
ODD = ["\x00", "\ud800", "\ufeff", "\r", "\x0c", "\u2028", "\t", " ", "\\", "'''", '"""', "(", ")", "[", "]", "{", "}", ":", "@",
       ",", "=", ":=", "*", "**", "->", "~", "not ", "lambda: ", "await ", "yield ", "del ", "async ", "global x\n", "return",
       "raise", "try:", "except*:", "else:", "if", "class", "def", "import", "from . import *", "from .... import x",
       "match", "case", "_", "x", "None", "...", "1e999", "1_0", "0x", "9" * 5000, "b''", "f'{x!r:>{y}}'", "'\\N{x}'", "# type: ignore",
       "# -*- coding: rot13 -*-", "# pragma: no cover", "%s", "{}", "exec('del test_table')", "globals().update(**x)",
       "pytest.mark.skip", "getattr(pytest, 'sk' 'ip')", "__test__ = False", "[pytest]", "addopts = ", "- ", "? ", "&a *a",
       "!!python/object:os.system", "<<: *a", "[[", "]]", "'a' = 1", "inf", "nan", "-9223372036854775809"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str | None:
    """A file's text: a seed that lost, gained, doubled or exchanged some of its lines and characters."""
    text = draw(st.sampled_from([*SEEDS.values(), ""]))
    for _ in range(draw(st.integers(0, 4))):
        lines = text.split("\n")
        start = draw(st.integers(0, len(lines)))
        stop = min(len(lines), start + draw(st.integers(0, 6)))
        at = draw(st.integers(0, max(0, len(text))))
        kind = draw(st.sampled_from(["cut", "double", "indent", "insert", "swap", "truncate"]))
        if kind == "cut":
            text = "\n".join(lines[:start] + lines[stop:])
        elif kind == "double":
            text = "\n".join(lines[:stop] + lines[start:])
        elif kind == "indent":
            text = "\n".join([*lines[:start], *(f"    {line}" for line in lines[start:stop]), *lines[stop:]])
        elif kind == "insert":
            text = text[:at] + draw(st.sampled_from(ODD)) + text[at:]
        elif kind == "swap":
            text = "\n".join([*lines[:start], draw(st.sampled_from(ODD)), *lines[stop:]])
        else:
            text = text[:at]
    return draw(st.sampled_from([text, text, text, text, None]))


@st.composite
def changes(draw: st.DrawFn) -> list[dict[str, str | None]]:
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True))
    return [
        {
            "path": p,
            "before": SEEDS.get(p) if draw(st.booleans()) else draw(mutated()),
            "after": draw(mutated()),
        }
        for p in paths
    ]


def read(path: str, side: str) -> str | None:
    return SEEDS.get(path)


OWNERS = Ownership(
    agent="03", owners=(Owner(agent="03", paths=("src", "[", "**/*")), Owner(agent="04", paths=("tests",)))
)


def reviewed(files: list[dict[str, str | None]]) -> list[Finding]:
    given_files: list[Mapping[str, str | None]] = [dict(f) for f in files]
    found = review(given_files, read, ownership=OWNERS)
    assert [dict(f) for f in given_files] == files
    assert not [f for f in found if f.message.startswith(UNREAD)], found
    return found


@settings(max_examples=60, deadline=None)
@given(changes())
def test_a_change_in_any_shape_is_answered_the_same_twice(files: list[dict[str, str | None]]) -> None:
    assert reviewed(files) == reviewed(files)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.sampled_from(PATHS))
def test_a_file_of_any_text_is_answered(text: str, path: str) -> None:
    reviewed([{"path": path, "before": SEEDS.get(path), "after": text}])


HEAVY = {
    "a NUL byte": MODULE + "\x00",
    "lone surrogates": MODULE + "x = '\ud800\udfff'\n",
    "a line of ten megabytes": "x = '" + "a" * 10_000_000 + "'\n",
    "a comment of a megabyte": "#" + " pragma" * 100_000 + "\n",
    "a line of names": "x = " + " + ".join(["pytest.mark.skip"] * 20_000) + "\n",
    "five thousand lines": "x = 1\n" * 5_000,
    "a thousand tests": "\n".join(f"def test_{n}():\n    assert f({n}) == {n}\n" for n in range(1000)),
    "brackets in brackets": "x = " + "[" * 150 + "]" * 150 + "\n",
    "brackets beyond the parser": "x = " + "(" * 5000 + ")" * 5000 + "\n",
    "an endless attribute": "x = a" + ".b" * 3000 + "\n",
    "an endless call": "x = a" + "()" * 900 + "\n",
    "an endless sum": "x = " + "+".join(["1"] * 3000) + "\n",
    "an endless not": "x = " + "not " * 2000 + "1\n",
    "an endless elif": "if a:\n    pass\n" + "elif a:\n    pass\n" * 1500,
    "blocks in blocks": "".join(f"{' ' * n}if x:\n" for n in range(95)) + " " * 95 + "pass\n",
    "functions in functions": "".join(f"{' ' * n}def test_f():\n" for n in range(90)) + " " * 90 + "assert 1\n",
    "a name for itself": "a = b\nb = a\n@a\ndef test_x():\n    a()\n",
    "a class of its own": "class TestA(TestA):\n    def test_x(self): pass\nclass B(C): pass\nclass C(B): pass\n",
    "a function that calls itself": "def test_x():\n    test_x()\ndef a(): b()\ndef b(): a()\n",
    "an import of itself": "from tests.test_total import *\nfrom . import *\nfrom .test_total import test_table\n",
    "syntax of a later Python": "def f[T: (int, str) = int](x: T) -> T: ...\ntype X[*Ts] = tuple[*Ts]\nx = f'{'a'}'\nt'{x}'\n",
    "syntax of an early Python": "print 'x'\nexec 'y'\nraise E, 'x'\n",
    "a coding that nobody has": "# coding: no-such-coding\nx = 1\n",
    "many starred imports": "\n".join(f"from m{n} import *" for n in range(2000)) + "\n@skip\ndef test_x(): pass\n",
    "many values of a name": "x = pytest.mark.skip\n" * 3000 + "@x\ndef test_x(): pass\n",
    "names in a row": "a0 = 'x'\n" + "\n".join(f"a{n} = a{n - 1} + a{n - 1}" for n in range(1, 200)) + "\n@a199\ndef test_x(): ...\n",
    "a power of a text": "x = 'ab' * 10 ** 12\ny = (x * 999) * 999\nassert y\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY.keys())
def test_heavy_input_is_answered_in_seconds(text: str) -> None:
    started = time.process_time()
    reviewed(
        [
            {"path": "tests/test_total.py", "before": MODULE, "after": text},
            {"path": "src/billing.py", "before": None, "after": text},
        ]
    )
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "text",
    [
        "[" * 800,
        "a = [" * 3000,
        "[a" + ".b" * 3000 + "]\n",
        "a:" + " - " * 4000,
        "x = " + "{a=" * 2000,
        "&a [" + "*a," * 5000 + "]",
    ],
)
@pytest.mark.parametrize(
    "path",
    ["pyproject.toml", "pytest.ini", "setup.cfg", ".github/workflows/ci.yml", "moa.yaml", ".coveragerc"],
)
def test_settings_of_any_depth_are_answered(path: str, text: str) -> None:
    reviewed([{"path": path, "before": SEEDS.get(path), "after": text}])


def test_a_rule_that_breaks_blocks_and_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_moa.rules.integrity import agent_instructions

    def breaks(change: object) -> list[Finding]:
        if any(f.path == "b.py" for f in change.files):  # type: ignore[attr-defined]  # a Change, as rules are given
            raise KeyError("odd")
        return []

    monkeypatch.setattr(agent_instructions, "check", breaks)
    files = [{"path": p, "before": None, "after": "x = 1\n"} for p in ("a.py", "b.py")]
    broken = [f for f in review(files) if f.message.startswith(UNREAD)]
    assert [(f.rule, f.severity, f.path) for f in broken] == [("agent-instructions", "block", "b.py")]
    assert "KeyError" in broken[0].message
