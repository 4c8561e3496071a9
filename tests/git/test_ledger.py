"""Events are never lost: many writers at once, writers on two machines, a remote that refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import RepositoryError
from pytest_moa.git import ledger
from pytest_moa.git.command import Git
from pytest_moa.git.ledger import append, path_of, read, read_ledger, refresh
from pytest_moa.git.repository import fingerprint, open_repository
from pytest_moa.model.results import Event

AT = "2026-11-24T07:58:23.000042+00:00"


def event(number: int = 0, **facts: object) -> Event:
    return Event(
        kind="gate", at=f"2026-11-24T07:58:23.{number:06}+00:00", agent="03", data={"n": number, **facts}
    )


def numbers(repo: Repo, remote: str | None = None) -> list[object]:
    return [e.data["n"] for e in read(open_repository(repo.path), remote=remote)]


WRITERS = """
import fcntl, os, sys
from pathlib import Path
from pytest_moa.git.ledger import append
from pytest_moa.git.repository import open_repository
from pytest_moa.model.results import Event
remote, lock, *places = sys.argv[1:]
if lock == "unlocked":
    def refused(*_): raise OSError
    fcntl.flock = refused
def write(place, n):
    event = Event(kind="gate", at=f"2026-11-24T07:58:23.{n:06}+00:00", data={"n": n})
    append(open_repository(Path(place)), [event], remote=remote or None)
open_repository(Path(places[0]))  # loads GitPython, which a hundred processes need not do again
children = []
for n, place in enumerate(places):
    child = os.fork()
    if child == 0:
        write(place, n)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def write_at_once(places: list[Path], *, remote: str = "", lock: str = "locked") -> None:
    """One process a place, all at once; they number their events."""
    subprocess.run([sys.executable, "-c", WRITERS, remote, lock, *map(str, places)], check=True)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.create(tmp_path / "r", files={"a": "1\n"})


def test_an_event_comes_back_as_it_was(repo: Repo) -> None:
    opened = open_repository(repo.path)
    assert read(opened) == ()
    told = Event(kind="landed", at=AT, agent=None, data={"ünï": ["🎉", None, 1.5, {"a": True}]})
    tip = append(opened, [told])
    assert read(opened) == (told,)
    assert repo.head("refs/heads/moa/ledger") == tip
    path = repo.git("ls-tree", "-r", "--name-only", tip).strip()
    assert path.startswith("2026/11/24/075823.000042-")
    assert path.endswith(".json")


def test_events_are_read_in_the_order_of_their_times(repo: Repo) -> None:
    opened = open_repository(repo.path)
    append(opened, [event(3), event(1)])
    append(opened, [Event(kind="x", at="2026-11-24T09:58:23.000002+02:00", data={"n": 2}), event(0)])
    assert numbers(repo) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("at", "folder"),
    [
        (AT, "2026/11/24/075823.000042-"),
        ("2026-11-24T00:30:00+02:00", "2026/11/23/223000.000000-"),
        ("2026-01-02T03:04:05", "2026/01/02/030405.000000-"),
        ("2026-01-02T03:04:05.5Z", "2026/01/02/030405.500000-"),
    ],
)
def test_an_event_lies_at_its_time_in_utc(at: str, folder: str) -> None:
    first, second = (path_of(Event(kind="x", at=at)) for _ in range(2))
    assert first.startswith(folder)
    assert first != second


def test_writing_touches_no_index_work_tree_or_setting(repo: Repo) -> None:
    opened = open_repository(repo.path)
    repo.writes({"a": "mine\n", "staged": "1\n"}).git("add", "staged")
    index, refs, marks = (repo.path / ".git/index").read_bytes(), repo.refs(), fingerprint(opened)
    status = repo.git("status", "--porcelain")
    entries = {entry.name for entry in (repo.path / ".git").iterdir()}
    tip = append(opened, [event()])
    assert (repo.path / ".git/index").read_bytes() == index
    assert repo.git("status", "--porcelain") == status
    assert repo.refs() == {**refs, "refs/heads/moa/ledger": tip}
    assert fingerprint(opened) == marks
    assert {entry.name for entry in (repo.path / ".git").iterdir()} == entries
    assert not list(Path(tempfile.gettempdir()).glob("moa-*"))
    repo.git("fsck", "--strict")


def test_a_hundred_writers_at_once_append_a_hundred_events(repo: Repo) -> None:
    write_at_once([repo.path] * 100)
    assert numbers(repo) == list(range(100))


def test_writers_that_know_no_lock_lose_no_event_either(repo: Repo) -> None:
    write_at_once([repo.path] * 12, lock="unlocked")
    assert numbers(repo) == list(range(12))


def test_what_is_no_event_is_skipped_and_counted(repo: Repo) -> None:
    opened = open_repository(repo.path)
    append(opened, [event(1)])
    good = {"kind": "from the future", "at": AT, "data": {"n": 2}, "schema": 7, "more": 1}
    bad: list[object] = [
        "no object",
        {"kind": "x"},
        {**good, "at": "yesterday"},
        {**good, "data": []},
        {**good, "agent": 3},
        {**good, "schema": True},
        {**good, "kind": None},
    ]
    line = repo.branch("moa/ledger").writes({f"{n}.json": json.dumps(b) for n, b in enumerate(bad)})
    line.writes(
        {"x.json": b"\xff\0", "deep.json": b"[" * 100_000, "good.json": json.dumps(good), "README": "hi\n"}
    )
    line.links("link.json", "good.json").submodule("sub.json", repo.head()).commits()
    found = read_ledger(opened)
    assert {e.kind for e in found.events} == {"gate", "from the future"}
    assert found.skipped == len(bad) + 2


def test_a_number_that_python_will_not_read_is_skipped(repo: Repo) -> None:
    opened = open_repository(repo.path)
    append(opened, [event(1)])
    huge = '{"kind": "x", "at": "%s", "data": {"n": %s}}' % (AT, "9" * 10_000)  # noqa: UP031 - braces in the text
    repo.branch("moa/ledger").writes({"huge.json": huge}).commits()
    assert read_ledger(opened).skipped == 1


def test_ten_thousand_events_are_read_fast(repo: Repo) -> None:
    opened = open_repository(repo.path)
    append(opened, [event(n) for n in range(10_000)])
    started = time.perf_counter()
    assert len(read(opened)) == 10_000
    assert time.perf_counter() - started < 5  # 0.2 s on an idle machine


def test_what_was_read_before_is_not_read_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_repository(repo.path)
    append(opened, [event(n, run="first") for n in range(5)])
    read(opened)
    asked: list[int] = []
    contents = ledger._contents

    def counted(git: Git, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        asked.append(len(blobs))
        return contents(git, blobs)

    monkeypatch.setattr(ledger, "_contents", counted)
    append(opened, [event(9, run="first")])
    assert numbers(repo) == [0, 1, 2, 3, 4, 9]
    assert numbers(repo) == [0, 1, 2, 3, 4, 9]
    assert asked == [1, 0]


def test_a_ledger_that_was_rewritten_is_read_as_it_is_now(repo: Repo) -> None:
    opened = open_repository(repo.path)
    first = append(opened, [event(1)])
    append(opened, [event(2)])
    assert numbers(repo) == [1, 2]
    repo.git("update-ref", "refs/heads/moa/ledger", first)
    assert numbers(repo) == [1]


def test_asking_a_remote_brings_its_ledger_alone(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    other = origin.clone(tmp_path / "other")
    refresh(open_repository(other.path), "origin")
    before = other.refs()
    tip = append(open_repository(repo.path), [event(1)], remote="origin")
    repo.writes({"a": "2\n"}).commits()
    repo.git("push", "-q", "origin", "develop", "develop:refs/heads/new")
    refresh(open_repository(other.path), "origin")
    assert other.refs() == {**before, "refs/remotes/origin/moa/ledger": tip}
    origin.git("update-ref", "-d", "refs/heads/moa/ledger")
    refresh(open_repository(other.path), "origin")
    assert other.refs() == before


def test_a_remote_that_cannot_be_asked_is_an_error_with_a_remedy(repo: Repo, tmp_path: Path) -> None:
    repo.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(RepositoryError, match="fetch the ledger from origin") as caught:
        refresh(open_repository(repo.path), "origin")
    assert "git remote -v" in caught.value.remedy


def test_a_remote_gets_the_ledger_and_tells_it_to_others(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    tip = append(open_repository(repo.path), [event(1)], remote="origin")
    assert origin.head("refs/heads/moa/ledger") == tip
    other = origin.clone(tmp_path / "other")
    assert numbers(other) == []
    assert numbers(other, remote="origin") == [1]
    append(open_repository(other.path), [event(2)], remote="origin")
    assert numbers(origin) == [1, 2]


def test_two_machines_histories_are_united(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    other = origin.clone(tmp_path / "other")
    append(open_repository(repo.path), [event(0)], remote="origin")
    # The other one has not heard of it, and has written alone.
    append(open_repository(other.path), [event(1)])
    append(open_repository(other.path), [event(2)], remote="origin")
    append(open_repository(repo.path), [event(3)], remote="origin")
    assert numbers(origin) == [0, 1, 2, 3]
    assert numbers(repo) == [0, 1, 2, 3]
    origin.git("fsck", "--strict")


def landing(at: str = AT, **facts: object) -> Event:
    data = {"head": "a" * 40, "commit": "c" * 40, "target": "develop", "committed": 1_767_225_600, **facts}
    return Event(kind="landed", at=at, agent="03", data=data)


def test_a_landing_lies_by_its_commit_and_is_told_once(repo: Repo) -> None:
    opened = open_repository(repo.path)
    tip = append(opened, [landing(tests=3)])
    assert append(opened, [landing("2026-11-25T07:58:23Z")]) == tip, "nothing is new"
    append(opened, [landing(again=1), landing(commit="d" * 40), landing(target="main")])
    assert len(read(opened)) == 4
    paths = repo.git("ls-tree", "-r", "--name-only", "refs/heads/moa/ledger").split()
    assert {path.rpartition("-")[0] for path in paths} == {"2026/01/01/000000.000000"}


def test_a_commit_of_the_far_future_has_a_landing(repo: Repo) -> None:
    opened = open_repository(repo.path)
    append(opened, [landing(committed=10**15), landing(commit="d" * 40, committed=-5)])
    assert len(read(opened)) == 2


@pytest.mark.parametrize("first", ["finds", "lands"])
def test_of_two_machines_that_tell_of_one_landing_the_one_that_made_it_is_heard(
    repo: Repo, tmp_path: Path, first: str
) -> None:
    """The other has found it on the target and knows less of it; neither has heard of the other."""
    origin = repo.with_remote(tmp_path / "o.git")
    places = [repo, origin.clone(tmp_path / "other")]
    told = {"finds": landing(recovered=True), "lands": landing("2026-11-24T07:58:24Z", tests=3)}
    order = [first, *(told.keys() - {first})]
    for place, name in zip(places, order, strict=True):
        append(open_repository(place.path), [event(1 if name == "finds" else 2)])
        append(open_repository(place.path), [told[name]])
    for place in (*places, places[0]):
        append(open_repository(place.path), [event(3)], remote="origin")
    for place in (origin, *places):
        found = [e for e in read(open_repository(place.path)) if e.kind == "landed"]
        assert found == [told["lands"]]


def test_of_two_that_made_the_same_landing_the_first_to_tell_is_heard(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    other = origin.clone(tmp_path / "other")
    append(open_repository(repo.path), [landing(by="one")])
    append(open_repository(other.path), [landing(by="other")], remote="origin")
    append(open_repository(repo.path), [event(1)], remote="origin")
    for place in (origin, repo):
        found = [e.data["by"] for e in read(open_repository(place.path)) if e.kind == "landed"]
        assert found == ["other"]


def test_machines_that_push_at_once_lose_no_event(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    places = [origin.clone(tmp_path / f"m{n}").path for n in range(4)]
    write_at_once(places, remote="origin")
    assert numbers(origin) == [0, 1, 2, 3]


def test_a_push_that_fails_keeps_the_event_for_the_next(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    hook = origin.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not for you' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepositoryError, match="written here") as caught:
        append(open_repository(repo.path), [event(1)], remote="origin")
    assert "not for you" in caught.value.reason
    assert caught.value.remedy
    assert numbers(repo) == [1]
    hook.unlink()
    append(open_repository(repo.path), [event(2)], remote="origin")
    assert numbers(origin) == [1, 2]


def test_a_remote_that_is_gone_keeps_the_event_too(repo: Repo, tmp_path: Path) -> None:
    repo.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(RepositoryError, match="written here") as caught:
        append(open_repository(repo.path), [event(1)], remote="origin")
    assert "git remote -v" in caught.value.remedy
    assert numbers(repo) == [1]


def test_a_ledger_whose_remote_was_emptied_is_told_anew(repo: Repo, tmp_path: Path) -> None:
    origin = repo.with_remote(tmp_path / "o.git")
    append(open_repository(repo.path), [event(1)], remote="origin")
    origin.git("update-ref", "-d", "refs/heads/moa/ledger")
    append(open_repository(repo.path), [event(2)], remote="origin")
    assert numbers(origin) == [1, 2]


def test_bare_and_sha256_repositories_have_ledgers(tmp_path: Path) -> None:
    for place, bare, kind in (("b", True, "sha1"), ("s", False, "sha256")):
        repo = Repo.create(tmp_path / place, bare=bare, object_format=kind)
        append(open_repository(repo.path), [event(1)])
        assert numbers(repo) == [1]
