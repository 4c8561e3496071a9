"""Raw coverage data as untrusted input: what a run left becomes clean files that name nothing but the candidate's.

Decides nothing: a reason why the data cannot be taken is told as text.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from pytest_moa.testing.untrusted import OddFileError, entries, opened

READER = Path(__file__).parent / "child" / "raw_data.py"
PREFIX = "coverage."
FILE_LIMIT = 1024 * 1024 * 1024
FILE_COUNT = 4_000
_SEARCHED = 100_000
_TIME = 300.0


def raw_files(folder: Path) -> tuple[str, ...]:
    """The names of the data files of a run's processes. Raises OddFileError where one is no regular file of a sane size."""
    names = [
        name
        for name in entries(folder, _SEARCHED)
        if name.startswith(PREFIX) and not name.endswith(("-journal", "-wal", "-shm"))
    ]
    if len(names) > FILE_COUNT:
        raise OddFileError(f"there are more than {FILE_COUNT} data files")
    # A process that was killed may leave an empty file, which takes nothing away.
    return tuple(name for name in names if _size(folder / name))


def _size(path: Path) -> int:
    try:
        with opened(path) as file:
            size = file.seek(0, 2)
    except OddFileError as error:
        raise OddFileError(f"{path.name}: {error}") from None
    if size > FILE_LIMIT:
        raise OddFileError(f"{path.name}: it is larger than {FILE_LIMIT} bytes")
    return size


def clean_data(
    folder: Path,
    into: Path,
    *,
    work: str,
    to: str,
    lengths: Mapping[str, int] | None = None,
    tests: Collection[str] | None = None,
) -> str | None:
    """Copies the rows of all data files of `folder` into fresh files in `into`; the reason where they cannot be taken.

    Names below `work` are put below `to`; any other name is a reason, as are lines that a file (`lengths`: path below
    the root, to its number of lines) does not have, and lines that none of the collected `tests` can have run. Files in `into` are numbered, so that no name travels.
    """
    try:
        names = raw_files(folder)
    except OddFileError as error:
        return str(error)
    into.mkdir(parents=True, exist_ok=True)
    question = {
        "files": [[str(folder / name), str(into / f"{PREFIX}{n:04}")] for n, name in enumerate(names)],
        "work": work,
        "to": to,
        "lengths": dict(lengths or {}),
        "tests": None if tests is None else list(tests),
    }
    return _asked(question)


def _asked(question: Mapping[str, object]) -> str | None:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(READER)],
            input=json.dumps(question).encode(),
            capture_output=True,
            cwd="/",
            env={},
            timeout=_TIME,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"reading them took longer than {_TIME:.0f} s"
    except (OSError, ValueError):
        return "their reader ended before it had read them"
    return None if answer["reason"] is None else str(answer["reason"])
