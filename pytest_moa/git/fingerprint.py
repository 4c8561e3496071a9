"""Tells whether anybody touched a repository's config, hooks, info or replace refs. Runs no git."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.git.handle import Repository


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts of a repository that nobody may change under moa (law 7): a description per file."""

    files: Mapping[str, bytes]


def fingerprint(repo: Repository) -> Fingerprint:
    """Contents and modes of config, hooks, info, replace refs and alternates, of this work tree and the common ones."""
    common = repo.common_dir
    files = [common / "config", repo.git_dir / "config.worktree", common / "objects/info/alternates"]
    folders = dict.fromkeys(
        [common / "hooks", common / "info", repo.git_dir / "info", common / "refs/replace"]
    )
    for folder in folders:
        files += _files_below(folder)
    seen = {os.path.relpath(file, common): _described(file) for file in files}
    packed = [row for row in _content(common / "packed-refs").split(b"\n") if b" refs/replace/" in row]
    seen["packed-refs (replace refs)"] = b"\n".join(packed)
    return Fingerprint({name: said for name, said in seen.items() if said})


def differences(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """What changed between two fingerprints, a sentence a file."""
    names = sorted({*before.files, *after.files})
    return tuple(
        f"{name} was {_verb(before.files.get(name), after.files.get(name))}"
        for name in names
        if before.files.get(name) != after.files.get(name)
    )


def _verb(before: bytes | None, after: bytes | None) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def _files_below(folder: Path) -> list[Path]:
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names]


def _described(file: Path) -> bytes:
    try:
        facts = file.lstat()
        content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        return f"unreadable: {error.strerror}".encode()
    return b"%o " % facts.st_mode + content


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
