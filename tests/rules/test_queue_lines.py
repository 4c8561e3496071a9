"""Whose lines are whose at the top of a chain: hunks against the lines themselves, for any edits."""

from __future__ import annotations

import difflib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pytest_moa.rules.queue.lines import Changed, Hunk, Patch, changes_at_top, moved

Line = tuple[int, int]
"""Whose line it is (-1: the base's), and a number that makes it one of its kind."""


def hunks(before: list[Line], after: list[Line]) -> tuple[Hunk, ...]:
    """As git tells them without context: a count of 0 comes with the line before the place."""
    changed = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(
        Hunk(i1 + (i2 > i1), i2 - i1, j1 + (j2 > j1), j2 - j1)
        for tag, i1, i2, j1, j2 in changed
        if tag != "equal"
    )


@st.composite
def histories(draw: st.DrawFn) -> list[list[Line]]:
    """A file's versions: the base's, and one a link; every link inserts, replaces and removes."""
    count = 0

    def line(owner: int) -> Line:
        nonlocal count
        count += 1
        return owner, count

    versions = [[line(-1) for _ in range(draw(st.integers(0, 8)))]]
    for owner in range(3):
        text = list(versions[-1])
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(text)))
            gone = draw(st.integers(0, 2))
            text[at : at + gone] = [line(owner) for _ in range(draw(st.integers(0, 2)))]
        versions.append(text)
    return versions


@given(histories())
def test_each_link_owns_at_the_top_exactly_the_lines_that_it_brought(versions: list[list[Line]]) -> None:
    patches = [Patch(hunks={"f": hunks(a, b)}) if a != b else Patch() for a, b in pairwise(versions)]
    for owner, changes in enumerate(changes_at_top(patches)):
        expected = {number for number, line in enumerate(versions[-1], 1) if line[0] == owner}
        assert changes.get("f", Changed()).added == expected


def test_lines_follow_a_file_that_a_later_link_moves() -> None:
    first = Patch(hunks={"old.py": (Hunk(0, 0, 1, 3),)})
    second = Patch(hunks={"new.py": (Hunk(0, 0, 1, 1),)}, renames={"old.py": "new.py"})
    assert changes_at_top([first, second])[0] == {"new.py": Changed(added=frozenset({2, 3, 4}))}


def test_a_file_that_a_later_link_removes_is_nobodys() -> None:
    first = Patch(hunks={"f": (Hunk(0, 0, 1, 3),)})
    assert changes_at_top([first, Patch(gone=frozenset({"f"}))])[0] == {}


def test_lines_beside_a_removal_are_told() -> None:
    patch = Patch(hunks={"f": (Hunk(3, 2, 2, 0),)})
    assert changes_at_top([patch])[0] == {"f": Changed(beside=frozenset({2, 3}))}


def test_a_line_in_a_replaced_place_is_gone() -> None:
    assert moved({1, 2, 3, 9}, [Hunk(2, 2, 2, 5)]) == {1, 12}
