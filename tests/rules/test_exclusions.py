"""Lines that a branch hides from coverage, checked against coverage's own parser."""

from __future__ import annotations

from textwrap import dedent

import pytest
from coverage.config import DEFAULT_EXCLUDE
from coverage.parser import PythonParser

from pytest_moa.rules.exclusions import newly_hidden

PATTERNS = (*DEFAULT_EXCLUDE, "raise NotImplementedError", "if __name__ == .__main__.:", r"#\s*nocov\b")
BEFORE = """\
import sys

def total(numbers):
    result = 0
    for n in numbers:
        result += n
    return result

def main():  # pragma: no cover
    print(total([1]))
"""

HIDDEN = {
    "a line": ("result += n", "result += n  # pragma: no cover", {6}),
    "a block": ("for n in numbers:", "for n in numbers:  # pragma: no cover", {5, 6}),
    "a function": ("def total(numbers):", "def total(numbers):  # pragma: no cover", {3, 4, 5, 6, 7}),
    "a function by its decorator": (
        "def total(numbers):",
        "@cached  # pragma: no cover\ndef total(numbers):",
        {3, 4, 5, 6, 7, 8},
    ),
    "a signature of many lines": (
        "def total(numbers):",
        "def total(\n    numbers,\n):  # pragma: no cover",
        {3, 6, 7, 8, 9},
    ),
    "an else clause": (
        "    return result",
        "    if result:\n        return 1\n    else:  # pragma: no cover\n        return result",
        {10},
    ),
    "an except clause": (
        "    return result",
        "    try:\n        return 1\n    except ValueError:  # PRAGMA: NO COVER\n        return result",
        {9, 10},
    ),
    "a last case": (
        "    return result",
        "    match result:\n        case 1:\n            return 1\n        case _:  # pragma: no cover\n            return 2",
        {10, 11},
    ),
    "the project's own comment": ("result += n", "result += n  # nocov", {6}),
    "a policy's words in a comment": (
        "for n in numbers:",
        "for n in numbers:  # raise NotImplementedError",
        {5, 6},
    ),
    "a pragma in a string": ("result = 0", 'result = len("# pragma: no cover")', {4}),
    "a new pragma on an old class": (
        "import sys",
        "import sys\nclass A:  # pragma: no cover\n    x = 1",
        {2, 3},
    ),
    "a stub is policy": ("    return result", "    def f(): ...\n    return result", set()),
    "typing is policy": ("import sys", "import sys\nif TYPE_CHECKING:\n    import os", set()),
    "what is not written is policy": ("    return result", "    raise NotImplementedError", set()),
    "a script's end is policy": (
        "import sys",
        "import sys\nif __name__ == '__main__':\n    sys.exit()",
        set(),
    ),
    "a pragma inside of what policy hides": (
        "import sys",
        "import sys\nif TYPE_CHECKING:\n    import os  # pragma: no cover",
        set(),
    ),
    "an exclusion that stood there": ("    print(total([1]))", "    print(total([2]))\n    print(3)", set()),
    "an edited signature of an excluded function": ("def main():  #", "def main(argv=None):  #", set()),
    "a moved excluded function": (
        "import sys\n",
        "import sys\n\nA = 1\n",
        set(),
    ),
    "old code goes into an excluded function": (
        "    print(total([1]))",
        "    for n in numbers:\n        result += n\n    print(total([1]))",
        set(),
    ),
}


@pytest.mark.parametrize(("old", "new", "lines"), HIDDEN.values(), ids=HIDDEN.keys())
def test_lines_that_a_branch_hides(old: str, new: str, lines: set[int]) -> None:
    assert old in BEFORE
    after = BEFORE.replace(old, new, 1)
    found = newly_hidden(BEFORE, after, PATTERNS)
    assert found == lines
    assert found <= _hidden_from_coverage(after)


def test_code_that_moves_under_an_exclusion_is_hidden_by_the_branch() -> None:
    before = "def a():\n    x = 1\n    y = 2\n\ndef b():  # pragma: no cover\n    pass\n"
    after = "def b():  # pragma: no cover\n    x = 1\n    y = 2\n    pass\n"
    assert newly_hidden(before, after, PATTERNS) == {2, 3}


def test_an_exclusion_that_is_taken_along_to_another_function_is_a_new_one() -> None:
    before = "def b():\n    if q:\n        x = 1\n    else:  # pragma: no cover\n        y = 2\n"
    after = before.replace("def b", "def c")
    assert newly_hidden(before, after, PATTERNS) == set()
    grown = (
        "def c():\n    if q:\n        x = 1\n    else:  # pragma: no cover\n        y = 2\n        z = 3\n"
    )
    assert newly_hidden(before, grown, PATTERNS) == {6}


def test_everything_that_a_new_file_hides_counts() -> None:
    assert newly_hidden(None, BEFORE, PATTERNS) == {9, 10}


@pytest.mark.parametrize("after", ["", "x = (", "x = 1\n", "\0", "def f(:  # pragma: no cover"])
def test_nothing_is_hidden_in_what_cannot_be_read_or_hides_nothing(after: str) -> None:
    assert newly_hidden(BEFORE, after, PATTERNS) == frozenset()


@pytest.mark.parametrize("pattern", ["(", "(?i)x", "*", r"(?P<a>x)(?P<a>y)"])
def test_an_expression_that_is_none_is_left_out(pattern: str) -> None:
    assert newly_hidden(None, "x = 1  # pragma: no cover\n", (pattern, *DEFAULT_EXCLUDE)) == {1}


def test_windows_line_ends_and_a_byte_order_mark_change_no_line() -> None:
    after = "\ufeff" + BEFORE.replace("\n", "\r\n")
    assert newly_hidden(None, after, PATTERNS) == {9, 10}


def test_all_that_is_hidden_in_a_new_file_is_what_coverage_leaves_out() -> None:
    text = dedent(
        '''
        """A module.  # pragma: no cover"""
        import os

        @a
        @b(1)  # pragma: no cover
        class Shop:
            """Docstring."""
            x: int = 1

            def f(self): return 1

            async def g(self):
                async with x as y:
                    return y

        def total(a, b=(lambda: 1),  # pragma: no cover
                  c=2):
            def inner():
                return {k: v for k, v in a}
            return inner

        while True:
            try:
                f()
            except* ValueError:  # pragma: no cover
                a = 1
                b = [
                    2,
                    3,
                ]
            finally:
                z = 1; y = 2
            break
        else:  # pragma: no cover
            g(
                1
            )
        if (a and
            b):  # pragma: no cover
            pass
        elif c: d()  # pragma: no cover
        with open(
            "x"  # pragma: no cover
        ) as f:
            global_ = 1
        x = y[1:2]  # pragma: no cover
        z = 3
        '''
    )
    assert newly_hidden(None, text, PATTERNS[:1]) == _hidden_from_coverage(text, PATTERNS[:1])


def _hidden_from_coverage(text: str, patterns: tuple[str, ...] = PATTERNS) -> set[int]:
    """What coverage would count and does not, because of exclusions."""
    everything = PythonParser(text=text)
    everything.parse_source()
    rest = PythonParser(text=text, exclude="|".join(f"(?:{p})" for p in patterns))
    rest.parse_source()
    return set(everything.statements - rest.statements)
