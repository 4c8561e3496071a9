"""Questions about a history that several verbs ask: the default branch, the first-parent line, a merge's paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pytest_moa.git.command import decode
from pytest_moa.git.handle import Repository
from pytest_moa.model.agents import ObjectId


def default_branch(repo: Repository, remote: str) -> str | None:
    """The branch that a remote's HEAD names, as last told; None where nobody told."""
    prefix = f"refs/remotes/{remote}/"
    found = repo.git.run("symbolic-ref", "-q", f"{prefix}HEAD", check=False)
    return decode(found.stdout).strip().removeprefix(prefix) if found.ok else None


def on_first_parent_line(repo: Repository, commit: ObjectId, tip: ObjectId) -> bool:
    """Whether a commit is one that the branch at `tip` itself went through, and not one that a merge brought."""
    # Without the commit's parents the walk ends at it at the latest, however long the history is.
    said = repo.git.text("rev-list", "--first-parent", tip, "--not", f"{commit}^@", doing="walk the history")
    return commit in said.split("\n")


def paths_of_merge(repo: Repository, commit: ObjectId) -> tuple[str, ...]:
    """The paths that a commit changed against its first parent."""
    return tuple(
        repo.git.lines0(
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-commit-id",
            "--no-renames",
            "--end-of-options",
            f"{commit}^1",
            commit,
        )
    )


def contained(
    repo: Repository, heads: Sequence[ObjectId], *, without: ObjectId
) -> dict[ObjectId, frozenset[ObjectId]]:
    """For each head the others among them that it contains; what `without` contains is left out."""
    reached = _reached(repo, heads, frozenset(heads), without)
    return {head: reached.get(head, frozenset()) - {head} for head in heads}


def reaching(
    repo: Repository, heads: Sequence[ObjectId], commits: Collection[ObjectId], *, without: ObjectId
) -> frozenset[ObjectId]:
    """The heads that contain one of these commits; what `without` contains is left out."""
    reached = _reached(repo, heads, frozenset(commits), without)
    return frozenset(head for head in heads if reached.get(head))


def commits_between(repo: Repository, base: ObjectId, head: ObjectId) -> frozenset[ObjectId]:
    """The commits that `head` contains and `base` does not."""
    said = repo.git.text("rev-list", head, "--not", base, doing="walk the history")
    return frozenset(said.split("\n")) if said else frozenset()


def began(repo: Repository, heads: Sequence[ObjectId], *, without: ObjectId) -> dict[ObjectId, int]:
    """For each head when its first commit was made that `without` has not, in seconds since the epoch."""
    times: dict[ObjectId, int] = {}
    for time, commit, parents in _walked(repo, heads, without):
        times[commit] = min([time, *(times[parent] for parent in parents if parent in times)])
    return {head: times[head] for head in heads if head in times}


def _reached(
    repo: Repository, heads: Sequence[ObjectId], wanted: frozenset[ObjectId], without: ObjectId
) -> dict[ObjectId, frozenset[ObjectId]]:
    """Of every commit that the heads add to `without` the wanted ones that it contains, itself included."""
    reached: dict[ObjectId, frozenset[ObjectId]] = {}
    for _, commit, parents in _walked(repo, heads, without):
        found = frozenset().union(*(reached.get(parent, frozenset()) for parent in parents))
        reached[commit] = found | {commit} if commit in wanted else found
    return reached


def _walked(
    repo: Repository, heads: Sequence[ObjectId], without: ObjectId
) -> Iterator[tuple[int, ObjectId, list[ObjectId]]]:
    """Time, commit and parents of everything that the heads add to `without`, parents first."""
    if not heads:
        return
    words = "".join(f"{head}\n" for head in heads) + f"^{without}\n"
    said = repo.git.text(
        "rev-list",
        "--topo-order",
        "--reverse",
        "--parents",
        "--timestamp",
        "--stdin",
        input=words.encode(),
        doing="walk the branches' history",
    )
    for line in said.split("\n") if said else ():
        time, commit, *parents = line.split(" ")
        yield int(time), commit, parents


def held_by(repo: Repository, tip: ObjectId, commits: Collection[ObjectId]) -> frozenset[ObjectId]:
    """Those of the commits that `tip` contains; what is no commit here is in nothing."""
    if not commits:
        return frozenset()
    words = "".join(f"{commit}\n" for commit in commits).encode()
    # A partial clone would ask its remote for what is not here.
    git = repo.git.with_env(GIT_NO_LAZY_FETCH="1")
    rows = git.text("cat-file", "--batch-check=%(objectname) %(objecttype)", input=words).split("\n")
    known = [row.split(" ")[0] for row in rows if row.endswith(" commit")]
    if not known:
        return frozenset()
    asked = "".join(f"{commit}\n" for commit in known) + f"^{tip}\n"
    outside = repo.git.text(
        "rev-list", "--no-walk", "--stdin", input=asked.encode(), doing="look for landings"
    )
    return frozenset(known) - frozenset(outside.split("\n"))
