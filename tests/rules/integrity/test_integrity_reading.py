"""How the rules read code: what a name stands for, which conditions hold, what can run. Nothing is run for it."""

from __future__ import annotations

import ast

import pytest

from pytest_moa.rules.integrity.live import live
from pytest_moa.rules.integrity.names import UNKNOWN, Names
from pytest_moa.rules.integrity.truth import truth


def expression(text: str, setup: str = "") -> tuple[ast.expr, Names]:
    tree = ast.parse(f"{setup}\nwanted = {text}\n")
    assigned = tree.body[-1]
    assert isinstance(assigned, ast.Assign)
    return assigned.value, Names(tree, "tests/test_x.py")


@pytest.mark.parametrize(
    ("text", "setup", "dotted"),
    [
        ("pytest.mark.skip", "import pytest", "pytest.mark.skip"),
        ("p.mark.skip", "import pytest as p", "pytest.mark.skip"),
        ("s", "from pytest import skip as s", "pytest.skip"),
        ("later", "import pytest\nm = pytest.mark\nlater = m.skip", "pytest.mark.skip"),
        ("getattr(pytest, 'sk' + 'ip')", "import pytest", "pytest.skip"),
        ("pytest.__dict__['skip']", "import pytest", "pytest.skip"),
        ("vars(pytest)['skip']", "import pytest", "pytest.skip"),
        ("sys.modules['pytest'].skip", "import sys", "pytest.skip"),
        ("__import__('pytest').skip", "", "pytest.skip"),
        ("importlib.import_module('pytest').skip", "import importlib", "pytest.skip"),
        ("operator.attrgetter('mark.skip')(pytest)", "import operator, pytest", "pytest.mark.skip"),
        ("functools.partial(pytest.skip, 'x')", "import functools, pytest", "pytest.skip"),
        ("(lambda: 1, pytest.skip)[1]", "import pytest", "pytest.skip"),
        ("{'a': pytest.skip}['a']", "import pytest", "pytest.skip"),
        ("T['a']", "import pytest\nT = {'a': pytest.skip}", "pytest.skip"),
        ("T[-1]", "import pytest\nT = [1, pytest.skip]", "pytest.skip"),
        ("a if x else pytest.skip", "import pytest", "pytest.skip"),
        ("h.f", "from .helpers import x\nfrom . import helpers as h", "tests.helpers.f"),
        ("f", "from ..shop import f", "shop.f"),
    ],
)
def test_what_a_name_stands_for(text: str, setup: str, dotted: str) -> None:
    expr, names = expression(text, setup)
    assert dotted in names.dotted(expr)


@pytest.mark.parametrize("text", ["1 + f()", "f()", "x[f()]", "[f]", "lambda: f", "f'{f()}'"])
def test_what_is_no_name_has_none(text: str) -> None:
    expr, names = expression(text)
    assert not {n for n in names.dotted(expr) if "." in n}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' + 'b'", "ab"),
        ("''.join(['a', 'b'])", "ab"),
        ("'%s%s' % ('a', 'b')", "ab"),
        ("'{}b'.format('a')", "ab"),
        ("f'{A}b'", "ab"),
        ("'ba'[::-1]", "ab"),
        ("chr(97)", "a"),
        ("'AB'.lower()", "ab"),
        ("-1", -1),
        ("len('abc')", 3),
        ("(1, 'a')", (1, "a")),
        ("list()", ()),
        ("range(0)", ()),
        ("f()", UNKNOWN),
        ("TWICE", UNKNOWN),
        ("'a' * 10 ** 9", UNKNOWN),
    ],
)
def test_constants_are_folded(text: str, value: object) -> None:
    expr, names = expression(text, "A = 'a'\nTWICE = 1\nTWICE = 2")
    assert names.constant(expr) == value


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("True", True),
        ("not 1", False),
        ("1 == 1", True),
        ("x == x", True),
        ("x != x", False),
        ("x == y", None),
        ("sys.platform == 'linux'", True),
        ("sys.version_info >= (3, 8)", True),
        ("sys.version_info >= (3, 12)", None),
        ("sys.version_info < (3,)", False),
        ("TYPE_CHECKING", False),
        ("f() or True", True),
        ("f() and False", False),
        ("f()", None),
        ("(x, y)", True),
        ("()", False),
        ("lambda: False", True),
        ("EMPTY", None),
    ],
)
def test_conditions_that_are_known_before_a_run(text: str, holds: bool | None) -> None:
    expr, names = expression(text, "import sys\nfrom typing import TYPE_CHECKING\nEMPTY = []")
    assert truth(expr, names) is holds


@pytest.mark.parametrize(
    ("body", "runs"),
    [
        ("a()\nreturn\nb()", ["a()"]),
        ("if False:\n    a()\nb()", ["b()"]),
        ("while True:\n    a()\n    return\nb()", ["a()"]),
        ("while True:\n    a()\n    break\nb()", ["a()", "b()"]),
        ("for x in []:\n    a()\nb()", ["b()"]),
        ("try:\n    a()\n    return\nfinally:\n    b()\nc()", ["a()", "b()"]),
        ("if x:\n    return\nelse:\n    raise E\na()", []),
        ("if x:\n    return\na()", ["a()"]),
        ("pytest.skip('x')\na()", ["pytest.skip('x')"]),
        ("with suppress(E):\n    raise E\na()", ["a()"]),
        ("with open(x):\n    return\na()", []),
        ("match x:\n    case 1:\n        return\na()", ["a()"]),
    ],
)
def test_what_can_run(body: str, runs: list[str]) -> None:
    indented = "".join(f"    {line}\n" for line in body.split("\n"))
    tree = ast.parse(f"import pytest\nfrom contextlib import suppress\ndef f(x):\n{indented}")
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    statements = live(function.body, Names(tree, "x.py"), function)
    assert [ast.unparse(s.node) for s in statements if isinstance(s.node, ast.Expr)] == runs
