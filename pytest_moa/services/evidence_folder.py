"""The evidence folder: its files, its sums, how it comes into being whole, and how it is read back as untrusted input.

What is in it and what follows from it is not this module's business. The layout is documented in docs/evidence.md.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from pytest_moa.errors import RefusedError, UndeterminedError
from pytest_moa.testing.untrusted import OddFileError, contents, entries, opened, strict_json

SCHEMA = 1
MANIFEST, RESULT, SUMS = "evidence.json", "result.json", "SHA256SUMS"
_FILES = re.compile(
    r"evidence\.json|result\.json|probes(-\d{4})?\.json|record(-[a-z]+(-\d{4})?)?\.jsonl"
    r"|coverage\.\d{4}|junit-\d{4}\.xml|report"
)
_MOST, SMALL, _LARGE, _WHOLE = 10_000, 64 << 20, 1 << 30, 4 << 30
_CHUNK = 1 << 20


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a child ended; `output` is what it printed, kept only where a judgement reads it."""

    status: int | None
    signal: int | None
    timed_out: bool
    seconds: float
    survivors: tuple[str, ...]
    output: str


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One child that ran tests: which one, how it ended, and the contradictions that were seen in what it left."""

    name: str
    end: End
    problems: tuple[str, ...]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why nothing can be said, and what helps. `whole`: the coverage counts all the same."""

    reason: str
    remedy: str
    whole: bool


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent on a train, in its place; `runs` are those of the target's versions of the tests that it changed.

    `doubts` say why these could not be started. Its files carry its place, from 0001.
    """

    agent: str
    branch: str
    head: str
    runs: tuple[Run, ...]
    doubts: tuple[Reason, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`evidence.json`. Ids are object ids; `threshold` and `allow` are what the caller of the gate asked for.

    `work` is the root below which the coverage data name files. `not_run` says why nothing could be started.
    `around` are the notes of the call, `notes` those of the run; `touched` names what changed in the real repository.
    `members` are the agents of a train; then `branch` is the target, and head and candidate are the joint candidate.
    """

    schema: int
    moa: str
    agent: str
    branch: str
    head: str
    target_branch: str
    target: str
    candidate: str | None
    threshold: str | None
    allow: tuple[str, ...]
    python: str
    environment: str | None
    work: str
    runs: tuple[Run, ...]
    not_run: Reason | None
    doubts: tuple[Reason, ...]
    touched: tuple[str, ...]
    around: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    files: tuple[str, ...]
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """A folder that was read: the manifest, what `moa gate --json` had printed, and where checked copies of the files lie."""

    manifest: Manifest
    result: str
    copies: Path


def require_place(folder: Path) -> None:
    """Raises RefusedError where no evidence can be left there: it is no folder, holds other files, or cannot be written."""
    reason = _why_not(folder)
    if reason:
        raise RefusedError(
            f"The evidence cannot be left in {folder}",
            reason=reason,
            remedy="Name a new or empty folder with --evidence, or one that holds evidence from before.",
        )


def write_folder(folder: Path, manifest: Manifest, files: Mapping[str, Path | bytes]) -> None:
    """Writes the folder as a whole, beside its place first, and replaces evidence that was there. Raises RefusedError."""
    require_place(folder)
    scratch = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    try:
        scratch.mkdir(parents=True)
        (scratch / MANIFEST).write_bytes(encoded(manifest))
        for name, content in files.items():
            if isinstance(content, bytes):
                (scratch / name).write_bytes(content)
            else:
                shutil.copyfile(content, scratch / name, follow_symlinks=False)
        (scratch / SUMS).write_text(_sums(_digests(scratch)), encoding="ascii")
        _put(scratch, folder)
    except OSError as error:
        raise RefusedError(
            f"The evidence could not be written to {folder}",
            reason=error.strerror or str(error),
            remedy="Name a folder in a place that can be written and has room.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_folder(folder: Path, copies: Path) -> EvidenceFolder:
    """Reads a folder, each byte once, into `copies`. Raises UndeterminedError where it is not whole, or not as we write it."""
    try:
        return _read(folder, copies)
    except (OddFileError, UnicodeDecodeError, OSError) as error:
        raise UndeterminedError(
            f"The evidence in {folder} cannot be believed",
            reason=str(error),
            remedy="Gate the agent again: `moa gate ID --evidence DIR`; carry the folder whole and unchanged.",
        ) from None


def _read(folder: Path, copies: Path) -> EvidenceFolder:
    names = [name for name in entries(folder, _MOST) if name != SUMS]
    odd = next((name for name in names if not _FILES.fullmatch(name)), None)
    if odd is not None:
        raise OddFileError(f"{odd[:100]!r} is no file of an evidence folder")
    copies.mkdir(parents=True, exist_ok=True)
    digests: dict[str, str] = {}
    size = 0
    for name in names:
        digests[name] = _copied(folder / name, copies / name)
        size += (copies / name).stat().st_size
        if size > _WHOLE:
            raise OddFileError(f"it is larger than {_WHOLE} bytes")
    _require_sums(folder, digests)
    manifest = decoded(contents(copies / MANIFEST, SMALL))
    if manifest.files != tuple(name for name in names if name != MANIFEST):
        raise OddFileError(f"{MANIFEST} names other files than there are")
    result = contents(copies / RESULT, SMALL).decode("utf-8")
    return EvidenceFolder(manifest, result, copies)


def encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decoded(data: bytes) -> Manifest:
    """The manifest. Raises OddFileError for anything but the very bytes that `encoded` gives."""
    try:
        said = strict_json(data)
        schema = said.get("schema") if isinstance(said, dict) else None
        if schema != SCHEMA or isinstance(schema, bool):
            raise OddFileError(f"{MANIFEST} has the schema {str(schema)[:40]}, this moa reads {SCHEMA}")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (ValueError, msgspec.DecodeError) as error:
        raise OddFileError(f"{MANIFEST} is not as moa writes it ({error})") from None
    if encoded(manifest) != data:
        raise OddFileError(f"{MANIFEST} is not as moa writes it")
    return manifest


def _why_not(folder: Path) -> str | None:
    if folder.is_symlink():
        return "it is a link"
    if not os.path.lexists(folder):
        return _unwritable(folder.parent)
    try:
        names = entries(folder, _MOST)
    except OddFileError as error:
        return str(error)
    strange = [name for name in names if name != SUMS and not _FILES.fullmatch(name)]
    if strange:
        return f"it holds {strange[0]!r}, which is not evidence"
    if names and not {MANIFEST, SUMS} <= set(names):
        return "it is not empty, and holds no whole evidence"
    return _unwritable(folder.parent)


def _unwritable(parent: Path) -> str | None:
    while not os.path.lexists(parent) and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        return f"{parent} is no folder"
    return None if os.access(parent, os.W_OK | os.X_OK) else f"{parent} cannot be written"


def _put(scratch: Path, folder: Path) -> None:
    """Renames over an empty place; what was there is set aside first, and comes back where that fails."""
    if not folder.exists():
        scratch.rename(folder)
        return
    aside = scratch.with_suffix(".old")
    folder.rename(aside)
    try:
        scratch.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _sums(digests: Mapping[str, str]) -> str:
    """The lines that `sha256sum -c` reads."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _require_sums(folder: Path, digests: Mapping[str, str]) -> None:
    written = contents(folder / SUMS, SMALL)
    if written == _sums(digests).encode("ascii"):
        return
    claimed: dict[str, str] = {}
    with suppress(ValueError):
        rows = (row.split("  ", 1) for row in written.decode("ascii").splitlines())
        claimed = {name: digest for digest, name in rows}
    for name in sorted({*claimed, *digests}):
        if name not in digests:
            raise OddFileError(f"{name[:100]} is missing")
        if name not in claimed:
            raise OddFileError(f"{name} is not named in {SUMS}")
        if claimed[name] != digests[name]:
            raise OddFileError(f"{name} is not what {SUMS} says")
    raise OddFileError(f"{SUMS} is not as moa writes it")


def _copied(source: Path, target: Path) -> str:
    """Copies a regular file of a sane size; its digest."""
    limit = SMALL if source.suffix == ".json" else _LARGE
    try:
        with opened(source) as reading, target.open("xb") as writing:
            return _stream(reading, writing, limit)
    except OddFileError as error:
        raise OddFileError(f"{source.name}: {error}") from None


def _stream(reading: BinaryIO, writing: BinaryIO, limit: int) -> str:
    digest = hashlib.sha256()
    size = 0
    while chunk := reading.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise OddFileError(f"it is larger than {limit} bytes")
        digest.update(chunk)
        writing.write(chunk)
    return digest.hexdigest()
