"""What changed: between two commits, or in a work tree. Touches no index and runs no filter or driver."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_moa.errors import BugError
from pytest_moa.git.command import Git, encode, records
from pytest_moa.git.handle import Repository
from pytest_moa.model.agents import ObjectId
from pytest_moa.rules.queue.lines import Hunk, Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One changed path. `status` is git's letter: A, M, D, R (`old_path` is set), T. Modes are octal text."""

    status: str
    path: str
    old_path: str | None = None
    old_mode: str = ""
    new_mode: str = ""


def changed_paths(repo: Repository, a: ObjectId, b: ObjectId) -> tuple[Change, ...]:
    """What changed from commit `a` to commit `b`, renames followed."""
    fields = repo.git.lines0("diff-tree", "-r", "-z", "--raw", "-M", "-l1000", "--no-ext-diff", a, b)
    return tuple(parse_raw(iter(fields)))


def parse_raw(fields: Iterator[str]) -> Iterator[Change]:
    """The records of git's raw diff format with `-z`."""
    for facts in fields:
        old_mode, new_mode, _, _, status = facts.lstrip(":").split(" ")
        first = next(fields)
        second = next(fields) if status[0] in "RC" else None
        yield Change(
            status=status[0],
            path=first if second is None else second,
            old_path=None if second is None else first,
            old_mode=old_mode,
            new_mode=new_mode,
        )


def dirty_paths(repo: Repository, *, untracked: bool = False) -> tuple[str, ...]:
    """The tracked files of the work tree that differ from HEAD or the index; with `untracked` those, too."""
    return dirty_in(repo.work_tree, untracked=untracked)


def dirty_in(work_tree: Path, *, untracked: bool = False) -> tuple[str, ...]:
    """The same for any work tree, a linked one for example."""
    git = without_filters(Git(cwd=work_tree))
    others = "--untracked-files=all" if untracked else "--untracked-files=no"
    fields = iter(
        git.lines0("status", "--porcelain=v1", "-z", "--no-renames", others, "--ignore-submodules=dirty")
    )
    return tuple(entry[3:] for entry in fields)


def without_filters(git: Git) -> Git:
    """The same git with every content filter of the user's settings (git-lfs, …) turned off: none is ever run."""
    found = git.run(
        "config",
        "-z",
        "--name-only",
        "--get-regexp",
        r"^filter\..*\.(clean|smudge|process|required)$",
        check=False,
    )
    keys = dict.fromkeys(records(found.stdout))
    return git.with_settings(*(f"{key}={'false' if key.endswith('.required') else ''}" for key in keys))


# The patch holds no context, so that every line of it is a header, a hunk's or a changed line. `--text`: a branch
# that calls its own sources binary in .gitattributes would else have no lines of its own.
_PATCH = (
    "--raw",
    "--patch",
    "-z",
    "--unified=0",
    "--inter-hunk-context=0",
    "--text",
    "-M",
    "-l1000",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--submodule=short",
    "--ignore-submodules=dirty",
)
_NO_FILE = ("160000", "120000", "000000")
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_EMPTY_BLOB = {
    "sha1": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "sha256": "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
}


def added_lines(repo: Repository, base: ObjectId, head: ObjectId | None) -> dict[str, frozenset[int]]:
    """For each path changed since `base`: the 1-based lines of `head`'s version that were added or changed.

    Renames are followed: a pure rename adds none. A new file adds all its lines, a binary one (it holds a NUL
    byte), a link and a submodule none; removed files are absent. `head` None is the work tree, with untracked
    files that are not ignored.
    """
    if head is not None:
        return parse_patch(repo.git.run("diff-tree", "-r", *_PATCH, base, head).stdout)
    return changes_of_work_tree(repo, base)[0]


def changes_of_work_tree(
    repo: Repository, base: ObjectId
) -> tuple[dict[str, frozenset[int]], tuple[str, ...]]:
    """The added lines of the work tree, and every path in which it differs from `base`: removed ones and both
    names of a moved one included.
    """
    with tempfile.TemporaryDirectory(prefix="moa-index-") as place:
        git = _seeing_untracked(repo, Path(place) / "index")
        raw = git.run("diff-index", *_PATCH, base, "--").stdout
    head = raw.partition(b"\0\0")[0]
    changes = parse_raw(iter(records(head + b"\0"))) if head else ()
    paths = {path for change in changes for path in (change.path, change.old_path) if path is not None}
    return parse_patch(raw), tuple(sorted(paths))


def _seeing_untracked(repo: Repository, index: Path) -> Git:
    """A git whose index is a copy of the real one in which untracked files stand as empty, so that a moved
    file that was not added yet is still seen as moved.
    """
    git = without_filters(Git(cwd=repo.work_tree))
    untracked = [
        name for name in git.lines0("ls-files", "-z", "--others", "--exclude-standard") if name[-1] != "/"
    ]
    real = repo.git_dir / "index"
    if not untracked:
        return git
    if real.exists():
        shutil.copy2(real, index)  # with its time: git compares it with the files' to know which it must read
    git = git.with_env(GIT_INDEX_FILE=str(index))
    blob = _EMPTY_BLOB[repo.object_format]
    entries = b"".join(b"100644 " + blob.encode() + b"\t" + encode(name) + b"\0" for name in untracked)
    git.run("update-index", "-z", "--index-info", input=entries)
    return git


def patch_between(repo: Repository, a: ObjectId, b: ObjectId) -> Patch:
    """What leads from commit `a` to commit `b`, with the hunks of each file; renames are followed."""
    hunks: dict[str, tuple[Hunk, ...] | None] = {}
    renames: dict[str, str] = {}
    gone: set[str] = set()
    for change, section in _changed_files(repo.git.run("diff-tree", "-r", *_PATCH, a, b).stdout):
        if change.new_mode == "000000":
            gone.add(change.path)
            continue
        if change.old_path is not None:
            renames[change.old_path] = change.path
        found = None if change.new_mode in _NO_FILE else _hunks(section)
        # A change of mode, or a pure rename, has no hunk: nothing of it can be told by lines.
        hunks[change.path] = found or (() if change.status == "R" else None)
    return Patch(hunks=hunks, renames=renames, gone=frozenset(gone))


def parse_patch(raw: bytes) -> dict[str, frozenset[int]]:
    """The added lines of `git diff --raw --patch -z --unified=0`, per path."""
    return {
        change.path: frozenset() if change.new_mode in _NO_FILE else _added(section)
        for change, section in _changed_files(raw)
        if change.new_mode != "000000"
    }


def _changed_files(raw: bytes) -> Iterator[tuple[Change, list[bytes]]]:
    head, _, patch = raw.partition(b"\0\0")
    if not head:
        return
    changes = [change for change in parse_raw(iter(records(head + b"\0"))) if change.status != "U"]
    sections = _sections(patch)
    for change in changes:
        # A change of kind (a file that became a link) is told as a removal and an addition.
        section = [next(sections, None) for _ in range(2 if change.status == "T" else 1)][-1]
        if section is None:
            raise BugError("git told of more changed files than of their contents", reason=change.path)
        yield change, section


def _sections(patch: bytes) -> Iterator[list[bytes]]:
    section: list[bytes] | None = None
    for line in patch.split(b"\n"):
        if line.startswith(b"diff --git "):
            if section is not None:
                yield section
            section = []
        elif section is not None:
            section.append(line)
    if section is not None:
        yield section


def _hunks(section: list[bytes]) -> tuple[Hunk, ...] | None:
    """The hunks of a file; None of one that holds a NUL byte."""
    if any(b"\0" in line for line in section):
        return None
    found = (match for line in section if (match := _HUNK.match(line)))
    return tuple(Hunk(*(_number(match, at) for at in range(1, 5))) for match in found)


def _number(match: re.Match[bytes], at: int) -> int:
    """A count that is left out is 1."""
    return 1 if match[at] is None else int(match[at])


def _added(section: list[bytes]) -> frozenset[int]:
    return frozenset(
        line for hunk in _hunks(section) or () for line in range(hunk.new_start, hunk.new_start + hunk.new)
    )
