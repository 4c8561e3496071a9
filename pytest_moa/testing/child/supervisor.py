"""Starts one command, ends it at its time limit, and lets nothing that it started outlive it.

Run as `python -I -S supervisor.py` by moa's own interpreter: the order comes as one JSON line on standard input, each
further line there gives so many more seconds (its end of file means that moa is dead), the report leaves as one JSON
line on standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

# <linux/prctl.h>
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
GRACE = 0.4  # what ends by itself right after its parent (multiprocessing's resource tracker) is no survivor
DUMP_TIME = 0.4  # for faulthandler to write the stacks
KILL_TIME = 10.0  # a process in uninterruptible sleep is given up after this
NAMED = 20


def main() -> int:
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # A process of the same user can then neither trace this one nor open its pipes through /proc.
    prctl(PR_SET_DUMPABLE, 0)
    order = json.loads(read_line(0))
    report = run(order)
    report["nonce"] = order["nonce"]
    with contextlib.suppress(OSError):  # moa is dead: nobody is there to be told
        os.write(1, json.dumps(report).encode() + b"\n")
    return 0


def prctl(option: int, value: int) -> bool:
    """Whether the kernel took it; False where there is no prctl (macOS)."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def read_line(descriptor: int) -> bytes:
    """The first line. Nothing after it is ever sent, so reading in chunks takes nothing from anyone."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = os.read(descriptor, 65536)
        if not chunk:
            raise SystemExit(3)
        data += chunk
    return data


def run(order: dict[str, Any]) -> dict[str, Any]:
    wake = watch_children()
    began = time.monotonic()
    try:
        child = start(order)
    except OSError as error:
        return {"failed": f"{order['argv'][0]}: {error.strerror}"}
    finally:
        os.close(order["output"])
    end = wait(child, began + order["timeout"], wake)
    survivors = sweep(named=end["raw"] is not None)
    return verdict(end, survivors, time.monotonic() - began)


def verdict(end: dict[str, Any], survivors: dict[str, Any], seconds: float) -> dict[str, Any]:
    raw = end["raw"]
    return {
        "status": os.WEXITSTATUS(raw) if raw is not None and os.WIFEXITED(raw) else None,
        "signal": os.WTERMSIG(raw) if raw is not None and os.WIFSIGNALED(raw) else None,
        "timed_out": end["timed_out"],
        "aborted": end["aborted"],
        "survivors": survivors["names"],
        "left": survivors["left"],
        "seconds": seconds,
    }


def watch_children() -> int:
    """A descriptor that becomes readable whenever a child ends."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def start(order: dict[str, Any]) -> int:
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def before_exec() -> None:
        # A test that kills this supervisor dies with it. This process has one thread, so the code is safe here.
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    process = subprocess.Popen(
        order["argv"],
        cwd=order["cwd"],
        env=order["env"],
        stdin=subprocess.DEVNULL,
        stdout=order["output"],
        stderr=order["output"],
        start_new_session=True,
        preexec_fn=before_exec,  # noqa: PLW1509 - one thread only
    )
    process.returncode = 0  # it is reaped below, among the orphans
    return process.pid


def wait(child: int, deadline: float, wake: int) -> dict[str, Any]:
    """How the child ended: its raw status, None where the time limit or moa's death ended the wait."""
    end: dict[str, Any] = {"raw": None, "timed_out": False, "aborted": False}
    while True:
        raw = reap(child)
        if raw is not None:
            return end | {"raw": raw}
        left = deadline - time.monotonic()
        if left <= 0:
            dump_stacks(child, wake)
            return end | {"timed_out": True}
        ready, _, _ = select.select([0, wake], [], [], min(left, 3600))
        if wake in ready:
            drain(wake)
        if 0 in ready:
            words = os.read(0, 4096).split()
            if not words:
                return end | {"aborted": True}
            deadline = max(deadline, time.monotonic() + float(words[-1]))


def dump_stacks(child: int, wake: int) -> None:
    """The recorder has registered faulthandler for this signal; a child that has not dies of it, as it would anyway."""
    for pid in (child, *(pid for pid in descendants() if pid != child and catches(pid, signal.SIGUSR1))):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGUSR1)
    select.select([0], [], [], DUMP_TIME)
    drain(wake)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal: xdist's workers have the recorder's, others would die of it."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"SigCgt:"):  # proc(5): a mask in hexadecimal, bit 0 is signal 1
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def drain(wake: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(wake, 4096):
            pass


def reap(child: int) -> int | None:
    """Reaps all that ended, orphans included; the child's raw status once it is among them."""
    found = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = raw


def sweep(*, named: bool) -> dict[str, Any]:
    """Kills every descendant until none is left; `names` are those that outlived a command that ended by itself."""
    if named:
        grace(time.monotonic() + GRACE)
    killed: dict[int, str] = {}
    deadline = time.monotonic() + KILL_TIME
    while time.monotonic() < deadline:
        freeze(killed)
        for pid in descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if nobody_left():
            break
        time.sleep(0.01)
    names = sorted(killed.values())[:NAMED] if named else []
    return {"names": names, "left": 0 if nobody_left() else len(descendants())}


def grace(deadline: float) -> None:
    while time.monotonic() < deadline and not nobody_left():
        time.sleep(0.01)


def freeze(seen: dict[int, str]) -> None:
    """Stops all descendants before any is killed, so that none can start another meanwhile."""
    for _ in range(100):
        fresh = [pid for pid in descendants() if pid not in seen]
        if not fresh:
            return
        for pid in fresh:
            seen[pid] = name_of(pid)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)


def nobody_left() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def descendants() -> list[int]:
    """Everything below this process that still runs, parents first."""
    children: dict[int, list[int]] = {}
    for pid, parent in processes():
        children.setdefault(parent, []).append(pid)
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


def processes() -> list[tuple[int, int]]:
    """Pairs of process and parent, without the dead that nobody reaped yet."""
    if not os.path.isdir("/proc/self"):
        return _processes_of_ps()
    pairs = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                # proc(5): the name in parentheses may itself hold spaces and parentheses
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in {b"Z", b"X"}:
                    pairs.append((int(entry), int(parent)))
    return pairs


def _processes_of_ps() -> list[tuple[int, int]]:
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, check=False).stdout
    own = os.getpid()
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    return [(pid, parent) for pid, parent in rows if pid != own]


def name_of(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read(400).replace(b"\0", b" ").decode("utf-8", "replace").strip()
        if words:
            return f"{words[:160]} (pid {pid})"
    return f"pid {pid}"


if __name__ == "__main__":
    sys.exit(main())
