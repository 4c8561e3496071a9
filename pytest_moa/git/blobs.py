"""A commit's files: which there are, and their contents one by one through one git process. Bounded reading."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from pytest_moa.errors import RepositoryError
from pytest_moa.git.command import PINNED
from pytest_moa.git.handle import Repository
from pytest_moa.model.agents import ObjectId

REGULAR = ("100644", "100755")
LINK = "120000"
SUBMODULE = "160000"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree: git's mode as octal text, its object, and its size in bytes (0 for a submodule)."""

    mode: str
    object: ObjectId
    size: int


def entries(repo: Repository, commit: ObjectId, under: Sequence[str] = ()) -> dict[str, Entry]:
    """Every path of a commit, or those below the folders of `under`."""
    rows = repo.git.lines0("ls-tree", "-r", "-l", "-z", "--full-tree", commit, "--", *under)
    found = {}
    for row in rows:
        facts, path = row.split("\t", 1)
        mode, _, oid, size = facts.split()
        found[path] = Entry(mode, oid, int(size) if size.isdigit() else 0)
    return found


@dataclass(slots=True)
class Reader:
    """Contents of objects, read when they are asked for. Not for several threads at once."""

    asking: IO[bytes]
    answering: IO[bytes]

    def read(self, oid: ObjectId) -> bytes:
        """An object's content, whole. Raises RepositoryError where it is missing."""
        try:
            self.asking.write(oid.encode("ascii") + b"\n")
            self.asking.flush()
            header = self.answering.readline().split()
            size = int(header[2]) if len(header) == 3 else -1
        except (OSError, ValueError):
            size = -1
        if size < 0:
            raise RepositoryError(f"object {oid} is missing", remedy="Run git fsck.")
        return self.answering.read(size + 1)[:size]


@contextmanager
def reader(repo: Repository) -> Iterator[Reader]:
    """A reader of one repository's objects; its git process ends with the block."""
    git = repo.git
    process = subprocess.Popen(
        [os.fsencode(word) for word in ("git", *PINNED, "cat-file", "--batch")],
        cwd=git.cwd,
        env=git.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RepositoryError("git cannot be talked to", remedy="Run it again.")
        yield Reader(process.stdin, process.stdout)
