"""Many merges, comparisons and commits in a few processes: what is read from git's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import RepositoryError
from pytest_moa.git import owned
from pytest_moa.git.conflicts import Bench, outside_graph
from pytest_moa.git.merge_tree import MergeTree, merge_tree
from pytest_moa.git.repository import open_repository
from pytest_moa.rules.conflicts import Touched
from pytest_moa.rules.queue.lines import Hunk

ODD = 'odd\n:"name\t\udce9'


@pytest.fixture(params=["sha1", "sha256"])
def repo(tmp_path: Path, request: pytest.FixtureRequest) -> Repo:
    files = {"a": "1\n2\n3\n", ODD: "x\n", "d/f": "f\n", "d/g": "g\n", "e/h": "h\n"}
    return Repo.create(tmp_path / "r", files=files, object_format=request.param)


@pytest.fixture
def bench(repo: Repo) -> Iterator[Bench]:
    with Bench.open(open_repository(repo.path)) as bench:
        yield bench


def tree(repo: Repo, rev: str) -> str:
    return repo.git("rev-parse", f"{rev}^{{tree}}").strip()


def test_what_trees_change_is_told_of_each_pair(repo: Repo, bench: Bench) -> None:
    repo.branch("moved").renames("d/f", "x/f").renames("d/g", "x/g").commits()
    repo.branch("odd").writes({ODD: "y\n", "e/new": "n\n"}).commits()
    repo.branch("file-for-folder").removes("d/f", "d/g").writes({"d": "now a file\n"}).commits()
    repo.branch("folder-for-file").removes("a").writes({"a/b": "b\n"}).commits()
    base = tree(repo, "develop")
    names = ["moved", "odd", "develop", "file-for-folder", "folder-for-file"]
    moved, odd, same, file, folder = bench.touched([(base, tree(repo, name)) for name in names])
    assert (set(moved.files), set(moved.added), moved.gone) == (
        {"d/f", "d/g", "x/f", "x/g"},
        {"x/f", "x/g"},
        ("d",),
    )
    assert (odd.files, odd.added, odd.gone) == (("e/new", ODD), ("e/new",), ())
    assert same == Touched()
    assert ("d" in file.added, file.gone) == (True, ("d",))
    assert (set(folder.files), folder.added) == ({"a", "a/b"}, ("a/b",))


def test_commits_have_the_trees_and_parents_that_were_asked_for(repo: Repo, bench: Bench) -> None:
    first = repo.head()
    repo.branch("side").writes({"b": "b\n"}).commits()
    one, two = bench.commits(
        [(tree(repo, "side"), [first]), (tree(repo, "develop"), [first, repo.head("side")])]
    )
    shown = bench.git.text("log", "--no-walk=unsorted", "--format=%T %P", one, two).split("\n")
    assert shown == [f"{tree(repo, 'side')} {first}", f"{tree(repo, 'develop')} {first} {repo.head('side')}"]
    assert bench.commits([]) == []


def blob(repo: Repo, content: bytes) -> str:
    return repo.git("hash-object", "-w", "--stdin", text=content).strip()


def test_hunks_of_many_files_in_one_comparison(repo: Repo, bench: Bench) -> None:
    base = blob(repo, b"1\n2\n3\n4\n")
    tricky = blob(repo, b"1\ndiff --git a/000000 b/000000\n@@ -1 +1 @@\nBinary files a and b differ\n4\n")
    pairs = [
        (base, blob(repo, b"1\nzwei\n3\n4\n5\n")),
        (base, tricky),
        (None, blob(repo, b"new\nfile\n")),
        (base, blob(repo, b"\0binary")),
        (base, base),
        (base, blob(repo, b"no end of line")),
        (base, blob(repo, b"")),
    ]
    assert bench.hunks(pairs) == [
        (Hunk(2, 1, 2, 1), Hunk(4, 0, 5, 1)),
        (Hunk(2, 2, 2, 3),),
        (Hunk(0, 0, 1, 2),),
        None,
        (),
        (Hunk(1, 4, 1, 1),),
        (Hunk(1, 4, 0, 0),),
    ]


def test_answers_stay_in_order_however_the_work_is_spread(repo: Repo, bench: Bench) -> None:
    blobs = [blob(repo, b"x\n" * (number % 7 + 1)) for number in range(1300)]
    answers = bench.hunks([(None, one) for one in blobs])
    assert [hunks[0].new for hunks in answers if hunks] == [number % 7 + 1 for number in range(1300)]


@pytest.fixture
def pair(repo: Repo) -> tuple[str, str]:
    repo.branch("left").writes({"a": "eins\n2\n3\n"}).commits()
    repo.branch("right").writes({"a": "1\n2\ndrei\n", "e/h": "H\n"}).commits()
    return repo.head("left"), repo.head("right")


def tree_of(merge: MergeTree) -> str:
    return merge.tree


def test_merges_that_last_are_there_for_the_next_bench(
    repo: Repo, pair: tuple[str, str], tmp_path: Path
) -> None:
    opened = open_repository(repo.path)
    kept = tmp_path / 'kept ":here\n'
    with Bench.open(opened, kept) as bench:
        (made,) = bench.merges([pair], tree_of, lasting=True)
    assert not repo.has(made)
    with Bench.open(opened, kept) as bench:
        assert bench.has([made, repo.head(), "0" * len(made)]) == [True, True, False]
        assert bench.has([]) == []
    with Bench.open(opened) as bench:
        assert bench.has([made]) == [False]


def test_merges_that_need_not_last_leave_nothing(bench: Bench, pair: tuple[str, str]) -> None:
    (made,) = bench.merges([pair], tree_of)
    assert bench.has([made]) == [False]
    assert [path.name for path in bench.scratch.iterdir()] == ["owner.json"]


def test_merges_last_as_long_as_the_bench_where_they_cannot_be_kept(
    repo: Repo, pair: tuple[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("a file where a folder belongs")
    with Bench.open(open_repository(repo.path), kept) as bench:
        assert bench.has(bench.merges([pair], tree_of, lasting=True)) == [True]
        scratch = bench.scratch
    assert not scratch.exists()


@pytest.mark.parametrize("rev", ["broken^{tree}", "broken:d"])
def test_a_tree_that_is_missing_is_no_removal_of_everything(repo: Repo, bench: Bench, rev: str) -> None:
    """Git 2.39 calls both merges clean, and exits with 0."""
    repo.branch("broken").writes({"d/f": "F\n", "a": "A\n2\n3\n"}).commits()
    repo.branch("fine").writes({"e/h": "H\n"}).commits()
    oid = repo.git("rev-parse", rev).strip()
    repo.writes({"d/g": "G\n"}).commits()
    pairs = [(repo.head(), repo.head("fine")), (repo.head(), repo.head("broken"))]
    (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    assert bench.merges(pairs[:1], lambda merge: merge.clean) == [True]
    with pytest.raises(RepositoryError, match="Could not merge"):
        bench.merges(pairs, lambda merge: merge.clean)
    with pytest.raises(RepositoryError, match="Could not merge"):
        merge_tree(bench.git, *pairs[1])


def test_the_graph_outside_the_target(repo: Repo) -> None:
    first = repo.head()
    side = repo.branch("side").writes({"b": "b\n"}).commits()
    top = repo.branch("side").writes({"b": "c\n"}).commits()
    assert outside_graph(open_repository(repo.path), first, [top, first]) == {top: (side,), side: (first,)}
    assert outside_graph(open_repository(repo.path), first, []) == {}


def test_a_base_whose_tree_is_missing_is_no_empty_base(
    repo: Repo, bench: Bench, pair: tuple[str, str]
) -> None:
    oid = tree(repo, "develop")
    (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(RepositoryError, match="Could not merge"):
        bench.merges([pair], tree_of)
    with pytest.raises(RepositoryError, match="Could not merge"):
        merge_tree(bench.git, *pair)


def test_scratch_lies_in_memory_where_there_is_room_and_is_swept_when_its_owner_died(
    repo: Repo, tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_repository(repo.path)
    for place, room, wanted in ((tmp_path, 0, tmp_path), (tmp_path, 1 << 60, isolated / "tmp")):
        monkeypatch.setattr(owned, "_MEMORY", place)
        monkeypatch.setattr(owned, "_ROOM", room)
        with Bench.open(opened) as bench:
            assert bench.scratch.parent == wanted
    monkeypatch.setattr(owned, "_MEMORY", tmp_path / "not-there")
    with Bench.open(opened) as bench:
        assert bench.scratch.parent == isolated / "tmp"
    monkeypatch.setattr(owned, "_MEMORY", tmp_path)
    left = tmp_path / "moa-left"
    left.mkdir()
    dead = replace(owned.this_process(), started="1")
    (left / "owner.json").write_text(json.dumps(asdict(dead)), encoding="utf-8")
    assert [folder.path for folder in owned.abandoned()] == [left]
