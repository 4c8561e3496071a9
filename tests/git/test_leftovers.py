"""What dead runs left is cleared, what belongs to the living stays; a killed landing is whole or not at all."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.git.leftovers import changing
from pytest_moa.git.owned import Intent, OwnedFolder, is_dead, owned_folder, this_process
from pytest_moa.git.quarantine import Quarantine, sweep
from pytest_moa.git.repository import open_repository

LAND = """
import sys
from pathlib import Path
from pytest_moa.git.landing import land_local
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.git.repository import open_repository
place, old, head = sys.argv[1:4]
repo = open_repository(Path(place))
with Quarantine.open(repo) as quarantine:
    new = quarantine.candidate(old, head, agent="03")
    quarantine.checkout(new)
    print(new, flush=True)
    land_local(repo, quarantine, "develop", old, new)
"""


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    child.wait()
    return child.pid


def abandoned_folder(name: str = "moa-dead", **facts: object) -> Path:
    path = Path(tempfile.gettempdir()) / name
    (path / "repo/deep").mkdir(parents=True)
    owner = {**asdict(this_process()), "pid": dead_process(), **facts}
    (path / "owner.json").write_text(json.dumps(owner))
    return path


def test_a_dead_owners_quarantine_is_removed_and_told() -> None:
    path = abandoned_folder()
    (path / "repo/deep").chmod(0)
    assert sweep() == [f"removed {path}, left by a run that died"]
    assert not path.exists()
    assert sweep() == []


def test_a_living_owners_quarantine_stays(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    with Quarantine.open(open_repository(repo.path)) as quarantine:
        assert sweep() == []
        assert quarantine.root.exists()


def test_a_pid_that_another_process_has_now_is_no_living_owner() -> None:
    path = abandoned_folder(pid=os.getpid(), started="1")
    assert len(sweep()) == 1
    assert not path.exists()


def test_what_cannot_be_told_stays() -> None:
    here = this_process()
    stays = [
        abandoned_folder("moa-other-container", namespace="pid:[1]"),
        abandoned_folder("moa-other-machine", boot="other", host="other"),
    ]
    unsigned = Path(tempfile.gettempdir()) / "moa-unsigned"
    (unsigned / "something").mkdir(parents=True)
    os.utime(unsigned, (0, 0))
    broken = Path(tempfile.gettempdir()) / "moa-broken"
    broken.mkdir()
    (broken / "owner.json").write_text('{"pid": 1')
    linked = Path(tempfile.gettempdir()) / "moa-linked"
    linked.mkdir()
    dead = abandoned_folder("elsewhere") / "owner.json"
    (linked / "owner.json").symlink_to(dead)
    young = Path(tempfile.gettempdir()) / "moa-young"
    young.mkdir()
    assert sweep() == []
    for place in (*stays, unsigned, broken, linked, young):
        assert place.exists()
    assert not is_dead(here)


def test_an_empty_folder_of_a_run_that_died_at_once_goes() -> None:
    path = Path(tempfile.gettempdir()) / "moa-empty"
    path.mkdir()
    os.utime(path, (0, 0))
    assert len(sweep()) == 1
    assert not path.exists()


def test_a_machine_that_was_started_anew_left_dead_owners() -> None:
    assert is_dead(replace(this_process(), boot="an earlier one"))


def test_another_users_folder_and_a_link_are_never_touched(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "owner.json").write_text(json.dumps({**asdict(this_process()), "pid": dead_process()}))
    link = Path(tempfile.gettempdir()) / "moa-link"
    link.symlink_to(target)
    other = abandoned_folder("moa-others")
    if os.getuid() == 0:
        os.chown(other, 65534, 65534)
        assert sweep() == []
        assert other.exists()
    else:
        sweep()
    assert (target / "owner.json").exists()


def announced(repo: Repo, *refs: str) -> Path:
    """The folder of an owner that died after it had announced to move refs."""
    path = abandoned_folder()
    with changing(OwnedFolder(path), open_repository(repo.path), refs):
        kept = {note: note.read_bytes() for note in path.glob("intent-*.json")}
    for note, content in kept.items():
        note.write_bytes(content)
    return path


def test_a_lock_that_a_killed_run_had_announced_is_removed(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    announced(repo, "refs/heads/develop")
    mine, others = (repo.path / ".git/refs/heads" / name for name in ("develop.lock", "other.lock"))
    mine.touch()
    others.touch()
    assert f"removed {mine}, left by a run that died" in sweep()
    assert not mine.exists()
    assert others.exists()


def test_a_lock_that_was_there_before_is_not_ours(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    lock = repo.path / ".git/refs/heads/develop.lock"
    lock.touch()
    announced(repo, "refs/heads/develop")
    sweep()
    assert lock.exists()


def test_a_lock_stays_while_a_git_works_in_the_repository(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    announced(repo, "refs/heads/develop")
    lock = repo.path / ".git/refs/heads/develop.lock"
    lock.touch()
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["git", "cat-file", "--batch-check"], cwd=repo.path, stdin=pipe, stdout=pipe
    ) as living:
        assert living.stdin is not None
        assert living.stdout is not None
        living.stdin.write(b"HEAD\n")
        living.stdin.flush()
        assert living.stdout.readline()  # it answers: before that, it may not be called git yet
        assert not [said for said in sweep() if "lock" in said]
        assert lock.exists()
        living.communicate(b"")


@pytest.mark.parametrize("name", ["config", "refs/heads/develop"])
def test_an_intent_that_names_no_lock_removes_nothing(tmp_path: Path, name: str) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    path = abandoned_folder()
    victim = repo.path / ".git" / name
    os.utime(victim)
    intent = Intent(repository=str(repo.path / ".git"), since=0, locks=(str(victim),))
    (path / "intent-1.json").write_text(json.dumps(asdict(intent)))
    sweep()
    assert victim.exists()


@pytest.mark.parametrize("half", ["none", "files", "all-but-the-index", "cut"])
def test_a_checkout_that_was_half_updated_is_finished(tmp_path: Path, half: str) -> None:
    repo = Repo.create(tmp_path / "r", files={"core.py": "x = 1\n", "old.py": "o\n", "keep.py": "k\n"})
    old = repo.head()
    new = repo.agent("03").writes({"core.py": "x = 22\n", "new/n.py": "n\n"}).removes("old.py").commits()
    repo.git("update-ref", "refs/heads/develop", new)
    if half != "none":
        repo.writes({"core.py": "x = 22\n" if half != "cut" else "x ="})
    if half == "all-but-the-index":
        repo.writes({"new/n.py": "n\n", "old.py": None})
    if half == "cut":
        (repo.path / ".git/index.lock").touch()
    _died_while_following(repo, old, new)
    assert any("brought up to date" in said for said in sweep())
    assert repo.git("status", "--porcelain") == ""
    assert (repo.path / "new/n.py").read_text() == "n\n"


def _died_while_following(repo: Repo, old: str, new: str) -> None:
    path = abandoned_folder()
    intent = Intent(
        repository=str(repo.path / ".git"),
        since=time.time() - 1,
        locks=(str(repo.path / ".git/index.lock"),),
        work_tree=str(repo.path),
        branch="develop",
        old=old,
        new=new,
    )
    (path / "intent-1.json").write_text(json.dumps(asdict(intent)))


@pytest.mark.parametrize("mine", [{"keep.py": "mine\n"}, {"core.py": "mine\n"}, {"new.py": "mine\n"}])
def test_a_persons_work_is_never_taken_for_a_half_updated_checkout(
    tmp_path: Path, mine: dict[str, str]
) -> None:
    repo = Repo.create(tmp_path / "r", files={"core.py": "x = 1\n", "keep.py": "k\n"})
    old = repo.head()
    new = repo.agent("03").writes({"core.py": "x = 2\n", "new.py": "n\n"}).commits()
    repo.git("update-ref", "refs/heads/develop", new)
    repo.writes(dict(mine))
    _died_while_following(repo, old, new)
    assert any("left alone" in said for said in sweep())
    for name, text in mine.items():
        assert (repo.path / name).read_text() == text


def test_a_landing_killed_at_any_moment_is_whole_or_not_at_all(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"core.py": "x = 1\n", "old.py": "o\n"})
    files = {f"new/{n}.py": f"{n}\n" * 50 for n in range(100)}
    head = repo.agent("03").writes({"core.py": "x = 2\n", **files}).removes("old.py").commits()
    old = repo.head()
    chance = random.Random(7)
    command = [sys.executable, "-c", LAND, str(repo.path), old, head]
    ends = set()
    for _ in range(6):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
            assert run.stdout is not None
            new = run.stdout.readline().strip()
            time.sleep(chance.uniform(0, 0.06))
            os.killpg(run.pid, signal.SIGKILL)
        sweep()
        at = repo.head("refs/heads/develop")
        ends.add(at)
        assert at in (old, new)
        assert repo.git("status", "--porcelain") == ""
        repo.git("reset", "-q", "--hard", old)
    assert not list(Path(tempfile.gettempdir()).glob("moa-*"))
    assert not list((repo.path / ".git").rglob("*.lock"))
    subprocess.run(command, check=True, capture_output=True)
    assert repo.head("refs/heads/develop") == new
    assert ends <= {old, new}


def test_an_owned_folder_signs_itself_and_forgets_intents_that_were_kept() -> None:
    with owned_folder() as folder:
        assert json.loads((folder.path / "owner.json").read_text()) == asdict(this_process())
        with folder.intends(Intent(repository="/r", since=0, locks=("/r/x.lock",))):
            assert [intent.locks for intent in folder.intents()] == [("/r/x.lock",)]
        assert folder.intents() == ()
    assert not folder.path.exists()
