"""moa's command line in a process forked from this one, which has everything imported already: a second less a call."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest_moa.cli.app

for _verb in pytest_moa.cli.app._VERBS:
    import_module(f"pytest_moa.cli.{_verb}")


def forked(words: Sequence[str], cwd: Path, env: Mapping[str, str], within: float) -> tuple[int, str, str]:
    """Its exit code and what it printed; it is killed, with its session, where it takes longer than `within` seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with warnings.catch_warnings():
            # The other threads, of execnet, wait for input and hold no lock that a call of moa wants.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _becomes_moa(words, cwd, env, (out, err))
        code = _ended(child, within)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return code, texts[0], texts[1]


def _becomes_moa(
    words: Sequence[str], cwd: Path, env: Mapping[str, str], files: tuple[BinaryIO, BinaryIO]
) -> NoReturn:
    code = 70
    try:
        os.setsid()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(files, start=1):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (io.TextIOWrapper(open(n, "wb", closefd=False)) for n in (1, 2))  # noqa: SIM115 - a descriptor
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.resetwarnings()  # that warnings are errors is a matter of these tests, not of that call
        sys.argv = ["moa", *words]
        code = pytest_moa.cli.app.run(list(words))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - told as an interpreter would tell it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(child: int, within: float) -> int:
    deadline = time.monotonic() + within
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"moa was still at work after {within} s")
        time.sleep(0.01)
