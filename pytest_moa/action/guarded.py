"""Runs `moa` where what it starts can say nothing to the runner and outlives nothing.

Linux does it best (subreaper, no reading of this process's memory); elsewhere the process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, TextIO

from pytest_moa.errors import BugError
from pytest_moa.github.commands import neutral

ANSWER_BYTES = 64 * 1024 * 1024
LOG_BYTES = 16 * 1024 * 1024
LINE_BYTES = 64 * 1024
KILL_SECONDS = 20.0

_PR_SET_PDEATHSIG = 1  # these numbers: linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Answer:
    """What `moa` printed and how it ended: its exit status, negative for a signal. `left` counts killed leftovers."""

    status: int
    stdout: bytes
    left: int


def run(words: Sequence[str], environment: Mapping[str, str], log: TextIO) -> Answer:
    """Run the command to its end; its standard error goes to `log` with nothing in it that a runner obeys."""
    with _guard():
        return _run(words, environment, log, frozenset(_descendants(os.getpid())))


def _run(words: Sequence[str], environment: Mapping[str, str], log: TextIO, before: frozenset[int]) -> Answer:
    child = subprocess.Popen(
        list(words),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread of ours runs yet
    )
    if child.stdout is None or child.stderr is None:
        raise BugError("A child without pipes")
    answer = bytearray()
    readers = [
        threading.Thread(target=_gather, args=(child.stdout, answer), daemon=True),
        threading.Thread(target=_tell, args=(child.stderr, log), daemon=True),
    ]
    for reader in readers:
        reader.start()
    with _passed_on(child):
        status = child.wait()
    left = _kill_descendants(before)
    for reader in readers:
        reader.join(KILL_SECONDS)
    return Answer(status, bytes(answer), left)


def _gather(stream: IO[bytes], into: bytearray) -> None:
    with closing(stream):
        while chunk := stream.read(65536):
            if len(into) <= ANSWER_BYTES:
                into += chunk


def _tell(stream: IO[bytes], log: TextIO) -> None:
    told = 0
    with closing(stream):
        while line := stream.readline(LINE_BYTES):
            told += len(line)
            if told <= LOG_BYTES:
                log.write(neutral(line.decode("utf-8", "replace").removesuffix("\n")) + "\n")
                log.flush()


@contextmanager
def _passed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """A cancelled job sends SIGINT, then SIGTERM: the child hears of it, and this process lives to clean up."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill_descendants(before: frozenset[int]) -> int:
    """Kill everything that was started since `before` and is still there; how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + KILL_SECONDS
    while (alive := set(_descendants(os.getpid())) - before) and time.monotonic() < deadline:
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.add(pid)
        _reap(alive)
        time.sleep(0.01)
    return len(killed)


def _reap(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ChildProcessError):  # still somebody else's child: it comes to this process next
            os.waitpid(pid, os.WNOHANG)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    out: list[int] = []
    for task in tasks:
        try:
            out += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return out


@contextmanager
def _guard() -> Iterator[None]:
    """What is orphaned comes to this process, and no other one reads its memory or takes its open files."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    try:
        yield
    finally:
        _prctl(_PR_SET_DUMPABLE, 1)
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _die_with_parent() -> None:
    """A test may kill the process above moa; moa's own supervisor then ends what moa had started."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
