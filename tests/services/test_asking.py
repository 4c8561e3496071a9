"""Words said by people: who hears them, what they hold back, and what becomes of them when something goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.repos import Repo
from support.teams import PROJECT, Team

from pytest_moa.errors import AgentError, RefusedError, RepositoryError, UsageError
from pytest_moa.git import ledger
from pytest_moa.model.results import Event
from pytest_moa.services import asking
from pytest_moa.services.asking import refused_heads, require_thawed, say, standing
from pytest_moa.services.observe import status_of_agent
from pytest_moa.services.project import OpenOptions, Project, open_project
from pytest_moa.services.recovery import recover

REFUSES = "#!/bin/sh\necho 'not for you' >&2\nexit 1\n"


def opened(repo: Repo) -> Project:
    return open_project(OpenOptions(start=repo.path, environ=dict(os.environ)))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.create(tmp_path / "repo", files=PROJECT)
    for agent in ("03", "04"):
        repo.agent(agent).writes({f"src/calc/m{agent}.py": "x = 1\n"}).commits()
    return repo


@pytest.fixture
def origin(repo: Repo, tmp_path: Path) -> Repo:
    return repo.with_remote(tmp_path / "o.git")


def refuse_pushes(origin: Repo) -> Path:
    hook = origin.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(REFUSES)
    hook.chmod(0o755)
    return hook


def events(repo: Repo) -> list[Event]:
    return list(ledger.read(opened(repo).repo))


def lands(repo: Repo, agent: str = "03") -> str:
    """A landing as moa makes it, and its event."""
    head = repo.head(f"refs/heads/agent-{agent}-work")
    commit = repo.merges(head, trailers={"Moa-Agent": agent, "Moa-Head": head})
    data: dict[str, object] = {"head": head, "commit": commit, "target": "develop"}
    ledger.append(opened(repo).repo, [Event(kind="landed", at=ledger.now(), agent=agent, data=data)])
    return commit


# Said and heard


def test_a_word_is_told_to_everybody(repo: Repo, origin: Repo, tmp_path: Path) -> None:
    spoken = say(opened(repo), "unready", agent="03", because="The names are wrong")
    assert (spoken.changed, spoken.remote, spoken.head) == (True, "origin", repo.head("agent-03-work"))
    other = origin.clone(tmp_path / "other")
    said = standing(opened(other)).held["03"]
    assert (said.because, said.by) == ("The names are wrong", "Tester")
    assert say(opened(other), "ready", agent="03").changed
    stands = standing(opened(repo))
    assert (set(stands.asked), dict(stands.held)) == ({"03"}, {})


def test_what_was_said_is_not_said_twice(repo: Repo) -> None:
    assert not say(opened(repo), "unfreeze").changed
    assert say(opened(repo), "freeze", because="release").changed
    assert not say(opened(repo), "freeze", because="release").changed
    assert say(opened(repo), "ready", agent="03").changed
    assert not say(opened(repo), "ready", agent="03").changed
    assert [event.kind for event in events(repo)] == ["freeze", "ready"]


def test_another_reason_is_news(repo: Repo) -> None:
    say(opened(repo), "freeze", because="release")
    spoken = say(opened(repo), "freeze", because="the release and the audit")
    assert (spoken.changed, spoken.said and spoken.said.because) == (True, "the release and the audit")
    say(opened(repo), "unfreeze")
    assert standing(opened(repo)).frozen is None


def test_an_event_says_who_what_and_about_which_head(repo: Repo) -> None:
    say(opened(repo), "unready", agent="03", because="names")
    (event,) = events(repo)
    assert (event.kind, event.agent, event.at[-6:]) == ("unready", "03", "+00:00")
    assert event.data == {
        "answers": [],
        "because": "names",
        "branch": "agent-03-work",
        "by": "Tester",
        "head": repo.head("agent-03-work"),
        "target": "develop",
    }


def test_unknown_agents_and_missing_reasons_are_refused_before_anything_is_written(repo: Repo) -> None:
    for kind in ("ready", "unready"):
        with pytest.raises(AgentError, match="no agent '09'"):
            say(opened(repo), kind, agent="09", because="x")
    with pytest.raises(UsageError):
        say(opened(repo), "unready", agent="03", because="  ")
    with pytest.raises(UsageError):
        say(opened(repo), "freeze")
    assert not repo.has("refs/heads/moa/ledger")


def test_work_with_two_branches_can_be_held_back_and_not_asked_for(repo: Repo) -> None:
    repo.agent("03", slug="rival").writes({"x": "1"}).commits()
    assert say(opened(repo), "unready", agent="03", because="which one?").head is None
    with pytest.raises(AgentError, match="2 branches"):
        say(opened(repo), "ready", agent="03")


def test_a_freeze_is_of_one_target(repo: Repo) -> None:
    repo.git("branch", "release")
    other = open_project(OpenOptions(start=repo.path, environ=dict(os.environ), target="release"))
    say(other, "freeze", because="x")
    assert standing(other).frozen is not None
    assert standing(opened(repo)).frozen is None


def test_a_ledger_without_a_commit_says_nothing(repo: Repo, origin: Repo) -> None:
    stands = standing(opened(repo), fresh=True)
    assert (stands.frozen, stands.asked, stands.held, stands.taken_back, stands.notes) == (
        None,
        frozenset(),
        {},
        {},
        (),
    )
    require_thawed(opened(repo))


# A freeze right before a landing


def test_a_freeze_that_somebody_pushed_meanwhile_is_heard(repo: Repo, origin: Repo, tmp_path: Path) -> None:
    project = opened(repo)
    say(opened(origin.clone(tmp_path / "other")), "freeze", because="The release")
    assert standing(project).frozen is None
    with pytest.raises(RefusedError, match="develop is frozen") as caught:
        require_thawed(project)
    assert "Tester" in caught.value.reason
    assert "The release" in caught.value.reason
    assert "moa unfreeze" in caught.value.remedy
    assert standing(project, fresh=True).frozen is not None


def test_a_remote_that_cannot_be_asked_is_a_note_and_what_is_known_counts(repo: Repo, origin: Repo) -> None:
    say(opened(repo), "freeze", because="x")
    project = opened(repo)
    origin.path.rename(origin.path.with_name("gone.git"))
    stands = standing(project, fresh=True)
    assert stands.frozen is not None
    assert "could not be asked" in stands.notes[0]
    with pytest.raises(RefusedError):
        require_thawed(project)


# A remote that does not listen


def test_a_refused_push_is_an_error_and_the_word_goes_with_the_next(repo: Repo, origin: Repo) -> None:
    hook = refuse_pushes(origin)
    with pytest.raises(RepositoryError, match="only here") as caught:
        say(opened(repo), "freeze", because="x")
    assert "not for you" in caught.value.reason
    assert caught.value.remedy
    assert standing(opened(repo)).frozen is not None
    with pytest.raises(RepositoryError, match="only here"):
        say(opened(repo), "freeze", because="x")
    hook.unlink()
    assert not say(opened(repo), "freeze", because="x").changed
    assert origin.has("refs/heads/moa/ledger")
    assert len(events(repo)) == 1


def test_a_word_that_could_not_be_written_at_all_is_not_said_to_be_here(repo: Repo, origin: Repo) -> None:
    project = opened(repo)
    refuse_pushes(origin)
    # A ref below the ledger's own name: git cannot write the ledger, whoever tries.
    repo.git("update-ref", "refs/heads/moa/ledger/x", "HEAD")
    with pytest.raises(RepositoryError) as caught:
        say(project, "freeze", because="x")
    assert "only here" not in caught.value.message


# Taken back


def test_a_landing_that_was_taken_back_holds_until_somebody_asks(repo: Repo) -> None:
    before = repo.head()
    commit = lands(repo)
    head = repo.head("agent-03-work")
    assert standing(opened(repo)).taken_back == {}
    repo.git("reset", "-q", "--hard", before)
    assert standing(opened(repo)).taken_back == {head: commit}
    state = status_of_agent(opened(repo), "03")
    assert ("held" in state.flags, state.next) == (True, "moa ready 03")
    assert "taken back" in state.blockers[0]
    spoken = say(opened(repo), "ready", agent="03")
    assert spoken.again == (commit,)
    assert standing(opened(repo)).taken_back == {}
    assert not say(opened(repo), "ready", agent="03").changed


def test_a_request_from_before_does_not_free_what_is_taken_back_later(repo: Repo) -> None:
    before = repo.head()
    say(opened(repo), "ready", agent="03")
    commit = lands(repo)
    repo.git("reset", "-q", "--hard", before)
    assert list(standing(opened(repo)).taken_back.values()) == [commit]
    assert say(opened(repo), "ready", agent="03").changed
    assert standing(opened(repo)).taken_back == {}


def test_the_same_commit_that_landed_again_by_a_dead_run_is_told_and_held_once_more(repo: Repo) -> None:
    """A candidate follows from target and head alone, so that the second landing is the same commit."""
    before = repo.head()
    commit = lands(repo)
    repo.git("reset", "-q", "--hard", before)
    say(opened(repo), "ready", agent="03")
    repo.git("reset", "-q", "--hard", commit)
    assert recover(opened(repo)) != []
    assert recover(opened(repo)) == []
    repo.git("reset", "-q", "--hard", before)
    assert list(standing(opened(repo)).taken_back.values()) == [commit]
    assert say(opened(repo), "ready", agent="03").again == (commit,)
    assert standing(opened(repo)).taken_back == {}


def test_a_branch_that_goes_on_is_not_held(repo: Repo) -> None:
    before = repo.head()
    lands(repo)
    repo.git("reset", "-q", "--hard", before)
    repo.agent("03").writes({"more": "x\n"}).commits()
    assert standing(opened(repo)).taken_back == {}


def test_a_landing_of_another_queue_meanwhile_was_not_taken_back(repo: Repo) -> None:
    project = opened(repo)
    lands(repo)
    assert standing(project).taken_back == {}


def test_a_forged_landing_holds_a_branch_back_and_no_more(repo: Repo) -> None:
    project = opened(repo)
    heads = [repo.head(f"agent-{agent}-work") for agent in ("03", "04")]
    data: list[dict[str, object]] = [
        {"head": heads[0], "commit": "f" * 40, "target": "develop"},
        {"head": heads[1], "commit": "HEAD\n^develop", "target": "develop"},
        {"head": heads[1], "commit": "--all", "target": "develop"},
    ]
    ledger.append(project.repo, [Event(kind="landed", at=ledger.now(), agent="03", data=one) for one in data])
    assert standing(project).taken_back == {heads[0]: "f" * 40}
    say(project, "ready", agent="03")
    assert standing(project).taken_back == {}


def test_a_flood_of_forged_words_is_answered_all_the_same(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_AT_ONCE", 10)
    project = opened(repo)
    head = repo.head("agent-03-work")
    freezes = [Event(kind="freeze", at=ledger.now(), data={"n": n, "because": str(n)}) for n in range(25)]
    landings: list[dict[str, object]] = [
        {"head": head, "commit": f"{n:040x}", "target": "develop"} for n in range(1, 42)
    ]
    ledger.append(project.repo, freezes)
    ledger.append(
        project.repo, [Event(kind="landed", at=ledger.now(), agent="03", data=one) for one in landings]
    )
    assert standing(project).frozen is not None
    refused: list[dict[str, object]] = [
        {"head": head, "class": "red", "target_branch": "develop", "reason": str(n)} for n in range(33)
    ]
    ledger.append(
        project.repo, [Event(kind="rejected", at=ledger.now(), agent="03", data=one) for one in refused]
    )
    assert len(refused_heads(project)[head]) == 33
    say(project, "unfreeze")
    say(project, "ready", agent="03")
    stands = standing(project)
    assert (stands.frozen, stands.taken_back, refused_heads(project)) == (None, {}, {})


def test_a_shallow_clone_hears_and_says_words(repo: Repo, origin: Repo, tmp_path: Path) -> None:
    lands(repo)
    repo.git("push", "-q", "origin", "develop", "moa/ledger")
    say(opened(repo), "freeze", because="x")
    clone = Repo(tmp_path / "shallow")
    repo.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{origin.path}", str(clone.path))
    stands = standing(opened(clone))
    assert (stands.frozen is not None, stands.taken_back) == (True, {})
    assert say(opened(clone), "unfreeze").changed
    assert standing(opened(repo)).frozen is None
    assert say(opened(repo), "freeze", because="again").changed


# Many at once

SAYERS = """
import os, sys
from pathlib import Path
from pytest_moa.services.asking import say
from pytest_moa.services.project import OpenOptions, open_project
words, *places = sys.argv[1:]
open_project(OpenOptions(start=Path(places[0]), environ=dict(os.environ)))  # loads what every child needs
children = []
for n, kind in enumerate(words.split()):
    if (child := os.fork()) == 0:
        try:
            project = open_project(OpenOptions(start=Path(places[n % len(places)]), environ=dict(os.environ)))
            agent = None if "freeze" in kind else "03"
            say(project, kind, agent=agent, because=f"{kind} {n}")
        except BaseException as error:
            print(kind, n, repr(error), getattr(error, "reason", ""), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.mark.parametrize("clones", [0, 1, 3])
def test_ten_at_once_lose_no_word(repo: Repo, tmp_path: Path, clones: int) -> None:
    places = [repo]
    if clones:
        origin = repo.with_remote(tmp_path / "o.git")
        places = [origin.clone(tmp_path / f"c{n}") for n in range(clones)]
    words = "freeze ready unready unfreeze freeze ready unready unfreeze freeze ready"
    done = subprocess.run(
        [sys.executable, "-c", SAYERS, words, *(str(place.path) for place in places)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    project = opened(places[0])
    said = [event.kind for event in ledger.read(project.repo, remote=project.remote)]
    assert [said.count(kind) for kind in ("freeze", "ready", "unready")] == [3, 3, 2]
    # An unfreeze that finds nothing frozen has nothing to say.
    assert said.count("unfreeze") <= 2
    for kind, agent in (("unfreeze", None), ("ready", "03")):
        say(opened(places[0]), kind, agent=agent)  # type: ignore[arg-type] # a str of the tuple
    stands = standing(opened(places[-1]))
    assert (stands.frozen, set(stands.asked), dict(stands.held)) == (None, {"03"}, {})


# The commands


def test_the_verbs_by_the_contract(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    told = team.moa("unready", "03", "--because", "names \x1b[2J", "--json")
    assert (told.code, told.data["schema"], told.data["word"], told.data["changed"]) == (
        0,
        1,
        "unready",
        True,
    )
    keys = {"agent", "branch", "head", "target", "because", "by", "at", "again", "remote", "notes"}
    assert keys <= set(told.data)
    assert told.data["because"] == "names \x1b[2J"
    again = team.moa("unready", "agent-03-inc", "--because", "names \x1b[2J")
    assert "nothing changed" in again.out
    assert "\x1b" not in again.out
    shown = team.moa("status").out
    assert "held" in shown
    assert "Tester held it back" in shown
    assert "\x1b" not in shown
    frozen = team.moa("freeze", "--because", "release", "--json")
    assert (frozen.data["agent"], frozen.data["head"], frozen.data["because"]) == (None, None, "release")
    assert "develop is frozen" in team.moa("status").out
    warnings: list[Any] = team.moa("status", "--json").data["warnings"]
    assert any("release" in warning for warning in warnings)


def test_what_is_wrong_is_an_error_object(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    for words, kind in (
        (["unready", "03"], "usage"),
        (["freeze"], "usage"),
        (["ready", "09"], "agent"),
        (["unready", "03", "--because", ""], "usage"),
    ):
        answer = team.moa(*words, "--json")
        assert (answer.code, json.loads(answer.out)["error"]["kind"]) == (2, kind), words
