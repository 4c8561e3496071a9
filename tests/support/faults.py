"""What can go wrong while moa works, and a call of moa under it. Calls are forked from a process that has imported it once.

Nothing here asks the code under test what happened: a fault leaves a mark on the disk when it struck.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

GIT = shutil.which("git") or "git"
FORKING = Path(__file__).parents[1] / "invariants" / "forking.py"
WITHIN = 180.0  # seconds: a call that takes longer hangs

When = Literal["before", "after", "instead", "and fails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtGit:
    """At the `number`-th of moa's git calls that match a shell pattern, a script runs before, after or in place of it.

    `and fails` runs the call and tells moa that it failed. The script may say `$PPID`: that is moa.
    """

    pattern: str = "*"
    number: int = 1
    when: When = "before"
    script: str = ":"

    def wrapper(self, marks: Path) -> str:
        """A `git` that does it, once."""
        after = {
            "before": f'{self.script}\nexec {GIT} "$@"',
            "after": f'{GIT} "$@"\nstatus=$?\n{self.script}\nexit $status',
            "instead": f"{self.script}\necho 'fatal: write error: No space left on device' >&2\nexit 128",
            "and fails": f"{GIT} \"$@\" >/dev/null 2>&1\n{self.script}\necho 'fatal: the remote end hung up' >&2\nexit 1",
        }[self.when]
        return f"""#!/bin/sh
case "$*" in
{self.pattern})
  echo . >>'{marks}/calls'
  number=0
  while read -r _; do number=$((number + 1)); done <'{marks}/calls'
  if [ "$number" -ge {self.number} ] && mkdir '{marks}/struck' 2>/dev/null; then
    {after}
  fi ;;
esac
exec {GIT} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InTests:
    """A script that the first session of tests runs before its first test."""

    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook of the repository that the truth lies in."""

    name: str
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """After so many seconds a signal to moa alone, or to everything that it started."""

    after: float
    number: int = signal.SIGKILL
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """No file may grow beyond so many bytes: a full disk, for moa and for whatever it starts."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """A function of `patches.py` that changes moa before it begins: clocks that jump, and mutants."""

    name: str


Fault = AtGit | InTests | Hook | Signal | Limit | Patched


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call came to; `code` is negative where a signal ended it. `struck`: the fault's place was reached."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    struck: bool

    @property
    def data(self) -> dict[str, Any]:
        """The JSON that was printed, empty where there is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}: exit {self.code} in {self.seconds:.1f} s\n{self.out}\n{self.err}"


@dataclass(kw_only=True)
class Running:
    """A call that was begun. Whoever begins one ends it with `answer`."""

    argv: tuple[str, ...]
    pid: int
    began: float
    pipes: dict[int, bytearray]
    fault: Fault | None
    marks: Path

    def answer(self, within: float = WITHIN) -> Answer:
        """Waits for its end, sends the signal that was planned, and kills what takes too long."""
        planned = self.fault if isinstance(self.fault, Signal) else None
        sent = False
        with selectors.DefaultSelector() as selector:
            for pipe in self.pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                spent = time.monotonic() - self.began
                if planned is not None and not sent and spent >= planned.after:
                    sent = self._sends(planned)
                if spent > within:
                    os.killpg(self.pid, signal.SIGKILL)
                    raise AssertionError(f"still at work after {within} s: {' '.join(self.argv)}")
                for key, _ in selector.select(0.02 if planned and not sent else 1.0):
                    data = os.read(key.fd, 65536)
                    self.pipes[key.fd] += data
                    if not data:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        out, err, status = (bytes(data) for data in self.pipes.values())
        return Answer(
            argv=self.argv,
            code=os.waitstatus_to_exitcode(int(status)),
            out=out.decode(errors="replace"),
            err=err.decode(errors="replace"),
            seconds=time.monotonic() - self.began,
            struck=sent or (self.marks / "struck").exists(),
        )

    def _sends(self, planned: Signal) -> bool:
        with suppress(ProcessLookupError):
            (os.killpg if planned.group else os.kill)(self.pid, planned.number)
        return True


@dataclass
class Forking:
    """A process that has imported a program and forks for each call of it: a call then costs no start."""

    program: Literal["moa", "pytest"]
    _started: list[tuple[subprocess.Popen[bytes], socket.socket]] = field(default_factory=list)

    @cached_property
    def _line(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environ = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"PYTHONUTF8": "1"}
        command = [sys.executable, "-P", str(FORKING), str(theirs.fileno()), self.program]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environ, stdin=subprocess.DEVNULL)
        theirs.close()
        self._started.append((process, ours))
        return ours

    def begins(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environ: Mapping[str, str],
        marks: Path,
        fault: Fault | None = None,
        patch: str | None = None,
    ) -> Running:
        """Starts the program in a session of its own; `patch` names a function of `patches.py` that changes it first.

        `marks` is a folder where faults say that they struck.
        """
        pairs = [os.pipe() for _ in range(3)]
        request = {
            "argv": list(argv),
            "cwd": str(cwd),
            "environ": dict(environ),
            "limit": fault.size if isinstance(fault, Limit) else None,
            "patch": patch,
        }
        line = self._line
        socket.send_fds(line, [json.dumps(request).encode()], [theirs for _, theirs in pairs])
        for _, theirs in pairs:
            os.close(theirs)
        pid = int(line.recv(64))
        pipes = {ours: bytearray() for ours, _ in pairs}
        return Running(
            argv=tuple(argv), pid=pid, began=time.monotonic(), pipes=pipes, fault=fault, marks=marks
        )

    def close(self) -> None:
        for process, line in self._started:
            line.close()
            process.wait(timeout=10)
        self._started.clear()
        self.__dict__.pop("_line", None)


def begins(
    program: Forking,
    argv: Sequence[str],
    fault: Fault | None,
    *,
    patch: str | None,
    cwd: Path,
    environ: Mapping[str, str],
    story: Path,
) -> Running:
    """A call under a fault, which is put in place first. Hooks are the caller's: they belong to a repository."""
    marks = Path(tempfile.mkdtemp(prefix="marks-", dir=story))
    env = dict(environ)
    if isinstance(fault, AtGit):
        folder = marks / "bin"
        folder.mkdir()
        (folder / "git").write_text(fault.wrapper(marks))
        (folder / "git").chmod(0o755)
        env["PATH"] = f"{folder}:{env['PATH']}"
    if isinstance(fault, InTests):
        (story / "during").write_text(f"mkdir '{marks}/struck'\n{fault.script}\n")
    return program.begins(argv, cwd=cwd, environ=env, marks=marks, fault=fault, patch=patch)
