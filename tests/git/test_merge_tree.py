"""What git's merges without a work tree are read as, one by one and in batches."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import BugError, RepositoryError
from pytest_moa.git.command import Git
from pytest_moa.git.merge_tree import _batch, merge_tree, merge_trees

ODD = 'odd\n"name\t\udce9'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n2\n3\n", ODD: "x\n", "dir/f": "f\n"})
    repo.branch("clean").writes({"b": "1\n"}).commits()
    repo.branch("left").writes({"a": "1\nL\n3\n", ODD: "l\n"}).commits()
    repo.branch("right").writes({"a": "1\nR\n3\n", ODD: "r\n"}).commits()
    repo.branch("gone").removes("a").commits()
    repo.branch("file-for-folder").removes("dir/f").writes({"dir": "now a file\n"}).commits()
    repo.branch("folder").writes({"dir/g": "g\n"}).commits()
    repo.branch("moves").renames("dir/f", "other/f").commits()
    return repo


def heads(repo: Repo, *names: str) -> tuple[str, ...]:
    return tuple(repo.head(f"refs/heads/{name}") for name in names)


def test_a_clean_merge_has_a_tree_and_no_conflicts(repo: Repo) -> None:
    left, clean = heads(repo, "left", "clean")
    merged = merge_tree(Git(cwd=repo.path), left, clean)
    assert merged.clean
    assert merged.paths == ()
    assert repo.git("ls-tree", "--name-only", merged.tree).split("\n")[:2] == ["a", "b"]


def test_conflicts_name_paths_and_their_three_sides(repo: Repo) -> None:
    left, right = heads(repo, "left", "right")
    merged = merge_tree(Git(cwd=repo.path), left, right)
    assert not merged.clean
    assert merged.paths == ("a", ODD)
    assert [side.stage for side in merged.conflicts[0].sides] == [1, 2, 3]
    assert repo.git("cat-file", "blob", merged.conflicts[0].sides[2].blob) == "1\nR\n3\n"
    assert {m.kind for m in merged.messages if ODD in m.paths} == {"Auto-merging", "CONFLICT (contents)"}


@pytest.mark.parametrize(
    ("ours", "theirs", "clean"),
    [
        ("left", "gone", False),
        ("file-for-folder", "folder", False),
        ("moves", "folder", False),
        ("left", "moves", True),
    ],
)
def test_other_kinds_of_conflict_name_paths_too(repo: Repo, ours: str, theirs: str, clean: bool) -> None:
    merged = merge_tree(Git(cwd=repo.path), *heads(repo, ours, theirs))
    assert merged.clean == clean
    assert bool(merged.paths) == (not clean)
    assert not [path for path in merged.shown if "~" in path]
    assert bool(merged.shown) == (not clean)


def test_a_batch_answers_as_single_merges_do_in_order(repo: Repo) -> None:
    git = Git(cwd=repo.path)
    names = ["left", "right", "clean", "gone", "file-for-folder", "folder", "moves"]
    pairs = [(a, b) for a in heads(repo, *names) for b in heads(repo, *names) if a != b]
    assert merge_trees(git, pairs) == [merge_tree(git, *pair) for pair in pairs]
    assert merge_trees(git, []) == []


def test_a_missing_commit_in_a_batch_is_no_answer_for_the_others(repo: Repo) -> None:
    left, clean = heads(repo, "left", "clean")
    with pytest.raises(RepositoryError, match="merge 111111111111"):
        merge_trees(Git(cwd=repo.path), [(left, clean), (left, "1" * 40), (clean, left)])
    with pytest.raises(RepositoryError):
        merge_tree(Git(cwd=repo.path), left, "1" * 40)


@pytest.mark.parametrize(
    "raw", [b"2\0tree\0\0\0", b"0\0", b"1\0tree\0\0" + b"2\0a\0", b"0\0tree\0junk\0\0\0", b"0\0t\0\0x\0"]
)
def test_an_unknown_format_is_a_bug_and_no_verdict(raw: bytes) -> None:
    with pytest.raises(BugError):
        list(_batch(raw))
