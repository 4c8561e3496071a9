"""People's words in the ledger, said, read and honoured: who asked, who is held back, whether the target is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_moa.errors import (
    AgentError,
    RaceError,
    RefusedError,
    RepositoryError,
    UndeterminedError,
    UsageError,
)
from pytest_moa.git import ledger
from pytest_moa.git import repository as git
from pytest_moa.git.history import held_by
from pytest_moa.git.repository import Repository
from pytest_moa.model.agents import BranchRef, ObjectId
from pytest_moa.model.asking import Spoken, WordKind
from pytest_moa.model.results import Event
from pytest_moa.rules.rejections import ANSWER_KEY, Refusal, refusals
from pytest_moa.rules.standing import (
    Landing,
    Standing,
    Word,
    Words,
    agent_subject,
    standing_of,
    taken_back,
    target_subject,
    words_of,
)
from pytest_moa.services.project import Project
from pytest_moa.services.words import since_words

_AT_ONCE = 1_000
"""How many words one event answers at most: whoever floods the ledger must not make an answer too large to be read."""
NEEDS_A_REASON = frozenset({"unready", "freeze"})
"""What holds somebody back is said with a reason."""


def standing(project: Project, *, fresh: bool = False) -> Standing:
    """What the ledger says about this target; `fresh` asks the remote first. Only heads that are current are looked at.

    A remote that cannot be asked is a note: then what was fetched before counts.
    """
    # All at once: a ledger that is newer than the target would tell of landings that the target seems to lack.
    notes = _read_afresh(project, git.fetch) if fresh else ()
    words = words_on(project)
    heads = [agent.branch.head for agent in project.agents if agent.branch is not None]
    back = taken_back(words, heads, _there(project, words, heads))
    newest = {head: landings[-1].commit for head, landings in back.items()}
    return replace(standing_of(words, project.target.name), taken_back=newest, notes=notes)


def require_thawed(project: Project) -> None:
    """Raises RefusedError where somebody froze the target; the remote is asked. To be called right before a landing."""
    _read_afresh(project, ledger.refresh)
    frozen = standing_of(words_on(project), project.target.name).frozen
    if frozen is not None:
        raise RefusedError(
            f"{project.target.name} is frozen",
            reason=since_words(frozen),
            remedy="When it is over: `moa unfreeze`, and integrate again.",
        )


def refused_heads(project: Project) -> Mapping[ObjectId, tuple[Refusal, ...]]:
    """By head what `moa land` refused it for, as long as nobody asked for it again."""
    return refusals(ledger.read(project.repo, remote=project.remote), project.target.name)


def say(project: Project, kind: WordKind, *, agent: str | None = None, because: str = "") -> Spoken:
    """Writes a word into the ledger and shares it; what holds already is not written again.

    Raises AgentError for an unknown agent, UsageError without a reason where one is needed, RepositoryError where the
    word could not be written, or is only here since the remote did not take it.
    """
    because = because.strip()
    if kind in NEEDS_A_REASON and not because:
        raise UsageError(f"`moa {kind}` needs a reason", remedy='Say why: --because "…".')
    branch = _branch(project, kind, agent)
    words = words_on(project)
    subject = target_subject(project.target.name) if agent is None else agent_subject(agent)
    again = _again(project, words, branch) if kind == "ready" and branch is not None else ()
    refused = refused_heads(project).get(branch.head, ()) if kind == "ready" and branch is not None else ()
    holds = words.of(subject)
    changed = bool(again or refused) or not _stands(holds, kind, because)
    if changed:
        about = _about(project, agent, branch, because)
        ids = {
            "answers": [word.id for word in words.standing.get(subject, ())],
            "landings": [landing.id for landing in again],
            ANSWER_KEY: [refusal.id for refusal in refused],
        }
        _written(
            project, [Event(kind=kind, at=ledger.now(), agent=agent, data=one) for one in _data(about, ids)]
        )
        holds = words_on(project).of(subject)
    else:
        _shared(project)
    return Spoken(
        kind=kind,
        target=project.target.name,
        changed=changed,
        said=holds.said if holds is not None else None,
        agent=agent,
        branch=branch.name if branch is not None else None,
        head=branch.head if branch is not None else None,
        again=tuple(dict.fromkeys(landing.commit for landing in again)),
        remote=project.remote,
        notes=(*project.notes, *_outspoken(holds, kind)),
    )


def _branch(project: Project, kind: WordKind, agent: str | None) -> BranchRef | None:
    """The agent's branch. Work can be held back before there is a branch, or where there are two."""
    if agent is None:
        return None
    try:
        return project.agent(agent)[1]
    except AgentError:
        if kind == "ready" or all(known.id != agent for known in project.agents):
            raise
        return None


def _stands(holds: Word | None, kind: WordKind, because: str) -> bool:
    if holds is None or holds.kind == "unfreeze":
        return kind == "unfreeze"
    return holds.kind == kind and because in {"", holds.said.because}


def _again(project: Project, words: Words, branch: BranchRef) -> tuple[Landing, ...]:
    there = _there(project, words, [branch.head])
    return taken_back(words, [branch.head], there).get(branch.head, ())


def _there(project: Project, words: Words, heads: Sequence[ObjectId]) -> frozenset[ObjectId]:
    """Of the landings' commits of these heads those that the target holds: as it was pinned, or as it is by now.

    Another queue may land between our look at the target and the one at the ledger; nothing was taken back then.
    """
    asked = frozenset[ObjectId]().union(*(words.commits[head] for head in heads if words.landings.get(head)))
    there = held_by(project.repo, project.target.head, asked)
    if there == asked:
        return there
    now = git.resolve(project.repo, project.target.ref)
    return there if now is None else there | held_by(project.repo, now, asked - there)


def _about(project: Project, agent: str | None, branch: BranchRef | None, because: str) -> dict[str, object]:
    about: dict[str, object] = {"target": project.target.name, "because": because, "by": _speaker(project)}
    if agent is not None:
        about |= {"branch": branch.name if branch else None, "head": branch.head if branch else None}
    return about


def _data(about: dict[str, object], ids: Mapping[str, Sequence[str]]) -> Iterator[dict[str, object]]:
    """What the word's event holds; several where it answers very many."""
    for at in range(0, max(1, *map(len, ids.values())), _AT_ONCE):
        some = {key: list(of_key[at : at + _AT_ONCE]) for key, of_key in ids.items()}
        yield {**about, **{key: of_key for key, of_key in some.items() if of_key or key == "answers"}}


def _speaker(project: Project) -> str:
    name = project.repo.git.run("config", "user.name", check=False)
    said = name.stdout.decode(errors="replace").strip()
    return said or project.environ.get("GITHUB_ACTOR") or project.environ.get("USER") or "somebody"


def _written(project: Project, events: Sequence[Event]) -> None:
    try:
        ledger.append(project.repo, events, remote=project.remote)
    except RepositoryError as error:
        here = ledger.read(project.repo) if project.remote is not None else ()
        if project.remote is None or any(event not in here for event in events):
            raise
        raise _only_here(project.remote, error) from error


def _shared(project: Project) -> None:
    """A word that was said before may be here alone, where its push failed."""
    if project.remote is None:
        return
    try:
        ledger.share(project.repo, project.remote)
    except (RepositoryError, RaceError) as error:
        raise _only_here(project.remote, error) from error


def _only_here(remote: str, error: RepositoryError | RaceError) -> RepositoryError:
    return RepositoryError(
        f"The word is only here: it could not be pushed to {remote}",
        reason=error.reason or error.message,
        remedy=error.remedy
        or "Say it again when the remote can be written; until then it holds in this clone alone.",
    )


def _outspoken(holds: Word | None, kind: WordKind) -> tuple[str, ...]:
    """Somebody may have said the contrary at the same moment; then the careful word holds."""
    if holds is None or holds.kind == kind:
        return ()
    why = f": {holds.said.because}" if holds.said.because else ""
    return (
        f"{holds.said.by} said `{holds.kind}` at the same moment{why}. That word holds; look, and say yours again.",
    )


def words_on(project: Project) -> Words:
    """What the ledger tells of this target, as it was last fetched."""
    return words_of(ledger.read(project.repo, remote=project.remote), project.target.name)


def _read_afresh(project: Project, read: Callable[[Repository, str], None]) -> tuple[str, ...]:
    """Asks the remote; a sentence where it cannot be asked."""
    if project.remote is None:
        return ()
    try:
        read(project.repo, project.remote)
    except (RepositoryError, UndeterminedError) as error:
        said = error.reason or error.message
        return (
            f"{project.remote} could not be asked for the ledger, what was fetched before counts: {said}",
        )
    return ()
