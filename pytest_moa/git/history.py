"""Questions about a history that several verbs ask: the default branch, the first-parent line, a merge's paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedHistory:
    """What a head adds to a target. `contains` are other heads in it; `begun` is when its first commit was made (epoch)."""

    contains: frozenset[ObjectId] = frozenset()
    begun: int = 0


def added_history(
    repo: Repository, heads: Sequence[ObjectId], *, without: ObjectId
) -> dict[ObjectId, AddedHistory]:
    """For each head what it adds to `without`, by one walk; nothing for one that `without` contains."""
    wanted = frozenset(heads)
    reached: dict[ObjectId, frozenset[ObjectId]] = {}
    times: dict[ObjectId, int] = {}
    for time, commit, parents in _walked(repo, heads, without):
        reached[commit] = _reached(reached, commit, parents, wanted)
        times[commit] = min([time, *(times[parent] for parent in parents if parent in times)])
    return {
        head: AddedHistory(contains=reached.get(head, frozenset()) - {head}, begun=times.get(head, 0))
        for head in heads
    }


def reaching(
    repo: Repository, heads: Sequence[ObjectId], commits: Collection[ObjectId], *, without: ObjectId
) -> frozenset[ObjectId]:
    """The heads that contain one of these commits; what `without` contains is left out."""
    wanted = frozenset(commits)
    reached: dict[ObjectId, frozenset[ObjectId]] = {}
    for _, commit, parents in _walked(repo, heads, without):
        reached[commit] = _reached(reached, commit, parents, wanted)
    return frozenset(head for head in heads if reached.get(head))


def commits_between(repo: Repository, base: ObjectId, head: ObjectId) -> frozenset[ObjectId]:
    """The commits that `head` contains and `base` does not."""
    said = repo.git.text("rev-list", head, "--not", base, doing="walk the history")
    return frozenset(said.split("\n")) if said else frozenset()


def first_parent_line(
    repo: Repository, base: ObjectId, head: ObjectId
) -> tuple[tuple[ObjectId, tuple[ObjectId, ...]], ...]:
    """Each commit of `head`'s first-parent line that `base` does not contain, oldest first, with its parents."""
    said = repo.git.text(
        "rev-list", "--first-parent", "--reverse", "--parents", head, "--not", base, doing="walk the history"
    )
    lines = (line.split(" ") for line in said.split("\n") if line)
    return tuple((commit, tuple(parents)) for commit, *parents in lines)


def _reached(
    reached: Mapping[ObjectId, frozenset[ObjectId]],
    commit: ObjectId,
    parents: Sequence[ObjectId],
    wanted: frozenset[ObjectId],
) -> frozenset[ObjectId]:
    """The wanted commits that one contains, itself included, once its parents' are known."""
    found = frozenset[ObjectId]().union(*(reached.get(parent, frozenset()) for parent in parents))
    return found | {commit} if commit in wanted else found


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
