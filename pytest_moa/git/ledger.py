"""The append-only history of events: branch `moa/ledger`, one file an event. No work tree or index is touched.

Paths collide only where two tell of the same landing, so two writers' histories unite without a conflict.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_moa.errors import BugError, MoaError, RaceError, RepositoryError
from pytest_moa.git.command import FETCH, Git, Result, decode, encode, remedy
from pytest_moa.git.handle import Repository
from pytest_moa.git.landing import ELSEWHERE, push_with_lease, server_words
from pytest_moa.git.leftovers import changing
from pytest_moa.git.owned import owned_folder
from pytest_moa.git.repository import is_ancestor, remote_head, resolve
from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import Event
from pytest_moa.rules.standing import landing_id

BRANCH = "moa/ledger"
REF = f"refs/heads/{BRANCH}"
_ATTEMPTS = 200
_PUSHES = 8
_FETCHES = 5
_MAX_EVENT = 1024 * 1024
_LINK = "120000"
_REMEMBERED = 50_000
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, after which Python knows no dates; anybody may give a commit any."""
_Parsed = tuple[str, Event]
_PARSED: dict[ObjectId, _Parsed | None] = {}
"""What blobs came to in this process, with the time that events are sorted by: a queue reads the ledger many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The events by time; `skipped` counts files that are no events, `tip` names what was read."""

    events: tuple[Event, ...]
    skipped: int
    tip: ObjectId | None


def append(repo: Repository, events: Sequence[Event], *, remote: str | None = None) -> ObjectId:
    """Add events and return the ledger's new commit. Any number of processes may do so at once.

    With a remote the ledger is pushed, too; where that fails, RepositoryError is raised, and the events stay
    here and go with the next push.
    """
    files = {path_of(event): event for event in events}
    with owned_folder() as folder, changing(folder, repo, (REF,)):
        tip = _append_here(repo, files, remote)
        if remote is None:
            return tip
        try:
            return _share(repo, remote, tip)
        except MoaError as error:
            raise RepositoryError(
                f"The ledger is written here, but could not be pushed to {remote}",
                reason=error.reason or error.message,
                remedy=error.remedy
                or f"Let moa's account push the branch {BRANCH}; the events go with the next push.",
            ) from error


def read(repo: Repository, *, remote: str | None = None) -> tuple[Event, ...]:
    """All events by time; with a remote, those of its ledger as last fetched, too."""
    return read_ledger(repo, remote=remote).events


def read_ledger(repo: Repository, *, remote: str | None = None) -> Ledger:
    """The same with the count of files that could not be read as events; those are never fatal."""
    tips = [tip for ref in _refs(remote) if (tip := resolve(repo, ref)) is not None]
    blobs: dict[str, ObjectId] = {}
    for tip in tips:
        blobs = _blobs(repo, tip) | blobs
    known = _parsed(repo.git, blobs)
    found = ((path, known.get(blob)) for path, blob in blobs.items())
    events = [(parsed[0], path, parsed[1]) for path, parsed in found if parsed is not None]
    events.sort(key=lambda row: row[:2])
    return Ledger(
        events=tuple(event for _, _, event in events),
        skipped=len(blobs) - len(events),
        tip=tips[0] if tips else None,
    )


def refresh(repo: Repository, remote: str) -> None:
    """Fetches the remote's ledger. Raises RepositoryError where the remote cannot be asked."""
    _fetch(repo, remote)


def share(repo: Repository, remote: str) -> bool:
    """Push what the ledger here has and the remote's, as last fetched, has not. Returns whether there was anything."""
    tip, theirs = resolve(repo, REF), resolve(repo, f"refs/remotes/{remote}/{BRANCH}")
    if tip is None or (theirs is not None and is_ancestor(repo, tip, theirs)):
        return False
    _share(repo, remote, tip)
    return True


def now() -> str:
    """This moment as events carry it: UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def path_of(event: Event) -> str:
    """Where an event lies: by its time, and by chance, so that no two share a place.

    A landing lies by its commit's time and what it is known by, so that two who tell of the same one share a place.
    """
    name, committed = landing_id(event), event.data.get("committed")
    at = _time(event.at)
    if name is not None and type(committed) is int:
        at = datetime.fromtimestamp(min(max(0, committed), _LAST_SECOND), UTC)
    if at is None:
        raise BugError("An event has no time", reason=repr(event.at))
    return f"{at:%Y/%m/%d/%H%M%S.%f}-{name or secrets.token_hex(6)}.json"


def _refs(remote: str | None) -> list[str]:
    return [REF] if remote is None else [REF, f"refs/remotes/{remote}/{BRANCH}"]


def _bytes(event: Event) -> bytes:
    return json.dumps(asdict(event), ensure_ascii=True, sort_keys=True).encode() + b"\n"


def _append_here(repo: Repository, files: Mapping[str, Event], remote: str | None) -> ObjectId:
    with _one_at_a_time(repo):
        for _ in range(_ATTEMPTS):
            old = resolve(repo, REF)
            base = old or (resolve(repo, f"refs/remotes/{remote}/{BRANCH}") if remote else None)
            there = _told(repo, _blobs(repo, base, *files)) if base else {}
            changes = [
                (f"100644 inline {path}", _bytes(event))
                for path, event in files.items()
                if _tells_more(event, there.get(path))
            ]
            new = base if base and not changes else _commit(repo, [base] if base else [], changes, "Events")
            if new == old or _swapped(repo, old, new):
                return new
            # Somebody who does not know our lock was faster.
            time.sleep(random.uniform(0.001, 0.05))  # noqa: S311 - jitter, no secret
    raise RaceError(
        "The ledger could not be written: others wrote it all the time",
        remedy="Run the command again when fewer of them run.",
    )


@contextmanager
def _one_at_a_time(repo: Repository) -> Iterator[None]:
    """Writers of this machine queue up; the compare-and-swap alone is what keeps their events.

    The lock is on the folder itself: it leaves no file, and ends with its process.
    """
    descriptor = os.open(repo.common_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a filesystem without locks: then they race, as writers of two machines do
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _commit(
    repo: Repository, parents: Sequence[ObjectId], changes: Sequence[tuple[str, bytes | None]], message: str
) -> ObjectId:
    """A commit on the first parent with files added, made in one process; no ref names it yet."""
    at = f"moa <moa@localhost> {int(time.time())} +0000"
    # fast-import insists on a ref to commit to; a name nobody uses, forgotten again before it is ever written.
    ref = f"refs/moa/{secrets.token_hex(8)}"
    stream = [f"commit {ref}\nmark :1\ncommitter {at}\ndata {len(message)}\n{message}\n".encode()]
    stream += [
        f"{word} {parent}\n".encode() for word, parent in zip(("from", "merge"), parents, strict=False)
    ]
    for change, content in changes:
        stream.append(b"M " + encode(change) + b"\n")
        if content is not None:
            stream.append(b"data %d\n%s\n" % (len(content), content))
    zero = "0" * (64 if repo.object_format == "sha256" else 40)
    stream.append(f"\nget-mark :1\nreset {ref}\nfrom {zero}\n\ndone\n".encode())
    git = repo.git.with_settings("fastimport.unpackLimit=1000")
    return git.text("fast-import", "--quiet", "--done", input=b"".join(stream), doing="write to the ledger")


def _swapped(repo: Repository, old: ObjectId | None, new: ObjectId) -> bool:
    expected = old or "0" * len(new)
    result = repo.git.run("update-ref", "-m", "moa: events", REF, new, expected, check=False)
    if result.ok:
        return True
    if (
        resolve(repo, REF) == old
        and b"File exists" not in result.stderr
        and b"but expected" not in result.stderr
    ):
        raise repo.git.failure(result, "write to the ledger")
    return False


def _share(repo: Repository, remote: str, tip: ObjectId) -> ObjectId:
    """Push the ledger; a remote that has more is united with it first."""
    theirs = resolve(repo, f"refs/remotes/{remote}/{BRANCH}")
    for attempt in range(_PUSHES):
        if theirs is None or is_ancestor(repo, theirs, tip):
            pushed = push_with_lease(repo, remote, REF, theirs, tip)
            if pushed.ok:
                _track(repo, remote, tip)
                return tip
            if remote_head(repo, remote, BRANCH) == theirs and not _was_race(pushed):
                words = server_words(pushed)
                raise RepositoryError("refused", reason=words, remedy=remedy(pushed.stderr, repo.git.cwd))
            time.sleep(random.uniform(0.05, 0.3) * attempt)  # noqa: S311 - jitter, no secret
        theirs = _fetch(repo, remote)
        tip = _united(repo, theirs)
    raise RaceError("others wrote it all the time", remedy="The events go with the next push.")


def _was_race(pushed: Result) -> bool:
    words = decode(pushed.stdout + pushed.stderr)
    return any(said in words for said in (*ELSEWHERE, "File exists"))


def _fetch(repo: Repository, remote: str) -> ObjectId | None:
    """The remote's ledger as it is now, brought here; None where it has none (any more)."""
    tracking = f"refs/remotes/{remote}/{BRANCH}"
    git = repo.git.over_network()
    for attempt in range(_FETCHES):
        fetched = git.run(
            *FETCH,
            "--prune",
            "--end-of-options",
            remote,
            # A pattern may match nothing: then one question to the remote is enough to hear that it has no ledger.
            f"+{REF}*:{tracking}*",
            check=False,
        )
        if fetched.ok:
            return resolve(repo, tracking)
        if not _was_race(fetched) or attempt == _FETCHES - 1:
            break
        # Somebody else fetches here at this moment.
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - jitter, no secret
    raise git.failure(fetched, f"fetch the ledger from {remote}")


def _track(repo: Repository, remote: str, tip: ObjectId) -> None:
    repo.git.run("update-ref", "-m", "moa: events", f"refs/remotes/{remote}/{BRANCH}", tip, check=False)


def _united(repo: Repository, theirs: ObjectId | None) -> ObjectId:
    """The local ledger with all of the remote's events in it."""
    with _one_at_a_time(repo):
        for _ in range(_ATTEMPTS):
            ours = resolve(repo, REF)
            if ours is None:
                raise RepositoryError(f"The branch {BRANCH} vanished while it was written")
            if theirs is None or is_ancestor(repo, theirs, ours):
                return ours
            changes = [(f"100644 {blob} {path}", None) for path, blob in _missing(repo, ours, theirs)]
            new = (
                theirs if is_ancestor(repo, ours, theirs) else _commit(repo, [ours, theirs], changes, "Unite")
            )
            if _swapped(repo, ours, new):
                return new
    raise RaceError("The ledger could not be united: others wrote it all the time")


def _missing(repo: Repository, ours: ObjectId, theirs: ObjectId) -> list[tuple[str, ObjectId]]:
    """The files of their ledger that ours lacks. What both tell is told as they do, except where ours tells more."""
    here, there = _blobs(repo, ours), _blobs(repo, theirs)
    missing = dict(there.items() - here.items())
    both = {path: here[path] for path in missing.keys() & here.keys()}
    told, known = _told(repo, {path: missing[path] for path in both}), _told(repo, both)
    more = {path for path, event in known.items() if _tells_more(event, told.get(path))}
    return sorted((path, blob) for path, blob in missing.items() if path not in more)


def _tells_more(event: Event, known: Event | None) -> bool:
    """Whether it is to be told where `known` is told already: whoever landed knows more than who found the landing."""
    return known is None or (known.data.get("recovered") is True and event.data.get("recovered") is not True)


def _told(repo: Repository, blobs: Mapping[str, ObjectId]) -> dict[str, Event]:
    known = _parsed(repo.git, blobs) if blobs else {}
    return {path: parsed[1] for path, blob in blobs.items() if (parsed := known.get(blob)) is not None}


def _blobs(repo: Repository, tip: ObjectId, *paths: str) -> dict[str, ObjectId]:
    """The ledger's files at a commit, those of `paths` alone where any are named."""
    listed = repo.git.lines0("ls-tree", "-r", "-z", "--full-tree", tip, "--", *paths)
    rows = (row.split("\t", 1) for row in listed)
    return {
        path: facts.split(" ")[2]
        for facts, path in rows
        if path.endswith(".json") and not facts.startswith((_LINK, "160000"))
    }


def _parsed(git: Git, blobs: Mapping[str, ObjectId]) -> dict[ObjectId, _Parsed | None]:
    """What these blobs come to; only those that are new are read."""
    wanted = dict.fromkeys(blobs.values())
    known = dict(_PARSED)  # another thread may clear it
    found = {blob: known[blob] for blob in wanted if blob in known}
    for blob, content in _contents(git, [blob for blob in wanted if blob not in found]):
        event = _event(content)
        found[blob] = None if event is None else (str(_time(event.at)), event)
    if len(_PARSED) > _REMEMBERED:
        _PARSED.clear()
    _PARSED.update(found)
    return found


def _contents(git: Git, blobs: Sequence[ObjectId]) -> Iterator[tuple[ObjectId, bytes]]:
    if not blobs:
        return
    raw = git.run("cat-file", "--batch", input="".join(f"{b}\n" for b in blobs).encode()).stdout
    at = 0
    for blob in blobs:
        end = raw.index(b"\n", at)
        words = decode(raw[at:end]).split(" ")
        at = end + 1
        if len(words) == 3:
            size = int(words[2])
            yield blob, raw[at : at + size]
            at += size + 1


def _event(content: bytes) -> Event | None:
    """An event, None where the file is none. A kind or a further field that we do not know is tolerated."""
    if len(content) > _MAX_EVENT:
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _is_sound(found):
        return None
    known = ("kind", "at", "agent", "data", "schema")
    return Event(**{name: found[name] for name in known if name in found})


def _is_sound(found: Mapping[str, Any]) -> bool:
    return (
        isinstance(found.get("kind"), str)
        and isinstance(found.get("at"), str)
        and _time(found["at"]) is not None
        and isinstance(found.get("agent"), str | None)
        and isinstance(found.get("data", {}), dict)
        and type(found.get("schema", 1)) is int
    )


def _time(at: str) -> datetime | None:
    """A moment in UTC, which is also what one without a zone is taken for; None where it is no time."""
    try:
        moment = datetime.fromisoformat(at)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
