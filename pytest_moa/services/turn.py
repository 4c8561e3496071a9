"""Queues of one machine wait for each other instead of testing the same work at once. Only a courtesy: law 2 decides."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_moa.services.environment import cache_root
from pytest_moa.services.project import Project
from pytest_moa.services.queue_options import Deadline
from pytest_moa.services.telling import Telling

_LOOK = 0.2  # seconds


@contextmanager
def turn(project: Project, deadline: Deadline, tell: Telling) -> Iterator[bool]:
    """Our turn on this target; yields whether somebody else had it before. The lock ends with its process.

    Where it cannot be had (no cache folder, no locks, no time left) we go on without it.
    """
    descriptor = _opened(_place(project))
    try:
        yield _waited(descriptor, project, deadline, tell) if descriptor >= 0 else False
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _waited(descriptor: int, project: Project, deadline: Deadline, tell: Telling) -> bool:
    waited = False
    while not deadline.passed:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waited:
                tell.step(f"Another queue works on {project.target.name} here; waiting for it")
            waited = True
            time.sleep(_LOOK)
        except OSError:
            break
        else:
            break
    return waited


def _opened(path: Path) -> int:
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return -1


def _place(project: Project) -> Path:
    """One lock a target: of a remote by its address, so that several clones share it."""
    where = os.fsdecode(project.repo.common_dir)
    if project.remote is not None:
        where = project.repo.git.text(
            "ls-remote", "--get-url", project.remote, doing="read the remote's address"
        )
    key = hashlib.sha256(f"{where}\0{project.target.name}".encode("utf-8", "surrogateescape")).hexdigest()[
        :24
    ]
    return cache_root(project.environ) / "queues" / f"{key}.lock"
