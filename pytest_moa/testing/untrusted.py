"""Opens files that code under test may have put there: regular ones only, never through a link, never waiting, bounded.

Knows nothing of what the files mean.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


class OddFileError(Exception):
    """A file that is not what it should be; the text says why, without the file's path."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading. Raises OddFileError for anything but a regular file that can be read."""
    try:
        # A pipe without a writer would block the open, a device might do anything.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OddFileError("it is missing") from None
    except (OSError, ValueError) as error:
        reason = "it is a link" if path.is_symlink() else getattr(error, "strerror", None) or str(error)
        raise OddFileError(reason) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OddFileError("it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def contents(path: Path, limit: int) -> bytes:
    """All bytes of a regular file. Raises OddFileError, also for one that is larger than `limit`."""
    with opened(path) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise OddFileError(error.strerror or str(error)) from None
    if len(data) > limit:
        raise OddFileError(f"it is larger than {limit} bytes")
    return data


def entries(folder: Path, most: int) -> list[str]:
    """The names in a folder, sorted. Raises OddFileError where it is none, or holds more than `most`."""
    names: list[str] = []
    try:
        if folder.is_symlink():
            raise OddFileError("it is a link")
        with os.scandir(folder) as found:
            for entry in found:
                names.append(entry.name)
                if len(names) > most:
                    raise OddFileError(f"it holds more than {most} files")
    except OSError as error:
        raise OddFileError(error.strerror or str(error)) from None
    return sorted(names)


def strict_json(data: bytes) -> Any:
    """JSON in UTF-8 without a key said twice, NaN or infinity. Raises ValueError, also where it nests too deeply."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_each_key_once)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is said twice")
    return found
