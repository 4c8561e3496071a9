"""How git is run: what of the caller's surroundings it sees, and how its failures are told."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.processes import dies
from support.repos import Repo

from pytest_moa.errors import RepositoryError, UndeterminedError
from pytest_moa.git import command
from pytest_moa.git.command import Git, inherited, last_line, remedy
from pytest_moa.git.repository import dirty_paths, open_repository


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_TRACE"]
)
def test_variables_that_git_sets_for_its_hooks_do_not_lead_astray(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert open_repository(repo.path).git.text("show", "HEAD:a") == "1"


@pytest.mark.parametrize(
    "name", ["GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_KEY_0", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"]
)
def test_access_to_remotes_is_the_users_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "mine")
    assert inherited(hermetic=False)[name] == "mine"


def test_a_hermetic_git_sees_no_setting_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "injected")
    repo = Repo.create(tmp_path)
    assert Git(cwd=repo.path).text("config", "user.name") == "injected"
    assert Git(cwd=repo.path, hermetic=True).run("config", "user.name", check=False).status == 1


def test_hooks_fsmonitor_and_filters_of_the_user_never_run(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n", ".gitattributes": "* filter=spy\n"})
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    spy.chmod(0o755)
    for key in ("core.fsmonitor", "filter.spy.clean", "filter.spy.smudge", "diff.external"):
        repo.git("config", key, str(spy))
    hook = repo.path / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(spy.read_text())
    hook.chmod(0o755)
    opened = open_repository(repo.path)
    (repo.path / "a").write_text("2\n")
    assert dirty_paths(opened) == ("a",)
    opened.git.run("update-ref", "refs/heads/other", "HEAD")
    assert not (tmp_path / "ran").exists()


def test_a_failure_names_its_purpose_gits_last_line_and_a_remedy(tmp_path: Path) -> None:
    Repo.create(tmp_path)
    with pytest.raises(RepositoryError) as caught:
        Git(cwd=tmp_path).run("fetch", "nowhere", doing="fetch from nowhere")
    assert caught.value.message == "Could not fetch from nowhere"
    assert "nowhere" in str(caught.value) or "repository exists" in str(caught.value)
    assert "git remote -v" in caught.value.remedy


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (b"", ""),
        (b"fatal: bad thing\n", "bad thing"),
        (b"error: one\nfatal: two\nhint: try this\n\n", "two"),
        (b"Receiving 10%\rReceiving 20%\rfatal: gone\n", "gone"),
        (b"fatal: caf\xc3\xa9 \xff\n", "café \udcff"),
    ],
)
def test_the_last_line_that_says_something(stderr: bytes, said: str) -> None:
    assert last_line(stderr) == said


@pytest.mark.parametrize(
    ("stderr", "advice"),
    [
        (b"fatal: detected dubious ownership in repository at '/r'", "safe.directory /r"),
        (b"fatal: Unable to create '/r/.git/x.lock': File exists.", "lock file"),
        (b"error: cannot lock ref: Permission denied", "write access"),
        (b"git@host: Permission denied (publickey).", "credentials"),
        (b"fatal: could not read Username: terminal prompts disabled", "credentials"),
        (b"ssh: Could not resolve hostname x", "remote's address"),
        (b"fatal: write error: No space left on device", "space"),
        (b"fatal: bad object 123", "fsck"),
        (b"fatal: something new", ""),
    ],
)
def test_known_failures_have_a_remedy(stderr: bytes, advice: str) -> None:
    found = remedy(stderr, Path("/r"))
    assert advice in found
    assert bool(found) == bool(advice)


def test_a_repository_of_another_user_says_how_to_trust_it(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    for place in [repo.path, *repo.path.rglob("*")]:
        os.lchown(place, 65534, 65534)
    with pytest.raises(RepositoryError) as caught:
        open_repository(repo.path)
    assert "safe.directory" in caught.value.remedy


def test_no_git_is_told_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command.require_git.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryError, match="git was not found") as caught:
        command.require_git()
    assert "Install git" in caught.value.remedy
    with pytest.raises(RepositoryError, match="git was not found"):
        Git(cwd=tmp_path).run("version")


def test_an_old_git_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command.require_git.cache_clear()
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.34.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(RepositoryError, match=r"2\.34\.1 is too old"):
        command.require_git()
    command.require_git.cache_clear()


def test_a_remote_that_hangs_is_given_up_with_its_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    started = time.monotonic()
    with pytest.raises(UndeterminedError, match="ask the host"):
        Git(cwd=repo.path).over_network(1.0).run("ls-remote", "ssh://host/r", doing="ask the host")
    assert time.monotonic() - started < 10
    pid = int((tmp_path / "pid").read_text())
    assert dies(pid)
