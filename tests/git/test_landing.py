"""The target moves by compare-and-swap to exactly the candidate, here and on a remote, or not at all."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.repos import Repo

from pytest_moa.errors import RaceError, RefusedError, RepositoryError
from pytest_moa.git import landing
from pytest_moa.git.command import Result
from pytest_moa.git.landing import land_local, land_remote, verify
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.git.repository import fetch, fingerprint, open_repository

HOSTILE = ["develop", "-dash", "a'b\"c", "$(touch-x)", "ünï-🎉", "feature/x;y"]


class Story:
    """A repository with one agent's work, and the candidate made of it."""

    def __init__(self, repo: Repo, quarantine: Quarantine, branch: str) -> None:
        self.repo = repo
        self.quarantine = quarantine
        self.branch = branch
        self.opened = quarantine.real
        self.old = repo.head(f"refs/heads/{branch}")
        head = (
            repo.branch("agent-03-core", self.old)
            .writes({"new.py": "1\n", "core.py": "x = 2\n"})
            .removes("old.py")
        )
        self.head = head.commits()
        self.new = quarantine.candidate(self.old, self.head, agent="03", into=branch)

    @property
    def target(self) -> str:
        return self.repo.head(f"refs/heads/{self.branch}")

    def land(self) -> tuple[str, ...]:
        return land_local(self.opened, self.quarantine, self.branch, self.old, self.new)

    def push(self) -> tuple[str, ...]:
        return land_remote(self.opened, self.quarantine, "origin", self.branch, self.old, self.new)


@contextmanager
def told(
    path: Path, *, branch: str = "develop", checked_out: bool = True, remote: bool = False
) -> Iterator[Story]:
    repo = Repo.create(path / "r", files={"core.py": "x = 1\n", "old.py": "o\n", "keep.py": "k\n"})
    if branch != "develop":
        repo.git("update-ref", f"refs/heads/{branch}", "HEAD")
    if not checked_out:
        repo.checkout("HEAD", detach=True)
    if remote:
        repo.with_remote(path / "origin.git")
    with Quarantine.open(open_repository(repo.path)) as quarantine:
        yield Story(repo, quarantine, branch)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with told(tmp_path) as made:
        yield made


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Story]:
    with told(tmp_path, remote=True) as made:
        yield made


@pytest.fixture
def origin(pushed: Story, tmp_path: Path) -> Repo:
    assert pushed.new
    return Repo(tmp_path / "origin.git")


@pytest.mark.parametrize("branch", HOSTILE)
def test_the_candidate_itself_lands_and_nothing_else_moves(tmp_path: Path, branch: str) -> None:
    with told(tmp_path, branch=branch, checked_out=False) as story:
        refs, marks = story.repo.refs(), fingerprint(story.opened)
        assert story.land() == ()
        assert story.repo.refs() == {**refs, f"refs/heads/{branch}": story.new}
        assert fingerprint(story.opened) == marks
        story.repo.git("fsck", "--connectivity-only", "--no-dangling")
        verify(story.opened, None, branch, story.new)


def test_a_clean_checkout_follows(story: Story) -> None:
    story.repo.writes({"mine.txt": "untracked\n"})
    notes = story.land()
    assert story.repo.git("status", "--porcelain") == "?? mine.txt\n"
    assert (story.repo.path / "core.py").read_text() == "x = 2\n"
    assert not (story.repo.path / "old.py").exists()
    assert "follows develop" in notes[0]


def test_a_checkout_in_a_linked_work_tree_follows_too(tmp_path: Path) -> None:
    with told(tmp_path, checked_out=False) as story:
        story.repo.git("worktree", "add", "-q", str(tmp_path / "odd\nplace"), "develop")
        linked = Repo(tmp_path / "odd\nplace")
        story.land()
        assert linked.git("status", "--porcelain") == ""
        assert (linked.path / "new.py").exists()
        assert not (story.repo.path / "new.py").exists()


@pytest.mark.parametrize(
    ("mess", "named"),
    [
        (lambda r: r.writes({"keep.py": "mine\n"}), "keep.py"),
        (lambda r: r.writes({"staged.py": "mine\n"}).git("add", "staged.py"), "staged.py"),
        (lambda r: r.writes({"old.py": None}), "old.py"),
        (lambda r: r.writes({"new.py": "mine\n"}), "new.py"),
        (lambda r: r.writes({"new.py/inner": "mine\n"}), "new.py"),
    ],
    ids=["changed", "staged", "deleted", "untracked-in-the-way", "folder-in-the-way"],
)
def test_a_checkout_with_work_in_it_refuses_and_nothing_changes(
    story: Story, mess: Callable[[Repo], object], named: str
) -> None:
    mess(story.repo)
    refs, status = story.repo.refs(), story.repo.git("status", "--porcelain", "-uall")
    with pytest.raises(RefusedError) as caught:
        story.land()
    assert named in caught.value.reason
    assert caught.value.remedy
    assert story.repo.refs() == refs
    assert story.repo.git("status", "--porcelain", "-uall") == status


def test_a_target_that_moved_is_a_race_and_stays_where_it_is(story: Story) -> None:
    moved = story.repo.writes({"keep.py": "theirs\n"}).commits()
    with pytest.raises(RaceError) as caught:
        story.land()
    assert caught.value.exit_code == 5
    assert story.target == moved


def test_a_target_that_moves_at_the_last_moment_is_a_race_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring = landing.bring
    moved = []

    def slow(*args: Any) -> None:
        bring(*args)
        moved.append(story.repo.branch("develop").writes({"theirs": "1\n"}).commits())

    monkeypatch.setattr(landing, "bring", slow)
    with pytest.raises(RaceError):
        story.land()
    assert story.target == moved[0]


def test_a_target_that_another_run_moves_to_the_same_candidate_at_the_last_moment_is_its_landing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring = landing.bring

    def slow(*args: Any) -> None:
        bring(*args)
        story.repo.git("update-ref", "refs/heads/develop", story.new, story.old)

    monkeypatch.setattr(landing, "bring", slow)
    with pytest.raises(RaceError):
        story.land()
    assert story.target == story.new


def test_a_target_that_vanished_is_not_made_again(tmp_path: Path) -> None:
    with told(tmp_path, checked_out=False) as story:
        story.repo.git("update-ref", "-d", "refs/heads/develop")
        with pytest.raises(RaceError, match="no such branch"):
            story.land()
        assert not story.repo.has("refs/heads/develop")


def test_a_candidate_that_lacks_the_old_target_is_refused(story: Story) -> None:
    other = story.repo.branch("other", story.old).writes({"z": "1\n"}).commits()
    with pytest.raises(RefusedError, match="does not contain"):
        land_local(story.opened, story.quarantine, "develop", other, story.new)
    with pytest.raises(RefusedError, match="does not contain"):
        land_remote(story.opened, story.quarantine, "origin", "develop", other, story.new)
    assert story.target == story.old


def test_a_candidate_that_tests_tampered_with_does_not_land(story: Story) -> None:
    old = story.repo.writes({"keep.py": "k2\n"}).commits()
    new = story.quarantine.candidate(old, story.head, agent="03")
    tree = story.quarantine.store.text("rev-parse", f"{new}^{{tree}}")
    place = story.quarantine.root / "store/objects"
    evil = story.repo.git("mktree", text="").strip()
    blob = (story.repo.path / ".git/objects" / evil[:2] / evil[2:]).read_bytes()
    victim = place / tree[:2] / tree[2:]
    victim.unlink()
    victim.write_bytes(blob)
    with pytest.raises(RepositoryError):
        land_local(story.opened, story.quarantine, "develop", old, new)
    assert story.target == old


def test_of_ten_that_land_at_once_one_lands(tmp_path: Path) -> None:
    with told(tmp_path, checked_out=False) as story:
        candidates = [story.quarantine.candidate(story.old, story.head, agent=str(n)) for n in range(10)]
        ends: list[str] = []

        def land(new: str) -> None:
            try:
                land_local(story.opened, story.quarantine, "develop", story.old, new)
                ends.append(new)
            except RaceError:
                ends.append("race")

        threads = [threading.Thread(target=land, args=(new,)) for new in candidates]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends.count("race") == 9
        assert story.target in ends


def test_verify_tells_a_target_that_was_moved_back(story: Story) -> None:
    story.land()
    verify(story.opened, None, "develop", story.new)
    story.repo.git("update-ref", "refs/heads/develop", story.old)
    with pytest.raises(RepositoryError, match="does not hold"):
        verify(story.opened, None, "develop", story.new)


def test_a_lock_of_another_git_is_told_with_a_remedy(story: Story) -> None:
    lock = story.repo.path / ".git/refs/heads/develop.lock"
    lock.touch()
    with pytest.raises(RepositoryError) as caught:
        story.land()
    assert "lock" in caught.value.remedy
    assert story.target == story.old
    assert lock.exists()


@pytest.mark.parametrize("branch", HOSTILE)
def test_a_remote_target_moves_and_the_local_refs_follow(tmp_path: Path, branch: str) -> None:
    with told(tmp_path, branch=branch, remote=True) as story:
        notes = story.push()
        assert Repo(tmp_path / "origin.git").head(f"refs/heads/{branch}") == story.new
        assert story.repo.head(f"refs/remotes/origin/{branch}") == story.new
        assert story.target == story.new
        assert story.repo.git("status", "--porcelain") == ""
        assert any("follows" in note for note in notes)
        verify(story.opened, "origin", branch, story.new)


def test_a_remote_that_moved_is_a_race_even_where_we_had_not_heard(pushed: Story, origin: Repo) -> None:
    theirs = origin.branch("develop").writes({"theirs": "1\n"}).commits()
    with pytest.raises(RaceError):
        pushed.push()
    assert origin.head("refs/heads/develop") == theirs
    assert pushed.target == pushed.old


def test_a_rewound_remote_is_a_race_though_the_candidate_is_its_descendant(
    pushed: Story, origin: Repo
) -> None:
    before = pushed.repo.writes({"keep.py": "k2\n"}).commits()
    pushed.repo.git("push", "-q", "origin", "develop")
    new = pushed.quarantine.candidate(before, pushed.head, agent="03")
    origin.git("update-ref", "refs/heads/develop", pushed.old)
    with pytest.raises(RaceError):
        land_remote(pushed.opened, pushed.quarantine, "origin", "develop", before, new)
    assert origin.head("refs/heads/develop") == pushed.old


def test_a_protected_branch_is_told_in_the_servers_words(pushed: Story, origin: Repo) -> None:
    hook = origin.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepositoryError) as caught:
        pushed.push()
    assert "GH006: Protected branch update failed" in caught.value.reason
    assert "protection" in caught.value.remedy
    assert origin.head("refs/heads/develop") == pushed.old
    assert pushed.target == pushed.old


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_push_that_landed_and_then_failed_is_our_landing(
    pushed: Story, origin: Repo, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    """Also where somebody else's commit is on it by then."""
    real = landing._push
    at = []

    def broken(*args: Any) -> Result:
        assert real(*args).ok
        at.append(origin.branch("develop").writes({"later": "1\n"}).commits() if goes_on else pushed.new)
        return Result(128, b"", b"fatal: the remote end hung up unexpectedly\n")

    monkeypatch.setattr(landing, "_push", broken)
    pushed.push()
    assert [origin.head("refs/heads/develop")] == at
    verify(pushed.opened, "origin", "develop", pushed.new)


def test_a_push_that_another_of_the_same_commit_was_faster_than_is_not_our_landing(
    pushed: Story, origin: Repo
) -> None:
    """It moves the target after our push has read it, so that the server's own comparison turns us away."""
    hook = origin.path / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ngit update-ref "$1" "$3" "$2"\n')
    hook.chmod(0o755)
    with pytest.raises(RaceError):
        pushed.push()
    assert origin.head("refs/heads/develop") == pushed.new


def test_a_push_that_a_server_took_and_then_declined_is_our_landing(pushed: Story, origin: Repo) -> None:
    hook = origin.path / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ngit update-ref "$1" "$3" "$2"\nexit 1\n')
    hook.chmod(0o755)
    pushed.push()
    assert origin.head("refs/heads/develop") == pushed.new


def test_a_remote_that_is_gone_changes_nothing_and_is_told(pushed: Story, origin: Repo) -> None:
    origin.path.rename(origin.path.with_name("elsewhere"))
    with pytest.raises(RepositoryError, match="could not be asked") as caught:
        pushed.push()
    assert "again" in caught.value.remedy
    assert pushed.target == pushed.old


def test_the_users_hooks_and_push_settings_do_not_interfere(
    pushed: Story, origin: Repo, tmp_path: Path
) -> None:
    hook = pushed.repo.path / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    hook.chmod(0o755)
    pushed.repo.git("tag", "-a", "-m", "t", "v1", pushed.old)
    for key, value in {
        "push.followTags": "true",
        "remote.origin.mirror": "true",
        "push.default": "matching",
        "remote.origin.push": "refs/heads/*:refs/heads/*",
    }.items():
        pushed.repo.git("config", key, value)
    pushed.push()
    assert set(origin.refs()) == {"refs/heads/develop"}
    assert not (tmp_path / "ran").exists()


def test_the_users_push_address_is_taken(pushed: Story, origin: Repo) -> None:
    pushed.repo.git("config", "remote.origin.url", "else:where")
    pushed.repo.git("config", f"url.{origin.path}.insteadOf", "else:where")
    pushed.push()
    assert origin.head("refs/heads/develop") == pushed.new


@pytest.mark.parametrize(
    ("mess", "note"),
    [
        (lambda r: r.writes({"keep.py": "mine\n"}), "keep.py"),
        (lambda r: r.writes({"own": "1\n"}).commits(), "commits of its own"),
        (lambda r: r.writes({"new.py": "mine\n"}), "new.py"),
    ],
)
def test_a_local_target_that_cannot_follow_cleanly_is_left_and_told(
    pushed: Story, origin: Repo, mess: Callable[[Repo], object], note: str
) -> None:
    mess(pushed.repo)
    before = (pushed.target, pushed.repo.git("status", "--porcelain"))
    notes = pushed.push()
    assert origin.head("refs/heads/develop") == pushed.new
    assert (pushed.target, pushed.repo.git("status", "--porcelain")) == before
    assert note in " ".join(notes)


def test_a_target_that_is_only_on_the_remote_needs_no_local_branch(pushed: Story, origin: Repo) -> None:
    pushed.repo.checkout("HEAD", detach=True)
    pushed.repo.git("branch", "-q", "-D", "develop")
    assert pushed.push() == ()
    assert origin.head("refs/heads/develop") == pushed.new
    assert not pushed.repo.has("refs/heads/develop")


def test_landing_from_a_shallow_clone(tmp_path: Path) -> None:
    upstream = Repo.create(tmp_path / "up", files={"core.py": "x = 1\n"})
    upstream.writes({"b": "1\n"}).commits()
    upstream.agent("03").writes({"n.py": "1\n"}).commits()
    upstream.checkout("HEAD", detach=True)
    upstream.git(
        "clone",
        "-q",
        "--depth=1",
        "--no-single-branch",
        "-b",
        "develop",
        f"file://{upstream.path}",
        str(tmp_path / "s"),
    )
    clone = Repo(tmp_path / "s")
    opened = open_repository(clone.path)
    fetch(opened, "origin")
    head, old = clone.head("refs/remotes/origin/agent-03-work"), clone.head("refs/remotes/origin/develop")
    with Quarantine.open(opened) as quarantine:
        new = quarantine.candidate(old, upstream.head("refs/heads/agent-03-work"), agent="03")
        land_remote(opened, quarantine, "origin", "develop", old, new)
    assert upstream.head("refs/heads/develop") == new
    assert upstream.shows("n.py", "develop") == "1\n"
    assert head == upstream.head("refs/heads/agent-03-work")


def test_a_read_only_repository_is_told_and_unchanged(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root ignores permission bits")
    with told(tmp_path, checked_out=False) as story:
        subprocess.run(["chmod", "-R", "a-w", str(story.repo.path / ".git")], check=True)
        with pytest.raises(RepositoryError) as caught:
            story.land()
        subprocess.run(["chmod", "-R", "u+w", str(story.repo.path / ".git")], check=True)
        assert "write access" in caught.value.remedy
        assert story.target == story.old
