"""`moa reset` removes what is cached and stale, and nothing that is in use, somebody else's, or only called like ours."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.repos import Repo
from support.teams import Team

import pytest_moa
from pytest_moa.git import owned
from pytest_moa.git.leftovers import changing
from pytest_moa.git.owned import Intent, OwnedFolder, owned_folder, this_process
from pytest_moa.git.repository import open_repository
from pytest_moa.model.reset import ResetReport
from pytest_moa.services import reset

PROJECT, COMMIT, KEY, TURN = "0123456789abcdef", "a" * 40, "b" * 32, "c" * 24


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where small files lie in memory: this test's own, since other tests' runs at the same moment use the machine's."""
    monkeypatch.setattr(owned, "_MEMORY", tmp_path)
    return tmp_path


@pytest.fixture
def cache(isolated: Path, memory: Path) -> Path:
    """A cache as runs leave it: of each kind one."""
    assert memory.is_dir()
    root = isolated / "cache/moa"
    for name in (
        f"verdicts/{PROJECT}/{COMMIT}.json",
        f"verdicts/{PROJECT}/.half.tmp",
        f"conflicts/{PROJECT}/{COMMIT}/memory.json",
        f"conflicts/{PROJECT}/{COMMIT}/pack/p.pack",
        f"environments/{KEY}/bin/python",
        f"environments/{KEY}/lib/deep/module.py",
        f"environments/{KEY}.lock",
        f"environments/{KEY}.moa-complete.json",
        f"queues/{TURN}.lock",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12345")
    for folder in ("", "bin", "lib", "lib/deep"):
        (root / "environments" / KEY / folder).chmod(0o555)
    return root


def clear(environ: Mapping[str, str] = os.environ) -> ResetReport:
    return reset.clear(environ, reset.survey(environ))


def states(report: ResetReport) -> dict[str, str]:
    return {f"{item.kind} {Path(item.path).name}": item.state for item in report.items}


def kept(report: ResetReport) -> dict[str, str]:
    return {Path(item.path).name: item.reason for item in report.of("kept")}


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    child.wait()
    return child.pid


def abandoned(name: str, *locks: Path, since: float = 0.0) -> Path:
    path = Path(tempfile.gettempdir()) / name
    (path / "repo/deep").mkdir(parents=True)
    (path / "repo/deep/file").write_text("12345")
    (path / "owner.json").write_text(json.dumps({**asdict(this_process()), "pid": dead_process()}))
    if locks:
        repository = str(locks[0].parent)
        note = Intent(repository=repository, since=since, locks=tuple(map(str, locks)))
        (path / "intent-1.json").write_text(json.dumps(asdict(note)))
    return path


def test_nothing_to_remove_where_nothing_ever_ran() -> None:
    assert reset.survey(os.environ).items == ()
    assert clear().items == ()


def test_what_is_listed_is_what_is_removed(cache: Path) -> None:
    quarantine = abandoned("moa-dead")
    before = files(cache)
    listed = reset.survey(os.environ)
    assert states(listed) == {
        "quarantine moa-dead": "found",
        f"conflicts {PROJECT}": "found",
        f"environment {KEY}": "found",
        f"queue-lock {TURN}.lock": "found",
        f"verdicts {PROJECT}": "found",
    }
    assert {item.size for item in listed.items if item.kind != "quarantine"} == {0, 10}
    assert files(cache) == before
    assert quarantine.exists()
    done = clear()
    assert states(done) == dict.fromkeys(states(listed), "removed")
    assert files(cache) == []
    assert not quarantine.exists()
    assert clear().items == ()


def test_what_came_after_the_list_stays(cache: Path) -> None:
    listed = reset.survey(os.environ)
    later = cache / "verdicts/fedcba9876543210" / f"{COMMIT}.json"
    later.parent.mkdir()
    later.write_text("1")
    reset.clear(os.environ, listed)
    assert files(cache) == [str(later.relative_to(cache))]


def test_git_locks_of_dead_runs_go_and_others_stay(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    git_dir = repo.path / ".git"
    theirs, lock = git_dir / "index.lock", git_dir / "packed-refs.lock"
    theirs.write_text("")
    lock.write_text("")
    abandoned("moa-dead", lock)
    refs = repo.refs()
    listed = reset.survey(os.environ)
    assert states(listed) == {"quarantine moa-dead": "found", "git-lock packed-refs.lock": "found"}
    assert states(clear())["git-lock packed-refs.lock"] == "removed"
    assert (lock.exists(), theirs.exists(), repo.refs()) == (False, True, refs)


def test_a_lock_that_was_there_before_the_dead_run_stays_and_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "packed-refs.lock"
    lock.write_text("")
    abandoned("moa-dead", lock, since=time.time() + 60)
    done = clear()
    assert states(done) == {"quarantine moa-dead": "removed", "git-lock packed-refs.lock": "kept"}
    assert lock.exists()


def test_the_living_keep_what_they_use(cache: Path, tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    with owned_folder() as mine, changing(mine, open_repository(repo.path), ("refs/heads/x",)):
        done = clear()
        assert set(kept(done)) == {PROJECT, KEY}
        assert {item.kind for item in done.of("kept")} == {"conflicts", "environment"}
        assert mine.path.exists()
        assert OwnedFolder(mine.path).intents()
    assert {item.kind for item in clear().of("removed")} == {"conflicts", "environment"}


def test_a_run_with_another_temporary_folder_that_works_in_memory_keeps_what_it_uses(
    cache: Path, memory: Path
) -> None:
    with owned_folder(memory) as mine:
        assert {item.kind for item in clear().of("kept")} == {"conflicts", "environment"}
        assert mine.path.exists()
    assert {item.kind for item in clear().of("removed")} == {"conflicts", "environment"}
    assert files(cache) == []


def test_a_folder_that_only_begins_like_a_quarantine_keeps_nothing(cache: Path) -> None:
    notes = Path(tempfile.gettempdir()) / "moa-notes"
    notes.mkdir()
    (notes / "mine.txt").write_text("precious")
    os.utime(notes, (0, 0))
    clear()
    assert files(cache) == []
    assert (notes / "mine.txt").exists()


def test_locks_that_somebody_holds_stay(cache: Path) -> None:
    paths = [cache / f"queues/{TURN}.lock", cache / f"environments/{KEY}.lock"]
    held = [path.open("a") for path in paths]
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX)
    done = clear()
    for file in held:
        file.close()
    assert set(kept(done)) == {KEY, f"{TURN}.lock"}
    assert (cache / f"environments/{KEY}/lib/deep/module.py").exists()
    clear()
    assert files(cache) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="who runs what is told by /proc alone")
def test_an_environment_that_a_process_runs_from_stays(cache: Path) -> None:
    python = cache / f"environments/{KEY}/bin/python"
    python.parent.chmod(0o755)
    python.unlink()
    python.symlink_to(sys.executable)
    with subprocess.Popen([python, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        done = clear()
        child.communicate(b"\n")
    assert kept(done) == {KEY: f"process {child.pid} uses it"}
    assert states(clear())[f"environment {KEY}"] == "removed"


def test_what_is_left_of_an_environment_goes_too(cache: Path) -> None:
    (cache / f"environments/{KEY}.moa-complete.json").unlink()
    other = "d" * 32
    (cache / f"environments/{other}.lock").write_text("")
    assert states(clear())[f"environment {other}"] == "removed"
    assert files(cache) == []


# What is not ours


def test_a_folder_called_moa_that_is_something_else_is_left_alone(isolated: Path) -> None:
    root = isolated / "cache/moa"
    mine = [
        "README.md",
        "src/moa.py",
        "environments/production/settings.py",
        "verdicts/2026/smith.json",
        f"verdicts/{PROJECT}/thesis.json",
        "queues/orders.lock",
        "conflicts/notes.txt",
    ]
    for name in mine:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("precious")
    done = clear()
    assert files(root) == sorted(mine)
    assert done.of("removed") == ()
    assert done.of("failed") == ()
    assert set(kept(done)) == {"README.md", "src", "production", "2026", PROJECT, "orders.lock", "notes.txt"}


def test_nothing_is_removed_through_a_link(cache: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    for name in (f"{PROJECT}/{COMMIT}.json", f"{COMMIT}.json", f"{KEY}/lib/x.py", "z.txt"):
        (precious / name).parent.mkdir(parents=True, exist_ok=True)
        (precious / name).write_text("precious")
    before = files(precious)
    clear()
    (cache / "verdicts").rmdir()
    (cache / "verdicts").symlink_to(precious)
    (cache / f"conflicts/{PROJECT}").symlink_to(precious)
    (cache / f"environments/{KEY}").symlink_to(precious / KEY)
    (cache / f"queues/{TURN}.lock").symlink_to(precious / "z.txt")
    (cache / "conflicts/1111111111111111").mkdir()
    (cache / f"conflicts/1111111111111111/{COMMIT}").symlink_to(precious)
    done = clear()
    assert files(precious) == before
    assert set(kept(done)) == {"verdicts", PROJECT, f"{TURN}.lock"}
    assert {Path(item.path).name for item in done.of("removed")} == {KEY, "1111111111111111"}


def test_a_cache_folder_that_is_a_link_is_told_and_left_alone(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    cache.rename(elsewhere)
    cache.symlink_to(elsewhere)
    before = files(elsewhere)
    assert "link" in kept(clear())["moa"]
    assert files(elsewhere) == before


def test_a_file_where_the_cache_should_be_is_told(isolated: Path) -> None:
    (isolated / "cache/moa").write_text("mine")
    assert set(kept(clear())) == {"moa"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_what_belongs_to_another_user_stays(cache: Path) -> None:
    os.chown(cache / "verdicts", 65534, 65534)
    os.chown(cache / f"environments/{KEY}", 65534, 65534)
    done = clear()
    assert set(kept(done)) == {"verdicts", KEY}
    assert set(kept(done).values()) == {"it belongs to another user"}
    os.chown(cache, 65534, 65534)
    assert set(kept(clear())) == {"moa"}


@pytest.mark.parametrize("named", [None, "", "relative/cache"])
def test_without_a_usable_cache_home_the_default_is_meant(
    named: str | None, cache: Path, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "relative/cache/moa/verdicts" / PROJECT / f"{COMMIT}.json"
    there.parent.mkdir(parents=True)
    there.write_text("1")
    (isolated / "home/.cache").mkdir()
    cache.rename(isolated / "home/.cache/moa")
    environ = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"}
    clear(environ if named is None else {**environ, "XDG_CACHE_HOME": named})
    assert files(isolated / "home") == []
    assert there.exists()


def test_what_cannot_be_removed_is_told_and_the_rest_goes(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a read-only filesystem; root may write whatever the permissions say, so the refusal is injected."""
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.parent.parent.name == "verdicts":
            raise PermissionError(13, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    done = clear()
    assert [(item.kind, item.reason) for item in done.of("failed")] == [("verdicts", "Read-only file system")]
    assert len(done.of("removed")) == 3


# Deaths


@pytest.mark.parametrize("step", range(0, 16, 3))
def test_killed_at_any_step_it_goes_on_with_the_next_call(cache: Path, step: int) -> None:
    abandoned("moa-dead")
    listed = reset.survey(os.environ)
    child = os.fork()
    if child == 0:
        _die_at(step)
        reset.clear(os.environ, listed)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "it was over before it died"
    done = clear()
    assert (done.of("failed"), done.of("kept"), files(cache)) == ((), (), [])
    assert list(Path(tempfile.gettempdir()).glob("moa-*")) == []
    assert clear().items == ()


def _die_at(step: int) -> None:
    """This process ends without a word at its so many-th removal."""
    left = iter(range(step))

    def counted(whole: Any) -> Any:
        def removal(*args: Any, **kwargs: Any) -> None:
            if next(left, None) is None:
                os._exit(9)
            whole(*args, **kwargs)

        return removal

    for name in ("unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


# Whoever adds a folder to the cache


def test_every_folder_of_the_cache_is_known() -> None:
    """Found in the sources, so that nobody adds one that `moa reset` would call somebody else's."""
    root = Path(pytest_moa.__file__).parent
    used = {
        part.split('"')[1]
        for source in root.rglob("*.py")
        for line in source.read_text(encoding="utf-8").splitlines()
        if "cache_root" in line and '/ "' in line
        for part in [line.split("/ ", 1)[1]]
    }
    assert used == set(reset._PLACES)


# The command


def test_the_command_lists_and_only_with_a_word_removes(tmp_path: Path, isolated: Path) -> None:
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    team.moa("gate", "03", "--probes", "0")
    before, refs = files(isolated / "cache"), team.repo.refs()
    assert before
    listed = team.moa("reset")
    assert (listed.code, files(isolated / "cache")) == (0, before)
    assert "verdicts" in listed.out
    assert "moa reset --yes" in listed.out
    data = team.moa("reset", "--json").data
    assert (data["schema"], data["removed"], {i["state"] for i in data["items"]}) == (1, False, {"found"})
    assert {"kind", "path", "bytes", "state", "reason"} == set(data["items"][0])
    done = team.moa("reset", "--yes", "--json", cwd=tmp_path).data
    assert (done["removed"], {i["state"] for i in done["items"]}) == (True, {"removed"})
    assert (files(isolated / "cache"), team.repo.refs()) == ([], refs)
    assert "Nothing to remove" in team.moa("reset", "--yes").out


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", True), (b"\n", True), (b"y\n", False)])
def test_on_a_terminal_it_asks(cache: Path, answer: bytes, left: bool) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "pytest_moa", "reset"], stdin=slave, stdout=slave, stderr=slave
    ) as child:
        os.close(slave)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(master, 1024)
        os.write(master, answer)
        while child.poll() is None:
            try:
                said += os.read(master, 1024)
            except OSError:
                break
    os.close(master)
    assert child.returncode == 0
    assert bool(files(cache)) is left
