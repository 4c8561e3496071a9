"""Which faults a text offers: ordinary ones, at places that ran, on the lines where they were."""

from __future__ import annotations

import ast
import textwrap

import pytest

from pytest_moa.rules.probes.faults import ANOTHER, CANARY, Source, Splice, source_of, spliced


def source(body: str) -> Source:
    found = source_of("m.py", textwrap.dedent(body))
    assert found is not None
    return found


def changes(body: str) -> list[str]:
    """Each fault's line as it reads under the fault."""
    found = source(body)
    lines = []
    for fault in found.faults:
        changed = spliced(found.text, fault.splice)
        assert changed is not None
        lines.append(changed.split("\n")[fault.line - 1].strip())
    return lines


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("return True", ["return False"]),
        ("return 3", ["return 4"]),
        ("return 'ab'", ["return 'ab_'"]),
        ("return f'{a}'", ["return (f'{a}') + \"_\""]),
        ("return [a]", ["return []"]),
        ("return {1: a}", ["return {}"]),
        ("return a == b", ["return not (a == b)", "return a != b"]),
        ("return len(a)", ["return (len(a)) + 1"]),
        ("return a.strip()", ['return (a.strip()) + "_"']),
        ("return a", [f"return {ANOTHER}((a))", "return None"]),
        ("return self", []),
        ("return None", []),
        ("return []", []),
        ("a.append(b)", ["None"]),
        ("await a.put(b)", ["None"]),
        ("logger.info(a)", []),
        ("print(a)", []),
        ("a.close()", []),
        ("raise ValueError('no')", []),
        ("assert a == b, 'no'", []),
        ("x: int = a", []),
        ("x = a is not None", ["x = a is None"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = a < b", ["x = a <= b"]),
        ("x = a - b", ["x = a + b"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a % b", []),
        ("x = a + 1", ["x = a - 1"]),
        ("x = 1", ["x = 2"]),
        ("x = f(not a)", ["x = f(bool(a))"]),
        ("x = a or b", ["x = a and b"]),
        ("x = a or b - 1", ["x = a and b - 1"]),
        ("x = lambda: a - b", []),
        ("x = [a - b for a in c]", []),
        ("x = 1 if a else b", ["x = 1 if not (a) else b"]),
        ("x -= 1", ["x += 1"]),
        ("x += a", []),
    ],
)
def test_a_statement_offers(statement: str, expected: list[str]) -> None:
    assert changes(f"async def f(self, a, b):\n    {statement}\n") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("if a:", ["if not (a):"]),
        ("if not a:", ["if (a):"]),
        ("if a == 1:", ["if not (a == 1):", "if a != 1:"]),
        ("if True:", []),
        ("if TYPE_CHECKING:", []),
        ("if sys.version_info >= (3, 12):", []),
        ("while a:", []),
    ],
)
def test_a_condition_offers(condition: str, expected: list[str]) -> None:
    found = changes(f"def f(a):\n    {condition}\n        g(a)\n")
    assert [line for line in found if line != "None" and "version_info >" not in line] == expected


def test_a_condition_that_only_guards_a_log_call_is_left_alone() -> None:
    assert changes("def f(a):\n    if a:\n        log.debug(a)\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "X = 1 < 2\n",
        "class C:\n    limit = 3\n    def __repr__(self):\n        return 'C'\n",
        'def f():\n    """Says 1 < 2."""\n',
        "def f(a=1 - 2): pass\n",
        "def g():\n    yield 1\n    return 3\n",
    ],
)
def test_nothing_is_changed_that_nobody_could_see_or_that_ran_before_the_tests(text: str) -> None:
    assert changes(text) == []


ODD = """\
    import functools

    class Ünïcode:
        @functools.wraps(print)
        def método(self, ä):
            '''Doc.'''
            return (
                ä
                == "ß"   # ß == ß
            )
        def one(self, a): return a
        def compound(self, xs):
            for x in xs:
                if (x
                    and self):
                    return {
                        1: 2,
                    }
            total = 0
            total += 1
            return total
    async def later(a):
        with a as b:
            return b, a
    def nested(n):
        def inner():
            return n
        return inner
"""


def test_every_splice_is_python_of_as_many_lines_and_another_program() -> None:
    found = source(ODD)
    plain = ast.dump(ast.parse(found.text))
    assert len(found.faults) >= 10
    for fault in found.faults:
        for splice in (fault.splice, fault.placebo):
            changed = spliced(found.text, splice)
            assert changed is not None, fault
            assert changed.count("\n") == found.text.count("\n"), fault
            assert ast.dump(ast.parse(changed)) != plain, (
                "text, tree and code differ, or a hash would not see it"
            )


def test_the_placebo_answers_as_the_text_itself_does() -> None:
    found = source("def f(a, b):\n    if a < b and a:\n        return a - 1\n    return [a, b]\n")
    for fault in found.faults:
        changed = spliced(found.text, fault.placebo)
        assert changed is not None
        was: dict[str, object] = {}
        now: dict[str, object] = {}
        exec(compile(found.text, "m", "exec"), was)  # noqa: S102 - texts of this test
        exec(compile(changed, "m", "exec"), now)  # noqa: S102 - the same
        for pair in [(0, 1), (1, 2), (2, 1), (-1, 5)]:
            assert was["f"](*pair) == now["f"](*pair)  # type: ignore[operator]  # a function of the text


def test_each_function_has_a_canary_before_its_first_statement() -> None:
    found = source(ODD)
    assert {fault.first for fault in found.faults} <= found.canaries.keys()
    for splice in found.canaries.values():
        words = splice.words.format(mark=repr("/x'y"))
        changed = spliced(found.text, Splice(splice.start, splice.end, words))
        assert changed is not None
        assert CANARY.format(mark=repr("/x'y")) in changed


@pytest.mark.parametrize("text", ["def f(:\n", "x = '\0'\n", "(" * 5000])
def test_what_this_python_cannot_parse_offers_nothing(text: str) -> None:
    assert source_of("m.py", text) is None


class Odd:
    """Of no type that is known."""


@pytest.mark.parametrize(
    ("value", "another"),
    [
        (True, False),
        (1, 2),
        (0.5, 1.5),
        ("", "_"),
        (b"a", b"a_"),
        ([1, 2], [2]),
        ((1, 2), (2,)),
        ({"a": 1, "b": 2}, {"b": 2}),
        ({1}, set()),
    ],
)
def test_another_value_has_the_same_type(value: object, another: object) -> None:
    found = eval(f"{ANOTHER}((value))", {"value": value})  # noqa: S307 - the text that a probe puts in
    assert (found, type(found)) == (another, type(value))


@pytest.mark.parametrize("value", [None, [], (), {}, Odd(), frozenset({1}), type])
def test_what_has_no_other_value_crashes_which_is_no_look(value: object) -> None:
    with pytest.raises(AttributeError):
        eval(f"{ANOTHER}((value))", {"value": value})  # noqa: S307 - the same
