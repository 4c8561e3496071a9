"""A run that dies anywhere is completed by the next; any number of queues at once land each branch once."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.queues import Queue
from support.repos import Repo

# At the n-th of those git calls that a pattern names: kill the caller before or after it.
KILLS = """
case "$*" in
{pattern})
  echo "$*" >> $STORY/git-calls
  if [ "$(wc -l < $STORY/git-calls)" -ge {at} ] && mkdir $STORY/killed 2>/dev/null; then
    [ {when} = before ] || real "$@"
    kill -9 $PPID
    exit 1
  fi ;;
esac
real "$@"
"""


WRITES = frozenset(["fetch", "push", "update-ref", "read-tree", "fast-import", "unpack-objects"])


def killed(queue: Queue, pattern: str, at: int, when: str) -> None:
    """A call of moa that dies there."""
    env = queue.git_does(KILLS.format(pattern=pattern, at=at, when=when))
    process = queue.begins(env=env)
    process.communicate(timeout=120)
    assert (queue.story / "killed").exists(), f"there was no such git call: {pattern} {at}"
    assert process.returncode == -signal.SIGKILL


def finishes(queue: Queue, agents: list[str]) -> None:
    """The next call completes what the dead one left undone: all have landed, each once, and the ledger tells it."""
    queue.alive()
    said = queue.integrates()
    assert said.code == 0, said.err
    landed = {
        queue.truth.git("show", "-s", "--format=%(trailers:key=Moa-Agent,valueonly)", c).strip()
        for c in queue.landings()
    }
    assert sorted(landed) == agents
    queue.holds()


@pytest.mark.parametrize(
    ("pattern", "when"),
    [
        ("*push*develop*", "after"),
        pytest.param("*push*develop*", "before", marks=pytest.mark.slow),
        pytest.param("*push*moa/ledger*", "before", marks=pytest.mark.slow),
        pytest.param("*push*moa/ledger*", "after", marks=pytest.mark.slow),
    ],
)
def test_killed_around_a_push_the_next_run_finishes_the_job(pattern: str, when: str, tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3, remote=True).build()
    killed(queue, pattern, 1, when)
    finishes(queue, ["01", "02", "03"])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.slow  # around a push it is in the quick tier
def test_killed_around_the_landing_without_a_remote(when: str, tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).build()
    killed(queue, "*update-ref*", 1, when)
    queue.alive()
    said = queue.integrates()
    if said.code == 2:  # the work tree of a checked-out target did not follow: a person is asked to look
        queue.truth.git("reset", "-q", "--hard")
    finishes(queue, ["01", "02", "03"])


@pytest.mark.slow  # an interrupt ends the same processes, and kills around a push are above
def test_killed_while_tests_run_nothing_lives_on(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).build()
    queue.during(1, f"touch {queue.story}/now; sleep 60")
    process = queue.begins()
    while not (queue.story / "now").exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    assert queue.alive() == []
    assert queue.target() == queue.starts
    finishes(queue, ["01", "02", "03"])


def test_an_interrupt_ends_everything_and_says_130(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).build()
    queue.during(1, f"touch {queue.story}/now; sleep 60")
    # A shell's background job ignores interrupts, and so would what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = queue.begins()
    signal.signal(signal.SIGINT, before)
    while not (queue.story / "now").exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    queue.holds()
    finishes(queue, ["01", "02", "03"])


@pytest.mark.slow
def test_killed_at_every_step_the_next_run_finishes_the_job(tmp_path: Path) -> None:
    """At each kind of git call."""
    seen = Queue(tmp_path / "seen")
    (tmp_path / "seen").mkdir()
    seen.team(2, remote=True).build()
    env = seen.git_does('echo "$*" >> $STORY/git-calls; real "$@"')
    assert seen.integrates(env=env).code == 0
    calls = (seen.story / "git-calls").read_text().splitlines()
    steps: dict[str, list[int]] = {}
    for number, call in enumerate(calls, start=1):
        words = [word for word in call.split() if not word.startswith("-") and "=" not in word]
        steps.setdefault(words[0] if words else call, []).append(number)
    # What only reads is the same before and after; what writes is tried at its first and at its last call.
    places = [(numbers[0], "after") for word, numbers in steps.items() if word not in WRITES]
    for numbers in (steps[word] for word in steps if word in WRITES):
        places += [
            (at, when) for at in dict.fromkeys([numbers[0], numbers[-1]]) for when in ("before", "after")
        ]
    print(f"{len(calls)} calls, {len(places)} places of {steps}")
    for at, when in sorted(places):
        place = tmp_path / f"{at}-{when}"
        place.mkdir()
        queue = Queue(place).team(2, remote=True).build()
        killed(queue, "*", at, when)
        finishes(queue, ["01", "02"])


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
def test_killed_with_all_that_it_started_at_any_moment(remote: bool, tmp_path: Path) -> None:
    chance = random.Random(5)
    for number in range(12):
        place = tmp_path / str(number)
        place.mkdir()
        queue = Queue(place).team(2, remote=remote).build()
        process = queue.begins()
        time.sleep(chance.uniform(0.2, 3.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
        queue.alive()
        if not remote and queue.truth.git("status", "--porcelain"):
            queue.truth.git("reset", "-q", "--hard")
        finishes(queue, ["01", "02"])


def at_once(queue: Queue, number: int, places: list[Path]) -> None:
    """So many queues at once over these clones: each branch lands exactly once, and nobody is blamed."""
    processes = [queue.begins(cwd=places[n % len(places)]) for n in range(number)]
    ended = [queue.ended(process, within=240) for process in processes]
    assert {said.code for said in ended} <= {0, 1, 5}
    classes = {kind for said in ended if said.code != 5 for kind in said.classes.values()}
    assert classes <= {"moved", "held"}
    landed = [agent for said in ended if said.code != 5 for agent in said.landed]
    assert len(landed) == len(set(landed)), "two queues say that they landed the same branch"
    said = queue.integrates()
    assert said.code == 0
    assert len(queue.landings()) == len(queue.branches)
    queue.holds()


def test_two_queues_at_once_land_each_branch_once(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3, remote=True).build()
    other = tmp_path / "other"
    queue.truth.clone(other)
    at_once(queue, 2, [queue.path, other])


@pytest.mark.slow
def test_two_queues_at_once_in_one_repository(tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(3).build()
    at_once(queue, 2, [queue.path])


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
def test_ten_queues_at_once_land_each_branch_once(remote: bool, tmp_path: Path) -> None:
    queue = Queue(tmp_path).team(12, remote=remote).build()
    places = [queue.path]
    for number in range(4 if remote else 0):
        places.append(tmp_path / f"clone-{number}")
        queue.truth.clone(places[-1])
    at_once(queue, 10, places)
    assert Repo(queue.path).git("status", "--porcelain") == ""
