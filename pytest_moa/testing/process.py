"""Runs one command under the supervisor: bounded output, a time limit, and nothing left behind. Knows nothing of tests."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pytest_moa.errors import BugError, RefusedError, UndeterminedError
from pytest_moa.model.evidence import ProcessEnd

SUPERVISOR = Path(__file__).parent / "child" / "supervisor.py"
HEAD, TAIL = 64 * 1024, 192 * 1024
RUN_MARK = "MOA_RUN"
RUN_NOTHING = "MOA_RUN_NOTHING"
"""Set where a process holds what no agent's code may see: then nothing is started here, whoever asks for it."""
_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_TICK = 0.2
_LAST_WORDS = 1.0  # how long a pipe that somebody still holds is listened to after the end
_FAREWELL = 15.0  # the supervisor gives up on what cannot be killed after 10 seconds
_REPORT_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """`end` as the model tells it; `problems` are sentences about what the supervisor could not do."""

    end: ProcessEnd
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Output:
    """The head and the tail of what was printed; memory stays the same however much that is."""

    head: bytearray = field(default_factory=bytearray)
    tail: deque[bytes] = field(default_factory=deque)
    kept: int = 0
    cut: int = 0

    def add(self, data: bytes) -> None:
        room = HEAD - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        if data:
            self.tail.append(data)
            self.kept += len(data)
        while self.kept - TAIL >= len(self.tail[0]) if self.tail else False:
            gone = len(self.tail.popleft())
            self.kept -= gone
            self.cut += gone

    def finish(self) -> tuple[str, int]:
        """The text and the number of bytes left out of it; the cut is told at its place."""
        tail = b"".join(self.tail)
        cut = self.cut + max(0, len(tail) - TAIL)
        tail = tail[-TAIL:]
        middle = f"\n[… {cut} bytes left out …]\n".encode() if cut else b""
        return (bytes(self.head) + middle + tail).decode("utf-8", "replace"), cut


def supervise(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    timeout: float,
    tick: Callable[[], None] | None = None,
    more_time: Callable[[], float] | None = None,
) -> Ended:
    """Runs `argv` to its end and kills whatever it leaves. `tick` is called about five times a second.

    So is `more_time`: what it returns is how many seconds are left from then on, where that is more than there are.

    Raises UndeterminedError where the command cannot be started, RefusedError where RUN_NOTHING is set.
    """
    if os.environ.get(RUN_NOTHING):
        raise RefusedError(
            "No tests and no commands are run here",
            reason=f"{RUN_NOTHING} is set: a landing that holds a token runs nothing of an agent's",
            remedy="Test in a step or a job without the token, and land what passed there.",
        )
    mark = secrets.token_hex(16)
    nonce = secrets.token_hex(16)
    order = {
        "argv": list(argv),
        "cwd": str(cwd),
        "env": dict(environ) | {RUN_MARK: mark},
        "timeout": timeout,
        "nonce": nonce,
    }
    began = time.monotonic()
    with _subreaper(), _started(order) as (supervisor, output_fd):
        output = Output()
        beats = [tick] if tick is not None else []
        if more_time is not None:
            beats.append(partial(_prolong, supervisor, more_time))
        report = _listen(supervisor, output_fd, output, beats)
        parsed = _parse_report(report, nonce)
        if parsed is None:
            supervisor.kill()
            _kill_orphans(mark, cwd)
    text, cut = output.finish()
    if parsed is None:
        return _without_report(supervisor.returncode, text, cut, time.monotonic() - began)
    if "failed" in parsed:
        raise UndeterminedError(
            "The command could not be started.",
            reason=str(parsed["failed"]),
            remedy="Check the interpreter and the setup commands in `environment`.",
        )
    return _with_report(parsed, text, cut)


def _with_report(report: dict[str, Any], text: str, cut: int) -> Ended:
    end = ProcessEnd(
        status=report["status"],
        signal=report["signal"],
        timed_out=report["timed_out"],
        seconds=report["seconds"],
        survivors=tuple(report["survivors"]),
        output=text,
        output_cut=cut,
    )
    problems = []
    if report["left"]:
        problems.append(f"{report['left']} processes that the tests started could not be killed.")
    if report["aborted"]:
        problems.append("The run was cut off before its end.")
    return Ended(end, tuple(problems))


def _without_report(returncode: int | None, text: str, cut: int, seconds: float) -> Ended:
    how = f"signal {-returncode}" if returncode is not None and returncode < 0 else f"status {returncode}"
    return Ended(
        ProcessEnd(status=None, seconds=seconds, output=text, output_cut=cut),
        (f"The process that watched over the tests ended without a report ({how}).",),
    )


def _parse_report(report: bytes, nonce: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(report)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and parsed.get("nonce") == nonce else None


@contextlib.contextmanager
def _started(order: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The supervisor and the reading end of the child's output. Leaving the block ends everything."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},  # it needs none, and what it has can be read in /proc
            cwd="/",
            pass_fds=(writing,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        yield _order(supervisor, order | {"output": writing}), reading
    finally:
        _dismiss(supervisor)
        os.close(reading)


def _order(supervisor: subprocess.Popen[bytes], order: dict[str, Any]) -> subprocess.Popen[bytes]:
    if supervisor.stdin is None:
        raise BugError("The supervisor was started without a control pipe.")
    with contextlib.suppress(BrokenPipeError):  # it died at once: told when its report is missing
        supervisor.stdin.write(json.dumps(order).encode() + b"\n")
        supervisor.stdin.flush()
    return supervisor


def _prolong(supervisor: subprocess.Popen[bytes], more_time: Callable[[], float]) -> None:
    seconds = more_time()
    if seconds > 0 and supervisor.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it is over already
            supervisor.stdin.write(f"{seconds:.3f}\n".encode())
            supervisor.stdin.flush()


def _dismiss(supervisor: subprocess.Popen[bytes]) -> None:
    """Its control pipe's end of file makes the supervisor kill everything, itself last."""
    with contextlib.suppress(BrokenPipeError):
        if supervisor.stdin is not None:
            supervisor.stdin.close()
    try:
        supervisor.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    finally:
        if supervisor.stdout is not None:
            supervisor.stdout.close()


def _listen(
    supervisor: subprocess.Popen[bytes], output_fd: int, output: Output, beats: Sequence[Callable[[], None]]
) -> bytes:
    """Collects output until the report is in, then what still lies in the pipe."""
    if supervisor.stdout is None:
        raise BugError("The supervisor was started without a status pipe.")
    status_fd = supervisor.stdout.fileno()
    report = bytearray()
    until: float | None = None
    ticked = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(output_fd, selectors.EVENT_READ)
        selector.register(status_fd, selectors.EVENT_READ)
        while selector.get_map() and (until is None or time.monotonic() < until):
            for key, _ in selector.select(_TICK):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                    until = time.monotonic() + _LAST_WORDS if key.fd == status_fd else until
                elif key.fd == output_fd:
                    output.add(data)
                elif len(report) < _REPORT_LIMIT:
                    report += data
            if beats and time.monotonic() - ticked >= _TICK:
                ticked = time.monotonic()
                for beat in beats:
                    beat()
    return bytes(report)


# moa adopts orphans only while children run, so that they reach it where a test killed the supervisor.
_adopting = threading.Lock()
_adopters = 0


@contextlib.contextmanager
def _subreaper() -> Iterator[None]:
    global _adopters  # noqa: PLW0603 - the setting belongs to the process, so does its count
    with _adopting:
        _adopters += 1
        _set_subreaper(1)
    try:
        yield
    finally:
        with _adopting:
            _adopters -= 1
            if not _adopters:
                _set_subreaper(0)


def _set_subreaper(value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, value, 0, 0, 0)


def _kill_orphans(mark: str, cwd: Path) -> None:
    """Kills what a dead supervisor left: processes with this run's mark, and orphans that work in its folder.

    Other threads' children are left alone: they have no such mark, and are no orphans.
    """
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = _orphans(mark, cwd)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        for pid in found:
            with contextlib.suppress(OSError):  # not our child: its own parent reaps it
                os.waitpid(pid, os.WNOHANG)


def _orphans(mark: str, cwd: Path) -> list[int]:
    needle = f"{RUN_MARK}={mark}".encode()
    proc = Path("/proc")
    if not proc.is_dir():
        return []
    return [
        int(entry.name)
        for entry in proc.iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _belongs(entry, needle, cwd)
    ]


def _belongs(process: Path, needle: bytes, cwd: Path) -> bool:
    try:
        # proc(5): the name in parentheses may itself hold spaces and parentheses
        state, parent, _, session = (process / "stat").read_bytes().rpartition(b")")[2].split()[:4]
        if state in {b"Z", b"X"}:
            return False
        if needle in (process / "environ").read_bytes():
            return True
        # One that threw its mark away: an orphan in this run's folder that is in no session of ours.
        orphan = int(parent) in {1, os.getpid()} and int(session) != os.getsid(0)
        return orphan and (process / "cwd").readlink().is_relative_to(cwd)
    except OSError:
        return False
