"""What a repository holds: refs, commits, trees, changes. Reads only, except for `fetch`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_moa.errors import RepositoryError
from pytest_moa.git.changes import Change, added_lines, changed_paths, dirty_paths
from pytest_moa.git.command import FETCH, Git, decode, encode, require_git
from pytest_moa.git.fingerprint import Fingerprint, changed, changed_keys, differences, fingerprint
from pytest_moa.git.handle import Repository
from pytest_moa.model.agents import BranchRef, ObjectId

__all__ = [
    "Change",
    "CommitInfo",
    "Fingerprint",
    "Repository",
    "added_lines",
    "branches",
    "changed",
    "changed_keys",
    "changed_paths",
    "commit_info",
    "commit_infos",
    "count_commits",
    "current_branch",
    "differences",
    "dirty_paths",
    "fetch",
    "fingerprint",
    "first_parent_trailers",
    "has_remote",
    "is_ancestor",
    "lfs_paths",
    "merge_base",
    "open_repository",
    "read_blob",
    "read_blobs",
    "read_objects",
    "remote_head",
    "remote_heads",
    "require_commits",
    "resolve",
    "submodules",
    "tree_paths",
]

MAX_BLOB = 16 * 1024 * 1024
_FACTS = ("--is-bare-repository", "--is-shallow-repository", "--show-object-format")
_PARTS = ("HEAD", "objects", "refs")  # gitrepository-layout manual
_ODD_SETTINGS = re.compile(rb"worktree|include|bare(?!\s*=\s*false\b)")
_ASKED_BY_NAME = 50
_LFS_POINTER = 1024  # git-lfs: a pointer file is smaller than this
_LFS_SIGNATURE = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """A commit. Times are seconds since the epoch; trailers keep their order and repetitions, keys as written."""

    id: ObjectId
    tree: ObjectId
    parents: tuple[ObjectId, ...]
    author: str
    email: str
    authored: int
    committed: int
    subject: str
    trailers: tuple[tuple[str, str], ...] = ()

    def values(self, key: str) -> tuple[str, ...]:
        """All values of a trailer, its key in any case."""
        return tuple(value for name, value in self.trailers if name.lower() == key.lower())


def open_repository(start: Path) -> Repository:
    """The repository that holds `start`. Raises RepositoryError where there is none or git refuses it."""
    require_git()
    top, git_dir = _discovered(start)
    git = Git(cwd=top or git_dir)
    doing = f"open the repository at {git.cwd}"
    # Paths may hold newlines: each is the last thing asked of its command.
    said = git.text("rev-parse", *_FACTS, "--path-format=absolute", "--git-dir", doing=doing)
    bare, shallow, object_format, own = said.split("\n", 3)
    common_dir = Path(git.text("rev-parse", "--path-format=absolute", "--git-common-dir", doing=doing))
    return Repository(
        top=None if bare == "true" else top,
        git_dir=Path(own),
        common_dir=common_dir,
        bare=bare == "true",
        shallow=shallow == "true",
        partial=b"partialclone" in (common_dir / "config").read_bytes().lower(),
        object_format=object_format,
    )


def _discovered(start: Path) -> tuple[Path | None, Path]:
    plain = _plain(start.resolve())
    if plain is not None:
        return plain, plain / ".git"
    # GitPython costs 0.1 s to import, and only discovery needs it.
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo  # noqa: PLC0415

    try:
        with Repo(start.resolve(), search_parent_directories=True, expand_vars=False) as found:
            return (Path(found.working_tree_dir) if found.working_tree_dir else None), Path(found.git_dir)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        # GitPython heeds variables that git sets for its hooks (GIT_OBJECT_DIRECTORY); our git does not.
        asked = Git(cwd=start).run("rev-parse", "--show-toplevel", check=False) if start.is_dir() else None
        if asked is not None and asked.ok:
            top = Path(decode(asked.stdout).removesuffix("\n"))
            return top, top / ".git"
        raise RepositoryError(
            f"{start} is not in a git repository",
            reason="" if start.exists() else "the folder does not exist",
            remedy="Run moa inside a repository, or make one: git init",
        ) from error


def _plain(start: Path) -> Path | None:
    """The root of an ordinary work tree; None for all that has to be looked at closer (linked, bare, set otherwise)."""
    for folder in (start, *start.parents):
        git_dir = folder / ".git"
        if git_dir.is_dir() and not git_dir.is_symlink():
            whole = start.is_dir() and all((git_dir / name).exists() for name in (*_PARTS, "config"))
            odd = not whole or _ODD_SETTINGS.search((git_dir / "config").read_bytes().lower())
            return None if odd else folder
        if git_dir.exists() or all((folder / name).exists() for name in _PARTS):
            return None
    return None


def require_commits(repo: Repository) -> ObjectId:
    """HEAD's commit. Raises RepositoryError where nothing was committed yet."""
    head = resolve(repo, "HEAD")
    if head is None:
        raise RepositoryError(
            f"{repo.top or repo.git_dir} has no commit on its current branch",
            reason="the repository is empty, or its HEAD is a branch without commits",
            remedy="Make a first commit: git commit",
        )
    return head


def resolve(repo: Repository, rev: str) -> ObjectId | None:
    """The commit that a revision names, None where it names none."""
    if "\0" in rev:
        return None
    found = repo.git.run("rev-parse", "--verify", "-q", "--end-of-options", f"{rev}^{{commit}}", check=False)
    return decode(found.stdout).strip() if found.ok else None


def current_branch(repo: Repository) -> str | None:
    """The branch that is checked out (it may be unborn), None for a detached head."""
    found = repo.git.run("symbolic-ref", "-q", "HEAD", check=False)
    return decode(found.stdout).strip().removeprefix("refs/heads/") if found.ok else None


def branches(repo: Repository, remote: str | None = None) -> tuple[BranchRef, ...]:
    """The local branches, or those of a remote as last fetched; also those whose commit is missing here."""
    prefix = "refs/heads/" if remote is None else f"refs/remotes/{remote}/"
    # Asked for the objects' types, git gives up at the first that is missing, and tells of no branch.
    said = repo.git.text("for-each-ref", "--format=%(refname)%00%(objectname)", prefix)
    rows = [line.split("\0") for line in said.split("\n") if line]
    names = "".join(f"{head}\n" for _, head in rows).encode()
    kinds = repo.git.text("cat-file", "--batch-check=%(objecttype)", input=names).split("\n")
    return tuple(
        BranchRef(name=ref.removeprefix(prefix), ref=ref, head=head, remote=remote)
        for (ref, head), kind in zip(rows, kinds, strict=False)
        if (kind == "commit" or kind.endswith(" missing"))
        and not (remote is not None and ref == prefix + "HEAD")
    )


def has_remote(repo: Repository, name: str) -> bool:
    return name in repo.git.text("remote").split("\n")


def push_url(repo: Repository, name: str) -> str:
    """Where a push to this remote goes; empty where that cannot be told."""
    found = repo.git.run("remote", "get-url", "--push", name, check=False)
    return decode(found.stdout).strip() if found.status == 0 else ""


def merge_base(repo: Repository, a: ObjectId, b: ObjectId) -> ObjectId | None:
    """A best common ancestor, None for unrelated histories (in a shallow clone: beyond its depth)."""
    found = repo.git.run("merge-base", a, b, check=False)
    # With a commit missing on the way git says so, and answers as if the histories were unrelated.
    if found.status not in (0, 1) or (found.status and found.stderr):
        raise repo.git.failure(found, "find the merge base")
    return decode(found.stdout).strip() or None


def is_ancestor(repo: Repository, ancestor: ObjectId, descendant: ObjectId) -> bool:
    """Whether `descendant` contains `ancestor` (or is it). Raises RepositoryError for a missing commit."""
    found = repo.git.run("merge-base", "--is-ancestor", ancestor, descendant, check=False)
    if found.status not in (0, 1):
        raise repo.git.failure(found, "compare two commits")
    return found.ok


def count_commits(repo: Repository, base: ObjectId, head: ObjectId) -> int:
    """How many commits `head` has that `base` has not."""
    return int(repo.git.text("rev-list", "--count", head, f"^{base}"))


def read_blob(repo: Repository, commit: ObjectId, path: str, *, limit: int = MAX_BLOB) -> bytes | None:
    """A file as a commit has it, None where it has no such file. Raises RepositoryError above `limit` bytes."""
    found = _sizes(repo.git, [f"{commit}:{path}"])[0]
    if found is None:
        return None
    blob, size = found
    if size > limit:
        raise RepositoryError(
            f"{path} is too large to read", reason=f"{size} bytes, at most {limit} are read"
        )
    return repo.git.run("cat-file", "blob", blob).stdout


def read_blobs(
    repo: Repository, commit: ObjectId, paths: Sequence[str], *, limit: int = MAX_BLOB
) -> dict[str, bytes]:
    """Many files of a commit in two processes. Those that it lacks, or that are larger than `limit`, are left out."""
    found = _sizes(repo.git, [f"{commit}:{path}" for path in paths])
    wanted = {p: f[0] for p, f in zip(paths, found, strict=True) if f is not None and f[1] <= limit}
    contents = dict(zip(wanted.values(), read_objects(repo.git, list(wanted.values())), strict=True))
    return {path: contents[blob] for path, blob in wanted.items()}


def read_objects(git: Git, blobs: Sequence[ObjectId]) -> list[bytes]:
    """The contents of objects that are there. Raises RepositoryError for one that is missing."""
    if not blobs:
        return []
    raw = git.run("cat-file", "--batch", input="".join(f"{b}\n" for b in blobs).encode()).stdout
    contents, at = [], 0
    for blob in blobs:
        header, at = raw[at : raw.index(b"\n", at)], raw.index(b"\n", at) + 1
        if header.endswith(b" missing"):
            raise RepositoryError(f"object {blob} is missing", remedy="Run git fsck.")
        size = int(header.split(b" ")[2])
        contents.append(raw[at : at + size])
        at += size + 1
    return contents


def _sizes(git: Git, names: Sequence[str]) -> list[tuple[ObjectId, int] | None]:
    """For each `commit:path` the blob and its size, None where there is no such file."""
    if not names:
        return []
    raw = git.run(
        "cat-file",
        "-z",
        "--batch-check=%(objecttype) %(objectname) %(objectsize)",
        input=b"".join(encode(name) + b"\0" for name in names),
    ).stdout
    found: list[tuple[ObjectId, int] | None] = []
    at = 0
    for name in names:
        # A missing object is answered with its name, which may itself hold newlines.
        missing = encode(name) + b" missing\n"
        if raw.startswith(missing, at):
            found.append(None)
            at += len(missing)
            continue
        end = raw.index(b"\n", at)
        kind, blob, size = raw[at:end].split(b" ")
        found.append((decode(blob), int(size)) if kind == b"blob" else None)
        at = end + 1
    return found


def tree_paths(repo: Repository, commit: ObjectId, under: Sequence[str] = ()) -> tuple[str, ...]:
    """Every file of a commit, or those in the folders (or the files) of `under`."""
    return tuple(
        repo.git.lines0("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", *_literal(under))
    )


def _literal(under: Iterable[str]) -> list[str]:
    return [path.strip("/") for path in under if path.strip("/") not in ("", ".")]


def submodules(repo: Repository, commit: ObjectId) -> tuple[str, ...]:
    """The paths of a commit that are submodules."""
    rows = repo.git.lines0("ls-tree", "-r", "-z", "--full-tree", commit)
    return tuple(row.split("\t", 1)[1] for row in rows if row.startswith("160000 "))


def lfs_paths(repo: Repository, commit: ObjectId) -> tuple[str, ...]:
    """The files of a commit that are git-lfs pointers; found by their contents, only where attributes name LFS."""
    rows = [row.split("\t", 1) for row in repo.git.lines0("ls-tree", "-r", "-l", "-z", "--full-tree", commit)]
    attributes = [path for _, path in rows if path.rpartition("/")[2] == ".gitattributes"]
    if not any(b"filter=lfs" in content for content in read_blobs(repo, commit, attributes).values()):
        return ()
    small = [
        path for facts, path in rows if (size := facts.split()[3]).isdigit() and int(size) < _LFS_POINTER
    ]
    contents = read_blobs(repo, commit, small)
    return tuple(path for path in small if contents[path].startswith(_LFS_SIGNATURE))


_INFO = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%s%x00%(trailers:only=true,unfold=true)"
_INFO_FIELDS = 9
# Trailers are read the same way for everybody, whatever a user's trailer.* settings say.
_LOG = (
    "-c",
    "trailer.separators=:",
    "log",
    "-z",
    "--no-patch",
    "--no-notes",
    "--no-color",
    "--encoding=UTF-8",
)


def commit_info(repo: Repository, oid: ObjectId) -> CommitInfo:
    return commit_infos(repo, [oid])[oid]


def commit_infos(repo: Repository, oids: Sequence[ObjectId]) -> dict[ObjectId, CommitInfo]:
    """Many commits in one process."""
    if not oids:
        return {}
    names = "".join(f"{oid}\n" for oid in oids).encode()
    raw = repo.git.run(
        *_LOG, f"--format={_INFO}", "--no-walk=unsorted", "--stdin", input=names, doing="read commits"
    ).stdout
    return {info.id: info for info in _infos(raw)}


def first_parent_trailers(
    repo: Repository, commit: ObjectId, keys: Sequence[str], limit: int | None = None
) -> tuple[CommitInfo, ...]:
    """The commits of `commit`'s first-parent history that carry one of the trailers, newest first, with those alone.

    `limit` is how many such commits are looked up at most.
    """
    bound = [] if limit is None else [f"-n{limit}"]
    grep = [f"--grep=^{key}:" for key in keys]
    raw = repo.git.run(
        *_LOG, f"--format={_INFO}", "--first-parent", "-i", "--basic-regexp", *grep, *bound, commit, "--"
    ).stdout
    wanted = {key.lower() for key in keys}
    found = (_with_keys(info, wanted) for info in _infos(raw))
    return tuple(info for info in found if info.trailers)


def _with_keys(info: CommitInfo, keys: set[str]) -> CommitInfo:
    return replace(info, trailers=tuple(t for t in info.trailers if t[0].lower() in keys))


def _infos(raw: bytes) -> Iterator[CommitInfo]:
    fields = [decode(part) for part in raw.split(b"\0")]
    for at in range(0, len(fields) - _INFO_FIELDS + 1, _INFO_FIELDS):
        oid, tree, parents, author, email, authored, committed, subject, trailers = fields[
            at : at + _INFO_FIELDS
        ]
        yield CommitInfo(
            id=oid,
            tree=tree,
            parents=tuple(parents.split()),
            author=author,
            email=email,
            authored=int(authored),
            committed=int(committed),
            subject=subject,
            trailers=tuple(_trailers(trailers)),
        )


def _trailers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def fetch(repo: Repository, remote: str) -> None:
    """Bring the remote-tracking refs up to date; nothing else moves, whatever the remote's own refspecs say."""
    repo.git.over_network().run(
        "-c",
        "fetch.pruneTags=false",
        *FETCH,
        "--prune",
        "--end-of-options",
        remote,
        f"+refs/heads/*:refs/remotes/{remote}/*",
        doing=f"fetch from {remote}",
    )


def fetch_commit(repo: Repository, remote: str, commit: ObjectId) -> bool:
    """Brings one commit's objects from the remote where they are missing; no ref is written. Whether it is here now."""
    if resolve(repo, f"{commit}^{{commit}}") is None:
        repo.git.over_network().run(*FETCH, "--end-of-options", remote, commit, check=False)
    return resolve(repo, f"{commit}^{{commit}}") is not None


def remote_head(repo: Repository, remote: str, branch: str) -> ObjectId | None:
    """What a remote's branch is at this moment, asked of the remote itself."""
    return remote_heads(repo, remote, [branch]).get(branch)


def remote_heads(repo: Repository, remote: str, names: Sequence[str]) -> dict[str, ObjectId]:
    """What these branches of a remote are at this moment, in one question; those that are gone are absent."""
    refs = {f"refs/heads/{name}": name for name in names}
    # All of many are asked for at once: their names would make the command line too long.
    asked = list(refs) if len(refs) <= _ASKED_BY_NAME else ["refs/heads/*"]
    said = repo.git.over_network().text(
        "ls-remote", "--end-of-options", remote, *asked, doing=f"ask {remote} for its {_some(names)}"
    )
    rows = [line.split("\t", 1) for line in said.split("\n") if line]
    # ls-remote matches by the end of a ref's name.
    return {refs[name]: oid for oid, name in rows if name in refs}


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} branches"
