"""`python -m pytest_moa.desk.reviewer`: asks the integrity rules about a work tree; JSON in, JSON out."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_moa.desk.place import find_place, open_git
from pytest_moa.git import blobs
from pytest_moa.model.policy import Policy
from pytest_moa.model.results import Allowed, Finding
from pytest_moa.rules.integrity import FileChange, review
from pytest_moa.rules.integrity.kit import Side
from pytest_moa.rules.integrity.policy import allows, apply_policy, holds, ownership_of

_LARGEST = 8 * 1024 * 1024


def main() -> int:
    order = json.load(sys.stdin)
    json.dump(answer(order), sys.stdout)
    return 0


def answer(order: Mapping[str, Any]) -> dict[str, Any]:
    """The findings after the work tree's policy, and what it lets through."""
    place = find_place(Path(order["rootdir"]), file=order["config"], here=Path("/"), environ=os.environ)
    inner = "" if place.working_directory == "." else place.working_directory + "/"
    agent, root = order["agent"], place.root
    repo = open_git(root)
    base = blobs.entries(repo, order["base"])
    with blobs.reader(repo) as reader:

        def read(path: str, side: Side) -> str | None:
            if side == "head":
                return _text(root / path)
            entry = base.get(path)
            if entry is None or entry.mode == blobs.SUBMODULE or entry.size > _LARGEST:
                return None
            return reader.read(entry.object).decode("utf-8", "surrogateescape")

        changed = order["paths"]
        files = [
            FileChange(
                path=p,
                before=read(p, "base"),
                after=read(p, "head"),
                link=read(p, "head") if (root / p).is_symlink() else None,
            )
            for p in changed
        ]
        found = review(files, read, ownership=ownership_of(place.policy, inner, agent))
    return _judged(place.policy, agent, found, {path: _blob_id(root / path) for path in changed})


def _judged(policy: Policy, agent: str, found: list[Finding], blob_ids: Mapping[str, str]) -> dict[str, Any]:
    rules, today = policy.integrity, datetime.now(UTC).date()
    kept = apply_policy(found, rules.severity, rules.allow, agent=agent, today=today, blob_ids=blob_ids)
    allowed = {
        Allowed(rule=f.rule, path=f.path, because=a.because or "")
        for f in found
        for a in rules.allow
        if holds(a, agent, today) and allows(a, f, blob_ids)
    }
    return {
        "findings": [asdict(f) for f in kept],
        "allowed": [asdict(a) for a in sorted(allowed, key=lambda a: (a.path, a.rule))],
    }


def _text(file: Path) -> str | None:
    """A file's text as git would keep it: a link is its target. None where there is none, or one too large."""
    try:
        facts = file.lstat()
        if stat.S_ISLNK(facts.st_mode):
            return str(file.readlink())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            return None
        return file.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None


def _blob_id(file: Path) -> str:
    """The id that git would give the content (git-hash-object), empty where there is none."""
    try:
        data = file.read_bytes()
    except OSError:
        return ""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
