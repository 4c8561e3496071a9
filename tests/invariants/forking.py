"""Imports moa or pytest once and forks for each call that it is asked for. A script: `python -P` starts it, nothing imports it."""

from __future__ import annotations

import importlib
import json
import os
import resource
import runpy
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

PATCHES = Path(__file__).parent / "patches.py"
NEEDED = {
    "moa": (
        "pytest_moa.cli.app",
        "pytest_moa.cli.integrate",
        "pytest_moa.services.queue",
        "pytest_moa.render.json_contract",
        "pytest_moa.services.recovery",
    ),
    "pytest": (
        "pytest",
        "_pytest.assertion.rewrite",
        "_pytest.terminal",
        "_pytest.junitxml",
        "_pytest.doctest",
    ),
}


def serve(line: socket.socket, program: str) -> None:
    for name in NEEDED[program]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # watchers are never waited for
    while True:
        message, pipes, _, _ = socket.recv_fds(line, 1 << 20, 3)
        if not message:
            return
        if os.fork() == 0:
            watch(line, program, json.loads(message), pipes)
        for pipe in pipes:
            os.close(pipe)


def watch(line: socket.socket, program: str, request: dict[str, Any], pipes: list[int]) -> None:
    """Starts the call, says its pid, and later its status: whoever asked is not its parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        line.close()
        become(program, request, pipes)
    line.send(str(pid).encode())
    line.close()
    for pipe in pipes[:2]:
        os.close(pipe)
    os.setsid()
    _, status = os.waitpid(pid, 0)
    os.write(pipes[2], str(status).encode())
    os._exit(0)


def become(program: str, request: dict[str, Any], pipes: list[int]) -> None:
    code = 70
    try:
        os.setsid()
        for number, pipe in enumerate(pipes[:2], start=1):
            os.dup2(pipe, number)
        for pipe in pipes:
            os.close(pipe)
        # The server's own streams remember what they were opened on, whether it could seek for one.
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environ"])
        if request["limit"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], request["limit"]))
        if request["patch"] is not None:
            runpy.run_path(str(PATCHES))[request["patch"]]()
        sys.argv = [program, *request["argv"]]
        code = called(program, request["argv"])
    except BaseException:  # noqa: BLE001 - the call's own process ends here, with whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def called(program: str, argv: list[str]) -> int:
    if program == "pytest":
        sys.path.insert(0, "")  # as `python -m pytest` has it
        return int(importlib.import_module("pytest").main(argv))
    return int(importlib.import_module("pytest_moa.cli").main(argv))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
