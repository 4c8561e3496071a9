"""Merges two commits into a tree without any work tree, one pair or many, and reads git's answer.

The format is that of `git merge-tree -z` (git-merge-tree manual, OUTPUT and INPUT FORMAT).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_moa.errors import BugError, RepositoryError
from pytest_moa.git.command import Git, Result, decode, encode
from pytest_moa.model.agents import ObjectId

# Git names a file that had to make way after the side that it came from, which here is a commit.
_OWN_NAME = re.compile(r"~[0-9a-f]{40}(?:[0-9a-f]{24})?(?:_\d+)?$")
_ARGS = ("merge-tree", "--write-tree", "--messages", "--allow-unrelated-histories")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One version of a conflicted path: stage 1 is the base's, 2 ours, 3 theirs."""

    stage: int
    mode: str
    blob: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    path: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What git says about paths: `kind` is stable (`CONFLICT (contents)`), `text` is for people."""

    kind: str
    paths: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTree:
    """A merge's answer. Of a conflicted merge `tree` holds conflict markers."""

    clean: bool
    tree: ObjectId
    conflicts: tuple[Conflict, ...] = ()
    messages: tuple[Message, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The conflicted paths. Some conflicts (a directory rename) have no stages, only a message."""
        named = [c.path for c in self.conflicts]
        if not self.clean and not named:
            named = [path for m in self.messages if m.kind.startswith("CONFLICT") for path in m.paths]
        return tuple(dict.fromkeys(named))

    @property
    def shown(self) -> tuple[str, ...]:
        """The conflicted paths as the branches have them: a file in a folder's way without git's name for it."""
        return tuple(dict.fromkeys(map(own_name, self.paths)))


def own_name(path: str) -> str:
    return _OWN_NAME.sub("", path)


def merge_tree(git: Git, ours: ObjectId, theirs: ObjectId) -> MergeTree:
    """Merge two commits. Raises RepositoryError where git could not even try (a missing commit or tree)."""
    _require_trees(git, [(ours, theirs)])
    result = git.run(*_ARGS, "-z", ours, theirs, check=False)
    # A missing commit exits with 1, too, and says nothing (git 2.39).
    if result.status not in (0, 1) or not result.stdout or _unread(result):
        raise git.failure(result, f"merge {theirs[:12]} into {ours[:12]}")
    fields = iter(_fields(result.stdout))
    return _record(fields, clean=result.status == 0)


def merge_trees(git: Git, pairs: Sequence[tuple[ObjectId, ObjectId]]) -> list[MergeTree]:
    """Merge many pairs in one process; the answers come in the pairs' order.

    A commit that does not exist ends git's batch early, so the records are counted.
    """
    if not pairs:
        return []
    _require_trees(git, pairs)
    lines = b"".join(encode(f"{ours} {theirs}\n") for ours, theirs in pairs)
    result = git.run(*_ARGS, "--stdin", input=lines, check=False)
    merges = list(_batch(result.stdout)) if result.stdout else []
    if len(merges) != len(pairs) or not result.ok or _unread(result):
        ours, theirs = pairs[min(len(merges), len(pairs) - 1)]
        raise git.failure(result, f"merge {theirs[:12]} into {ours[:12]}")
    return merges


def _require_trees(git: Git, pairs: Sequence[tuple[ObjectId, ObjectId]]) -> None:
    """Git before 2.44 merges a commit whose tree is missing as if it had removed everything, and calls that clean."""
    names = "".join(f"{commit}^{{tree}}\n" for commit in dict.fromkeys(c for pair in pairs for c in pair))
    said = git.text("cat-file", "--batch-check=%(objecttype)", input=encode(names), doing="read commits")
    lost = [line for line in said.split("\n") if line != "tree"]
    if lost:
        raise RepositoryError(
            f"Could not merge {lost[0][:12]}",
            reason="it, or its tree, is missing from the repository",
            remedy="Run git fsck; in a shallow or partial clone, git fetch --unshallow.",
        )


def _unread(result: Result) -> bool:
    """Whether git went on without an object that it could not read: it says so, and exits as if nothing were wrong."""
    return b"\nerror: " in b"\n" + result.stderr


def _fields(raw: bytes) -> list[str]:
    return [decode(part) for part in raw.split(b"\0")[:-1]]


def _batch(raw: bytes) -> Iterator[MergeTree]:
    fields = iter(_fields(raw))
    for status in fields:
        if status not in ("0", "1"):
            raise _unreadable(status)
        yield _record(fields, clean=status == "1")


def _record(fields: Iterator[str], *, clean: bool) -> MergeTree:
    """tree, stages, an empty field, messages; in a batch an empty field ends the messages, too."""
    try:
        tree = next(fields)
        conflicts = _conflicts(_until_empty(fields))
        messages = tuple(_messages(fields))
    except (StopIteration, RuntimeError, ValueError) as error:
        raise _unreadable(str(error)) from error
    return MergeTree(clean=clean, tree=tree, conflicts=conflicts, messages=messages)


def _until_empty(fields: Iterator[str]) -> Iterator[str]:
    for part in fields:
        if not part:
            return
        yield part


def _conflicts(stages: Iterable[str]) -> tuple[Conflict, ...]:
    sides: dict[str, list[Side]] = {}
    for stage in stages:
        facts, path = stage.split("\t", 1)
        mode, blob, number = facts.split(" ")
        sides.setdefault(path, []).append(Side(stage=int(number), mode=mode, blob=blob))
    return tuple(Conflict(path=path, sides=tuple(of_path)) for path, of_path in sides.items())


def _messages(fields: Iterator[str]) -> Iterator[Message]:
    for count in _until_empty(fields):
        paths = tuple(next(fields) for _ in range(int(count)))
        kind = next(fields)
        yield Message(kind=kind, paths=paths, text=next(fields).strip())


def _unreadable(found: str) -> BugError:
    return BugError("git merge-tree answered in a form that moa does not know", reason=repr(found[:80]))
