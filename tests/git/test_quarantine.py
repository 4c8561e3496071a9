"""The throwaway repository: candidates that are the same everywhere, work trees as tests expect them, no traces."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import ConflictError
from pytest_moa.git.command import Git
from pytest_moa.git.quarantine import Quarantine, message_of
from pytest_moa.git.repository import added_lines, commit_info, fingerprint, open_repository

FILES = {"core.py": "x = 1\n", "pkg/mod.py": "y = 2\n", "run.sh": "#!/bin/sh\n", "crlf.txt": "a\nb\n"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.create(tmp_path / "r", files=FILES)


@pytest.fixture
def quarantine(repo: Repo) -> Iterator[Quarantine]:
    with Quarantine.open(open_repository(repo.path)) as opened:
        yield opened


def git_in(work: Path, *args: str) -> str:
    """Git as tests would run it there: with the user's settings, and nothing of ours."""
    return subprocess.run(["git", *args], cwd=work, check=True, capture_output=True, text=True).stdout


def test_a_candidate_is_a_merge_commit_that_says_what_it_is(repo: Repo, quarantine: Quarantine) -> None:
    head = repo.agent("03", slug="core").writes({"n.py": "1\n"}).commits()
    target = repo.head()
    info = commit_info(
        quarantine.repository,
        quarantine.candidate(
            target, head, agent="03", branch="agent-03-core", allow=["settings-changed:setup.cfg"]
        ),
    )
    assert info.parents == (target, head)
    assert info.subject == "Merge agent 03 (agent-03-core) into develop"
    assert info.trailers == (
        ("Moa-Agent", "03"),
        ("Moa-Head", head),
        ("Moa-Allow", "settings-changed:setup.cfg"),
    )
    assert (info.author, info.email) == ("moa", "moa@localhost")
    assert info.committed == info.authored == commit_info(quarantine.repository, head).committed


def test_a_candidate_follows_from_its_arguments_alone(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    head = repo.agent("03").writes({"n.py": "1\n"}).commits()
    target = repo.head()
    made = []
    for name, zone in (("One", "UTC"), ("Two", "Asia/Tokyo")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("GIT_AUTHOR_NAME", name)
        repo.git("config", "user.name", name)
        repo.git("config", "commit.gpgSign", "true")
        repo.git("config", "i18n.commitEncoding", "latin-1")
        repo.git("config", "merge.renames", "false" if name == "Two" else "true")
        with Quarantine.open(open_repository(repo.path)) as opened:
            made.append(opened.candidate(target, head, agent="03", branch="ünï"))
            assert opened.candidate(target, head, agent="03", branch="ünï", allow=["x"]) != made[-1]
    assert made[0] == made[1]


def test_a_head_that_contains_the_target_is_merged_all_the_same(repo: Repo, quarantine: Quarantine) -> None:
    target = repo.head()
    head = repo.agent("03").writes({"n.py": "1\n"}).commits()
    candidate = quarantine.candidate(target, head, agent="03")
    assert commit_info(quarantine.repository, candidate).parents == (target, head)
    assert commit_info(quarantine.repository, candidate).tree == commit_info(quarantine.repository, head).tree
    squashed = quarantine.squash(target, head, agent="03")
    assert commit_info(quarantine.repository, squashed).parents == (target,)
    assert commit_info(quarantine.repository, squashed).values("Moa-Head") == (head,)


def test_a_conflict_names_its_files_and_makes_no_candidate(repo: Repo, quarantine: Quarantine) -> None:
    head = repo.agent("03").writes({"core.py": "x = 3\n"}).commits()
    target = repo.writes({"core.py": "x = 4\n"}).commits()
    with pytest.raises(ConflictError) as caught:
        quarantine.candidate(target, head, agent="03")
    assert caught.value.paths == ("core.py",)
    assert not quarantine.merge(target, head).clean


@pytest.mark.parametrize("driver", ["union", "evil", "binary"])
def test_attributes_and_drivers_play_no_part_in_a_merge(repo: Repo, driver: str, tmp_path: Path) -> None:
    repo.git("config", "merge.evil.driver", f"touch {tmp_path}/ran")
    repo.writes({".gitattributes": f"*.py merge={driver}\n"}).commits()
    (repo.path / ".git/info").mkdir(exist_ok=True)
    (repo.path / ".git/info/attributes").write_text(f"*.py merge={driver}\n")
    head = repo.agent("03").writes({"core.py": "x = 3\n"}).commits()
    target = repo.writes({"core.py": "x = 4\n"}).commits()
    with Quarantine.open(open_repository(repo.path)) as opened:
        opened.checkout(target)
        assert opened.merge(target, head).paths == ("core.py",)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "branch", ["a\nMoa-Allow: all", "a\r\n\nMoa-Allow: all", "a\u2028Moa-Allow: all", "a\x00\x1b[2J"]
)
def test_no_text_from_outside_makes_a_trailer(branch: str) -> None:
    message = message_of("Merge", agent="03", branch=branch, into="develop", head="f" * 40, allow=[branch])
    lines = message.splitlines()
    assert lines[1] == ""
    assert [line.split(":")[0] for line in lines[2:]] == ["Moa-Agent", "Moa-Head", "Moa-Allow"]
    assert message.isprintable() or set(message) - {"\n"} == {c for c in message if c.isprintable()}


def test_the_work_tree_is_the_candidate_on_a_detached_head(repo: Repo, quarantine: Quarantine) -> None:
    repo.git("tag", "v1.2")
    repo.git("tag", "-a", "-m", "annotated", "v1.3")
    line = repo.agent("03").writes({"n.py": "1\n"}).writes({"run.sh": "#!/bin/sh\n"}, mode="100755")
    head = line.links("link", "/etc/hostname").commits()
    with Quarantine.open(open_repository(repo.path)) as opened:
        candidate = opened.candidate(repo.head(), head, agent="03")
        work = opened.checkout(candidate)
        assert (work / "n.py").read_text() == "1\n"
        assert (work / "link").readlink() == Path("/etc/hostname")
        assert os.access(work / "run.sh", os.X_OK)
        assert git_in(work, "rev-parse", "HEAD").strip() == candidate
        assert git_in(work, "status", "--porcelain") == ""
        assert git_in(work, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"
        assert git_in(work, "describe", "--tags").startswith("v1.3-")
        assert git_in(work, "for-each-ref", "--format=%(refname)").split() == [
            "refs/tags/v1.2",
            "refs/tags/v1.3",
        ]
        git_in(work, "fsck", "--connectivity-only")


def test_tests_that_run_git_find_an_author_and_touch_only_the_quarantine(repo: Repo) -> None:
    repo.git("config", "user.name", 'Quo"te \\ # ; ünï')
    opened = open_repository(repo.path)
    before, refs = fingerprint(opened), repo.refs()
    with Quarantine.open(opened) as quarantine:
        work = quarantine.checkout(repo.head())
        env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
        for args in (
            ["commit", "-q", "--allow-empty", "-m", "x"],
            ["config", "a.b", "c"],
            ["tag", "t"],
            ["gc", "-q"],
        ):
            subprocess.run(["git", *args], cwd=work, check=True, env=env)
        assert git_in(work, "log", "-1", "--format=%an").strip() == 'Quo"te \\ # ; ünï'
    assert fingerprint(opened) == before
    assert repo.refs() == refs


def test_a_quarantine_of_a_linked_work_tree_a_bare_a_shallow_and_a_borrowing_repository(
    repo: Repo, tmp_path: Path
) -> None:
    repo.writes({"b": "2\n"}).commits()
    repo.branch("side")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "side")
    repo.clone(tmp_path / "bare.git", "--bare")
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    repo.clone(tmp_path / 'borrows "quoted"\nline', "--shared")
    for place in ("linked", "bare.git", "shallow", 'borrows "quoted"\nline'):
        opened = open_repository(tmp_path / place)
        with Quarantine.open(opened) as quarantine:
            work = quarantine.checkout(repo.head())
            assert (work / "b").read_text() == "2\n"
            assert git_in(work, "log", "--format=%s").split("\n")[0] == "Work"
            git_in(work, "fsck", "--connectivity-only")


def test_sha256_repositories_are_quarantined_too(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", object_format="sha256", files=FILES)
    head = repo.agent("03").writes({"n.py": "1\n"}).commits()
    with Quarantine.open(open_repository(repo.path)) as quarantine:
        candidate = quarantine.candidate(repo.head(), head, agent="03")
        assert len(candidate) == 64
        assert git_in(quarantine.checkout(candidate), "rev-parse", "HEAD").strip() == candidate


def test_attributes_convert_line_ends_but_filters_do_not_run(repo: Repo, quarantine: Quarantine) -> None:
    attributes = "crlf.txt text eol=crlf\n*.py filter=lfs\n"
    head = repo.agent("03").writes({".gitattributes": attributes}).commits()
    work = quarantine.checkout(head)
    assert (work / "crlf.txt").read_bytes() == b"a\r\nb\r\n"
    assert (work / "core.py").read_text() == "x = 1\n"


def test_own_lines_of_a_candidate_are_read_in_the_quarantine(repo: Repo, quarantine: Quarantine) -> None:
    head = repo.agent("03").writes({"n.py": "1\n2\n"}).commits()
    candidate = quarantine.candidate(repo.head(), head, agent="03")
    assert added_lines(quarantine.repository, repo.head(), candidate) == {"n.py": frozenset({1, 2})}


def test_what_tests_changed_is_told_and_restored(repo: Repo, quarantine: Quarantine, tmp_path: Path) -> None:
    line = (
        repo.agent("03")
        .links("link", "core.py")
        .writes({"deep/er/f.py": "f\n", "gone.py": "g\n", "x/y.py": "y\n"})
    )
    head = line.commits()
    work = quarantine.checkout(head)
    assert quarantine.dirty(work, head) == ()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mod.py").write_text("precious\n")
    (work / "core.py").unlink()
    (work / "core.py").symlink_to(outside / "mod.py")
    (work / "pkg/mod.py").unlink()
    (work / "pkg").rmdir()
    (work / "pkg").symlink_to(outside)
    (work / "link").unlink()
    (work / "link").mkdir()
    (work / "link/inner").write_text("1\n")
    (work / "gone.py").unlink()
    (work / "deep/er/f.py").write_text("F\n")
    (work / "deep/er").chmod(0o500)
    (work / "x/y.py").unlink()
    os.link(outside / "mod.py", work / "x/y.py")
    os.link(work / "run.sh", outside / "same")  # its content could still be changed from there
    (work / "planted.py").write_text("evil\n")
    paths = [
        "core.py",
        "pkg/mod.py",
        "link",
        "gone.py",
        "deep/er/f.py",
        "x/y.py",
        "planted.py",
        "none/such.py",
    ]
    assert set(quarantine.dirty(work, head)) == set(paths[:-2])
    assert quarantine.restore(work, head, [*paths, "run.sh", "crlf.txt"]) == (*paths[:-1], "run.sh")
    assert (work / "run.sh").stat().st_nlink == 1
    assert quarantine.dirty(work, head) == ()
    assert (outside / "mod.py").read_text() == "precious\n"
    assert not (work / "core.py").is_symlink()
    assert not (work / "pkg").is_symlink()
    assert not (work / "planted.py").exists()
    assert not (work / "none").exists()
    assert quarantine.restore(work, head, paths) == ()


def test_a_fresh_checkout_has_nothing_of_the_last_run(repo: Repo, quarantine: Quarantine) -> None:
    work = quarantine.checkout(repo.head())
    (work / "left").mkdir()
    (work / "left/over.py").write_text("1\n")
    (work / "left").chmod(0o500)
    (work / ".git/config").write_text("[core\n")
    assert quarantine.checkout(repo.head()) == work
    assert sorted(p.name for p in work.iterdir()) == [".git", "core.py", "crlf.txt", "pkg", "run.sh"]


def test_settings_that_tests_plant_in_the_store_do_not_count(
    repo: Repo, quarantine: Quarantine, tmp_path: Path
) -> None:
    head = repo.agent("03").writes({"core.py": "x = 3\n"}).commits()
    target = repo.writes({"core.py": "x = 4\n"}).commits()
    store = quarantine.root / "store"
    outside = tmp_path / "outside"
    outside.write_text("mine\n")
    (store / "config").unlink()
    (store / "config").symlink_to(outside)
    (store / ".gitattributes").write_text("* merge=union\n")
    (store / "info").mkdir()
    (store / "info/attributes").write_text("* merge=union\n")
    (store / "info/grafts").write_text(f"{target}\n")
    assert not quarantine.merge(target, head).clean
    assert outside.read_text() == "mine\n"
    assert not (store / "config").is_symlink()


def test_the_paths_leave_room_for_a_unix_socket(
    repo: Repo, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = quarantine.checkout(repo.head())
    below = str(work).removeprefix(tempfile.gettempdir())
    assert len(below) <= 20
    monkeypatch.chdir(work)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")


def test_closing_removes_everything_read_only_folders_included(repo: Repo) -> None:
    with Quarantine.open(open_repository(repo.path)) as quarantine:
        work = quarantine.checkout(repo.head())
        (work / "a/b").mkdir(parents=True)
        (work / "a/b/f").write_text("1\n")
        (work / "out").symlink_to(repo.path)
        for folder in (work / "a/b", work / "a", work):
            folder.chmod(0)
    assert not quarantine.root.exists()
    assert (repo.path / "core.py").exists()
    assert stat.S_IMODE(repo.path.stat().st_mode) & 0o700 == 0o700


def test_closing_as_an_ordinary_user_removes_read_only_folders(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("root can try both; the test before this one has tried it")
    place = tmp_path / "moa-x"
    (place / "a/b").mkdir(parents=True)
    (place / "a/b/f").write_text("1\n")
    for path in (place / "a/b/f", place / "a/b", place / "a", place):
        os.chown(path, 65534, 65534)
    (place / "a/b").chmod(0o500)
    (place / "a").chmod(0)
    tmp_path.chmod(0o755)
    # The folders above are root's alone, and so is the interpreter: everything is loaded, and entered, first.
    code = (
        "import os, sys; from pathlib import Path; from pytest_moa.git.owned import _remove_tree; "
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534); _remove_tree(Path('moa-x/a'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert not (place / "a").exists()


def test_a_quarantine_that_vanished_closes_quietly(repo: Repo) -> None:
    with Quarantine.open(open_repository(repo.path)) as quarantine:
        subprocess.run(["rm", "-rf", str(quarantine.root)], check=True)


def test_the_quarantines_git_ignores_the_users_settings(repo: Repo, quarantine: Quarantine) -> None:
    assert "init.defaultbranch" in Git(cwd=repo.path).text("config", "--list", "--name-only")
    assert "init.defaultbranch" not in quarantine.store.text("config", "--list", "--name-only")
