"""How places in code are seen: what runs them, which names they mean, and what is new of them."""

from __future__ import annotations

import ast

import pytest

from pytest_moa.rules.integrity import reaching, review
from pytest_moa.rules.integrity.sightings import Page, Role, role


@pytest.mark.parametrize(
    ("path", "is_a"),
    [
        ("tests/conftest.py", "conftest"),
        ("conftest.py", "conftest"),
        ("tests/test_a.py", "test"),
        ("src/shop/a_test.py", "test"),
        ("shop/tests.py", "test"),
        ("tests/help.py", "helper"),
        ("src/shop/tests/help.py", "helper"),
        ("testing/help.py", "helper"),
        ("src/shop/testing/client.py", "source"),
        ("src/shop/pay.py", "source"),
        ("docs/conf.py", "tool"),
        ("setup.py", "tool"),
        ("shop/setup.py", "source"),
        ("shop/docs/a.py", "source"),
    ],
)
def test_what_a_file_is_to_pytest_and_coverage(path: str, is_a: Role) -> None:
    assert role(path) == is_a


def page(code: str, path: str = "tests/test_a.py") -> Page:
    return Page(path, code, ast.parse(code))


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("HERE()", "module"),
        ("class A:\n    HERE()", "module"),
        ("if __name__ == '__main__':\n    HERE()", "main"),
        ("def pytest_configure(): HERE()", "hook"),
        ("import pytest\n@pytest.hookimpl(specname='x')\ndef f(): HERE()", "hook"),
        ("import pytest\n@pytest.fixture\ndef f(): HERE()", "fixture"),
        ("from pytest import fixture as g\n@g(autouse=True)\ndef f(): HERE()", "autouse"),
        ("def setup_module(): HERE()", "fixture"),
        ("def test_a(): HERE()", "test"),
        ("def test_a():\n    def b(): HERE()", "nested"),
        ("def b(): HERE()", "function"),
        ("def test_a(x=HERE()): pass", "module"),
        ("@HERE()\ndef test_a(): pass", "module"),
        ("exec('HERE()')", "module"),
        ("def test_a():\n    exec('exec(\"HERE()\")')", "test"),
    ],
)
def test_what_runs_a_place(code: str, where: str) -> None:
    found = [s.where for s in page(code).spots if isinstance(s.node, ast.Name) and s.node.id == "HERE"]
    assert found == [where]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import subprocess\nsubprocess.os._exit", "os._exit"),
        ("import threading as t\nt._sys.exit", "threading._sys.exit"),
        ("import app\napp.os._exit", "app.os._exit"),
        ("import os\nos.path.join", "os.path.join"),
        ("__builtins__['open']", "builtins.open"),
        ("import sys\nsys.modules.get('os').kill", "os.kill"),
    ],
)
def test_names_that_are_reached_through_others(code: str, name: str) -> None:
    last = page(code).spots
    expr = next(s for s in last if isinstance(s.node, ast.Expr))
    assert isinstance(expr.node, ast.Expr)
    assert expr.dotted(expr.node.value) == {name}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("'a/b'", "a/b"),
        ("f'/proc/{pid}/mem'", "/proc/\0/mem"),
        ("ROOT / '.git' / 'hooks'", "\0/.git/hooks"),
        ("Path('a', b, 'c')", "a/\0/c"),
        ("os.path.join(x, '.git')", "\0/.git"),
        ("x.joinpath('.git')", "\0/.git"),
        ("f(x)", ""),
    ],
)
def test_paths_are_read_as_far_as_they_can_be(code: str, text: str) -> None:
    made = page(code)
    expr = next(s for s in made.spots if isinstance(s.node, ast.Expr))
    assert isinstance(expr.node, ast.Expr)
    assert reaching.pattern(expr.node.value, expr) == text


EXIT = "import os\n\n\ndef test_a():\n    os._exit(0)\n"


def test_a_sighting_names_its_line_and_what_to_do() -> None:
    [found] = [
        f
        for f in review([{"path": "tests/test_a.py", "before": None, "after": EXIT}])
        if f.rule == "early-exit"
    ]
    assert (found.path, found.line, found.message) == (
        "tests/test_a.py",
        5,
        "`os._exit` ends the process, in a test of the tests",
    )
    assert found.remedy


def test_what_the_target_has_is_no_news_wherever_it_moves() -> None:
    stays: dict[str, str | None] = {"path": "tests/test_a.py", "before": EXIT, "after": "# moved\n" + EXIT}
    moves: list[dict[str, str | None]] = [
        {"path": "tests/test_a.py", "before": EXIT, "after": None},
        {"path": "tests/unit/test_b.py", "before": None, "after": EXIT},
    ]
    assert [f for f in review([stays]) if f.rule == "early-exit"] == []
    assert [f for f in review(moves) if f.rule == "early-exit"] == []


def test_a_second_one_of_what_the_target_has_is_news() -> None:
    twice = EXIT + "\n\ndef test_b():\n    os._exit(0)\n"
    found = review([{"path": "tests/test_a.py", "before": EXIT, "after": twice}])
    assert [f.line for f in found if f.rule == "early-exit"] == [9]


def test_a_move_from_source_to_the_tests_is_news() -> None:
    daemon = "import os\n\ndef end():\n    os._exit(1)\n"
    files: list[dict[str, str | None]] = [
        {"path": "src/app.py", "before": daemon, "after": "x = 1\n"},
        {"path": "tests/conftest.py", "before": None, "after": daemon},
    ]
    assert [f.severity for f in review(files) if f.rule == "early-exit"] == ["block"]
