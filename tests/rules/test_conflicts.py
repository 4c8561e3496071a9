"""Which pairs are worth a merge, what two branches share, and where in a file they collide."""

from __future__ import annotations

import pytest

from pytest_moa.model.conflicts import Place, Span
from pytest_moa.rules.conflicts import (
    Outside,
    Touched,
    collisions,
    foreign,
    meeting,
    outside_of,
    sharing,
    whole_collisions,
)
from pytest_moa.rules.queue.lines import Hunk


def touched(files: str = "", added: str = "", gone: str = "") -> Touched:
    new = tuple(added.split())
    return Touched((*files.split(), *new), new, tuple(gone.split()))


@pytest.mark.parametrize(
    ("a", "b", "meets"),
    [
        (touched("a.py"), touched("b.py"), False),
        (touched("a.py c.py"), touched("b.py c.py"), True),
        (touched(added="new.py"), touched(added="new.py"), True),
        # A rename is a removal and an addition: the other changed what was moved, or adds what it became.
        (touched("old.py", added="new.py"), touched("old.py"), True),
        (touched("old.py", added="new.py"), touched(added="new.py"), True),
        # A folder that was moved away, and a new file in it.
        (touched("d/a d/b", added="e/a e/b", gone="d"), touched(added="d/c"), True),
        (touched("d/a d/b", added="e/a e/b", gone="d"), touched(added="d/deep/c"), True),
        (touched("d/a", added="e/a"), touched(added="d/c"), False),  # the folder stands
        (touched("d/a", gone="d"), touched(added="dd/c"), False),
        # A file where the other has a folder.
        (touched(added="d"), touched(added="d/c"), True),
        (touched(added="d/x/y"), touched(added="d/x"), True),
        (touched(), touched(added="a"), False),
    ],
)
def test_changes_meet_where_a_merge_could_conflict(a: Touched, b: Touched, *, meets: bool) -> None:
    assert meeting([a, b]) == ({(0, 1)} if meets else set())
    assert meeting([b, a]) == ({(0, 1)} if meets else set())


def test_all_pairs_of_a_path_meet_and_no_others() -> None:
    assert meeting([touched("x"), touched("y"), touched("x y"), touched("z")]) == {(0, 2), (1, 2)}


def test_a_branch_does_not_meet_itself() -> None:
    assert meeting([touched("d/a", added="d2 d2x/c", gone="d")]) == set()


GRAPH = {"a2": ("a1",), "a1": ("t1",), "b": ("a1",), "c": ("b", "a2"), "lost": ("root",), "root": ()}


def test_what_a_head_has_beside_the_target_and_whether_it_stands_on_it() -> None:
    found = outside_of(["a2", "lost", "in-target"], GRAPH)
    assert found["a2"] == Outside({"a2": ("a1",), "a1": ("t1",)}, rooted=True)
    assert found["lost"].rooted is False
    assert found["in-target"] == Outside({}, rooted=True)


@pytest.mark.parametrize(
    ("heads", "shared"),
    [
        (["a2", "b"], {("a2", "b"): ("a1",)}),  # both stand on the same work
        (["a1", "b"], {("a1", "b"): ("a1",)}),  # one stands on the other
        (["c", "b"], {("c", "b"): ("b",)}),
        (["a2", "in-target"], {}),
        (["a2", "lost"], {}),
    ],
)
def test_the_newest_commits_that_two_heads_share(
    heads: list[str], shared: dict[tuple[str, str], tuple[str, ...]]
) -> None:
    assert sharing(outside_of(heads, GRAPH)) == shared


def test_two_branches_that_merged_each_other_share_more_than_one_newest_commit() -> None:
    graph = {"x": ("t",), "y": ("t",), "m": ("x", "y"), "n": ("y", "x")}
    assert sharing(outside_of(["m", "n"], graph)) == {("m", "n"): ("x", "y")}


def place(a: tuple[int, int], b: tuple[int, int]) -> Place:
    return Place(Span(*a), Span(*b))


@pytest.mark.parametrize(
    ("base_a", "base_b", "a_b", "places"),
    [
        # Line 2 changed by both.
        ([Hunk(2, 1, 2, 1)], [Hunk(2, 1, 2, 1)], [Hunk(2, 1, 2, 1)], [place((2, 2), (2, 2))]),
        # Both changed it alike.
        ([Hunk(2, 1, 2, 1)], [Hunk(2, 1, 2, 1)], [], []),
        # Two lines apart: no collision, though the sides differ at both.
        ([Hunk(2, 1, 2, 1)], [Hunk(4, 1, 4, 1)], [Hunk(2, 1, 2, 1), Hunk(4, 1, 4, 1)], []),
        # Touching lines collide, as git has it.
        ([Hunk(2, 1, 2, 1)], [Hunk(3, 1, 3, 1)], [Hunk(2, 2, 2, 2)], [place((2, 3), (2, 3))]),
        # Both added behind line 5.
        ([Hunk(5, 0, 6, 2)], [Hunk(5, 0, 6, 1)], [Hunk(6, 2, 6, 1)], [place((6, 7), (6, 6))]),
        # One removed lines 3 to 4, the other changed line 4.
        ([Hunk(3, 2, 2, 0)], [Hunk(4, 1, 4, 1)], [Hunk(2, 0, 3, 2)], [place((3, 2), (3, 4))]),
        # An earlier change of one side moves the lines that are told of it.
        (
            [Hunk(1, 0, 2, 3), Hunk(9, 1, 12, 1)],
            [Hunk(9, 1, 9, 2)],
            [Hunk(2, 3, 1, 0), Hunk(12, 1, 9, 2)],
            [place((12, 12), (9, 10))],
        ),
        ([], [Hunk(1, 1, 1, 1)], [Hunk(1, 1, 1, 1)], []),
    ],
)
def test_changes_collide_where_they_overlap_or_touch(
    base_a: list[Hunk], base_b: list[Hunk], a_b: list[Hunk], places: list[Place]
) -> None:
    assert list(collisions(base_a, base_b, a_b)) == places
    mirrored = [Hunk(h.new_start, h.new, h.old_start, h.old) for h in a_b]
    assert list(collisions(base_b, base_a, mirrored)) == [Place(p.b, p.a) for p in places]


def test_of_a_file_that_both_added_whatever_differs_collides() -> None:
    assert whole_collisions([Hunk(3, 0, 4, 2)]) == (place((4, 3), (4, 5)),)
    assert Span(4, 3).empty
    assert not Span(4, 4).empty


def test_a_conflict_that_one_has_with_the_target_alone_is_not_the_others() -> None:
    assert foreign(["x", "y", "z"], known={"x", "y"}, touched=["y"]) == {"x"}
