"""Moves the target, by compare-and-swap, to a candidate that passed; here or on a remote. Never otherwise forced."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass

from pytest_moa.errors import MoaError, RaceError, RefusedError, RepositoryError
from pytest_moa.git.checkouts import Checkout, checkouts, follow, require_clean
from pytest_moa.git.command import FETCH, Result, decode, last_line, remedy
from pytest_moa.git.handle import Repository
from pytest_moa.git.leftovers import changing
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.git.repository import is_ancestor, remote_head, resolve
from pytest_moa.model.agents import ObjectId

_PROTECTED = (
    "Let moa's account land there (branch protection, ruleset), or land by hand; the candidate passed."
)


ELSEWHERE = ("stale info", "failed to update ref", "cannot lock ref", "incorrect old value")
"""Git's words, its own and a server's, for a compare-and-swap that found another value, or the ref locked."""


@dataclass(frozen=True, slots=True)
class _Move:
    branch: str
    old: ObjectId
    new: ObjectId

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


def land_local(
    repo: Repository, quarantine: Quarantine, branch: str, old: ObjectId, new: ObjectId
) -> tuple[str, ...]:
    """Move a local branch from `old` to `new`, and clean work trees with it. Returns what was done beside, in sentences.

    Raises RaceError where the branch is not at `old`, RefusedError where a work tree has it checked out and is
    not clean; nothing is changed then.
    """
    _require_descendant(quarantine, old, new)
    _require_at(repo, branch, old)
    trees = checkouts(repo, branch)
    for tree in trees:
        require_clean(tree, quarantine.repository, old, new, branch)
    bring(repo, quarantine, old, new)
    return _move(repo, quarantine, trees, _Move(branch, old, new))


def land_remote(  # noqa: PLR0917 - the words of the push, in their order
    repo: Repository, quarantine: Quarantine, remote: str, branch: str, old: ObjectId, new: ObjectId
) -> tuple[str, ...]:
    """Move a remote's branch from `old` to `new`. Returns what became of this repository's own refs, in sentences.

    Raises RaceError where the branch is not at `old`, RepositoryError with the server's words where it refuses.
    """
    _require_descendant(quarantine, old, new)
    bring(repo, quarantine, old, new)
    move = _Move(branch, old, new)
    pushed = _push(repo, quarantine, remote, move)
    if not pushed.ok:
        _judge_push(repo, pushed, remote, move)
    elif _was_there(pushed):
        raise _lost(f"{branch} on {remote}", old, new)
    return _local_refs_follow(repo, quarantine, remote, branch, new)


def catch_up(repo: Repository, quarantine: Quarantine, branch: str, new: ObjectId) -> tuple[str, ...]:
    """Bring the local branch and its clean work trees to the remote's `new`, where that is a plain step forward."""
    try:
        return _local_branch_follows(repo, quarantine, branch, new)
    except MoaError as error:
        return (f"the local {branch} could not follow: {error}",)


def verify(repo: Repository, where: str | None, branch: str, new: ObjectId) -> None:
    """Read the target afresh, from the remote `where` or (None) here. Raises RepositoryError where it lacks `new`."""
    at = resolve(repo, f"refs/heads/{branch}") if where is None else _remote_commit(repo, where, branch)
    if at is None or not is_ancestor(repo, new, at):
        raise RepositoryError(
            f"{branch} does not hold the landed commit {new[:12]}",
            reason=f"it is at {at[:12]}" if at else "there is no such branch",
            remedy="Somebody moved it back after the landing: look at its history. What was taken back waits for `moa ready ID`.",
        )


def verify_whole(
    repo: Repository, quarantine: Quarantine, commit: ObjectId, present: Collection[str]
) -> None:
    """Read what landed afresh from the real repository: its tree is the tested one, and these paths are in it.

    Raises RepositoryError. Equal ids say so already, as long as no object is broken and no replace ref plays a part.
    """
    here, tested = (_entries(r, commit) for r in (repo, quarantine.repository))
    missing = sorted(set(present) - here.keys())
    if here == tested and not missing:
        return
    differing = missing or sorted(path for path in here | tested if here.get(path) != tested.get(path))
    raise RepositoryError(
        f"{commit[:12]} landed, and reads otherwise than it was tested",
        reason=f"it differs in {', '.join(differing[:5])}",
        remedy="Look at `git fsck` and `git replace -l` in this repository before anybody builds on it.",
    )


def _entries(repo: Repository, commit: ObjectId) -> dict[str, str]:
    rows = (row.split("\t", 1) for row in repo.git.lines0("ls-tree", "-r", "-z", "--full-tree", commit))
    return {path: facts for facts, path in rows}


def bring(repo: Repository, quarantine: Quarantine, old: ObjectId, new: ObjectId) -> None:
    """Bring the candidate's own objects into the real repository; they arrive hashed anew, and no ref names them yet."""
    wanted = f"{new}\n^{old}\n".encode()
    store = quarantine.trusted()
    pack = store.run(
        "pack-objects", "--revs", "--local", "--stdout", "-q", input=wanted, doing="pack the candidate"
    )
    repo.git.run(
        "unpack-objects", "-q", "--strict", input=pack.stdout, doing="bring the candidate into the repository"
    )
    # What tests may have done to the quarantine's objects shows here: the commit would not be whole.
    repo.git.run("rev-list", "--objects", "--quiet", new, f"^{old}", doing="find the candidate whole")


def _require_descendant(quarantine: Quarantine, old: ObjectId, new: ObjectId) -> None:
    if not is_ancestor(quarantine.repository, old, new):
        raise RefusedError(
            f"{new[:12]} does not contain {old[:12]}",
            reason="landing it would drop commits of the target",
            remedy="Build the candidate again on the target as it is.",
        )


def _require_at(repo: Repository, branch: str, old: ObjectId) -> None:
    at = resolve(repo, f"refs/heads/{branch}")
    if at != old:
        raise _lost(branch, old, at)


def _move(
    repo: Repository, quarantine: Quarantine, trees: tuple[Checkout, ...], move: _Move
) -> tuple[str, ...]:
    with ExitStack() as announced:
        announced.enter_context(changing(quarantine.folder, repo, (move.ref,)))
        for tree in trees:
            announced.enter_context(
                changing(quarantine.folder, repo, (), tree, (move.branch, move.old, move.new))
            )
        if not swap(repo, move.ref, move.old, move.new, f"moa: land {move.new[:12]}"):
            raise _lost(move.branch, move.old, move.new)
        return tuple(follow(tree, move.old, move.new, move.branch) for tree in trees)


def swap(repo: Repository, ref: str, old: ObjectId, new: ObjectId, message: str) -> bool:
    """Move a ref from `old` to `new`; raises RaceError where it is elsewhere. False where others had moved it to `new`.

    A ref that is at `new` was moved by us, whatever git's exit status, unless git says that it was not at `old` any more.
    """
    result = repo.git.run("update-ref", "-m", message, ref, new, old, check=False)
    if result.ok:
        return True
    at = resolve(repo, ref)
    if at == new:
        return b"but expected" not in result.stderr
    if at != old:
        raise _lost(ref.removeprefix("refs/heads/"), old, at)
    raise repo.git.failure(result, f"move {ref}")


def _lost(branch: str, old: ObjectId, at: ObjectId | None) -> RaceError:
    return RaceError(
        f"{branch} moved while its candidate was tested; nothing was changed",
        reason=f"expected {old[:12]}, found {at[:12] if at else 'no such branch'}",
        remedy="Run the command again: the candidate is built on the new target and tested anew.",
    )


def _push(repo: Repository, quarantine: Quarantine, remote: str, move: _Move) -> Result:
    with changing(quarantine.folder, repo, (f"refs/remotes/{remote}/{move.branch}",)):
        return push_with_lease(repo, remote, move.ref, move.old, move.new)


def push_with_lease(repo: Repository, remote: str, ref: str, old: ObjectId | None, new: ObjectId) -> Result:
    """Moves a remote's ref from `old` (None: there is none) to `new`, or not at all; the caller reads what came of it."""
    git = repo.git.with_settings(f"remote.{remote}.mirror=false", "push.followTags=false").over_network()
    return git.run(
        "push",
        "--porcelain",
        "--no-verify",
        "--recurse-submodules=no",
        f"--force-with-lease={ref}:{old or ''}",
        "--end-of-options",
        remote,
        f"{new}:{ref}",
        check=False,
        doing=f"push to {remote}",
    )


def _judge_push(repo: Repository, pushed: Result, remote: str, move: _Move) -> None:
    """A push that failed: returns where the target holds `new` all the same, else raises what it was."""
    try:
        at = _remote_commit(repo, remote, move.branch)
        landed = at is not None and is_ancestor(repo, move.new, at)
    except MoaError as error:
        raise RepositoryError(
            f"The push to {remote} failed, and what it holds now could not be asked",
            reason=f"{last_line(pushed.stderr)}; {error}",
            remedy=f"Run the command again when {remote} can be reached: it finds out whether this landed.",
        ) from error
    if landed and not _turned_away(pushed):
        return
    if at != move.old:
        raise _lost(f"{move.branch} on {remote}", move.old, at)
    words = server_words(pushed)
    raise RepositoryError(
        f"{remote} refused the landing on {move.branch}; nothing was changed",
        reason=words or f"git exited with status {pushed.status}",
        remedy=remedy(pushed.stderr, repo.git.cwd) if not _was_rejected(pushed) else _PROTECTED,
    )


def _was_there(pushed: Result) -> bool:
    """Whether the remote held the commit before: the same candidate is the same commit, and another run landed it."""
    return any(line.startswith("=") for line in decode(pushed.stdout).splitlines())


def _turned_away(pushed: Result) -> bool:
    """Whether a push was answered, and the answer is that the ref was not where we expected it: we did not move it.

    A push that ended without an answer, or was refused for another reason, tells nothing of what the remote did.
    """
    words = [row for row in decode(pushed.stdout).splitlines() if row.startswith("!")]
    return any(said in row for row in words for said in ELSEWHERE)


def _was_rejected(pushed: Result) -> bool:
    return any(line.startswith("!") for line in decode(pushed.stdout).splitlines())


def server_words(pushed: Result) -> str:
    """What the server said: its `remote:` lines and the reason beside the rejected ref, else git's last line."""
    said = [
        line.strip().removeprefix("remote:").strip()
        for line in decode(pushed.stderr).replace("\r", "\n").splitlines()
        if line.strip().startswith("remote:")
    ]
    refs = [line.split("\t") for line in decode(pushed.stdout).splitlines() if line.startswith("!")]
    words = [*(word for word in said if word), *(row[-1] for row in refs if row)]
    return "; ".join(dict.fromkeys(words)) or pushed.said


def _remote_commit(repo: Repository, remote: str, branch: str) -> ObjectId | None:
    """The remote's branch as it is now; its objects are fetched where they are not here, without any ref."""
    at = remote_head(repo, remote, branch)
    if at is not None and resolve(repo, at) is None:
        repo.git.over_network().run(
            *FETCH,
            "--end-of-options",
            remote,
            f"refs/heads/{branch}",
            doing=f"fetch {branch} from {remote}",
        )
    return at


def _local_refs_follow(
    repo: Repository, quarantine: Quarantine, remote: str, branch: str, new: ObjectId
) -> tuple[str, ...]:
    """The remote-tracking ref and the local branch come after, where that is a plain step forward for them."""
    try:
        _track(repo, quarantine, f"refs/remotes/{remote}/{branch}", new)
        return _local_branch_follows(repo, quarantine, branch, new)
    except MoaError as error:
        return (f"{branch} landed on {remote}; here it could not follow: {error}",)


def _track(repo: Repository, quarantine: Quarantine, ref: str, new: ObjectId) -> None:
    at = resolve(repo, ref)
    if at == new or (at is not None and not is_ancestor(repo, at, new)):
        return
    with changing(quarantine.folder, repo, (ref,)):
        swap(repo, ref, at or "0" * len(new), new, "moa: landed")


def _local_branch_follows(
    repo: Repository, quarantine: Quarantine, branch: str, new: ObjectId
) -> tuple[str, ...]:
    at = resolve(repo, f"refs/heads/{branch}")
    if at is None or is_ancestor(repo, new, at):
        return ()
    if not is_ancestor(repo, at, new):
        return (f"the local {branch} has commits of its own and was left where it is",)
    trees = checkouts(repo, branch)
    for tree in trees:
        try:
            require_clean(tree, repo, at, new, branch)
        except RefusedError as error:
            return (f"the local {branch} was left behind: {error}",)
    return (*_move(repo, quarantine, trees, _Move(branch, at, new)), f"the local {branch} follows")
