"""Many merges at once in a throwaway repository: what they change, and commits of their trees to merge further.

Decides nothing: which merges are worth trying is a rule's word. The real repository is only read.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pytest_moa.errors import BugError, RepositoryError
from pytest_moa.git.changes import parse_raw
from pytest_moa.git.command import Git, encode, records
from pytest_moa.git.handle import Repository
from pytest_moa.git.merge_tree import MergeTree, merge_trees
from pytest_moa.git.owned import memory_place, owned_folder
from pytest_moa.git.quarantine import Quarantine, alternate
from pytest_moa.model.agents import ObjectId
from pytest_moa.rules.conflicts import Touched
from pytest_moa.rules.queue.lines import Hunk

T = TypeVar("T")
A = TypeVar("A")

_MANY = (50, 250)
"""How many merges (or trees, or files) one git process is given. Fewer do not pay for it; of more, what it says takes
too much memory.
"""
_HEADS = (8, 100)
"""The same for branches on old bases: these take git longer, and it does not give back what it read for them."""

_TREE = "040000"
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
# As git's own merge compares: histogram, without the heuristic that moves hunks to where people like them.
_PATCH = (
    "--patch",
    "--unified=0",
    "--inter-hunk-context=0",
    "--histogram",
    "--no-indent-heuristic",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A place for many merges. `store` is its own; what lasts goes to `kept`, where a later bench finds it.

    `scratch` is for the many small files that merges make and nobody reads again: in memory where there is such a
    place, since disks take several times as long over them, and never for more than a few hundred merges at once.
    """

    git: Git
    store: Path
    scratch: Path
    kept: Path | None = None

    @staticmethod
    @contextmanager
    def open(repo: Repository, kept: Path | None = None) -> Iterator[Bench]:
        with Quarantine.open(repo) as quarantine, owned_folder(memory_place()) as scratch:
            # Nothing here outlives a crash, and most of what is written is never read.
            settings = ("core.looseCompression=0", "core.fsync=none", "pack.compression=1")
            # No test runs in this quarantine: its settings, written once, stay as they are.
            git = quarantine.trusted().with_settings(*settings, "fastimport.unpackLimit=1")
            store = git.cwd / "objects"
            usable = kept if kept is not None and _writable(kept) else None
            if usable is not None:
                with (store / "info/alternates").open("ab") as file:
                    file.write(alternate(usable) + b"\n")
            yield Bench(git, store, scratch.path, usable)

    def merges(
        self,
        pairs: Sequence[tuple[ObjectId, ObjectId]],
        keep: Callable[[MergeTree], A],
        *,
        lasting: bool = False,
    ) -> list[A]:
        """What `keep` makes of each merge, in the pairs' order. The merged trees are there afterwards only if `lasting`."""
        return self._spread(
            partial(self._merges, keep=keep, lasting=lasting), pairs, _HEADS if lasting else _MANY
        )

    def _merges(
        self, pairs: Sequence[tuple[ObjectId, ObjectId]], keep: Callable[[MergeTree], A], *, lasting: bool
    ) -> list[A]:
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            objects = Path(folder)
            (objects / "info").mkdir()
            (objects / "info/alternates").write_bytes(alternate(self.store) + b"\n")
            git = self.git.with_env(GIT_OBJECT_DIRECTORY=folder)
            answers = [keep(merge) for merge in merge_trees(git, pairs)]
            if lasting:
                self._put_aside(objects)
            return answers

    def _put_aside(self, objects: Path) -> None:
        made = "".join(f"{oid}\n" for oid in _loose(objects)).encode()
        if made and self.kept is not None:
            # A cache that cannot be written after all is no error.
            with suppress(RepositoryError):
                self._pack(objects, made, self.kept)
                return
        if made:
            self._pack(objects, made, self.store)

    def _pack(self, objects: Path, made: bytes, place: Path) -> None:
        # Git writes the pack into its own object folder first and renames it, which no two file systems allow. Packs
        # are named by what they hold and appear whole: two callers do not hurt each other.
        quoted = alternate(objects, quoted=True)
        git = self.git.with_env(
            GIT_OBJECT_DIRECTORY=str(place), GIT_ALTERNATE_OBJECT_DIRECTORIES=os.fsdecode(quoted)
        )
        git.run("pack-objects", "-q", "--window=0", str(place / "pack/pack"), input=made, doing="keep merges")

    def has(self, objects: Sequence[ObjectId]) -> list[bool]:
        """Which objects are there, made here, kept or the repository's own."""
        if not objects:
            return []
        names = "".join(f"{oid}\n" for oid in objects).encode()
        said = self.git.text("cat-file", "--batch-check=%(objecttype)", input=names).split("\n")
        return [not word.endswith("missing") for word in said]

    def trees(self, commits: Sequence[ObjectId]) -> list[ObjectId]:
        """The root trees of commits."""
        names = "".join(f"{commit}^{{tree}}\n" for commit in commits).encode()
        return self.git.text("cat-file", "--batch-check=%(objectname)", input=names).split("\n")

    def touched(self, pairs: Sequence[tuple[ObjectId, ObjectId]]) -> list[Touched]:
        """What the second tree of each pair changes of the first."""
        return self._spread(self._touched, pairs, _MANY)

    def commits(self, rows: Sequence[tuple[ObjectId, Sequence[ObjectId]]]) -> list[ObjectId]:
        """A commit for each tree and its parents, all in one process."""
        if not rows:
            return []
        stream = b"".join(_commit(mark, tree, parents) for mark, (tree, parents) in enumerate(rows, 1))
        said = self.git.text(
            "fast-import", "--quiet", "--force", "--done", input=stream + b"done\n", doing="write commits"
        )
        made = said.split("\n")
        if len(made) != len(rows):
            raise BugError("git wrote another number of commits than it was asked for", reason=f"{len(made)}")
        return made

    def hunks(self, pairs: Sequence[tuple[ObjectId | None, ObjectId]]) -> list[tuple[Hunk, ...] | None]:
        """What leads from the first blob of each pair to the second (None: from an empty file); None of binary ones."""
        return self._spread(self._hunks, pairs, _MANY)

    def _spread(
        self, work: Callable[[Sequence[T]], list[A]], items: Sequence[T], bounds: tuple[int, int]
    ) -> list[A]:
        """The work on parts of the items, on all processors at once; the answers stay in the items' order."""
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        least, most = bounds
        size = max(least, min(most, -(-len(items) // (2 * threads))))
        parts = [items[at : at + size] for at in range(0, len(items), size)]
        if len(parts) < 2:
            return work(items) if items else []
        with ThreadPoolExecutor(threads) as pool:
            return [answer for answers in pool.map(work, parts) for answer in answers]

    def _touched(self, pairs: Sequence[tuple[ObjectId, ObjectId]]) -> list[Touched]:
        asked = "".join(f"{a} {b}\n" for a, b in pairs).encode()
        raw = self.git.run(
            "diff-tree", "--stdin", "-r", "-t", "-z", "--raw", "--no-renames", "--no-ext-diff", input=asked
        ).stdout
        found, at = [], 0
        for a, b in pairs:
            head = f"{a} {b}\n".encode()
            if not raw.startswith(head, at):
                reason = repr(raw[at : at + 80])
                raise BugError("git diff-tree answered in a form that moa does not know", reason=reason)
            begin = at + len(head)
            at = _end_of_records(raw, begin)
            found.append(_touched(raw[begin:at]))
        return found

    def _hunks(self, pairs: Sequence[tuple[ObjectId | None, ObjectId]]) -> list[tuple[Hunk, ...] | None]:
        # Two trees whose files are the blobs to compare, named by their numbers: one comparison for all of them.
        before = [(number, blob) for number, (blob, _) in enumerate(pairs) if blob is not None]
        after = [(number, blob) for number, (_, blob) in enumerate(pairs)]
        stream = b"\0".join([*_entries(before), b"", *_entries(after), b""])
        trees = self.git.text("mktree", "-z", "--batch", input=stream, doing="compare files").split("\n")
        raw = self.git.run("diff-tree", *_PATCH, *trees, doing="compare files").stdout
        return _patches(raw, len(pairs))


def outside_graph(
    repo: Repository, target: ObjectId, heads: Sequence[ObjectId]
) -> dict[ObjectId, tuple[ObjectId, ...]]:
    """Every commit that the heads have and the target has not, with its parents."""
    if not heads:
        return {}
    asked = "".join(f"{head}\n" for head in heads) + f"^{target}\n"
    said = repo.git.text("rev-list", "--parents", "--stdin", input=asked.encode(), doing="walk the branches")
    rows = (line.split(" ") for line in said.split("\n") if line)
    return {commit: tuple(parents) for commit, *parents in rows}


def _writable(kept: Path) -> bool:
    with suppress(OSError):
        (kept / "pack").mkdir(parents=True, exist_ok=True)
        return os.access(kept / "pack", os.W_OK | os.X_OK)
    return False


def _loose(objects: Path) -> Iterator[ObjectId]:
    for folder in objects.iterdir():
        if len(folder.name) == 2:  # the first byte of the ids in it
            yield from (folder.name + file.name for file in folder.iterdir() if file.name.isalnum())


def _entries(blobs: Sequence[tuple[int, ObjectId]]) -> list[bytes]:
    return [f"100644 blob {blob}\t{number:06d}".encode() for number, blob in blobs]


def _commit(mark: int, tree: ObjectId, parents: Sequence[ObjectId]) -> bytes:
    first, *rest = parents
    lines = [
        "commit refs/moa/bench",
        f"mark :{mark}",
        "committer moa <moa@localhost> 0 +0000",
        "data 0",
        f"from {first}",
        *(f"merge {parent}" for parent in rest),
        f"M {_TREE} {tree} ",
        f"get-mark :{mark}",
    ]
    return encode("\n".join(lines) + "\n")


def _end_of_records(raw: bytes, at: int) -> int:
    """Where the records of one comparison end: the next begins without the colon of a record."""
    while raw.startswith(b":", at):
        at = raw.index(b"\0", raw.index(b"\0", at) + 1) + 1
    return at


def _touched(raw: bytes) -> Touched:
    files: dict[str, None] = {}
    added, gone = [], []
    for change in parse_raw(iter(records(raw))):
        old_is_tree, new_is_tree = change.old_mode == _TREE, change.new_mode == _TREE
        if old_is_tree and not new_is_tree:
            gone.append(change.path)
        if not old_is_tree and not new_is_tree:
            files[change.path] = None
            if change.status == "A":
                added.append(change.path)
    return Touched(tuple(files), tuple(added), tuple(gone))


def _patches(raw: bytes, count: int) -> list[tuple[Hunk, ...] | None]:
    found: list[list[Hunk] | None] = [[] for _ in range(count)]
    number = -1
    for line in raw.split(b"\n"):
        # Without context every line of content begins with a sign, so that it cannot be taken for one of these.
        if line.startswith(b"diff --git a/"):
            number = int(line[13:19])
        elif line.startswith(b"Binary files "):
            found[number] = None
        elif (match := _HUNK.match(line)) and (hunks := found[number]) is not None:
            numbers = (1 if part is None else int(part) for part in match.groups())
            hunks.append(Hunk(*numbers))
    return [None if hunks is None else tuple(hunks) for hunks in found]
