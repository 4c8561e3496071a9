"""Whether the real repository is as it was before tests ran (law 7), and whether somebody has looked where it was not.

What a test wrote there is told once, by the run that saw it. A later run would find before what it finds after, and
see nothing: so the machine remembers it, in the cache, until it is undone.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_moa.errors import RefusedError
from pytest_moa.git import repository as git
from pytest_moa.services.caches import cache_root
from pytest_moa.services.project import Project

_CAP = 1 << 20
# Git itself writes these when a person pushes or follows a branch, which may well happen beside a run.
_OF_PEOPLE = "branch."


class _Seen(msgspec.Struct, frozen=True):
    """What was found: a sentence a file, and what each file was then."""

    differences: list[str]
    digests: dict[str, str]


class Watch:
    """Looks at the repository before tests run and after."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.before = git.fingerprint(project.repo)

    def differences(self) -> tuple[str, ...]:
        """What is not as it was, a sentence a file; remembered until it is undone."""
        after = git.fingerprint(self.project.repo)
        told = git.differences(self.before, after)
        kept = [name for name in git.changed(self.before, after) if not _by_people(name, self.before, after)]
        if kept:
            _remember(self.project, _Seen(list(told), {name: after.digest(name) for name in kept}))
        return told


def require_undone(project: Project) -> None:
    """Raises RefusedError as long as what a test once wrote into the repository is still there as it left it."""
    path = _place(project)
    seen = _recall(path)
    if seen is None:
        return
    now = git.fingerprint(project.repo)
    if any(now.digest(name) != digest for name, digest in seen.digests.items()):
        with suppress(OSError):
            path.unlink()
        return
    raise RefusedError(
        "What changed in the repository while tests ran is still there",
        reason=", ".join(seen.differences),
        remedy=f"Look at it, and undo what is not yours; where it is, remove {path}.",
    )


def _by_people(name: str, before: git.Fingerprint, after: git.Fingerprint) -> bool:
    if name != "config":
        return False
    keys = git.changed_keys(before.files.get(name, b""), after.files.get(name, b""))
    return bool(keys) and all(key.startswith(_OF_PEOPLE) for key in keys)


def _place(project: Project) -> Path:
    key = hashlib.sha256(os.fsencode(project.repo.common_dir)).hexdigest()[:16]
    return cache_root(project.environ) / "touched" / f"{key}.json"


def _remember(project: Project, seen: _Seen) -> None:
    path = _place(project)
    with suppress(OSError):  # the run that saw it tells it in any case
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(seen))


def _recall(path: Path) -> _Seen | None:
    try:
        if path.stat().st_size > _CAP:
            return None
        return msgspec.json.decode(path.read_bytes(), type=_Seen)
    except (OSError, msgspec.DecodeError):
        return None
