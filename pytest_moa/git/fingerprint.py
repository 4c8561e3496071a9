"""Tells whether anybody touched a repository's config, hooks, info or replace refs. Runs no git."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.git.handle import Repository

_SECTION = re.compile(rb'\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_KEY = re.compile(rb"(?:^|\])\s*([A-Za-z][\w-]*)\s*(?:=|$)")
_KEYS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts of a repository that nobody may change under moa (law 7): a description per file."""

    files: Mapping[str, bytes]

    def digest(self, name: str) -> str:
        """What a file was, as a word that can be kept; "" where it was not there."""
        said = self.files.get(name)
        return hashlib.sha256(said).hexdigest() if said is not None else ""


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
    return tuple(
        _told(name, before.files.get(name), after.files.get(name)) for name in changed(before, after)
    )


def changed(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """The files that differ, by name."""
    names = sorted({*before.files, *after.files})
    return tuple(name for name in names if before.files.get(name) != after.files.get(name))


def changed_keys(before: bytes, after: bytes) -> tuple[str, ...]:
    """The keys that differ between two descriptions of a config file. Never their values: those can be secrets."""
    old, new = Counter(_settings(before)), Counter(_settings(after))
    return tuple(dict.fromkeys(name for name, _ in sorted(((old - new) + (new - old)).elements())))


def _settings(content: bytes) -> list[tuple[str, bytes]]:
    """Key and line of each setting (git-config manual, SYNTAX); a value's further lines count for nothing."""
    section = b""
    found = []
    # A description begins with the file's mode.
    for line in content.partition(b" ")[2].split(b"\n"):
        if (match := _SECTION.match(line)) is not None:
            section = match[1].lower() + (b"." + match[2] if match[2] is not None else b"")
        if (key := _KEY.search(line)) is not None:
            found.append((os.fsdecode(section + b"." + key[1].lower()), line.strip()))
    return found


def _told(name: str, before: bytes | None, after: bytes | None) -> str:
    said = f"{name} was {_verb(before, after)}"
    keys = changed_keys(before or b"", after or b"") if name.startswith("config") else ()
    more = f" and {len(keys) - _KEYS_TOLD} more" if len(keys) > _KEYS_TOLD else ""
    return f"{said} ({', '.join(keys[:_KEYS_TOLD])}{more})" if keys else said


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
