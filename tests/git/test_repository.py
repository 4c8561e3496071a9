"""What a repository is found to hold, in all the shapes that repositories come in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import RepositoryError
from pytest_moa.git.history import default_branch, on_first_parent_line, paths_of_merge
from pytest_moa.git.repository import (
    branches,
    commit_info,
    commit_infos,
    count_commits,
    current_branch,
    differences,
    dirty_paths,
    fetch,
    fingerprint,
    first_parent_trailers,
    has_remote,
    is_ancestor,
    lfs_paths,
    merge_base,
    open_repository,
    read_blob,
    read_blobs,
    remote_head,
    require_commits,
    resolve,
    submodules,
    tree_paths,
)

HOSTILE = [
    "quote'\"",
    "$(touch-x)",
    "`id`",
    "a;b|c&d",
    "ünï-🎉",
    "-dash",
    "%s%n",
    "#1",
    "{a,b}",
    "café\udcff",
]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.create(tmp_path / "r", files={"core.py": "x = 1\n", "pkg/mod.py": "y = 2\n"})


def test_a_repository_is_found_from_a_folder_below(repo: Repo) -> None:
    found = open_repository(repo.path / "pkg")
    assert (found.top, found.bare, found.shallow, found.object_format) == (repo.path, False, False, "sha1")
    assert found.git_dir == found.common_dir == repo.path / ".git"


def test_a_linked_work_tree_has_a_folder_of_its_own_and_a_common_one(repo: Repo, tmp_path: Path) -> None:
    repo.branch("side")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "side")
    found = open_repository(tmp_path / "linked" / "pkg")
    assert found.top == tmp_path / "linked"
    assert found.common_dir == repo.path / ".git"
    assert found.git_dir == repo.path / ".git/worktrees/linked"
    assert current_branch(found) == "side"


def test_a_bare_repository_is_opened_and_says_that_it_has_no_work_tree(repo: Repo, tmp_path: Path) -> None:
    repo.clone(tmp_path / "bare.git", "--bare")
    found = open_repository(tmp_path / "bare.git")
    assert (found.top, found.bare) == (None, True)
    with pytest.raises(RepositoryError, match="bare") as caught:
        _ = found.work_tree
    assert "clone" in caught.value.remedy
    assert resolve(found, "develop") == repo.head()


def test_no_repository_is_told_with_a_remedy(tmp_path: Path) -> None:
    for start in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RepositoryError, match="not in a git repository") as caught:
            open_repository(start)
        assert "git init" in caught.value.remedy


def test_an_empty_repository_opens_and_has_no_commit(tmp_path: Path) -> None:
    Repo.create(tmp_path)
    found = open_repository(tmp_path)
    assert current_branch(found) == "develop"
    assert resolve(found, "HEAD") is None
    assert branches(found) == ()
    with pytest.raises(RepositoryError, match="no commit"):
        require_commits(found)


def test_a_detached_head_is_on_no_branch(repo: Repo) -> None:
    repo.checkout("develop", detach=True)
    assert current_branch(open_repository(repo.path)) is None


def test_a_shallow_clone_is_known_as_one(repo: Repo, tmp_path: Path) -> None:
    repo.writes({"b": "2\n"}).commits()
    clone = tmp_path / "shallow"
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(clone))
    assert open_repository(clone).shallow


def test_sha256_repositories_work_alike(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path, object_format="sha256", files={"a": "1\n"})
    head = repo.agent("03").writes({"b": "2\n"}).commits()
    found = open_repository(tmp_path)
    assert found.object_format == "sha256"
    assert len(head) == 64
    assert read_blob(found, head, "b") == b"2\n"


def test_a_path_with_dollar_signs_and_newlines_is_a_path(tmp_path: Path) -> None:
    place = tmp_path / "odd $HOME\nfolder 'q\" é"
    repo = Repo.create(place, files={"a": "1\n"})
    found = open_repository(place)
    assert found.top == place
    assert resolve(found, "HEAD") == repo.head()


@pytest.mark.parametrize("rev", ["nope", "-x", "--all", "HEAD:core.py", "", "a\0b", "HEAD^5", "1" * 40])
def test_what_names_no_commit_resolves_to_none(repo: Repo, rev: str) -> None:
    assert resolve(open_repository(repo.path), rev) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_branch_names_are_names(repo: Repo, name: str) -> None:
    head = repo.agent("03", slug="core").writes({"n": "1\n"}).commits()
    repo.git("update-ref", f"refs/heads/{name}", head)
    found = open_repository(repo.path)
    assert {(b.name, b.head) for b in branches(found)} >= {(name, head)}
    assert resolve(found, f"refs/heads/{name}") == head
    assert not (repo.path / "touch-x").exists()


def test_branches_of_a_remote_leave_its_head_out(repo: Repo, tmp_path: Path) -> None:
    repo.agent("03").commits()
    repo.with_remote(tmp_path / "o.git")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    found = open_repository(repo.path)
    assert [(b.name, b.remote) for b in branches(found, "origin")] == [
        ("agent-03-work", "origin"),
        ("develop", "origin"),
    ]
    assert has_remote(found, "origin")
    assert not has_remote(found, "orig")
    assert default_branch(found, "origin") == "develop"
    assert default_branch(found, "other") is None


def test_history_questions(repo: Repo) -> None:
    base = repo.head()
    side = repo.agent("03").writes({"n": "1\n"}).commits()
    tip = repo.writes({"m": "1\n"}).commits()
    merge = repo.merges(side)
    found = open_repository(repo.path)
    assert merge_base(found, side, tip) == base
    assert is_ancestor(found, base, side)
    assert not is_ancestor(found, side, tip)
    assert count_commits(found, tip, merge) == 2
    assert on_first_parent_line(found, tip, merge)
    assert not on_first_parent_line(found, side, merge)
    assert paths_of_merge(found, merge) == ("n",)
    with pytest.raises(RepositoryError):
        is_ancestor(found, "1" * 40, side)


def test_unrelated_histories_have_no_merge_base(repo: Repo) -> None:
    tree = repo.git("rev-parse", "HEAD^{tree}").strip()
    other = repo.git("commit-tree", tree, "-m", "alone").strip()
    assert merge_base(open_repository(repo.path), repo.head(), other) is None


def test_files_are_read_whatever_their_names(repo: Repo) -> None:
    names = ["new\nline", 'quo"te', "tab\t", "café\udcff", "-dash", "a missing", "x\nblob 3\n"]
    head = repo.agent("03").writes({name: f"{n}\n" for n, name in enumerate(names)}).commits()
    found = open_repository(repo.path)
    for number, name in enumerate(names):
        assert read_blob(found, head, name) == f"{number}\n".encode()
    assert set(names) < set(tree_paths(found, head))
    asked = ["absent\n", *names, "pkg", "pkg/mod.py"]
    read = read_blobs(found, head, asked)
    assert list(read) == [*names, "pkg/mod.py"]
    assert read["tab\t"] == b"2\n"


def test_a_file_above_the_limit_is_refused_and_not_taken_for_missing(repo: Repo) -> None:
    found = open_repository(repo.path)
    head = repo.head()
    with pytest.raises(RepositoryError, match="too large"):
        read_blob(found, head, "core.py", limit=3)
    assert read_blob(found, head, "core.py", limit=6) == b"x = 1\n"
    assert read_blob(found, head, "missing", limit=3) is None
    assert read_blobs(found, head, ["core.py"], limit=3) == {}


def test_tree_paths_below_folders(repo: Repo) -> None:
    found = open_repository(repo.path)
    assert tree_paths(found, repo.head()) == ("core.py", "pkg/mod.py")
    assert tree_paths(found, repo.head(), ["pkg/"]) == ("pkg/mod.py",)
    assert tree_paths(found, repo.head(), ["pk", "*.py"]) == ()
    assert tree_paths(found, repo.head(), ["."]) == ("core.py", "pkg/mod.py")


def test_submodules_and_lfs_pointers_are_told(repo: Repo) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    line = (
        repo.agent("03")
        .submodule("vendored lib", repo.head())
        .writes({"big.bin": pointer, "note": pointer[:20]})
    )
    plain = line.commits()
    found = open_repository(repo.path)
    assert submodules(found, plain) == ("vendored lib",)
    assert lfs_paths(found, plain) == ()
    marked = line.writes({".gitattributes": "*.bin filter=lfs\n"}).commits()
    assert lfs_paths(found, marked) == ("big.bin",)


def test_a_commits_facts_and_trailers(repo: Repo) -> None:
    line = repo.agent("03")
    message = "Subject line\n\nBody: not a trailer\nmore.\n\nMoa-Ready: yes\nmoa-note: one\nMoa-Note: two"
    head = line.writes({"n": "1\n"}).commits(message, author="Ünï <u@example.invalid>")
    info = commit_info(open_repository(repo.path), head)
    assert (info.author, info.email, info.subject) == ("Ünï", "u@example.invalid", "Subject line")
    assert info.parents == (repo.head(),)
    assert info.values("MOA-NOTE") == ("one", "two")
    assert info.values("Body") == ()


def test_many_commits_are_read_at_once_and_an_empty_message_confuses_nothing(repo: Repo) -> None:
    tree = repo.git("rev-parse", "HEAD^{tree}").strip()
    bare = repo.git("commit-tree", tree, text=b"").strip()
    infos = commit_infos(open_repository(repo.path), [bare, repo.head()])
    assert [infos[bare].subject, infos[repo.head()].subject] == ["", "The beginning"]


def test_landed_heads_are_looked_up_on_the_first_parent_line_only(repo: Repo) -> None:
    trailers = {"Moa-Head": "a" * 40, "Moa-Agent": "03"}
    forged = repo.agent("04").writes({"f": "1\n"}).commits("forged", trailers={"Moa-Head": "b" * 40})
    landed = repo.merges(repo.agent("03").writes({"n": "1\n"}).commits(), "Merge agent 03", trailers=trailers)
    repo.merges(forged, "by hand")
    repo.writes({"z": "1\n"}).commits("Moa-Head: in a subject")
    found = first_parent_trailers(open_repository(repo.path), repo.head(), ["moa-head"])
    assert [(info.id, info.trailers) for info in found] == [(landed, (("Moa-Head", "a" * 40),))]


def test_dirty_paths_name_what_differs(repo: Repo) -> None:
    found = open_repository(repo.path)
    assert dirty_paths(found) == ()
    repo.writes({"core.py": "x = 2\n", "new\nname": "1\n", "pkg/mod.py": None})
    assert dirty_paths(found) == ("core.py", "pkg/mod.py")
    assert dirty_paths(found, untracked=True) == ("core.py", "pkg/mod.py", "new\nname")
    repo.git("mv", "core.py", "moved.py")
    assert set(dirty_paths(found)) == {"core.py", "moved.py", "pkg/mod.py"}


def test_looking_leaves_the_index_alone(repo: Repo) -> None:
    os.utime(repo.path / "core.py")
    before = (repo.path / ".git/index").read_bytes()
    dirty_paths(open_repository(repo.path), untracked=True)
    assert (repo.path / ".git/index").read_bytes() == before


def test_fetch_moves_remote_tracking_refs_and_nothing_else(repo: Repo, tmp_path: Path) -> None:
    remote = repo.with_remote(tmp_path / "o.git")
    found = open_repository(repo.path)
    # A mirror's own refspec would overwrite and prune the local branches.
    repo.git("config", "remote.origin.fetch", "+refs/*:refs/*")
    repo.git("config", "fetch.prune", "true")
    local = {ref: oid for ref, oid in repo.refs().items() if ref.startswith("refs/heads/")}
    head = remote.agent("05").writes({"n": "1\n"}).commits()
    remote.git("tag", "v1", head)
    repo.git("update-ref", "refs/remotes/origin/gone", repo.head())
    (repo.path / ".git/FETCH_HEAD").unlink()
    fetch(found, "origin")
    refs = repo.refs()
    assert {ref: oid for ref, oid in refs.items() if ref.startswith("refs/heads/")} == local
    assert refs["refs/remotes/origin/agent-05-work"] == head
    assert "refs/remotes/origin/gone" not in refs
    assert "refs/tags/v1" not in refs
    assert not (repo.path / ".git/FETCH_HEAD").exists()


def test_an_unreachable_remote_is_told(repo: Repo, tmp_path: Path) -> None:
    repo.git("remote", "add", "origin", str(tmp_path / "nowhere.git"))
    with pytest.raises(RepositoryError, match="fetch from origin") as caught:
        fetch(open_repository(repo.path), "origin")
    assert "git remote -v" in caught.value.remedy


def test_a_remotes_branch_is_asked_by_its_whole_name(repo: Repo, tmp_path: Path) -> None:
    repo.branch("x/develop", repo.agent("03").writes({"n": "1\n"}).commits())
    repo.branch("a/refs/heads/develop")
    repo.with_remote(tmp_path / "o.git")
    found = open_repository(repo.path)
    assert remote_head(found, "origin", "develop") == repo.head()
    assert remote_head(found, "origin", "evelop") is None


def test_any_touch_of_settings_shows_in_the_fingerprint(repo: Repo) -> None:
    git_dir = repo.path / ".git"
    for folder in ("hooks", "info"):
        (git_dir / folder).mkdir(exist_ok=True)
    (git_dir / "hooks/pre-push").write_text("#!/bin/sh\n")
    found = open_repository(repo.path)
    before = fingerprint(found)
    repo.writes({"more": "1\n"}).commits()
    assert differences(before, fingerprint(found)) == ()
    repo.git("config", "core.fsmonitor", "evil")
    (git_dir / "hooks/pre-push").chmod(0o755)
    (git_dir / "info/attributes").write_text("* -diff\n")
    repo.git("replace", "HEAD", "HEAD~1")
    assert differences(before, fingerprint(found)) == (
        "config was changed (core.fsmonitor)",
        "hooks/pre-push was changed",
        "info/attributes was added",
        f"refs/replace/{repo.head()} was added",
    )
    repo.git("pack-refs", "--all")
    assert "packed-refs (replace refs) was added" in differences(before, fingerprint(found))
