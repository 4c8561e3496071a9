"""The last verdict on each head, kept on this machine for `moa status`. It lets nothing in: landings test again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_moa.model.agents import ObjectId
from pytest_moa.model.results import GateResult
from pytest_moa.services.environment import cache_root
from pytest_moa.services.project import Project

_CAP = 4 << 20


def remember(project: Project, result: GateResult) -> None:
    """Keeps a verdict under its head. A cache that cannot be written is no error: it is asked for nothing that counts."""
    if result.head is None:
        return
    path = _place(project, result.head)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, msgspec.json.encode(result))


def recall(project: Project, head: ObjectId) -> GateResult | None:
    """The last verdict on a head; None where there is none, or none that can be read."""
    path = _place(project, head)
    try:
        if path.stat().st_size > _CAP:
            return None
        return msgspec.json.decode(path.read_bytes(), type=GateResult)
    except (OSError, msgspec.DecodeError):
        return None


def _place(project: Project, head: ObjectId) -> Path:
    key = hashlib.sha256(os.fsencode(project.repo.common_dir)).hexdigest()[:16]
    return cache_root(project.environ) / "verdicts" / key / f"{head}.json"


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
