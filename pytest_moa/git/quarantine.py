"""A throwaway repository that borrows the real one's objects: candidates are built and tests run there.

The real repository is only read. Git runs here without any system or user setting.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_moa.errors import ConflictError, RepositoryError
from pytest_moa.git.command import Git, encode
from pytest_moa.git.handle import Repository
from pytest_moa.git.leftovers import clear_intents
from pytest_moa.git.merge_tree import MergeTree, merge_tree, merge_trees
from pytest_moa.git.owned import OwnedFolder, abandoned, owned_folder, remove
from pytest_moa.git.repository import commit_infos, read_objects
from pytest_moa.model.agents import ObjectId

_PATIENCE = 30  # tenths of a second
_NOBODY = "moa <moa@localhost>"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """`store` is a bare repository that holds candidates, apart from the one that tests run in and may change.

    Paths are short: a test's Unix socket below them has 107 bytes.
    """

    folder: OwnedFolder
    real: Repository
    store: Git
    config: str
    tags: bytes

    @staticmethod
    @contextmanager
    def open(repo: Repository) -> Iterator[Quarantine]:
        """A quarantine that is removed at the end, whatever tests left in it."""
        with owned_folder() as folder:
            yield _made(folder, repo)

    @property
    def root(self) -> Path:
        return self.folder.path

    def merge(self, target: ObjectId, head: ObjectId) -> MergeTree:
        """What merging `head` into `target` gives; attributes and merge drivers play no part."""
        return merge_tree(self.trusted(), target, head)

    def merges(self, pairs: Sequence[tuple[ObjectId, ObjectId]]) -> list[MergeTree]:
        """The same for many pairs (target, head), in one batch."""
        return merge_trees(self.trusted(), pairs)

    def candidate(
        self,
        target: ObjectId,
        head: ObjectId,
        *,
        agent: str,
        branch: str = "",
        into: str = "develop",
        allow: Sequence[str] = (),
    ) -> ObjectId:
        """The merge commit of target and head. It follows from the arguments alone: the same everywhere, always.

        Raises ConflictError where they do not merge.
        """
        message = message_of("Merge", agent=agent, branch=branch, into=into, head=head, allow=allow)
        return self._commit(target, head, (target, head), message)

    def squash(
        self,
        target: ObjectId,
        head: ObjectId,
        *,
        agent: str,
        branch: str = "",
        into: str = "develop",
        allow: Sequence[str] = (),
    ) -> ObjectId:
        """The same as one commit on the target, without the branch's history."""
        message = message_of("Squash", agent=agent, branch=branch, into=into, head=head, allow=allow)
        return self._commit(target, head, (target,), message)

    def checkout(self, commit: ObjectId, name: str = "repo") -> Path:
        """A fresh work tree of a commit, its HEAD detached, in a repository of its own; what was there is gone."""
        work = self.folder_path(name)
        remove(work)
        if work.exists():
            raise RepositoryError(f"{work} could not be removed", remedy="Remove it by hand.")
        git_dir = work / ".git"
        _make_repository(git_dir, self.config, _alternates(self.root / "store/objects", self.real), self.real)
        (git_dir / "packed-refs").write_bytes(self.tags)
        (git_dir / "HEAD").write_text(f"{commit}\n", encoding="ascii")
        Git(cwd=work, hermetic=True).run(
            "read-tree", "-u", "--reset", commit, doing="check out the candidate"
        )
        return work

    def restore(self, work: Path, commit: ObjectId, paths: Sequence[str]) -> tuple[str, ...]:
        """Write these paths anew as the commit has them, whatever tests put there; returns those that differed.

        A path that the commit lacks is removed. Links are replaced, never followed.
        """
        wanted = _entries(self.trusted(), commit, paths)
        return tuple(path for path in paths if _rewrite(work, path, wanted.get(path)))

    def dirty(self, work: Path, commit: ObjectId) -> tuple[str, ...]:
        """The commit's files that tests changed or removed. The work tree's own git, which they could change, is not asked."""
        index = self.root / f"index-{work.name}"
        git = replace(self.trusted(), work_tree=work).with_env(GIT_INDEX_FILE=str(index))
        git.run("read-tree", "--reset", commit)
        git.run("update-index", "-q", "--refresh", check=False)
        return tuple(
            git.lines0("diff-files", "-z", "--name-only", "--no-ext-diff", "--ignore-submodules=all")
        )

    def make_folder(self, name: str) -> Path:
        """A folder beside the work tree, for a run's own files."""
        place = self.folder_path(name)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def folder_path(self, name: str) -> Path:
        return self.root / name

    def trusted(self) -> Git:
        """Git on the store, its settings as we wrote them: code that ran meanwhile may have changed them."""
        place = self.root / "store"
        remove(place / "info")  # grafts and attributes, should tests have planted some
        _write_settings(place, _bare(self.config))
        return self.store

    def _commit(
        self, target: ObjectId, head: ObjectId, parents: Sequence[ObjectId], message: str
    ) -> ObjectId:
        merged = self.merge(target, head)
        if not merged.clean:
            raise ConflictError(
                "The branch conflicts with the target",
                paths=merged.shown,
                reason=", ".join(merged.shown),
                remedy="Merge the target into the branch, resolve the conflicts there, and push it.",
            )
        date = (
            f"{max(info.committed for info in commit_infos(self.repository, [target, head]).values())} +0000"
        )
        return _commit_object(self.store, merged.tree, parents, date, message)

    @property
    def repository(self) -> Repository:
        """The store that holds the candidates, for reading them."""
        place = self.root / "store"
        return Repository(
            top=None,
            git_dir=place,
            common_dir=place,
            bare=True,
            shallow=self.real.shallow,
            object_format=self.real.object_format,
            hermetic=True,
        )


def message_of(verb: str, *, agent: str, branch: str, into: str, head: ObjectId, allow: Sequence[str]) -> str:
    """The candidate's message; text from outside stays on its own line, so that it can make no trailer."""
    name = f" ({one_line(branch)})" if branch else ""
    subject = f"{verb} agent {one_line(agent)}{name} into {one_line(into)}"
    trailers = [
        f"Moa-Agent: {one_line(agent)}",
        f"Moa-Head: {head}",
        *(f"Moa-Allow: {one_line(a)}" for a in allow),
    ]
    return subject + "\n\n" + "\n".join(trailers) + "\n"


def one_line(text: str) -> str:
    """Text without control characters and line separators, for a line that others read as one."""
    shown = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", text)
    return " ".join(shown.split())


def sweep() -> list[str]:
    """Clear what dead runs of this user left: quarantines, their git locks, a half updated work tree.

    Returns a sentence for each. What belongs to a living process, or cannot be told, stays.
    """
    said: list[str] = []
    for folder in abandoned():
        said += clear_intents(folder)
        _remove_patiently(folder.path)
        if not folder.path.exists():
            said.append(f"removed {folder.path}, left by a run that died")
    return said


def _remove_patiently(path: Path) -> None:
    """What a killed run had started dies a moment after it, and may write into the folder until then."""
    for _ in range(_PATIENCE):
        remove(path)
        if not path.exists():
            return
        time.sleep(0.1)


def _made(folder: OwnedFolder, repo: Repository) -> Quarantine:
    place = folder.path / "store"
    config = _config(repo)
    _make_repository(place, _bare(config), _alternates(None, repo), repo)
    return Quarantine(
        folder=folder,
        real=repo,
        store=Git(cwd=place, git_dir=place, hermetic=True),
        config=config,
        tags=_tags(repo),
    )


def _config(repo: Repository) -> str:
    """The settings of a repository of ours: nobody's but the author's name and the object format."""
    sha256 = repo.object_format != "sha1"
    name, email = _identity(repo)
    lines = [
        "[core]",
        f"\trepositoryformatversion = {int(sha256)}",
        *(["[extensions]", f"\tobjectformat = {repo.object_format}"] if sha256 else []),
        "[user]",
        f"\tname = {_config_value(name)}",
        f"\temail = {_config_value(email)}",
    ]
    return "\n".join(lines) + "\n"


def _bare(config: str) -> str:
    # In a bare repository no .gitattributes lying about plays a part in a merge.
    return config + "[core]\n\tbare = true\n"


def _identity(repo: Repository) -> tuple[str, str]:
    said = repo.git.run("config", "-z", "--get-regexp", r"^user\.(name|email)$", check=False).stdout
    rows = (row.partition("\n") for row in said.decode(errors="replace").split("\0") if row)
    values = {key.lower(): value for key, _, value in rows}
    return values.get("user.name") or "moa", values.get("user.email") or "moa@localhost"


def _config_value(text: str) -> str:
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tags(repo: Repository) -> bytes:
    """The real repository's tags in the form of packed-refs (versions come from them: setuptools-scm)."""
    rows = repo.git.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags").stdout
    return b"# pack-refs with: sorted \n" + rows if rows else b""


def _alternates(store: Path | None, repo: Repository) -> bytes:
    places = [store] if store else []
    return b"".join(alternate(place) + b"\n" for place in [*places, repo.common_dir / "objects"])


def alternate(place: Path, *, quoted: bool = False) -> bytes:
    """A line of `objects/info/alternates` (gitrepository-layout manual), without its end."""
    raw = os.fsencode(place)
    if b"\n" not in raw and not quoted:
        return raw
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _make_repository(git_dir: Path, config: str, alternates: bytes, real: Repository) -> None:
    # Written by hand: `git init` would copy a template, and costs a process.
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (git_dir / folder).mkdir(parents=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/moa\n", encoding="ascii")
    (git_dir / "objects/info/alternates").write_bytes(alternates)
    _write_settings(git_dir, config)
    with suppress(FileNotFoundError):
        (git_dir / "shallow").write_bytes((real.common_dir / "shallow").read_bytes())


def _write_settings(git_dir: Path, config: str) -> None:
    for name in ("config", "config.worktree"):
        with suppress(FileNotFoundError):
            (git_dir / name).unlink()  # never written through a link
    (git_dir / "config").write_text(config, encoding="utf-8")


def _commit_object(
    git: Git, tree: ObjectId, parents: Sequence[ObjectId], date: str, message: str
) -> ObjectId:
    # Written as bytes, so that nothing of the environment (encoding, signing, clock) plays a part.
    lines = [
        f"tree {tree}",
        *(f"parent {p}" for p in parents),
        f"author {_NOBODY} {date}",
        f"committer {_NOBODY} {date}",
    ]
    content = encode("\n".join(lines) + "\n\n" + message)
    return git.text(
        "hash-object", "-w", "-t", "commit", "--stdin", input=content, doing="write the candidate"
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    content: bytes


def _entries(git: Git, commit: ObjectId, paths: Sequence[str]) -> dict[str, _Entry]:
    if not paths:
        return {}
    asked = set(paths)
    rows = (row.split("\t", 1) for row in git.lines0("ls-tree", "-r", "-z", "--full-tree", commit))
    found = {path: facts.split(" ") for facts, path in rows if path in asked}
    files = {path: facts for path, facts in found.items() if facts[1] == "blob"}
    contents = read_objects(git, [facts[2] for facts in files.values()])
    return {
        path: _Entry(facts[0], content)
        for (path, facts), content in zip(files.items(), contents, strict=True)
    }


def _rewrite(work: Path, path: str, entry: _Entry | None) -> bool:
    """Make one path what git says it is. Every folder on the way is opened without following links."""
    *folders, name = path.split("/")
    at = os.open(work, _FLAGS)
    try:
        for folder in folders:
            inner = _enter(at, folder, make=entry is not None)
            os.close(at)
            at = inner
            if at < 0:
                return False
        return _write(at, name, entry)
    finally:
        if at >= 0:
            os.close(at)


def _enter(at: int, folder: str, *, make: bool) -> int:
    """A descriptor of a folder's subfolder, -1 where it is none and none shall be made."""
    facts = _lstat(at, folder)
    if facts is not None and not stat.S_ISDIR(facts.st_mode):
        if not make:
            return -1
        os.unlink(folder, dir_fd=at)
        facts = None
    if facts is None:
        if not make:
            return -1
        os.mkdir(folder, dir_fd=at)
    elif facts.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(folder, 0o700, dir_fd=at)
    return os.open(folder, _FLAGS, dir_fd=at)


def _write(at: int, name: str, entry: _Entry | None) -> bool:
    if _as_it_should_be(at, name, entry):
        return False
    _clear(at, name)
    if entry is None:
        return True
    if entry.mode == "120000":
        os.symlink(entry.content, os.fsencode(name), dir_fd=at)
        return True
    mode = 0o755 if entry.mode == "100755" else 0o644
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=at)
    with os.fdopen(descriptor, "wb") as file:
        file.write(entry.content)
    return True


def _as_it_should_be(at: int, name: str, entry: _Entry | None) -> bool:
    facts = _lstat(at, name)
    if facts is None or entry is None:
        return facts is None and entry is None
    if stat.S_ISLNK(facts.st_mode):
        return entry.mode == "120000" and os.fsencode(os.readlink(name, dir_fd=at)) == entry.content
    # A second name of the same file could be written through after we looked.
    if entry.mode == "120000" or not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        return False
    if facts.st_size != len(entry.content):
        return False
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at)
    except PermissionError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return file.read(len(entry.content) + 1) == entry.content


def _clear(at: int, name: str) -> None:
    facts = _lstat(at, name)
    if facts is None:
        return
    if not stat.S_ISDIR(facts.st_mode):
        os.unlink(name, dir_fd=at)
        return
    inner = _enter(at, name, make=False)
    try:
        for entry in os.listdir(inner):  # noqa: PTH208 - by descriptor, so that no link is followed
            _clear(inner, entry)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=at)


def _lstat(at: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None
