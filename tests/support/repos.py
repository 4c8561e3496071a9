"""Real git repositories, told as a story: `repo.agent("03").writes({...}).commits("…")`. Dates are fixed.

`Repo` writes into its work tree, as a person would; a `Line` commits to a branch without any checkout.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Content = str | bytes | None
"""A file's text or bytes; None removes it."""

_EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z
_MINUTE = 60


class _Clock:
    """A minute passes with each commit, so that histories have an order and ids that stay the same."""

    def __init__(self) -> None:
        self.now = _EPOCH

    def tick(self) -> int:
        self.now += _MINUTE
        return self.now


class Repo:
    """A repository with a work tree (or a bare one), its HEAD on a branch."""

    def __init__(self, path: Path, clock: _Clock | None = None) -> None:
        self.path = path
        self.clock = clock or _Clock()

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        branch: str = "develop",
        bare: bool = False,
        object_format: str = "sha1",
        files: Mapping[str, Content] | None = None,
    ) -> Repo:
        """An empty repository whose HEAD is the unborn `branch`; with `files`, their first commit."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        options = [f"--initial-branch={branch}", f"--object-format={object_format}"]
        repo.git("init", "-q", "--template=", *options, *(["--bare"] if bare else []))
        if files is not None:
            repo.writes(files).commits("The beginning")
        return repo

    def writes(self, files: Mapping[str, Content]) -> Repo:
        """Write into the work tree; nothing is committed yet."""
        for name, content in files.items():
            file = self.path / name
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def commits(self, message: str = "Work", *, trailers: Mapping[str, str] | None = None) -> str:
        """Commit the whole work tree on the current branch."""
        self.git("add", "-A", "--force")
        self.git("commit", "-q", "--allow-empty", "-F", "-", text=with_trailers(message, trailers))
        return self.head()

    def branch(self, name: str, at: str = "develop") -> Line:
        """A branch that starts at `at`, without checking it out; an existing one is gone on with."""
        ref = f"refs/heads/{name}"
        if not self.has(ref):
            self.git("update-ref", ref, f"{at}^{{commit}}")
        return Line(self, name)

    def agent(self, agent: str, *, slug: str = "work", at: str = "develop") -> Line:
        return self.branch(f"agent-{agent}-{slug}", at)

    def checkout(self, rev: str, *, detach: bool = False) -> Repo:
        self.git("checkout", "-q", *(["--detach"] if detach else []), rev, "--")
        return self

    def merges(self, rev: str, message: str = "Merge", *, trailers: Mapping[str, str] | None = None) -> str:
        """Merge into the current branch, always with a merge commit."""
        self.git("merge", "-q", "--no-ff", "-m", with_trailers(message, trailers), rev)
        return self.head()

    def clone(self, path: Path, *options: str) -> Repo:
        """A clone with this repository as its `origin`; the clone's clock is this one's."""
        run(["git", "clone", "-q", *options, str(self.path), str(path)], self.path, self._env())
        return Repo(path, self.clock)

    def with_remote(self, path: Path, *, name: str = "origin") -> Repo:
        """A bare remote that holds all of this repository's branches and tags, added and fetched as `name`."""
        object_format = self.git("rev-parse", "--show-object-format").strip()
        remote = Repo.create(path, bare=True, object_format=object_format)
        remote.clock = self.clock
        self.git("remote", "add", name, str(path))
        self.git("push", "-q", name, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")
        self.git("fetch", "-q", name)
        return remote

    def head(self, ref: str = "HEAD") -> str:
        """The commit that a ref or revision names."""
        return self.git("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()

    def has(self, rev: str) -> bool:
        command = ["git", "rev-parse", "--verify", "-q", "--end-of-options", f"{rev}^{{object}}"]
        return (
            subprocess.run(
                command, cwd=self.path, env=self._env(), capture_output=True, check=False
            ).returncode
            == 0
        )

    def shows(self, path: str, rev: str = "HEAD") -> str:
        """A file's text as a commit has it."""
        return self.git("cat-file", "blob", f"{rev}:{path}")

    def loses(self, rev: str) -> None:
        """A loose object vanishes, as after a crash or on a bad disk."""
        oid = self.git("rev-parse", "--verify", "--end-of-options", rev).strip()
        (self.path / ".git/objects" / oid[:2] / oid[2:]).unlink()

    def refs(self) -> dict[str, str]:
        """Every ref and its object id, to compare a before with an after."""
        rows = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(row.split(" ", 1) for row in rows)

    def git(self, *args: str, text: str | bytes | None = None) -> str:
        """Run git here and return its standard output; a failure raises with git's own words."""
        data = text.encode() if isinstance(text, str) else text
        return run(["git", *args], self.path, self._env(tick="commit" in args or "merge" in args), data)

    def _env(self, *, tick: bool = False) -> dict[str, str]:
        date = f"{self.clock.tick() if tick else self.clock.now} +0000"
        return {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "LC_ALL": "C"}


class Line:
    """A branch that is committed to without a checkout; paths may hold any byte but NUL."""

    def __init__(self, repo: Repo, name: str) -> None:
        self.repo = repo
        self.name = name
        self._changes: list[bytes] = []

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.name}"

    @property
    def head(self) -> str:
        return self.repo.head(self.ref)

    def writes(self, files: Mapping[str, Content], *, mode: str = "100644") -> Line:
        for name, content in files.items():
            if content is None:
                self._changes.append(b"D " + _quoted(name) + b"\n")
            else:
                data = content.encode() if isinstance(content, str) else content
                self._changes.append(
                    b"M " + mode.encode() + b" inline " + _quoted(name) + b"\n" + _data(data)
                )
        return self

    def removes(self, *names: str) -> Line:
        return self.writes(dict.fromkeys(names))

    def renames(self, old: str, new: str) -> Line:
        self._changes.append(b"R " + _quoted(old) + b" " + _quoted(new) + b"\n")
        return self

    def links(self, name: str, target: str) -> Line:
        """A symbolic link."""
        return self.writes({name: target}, mode="120000")

    def submodule(self, name: str, commit: str) -> Line:
        self._changes.append(b"M 160000 " + commit.encode() + b" " + _quoted(name) + b"\n")
        return self

    def commits(
        self,
        message: str = "Work",
        *,
        trailers: Mapping[str, str] | None = None,
        author: str = "Agent <agent@example.invalid>",
        merging: Sequence[str] = (),
    ) -> str:
        """Commit what was written; `merging` names further parents. Returns the commit's id."""
        who = f"{author} {self.repo.clock.tick()} +0000\n".encode()
        stream = b"commit " + self.ref.encode() + b"\nmark :1\nauthor " + who + b"committer " + who
        stream += _data(with_trailers(message, trailers).encode()) + b"from " + self.head.encode() + b"\n"
        stream += b"".join(b"merge " + self.repo.head(rev).encode() + b"\n" for rev in merging)
        stream += b"".join(self._changes) + b"\nget-mark :1\ndone\n"
        self._changes = []
        return self.repo.git("fast-import", "--quiet", "--done", text=stream).strip()


def with_trailers(message: str, trailers: Mapping[str, str] | None) -> str:
    if not trailers:
        return message + "\n"
    return message + "\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers.items())


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str], data: bytes | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=dict(env), input=data or b"", capture_output=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise AssertionError(f"{' '.join(command)} exited {done.returncode}: {said}")
    return done.stdout.decode(errors="surrogateescape")


def _data(content: bytes) -> bytes:
    return b"data " + str(len(content)).encode() + b"\n" + content + b"\n"


def _quoted(name: str) -> bytes:
    raw = os.fsencode(name)
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
