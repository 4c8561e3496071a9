"""Which paths changed, and which lines are a branch's own: the ground that coverage of own code stands on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.git.changes import Change, added_lines, changed_paths, parse_patch
from pytest_moa.git.repository import open_repository

TEN = "".join(f"line {n}\n" for n in range(1, 11))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.create(tmp_path / "r", files={"ten.py": TEN, "data.bin": b"\0\1\2", "gone.py": "x\n"})


def own_lines(repo: Repo, files: dict[str, str | bytes | None]) -> dict[str, set[int]]:
    """The same question asked of a commit and of the work tree; they have to agree."""
    base = repo.head()
    committed = repo.agent("03").writes(files).commits()
    repo.writes(files)
    found = open_repository(repo.path)
    answer = added_lines(found, base, committed)
    assert added_lines(found, base, None) == answer
    return {path: set(lines) for path, lines in answer.items()}


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (TEN + "new\n", {11}),
        ("new\n" + TEN, {1}),
        (TEN.replace("line 5\n", "LINE 5\n"), {5}),
        (TEN.replace("line 5\n", ""), set()),
        (TEN.replace("line 2\n", "a\nb\nc\n").replace("line 9\n", "d\n"), {2, 3, 4, 11}),
        (TEN.rstrip("\n"), {10}),
        (TEN.replace("line 5\n", "diff --git a/x b/x\n@@ -1 +99 @@\n"), {5, 6}),
        (TEN.replace("line 5\n", "++ b/x\n-- a/x\n"), {5, 6}),
        (TEN.replace("\n", "\r\n"), set(range(1, 11))),
        ("", set()),
    ],
)
def test_added_and_changed_lines_of_one_file(repo: Repo, after: str, lines: set[int]) -> None:
    assert own_lines(repo, {"ten.py": after}) == {"ten.py": lines}


def test_a_new_file_is_own_altogether_and_a_binary_or_removed_one_not_at_all(repo: Repo) -> None:
    assert own_lines(
        repo, {"new.py": "a\nb", "data.bin": b"\0\1\3\n", "pic": b"\x89PNG\n\0\n", "gone.py": None}
    ) == {
        "new.py": {1, 2},
        "data.bin": set(),
        "pic": set(),
    }


def test_a_pure_move_adds_nothing_and_a_move_with_an_edit_its_edit(repo: Repo) -> None:
    assert own_lines(repo, {"ten.py": None, "pkg/moved.py": TEN}) == {"pkg/moved.py": set()}
    edited = TEN.replace("line 3\n", "LINE 3\n")
    assert own_lines(repo, {"pkg/moved.py": None, "other.py": edited}) == {"other.py": {3}}


def test_odd_names_are_kept_byte_for_byte(repo: Repo) -> None:
    names = ["new\nline.py", 'quo"te.py', "tab\t.py", "caf\udce9.py", "ünï.py", "a b.py", "-x.py", ":raw.py"]
    assert own_lines(repo, dict.fromkeys(names, "1\n")) == {name: {1} for name in names}


@pytest.mark.parametrize("attribute", ["-diff", "binary", "diff=evil", "-text", "filter=evil"])
def test_attributes_of_a_branch_hide_no_line(repo: Repo, attribute: str, tmp_path: Path) -> None:
    for key in (
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.external",
    ):
        repo.git("config", key, f"touch {tmp_path}/ran; false")
    repo.git("config", "diff.evil.binary", "true")
    repo.git("config", "filter.evil.required", "true")
    repo.git("config", "diff.interHunkContext", "50")
    repo.git("config", "diff.noprefix", "true")
    # The builder's own `git add` would run the filter: the attributes lie there uncommitted.
    base = repo.head()
    line = repo.agent("03")
    head = line.writes({".gitattributes": f"*.py {attribute}\n", "ten.py": TEN + "x\n"}).commits()
    repo.writes({".gitattributes": f"*.py {attribute}\n", "ten.py": TEN + "x\n"})
    found = open_repository(repo.path)
    for where in (head, None):
        assert added_lines(found, base, where)["ten.py"] == {11}
    assert not (tmp_path / "ran").exists()


def test_links_and_submodules_have_no_lines(repo: Repo) -> None:
    base = repo.head()
    line = repo.agent("03").links("link", "ten.py").links("gone.py", "ten.py").submodule("sub", base)
    head = line.commits()
    answer = added_lines(open_repository(repo.path), base, head)
    assert answer == {"link": frozenset(), "gone.py": frozenset(), "sub": frozenset()}
    back = line.removes("sub").writes({"gone.py": "a\nb\n"}).commits()
    assert added_lines(open_repository(repo.path), head, back) == {"gone.py": frozenset({1, 2})}


def test_the_work_tree_counts_untracked_files_but_no_ignored_ones(repo: Repo) -> None:
    repo.writes({".gitignore": "*.log\nbuild/\n"}).commits()
    base = repo.head()
    (repo.path / "link.py").symlink_to("ten.py")
    repo.writes({"new.py": "a\n", "x.log": "1\n", "build/y.py": "1\n", "staged.py": "1\n2\n"})
    repo.git("add", "staged.py")
    index = (repo.path / ".git/index").read_bytes()
    before = repo.git("status", "--porcelain")
    answer = added_lines(open_repository(repo.path), base, None)
    assert answer == {"new.py": frozenset({1}), "staged.py": frozenset({1, 2}), "link.py": frozenset()}
    assert (repo.path / ".git/index").read_bytes() == index
    assert repo.git("status", "--porcelain") == before


def test_a_repository_within_the_work_tree_is_left_alone(repo: Repo) -> None:
    Repo.create(repo.path / "inner", files={"a.py": "1\n"})
    assert added_lines(open_repository(repo.path), repo.head(), None) == {}


def test_an_unfinished_merge_still_tells_the_files_lines(repo: Repo) -> None:
    base = repo.head()
    side = repo.agent("03").writes({"ten.py": "side\n" + TEN}).commits()
    repo.writes({"ten.py": "main\n" + TEN}).commits()
    subprocess.run(["git", "merge", "-q", side], cwd=repo.path, capture_output=True, check=False)
    assert "<<<<<<<" in (repo.path / "ten.py").read_text()
    assert added_lines(open_repository(repo.path), base, None) == {"ten.py": frozenset({1, 2, 3, 4, 5})}


def test_changed_paths_follow_renames(repo: Repo) -> None:
    base = repo.head()
    line = (
        repo.agent("03")
        .renames("ten.py", "pkg/a\nb.py")
        .removes("gone.py")
        .writes({"data.bin": "1\n", "n": "1\n"})
    )
    changes = changed_paths(open_repository(repo.path), base, line.commits())
    assert {(c.status, c.path, c.old_path) for c in changes} == {
        ("R", "pkg/a\nb.py", "ten.py"),
        ("D", "gone.py", None),
        ("M", "data.bin", None),
        ("A", "n", None),
    }
    assert Change(status="A", path="n", old_mode="000000", new_mode="100644") in changes


def test_nothing_changed_is_nothing(repo: Repo) -> None:
    assert added_lines(open_repository(repo.path), repo.head(), repo.head()) == {}
    assert parse_patch(b"") == {}
