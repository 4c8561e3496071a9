"""The builders themselves: what they promise to everybody's tests."""

from __future__ import annotations

from pathlib import Path

from support.repos import Repo


def test_the_same_story_gives_the_same_object_ids(tmp_path: Path) -> None:
    heads = []
    for place in ("one", "two"):
        repo = Repo.create(tmp_path / place, files={"core.py": "x = 1\n"})
        heads.append(
            (repo.head(), repo.agent("03", slug="core").writes({"new.py": "y = 2\n"}).commits("Add y"))
        )
    assert heads[0] == heads[1]


def test_an_agents_commit_leaves_the_work_tree_alone(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path, files={"core.py": "x = 1\n", "old.py": "z = 3\n"})
    line = (
        repo.agent("03").writes({'odd\nname \\ ".py': "y\n"}).removes("core.py").renames("old.py", "new.py")
    )
    oid = line.commits("Odd", trailers={"Moa-Ready": "yes"})
    assert repo.git("ls-tree", "-rz", "--name-only", oid).split("\0")[:-1] == ["new.py", 'odd\nname \\ ".py']
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("log", "-1", "--format=%(trailers:key=Moa-Ready,valueonly)", oid).strip() == "yes"


def test_a_remote_holds_every_branch(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "r", files={"a": "1\n"})
    head = repo.agent("04").writes({"b": "2\n"}).commits()
    remote = repo.with_remote(tmp_path / "remote.git")
    assert remote.head("refs/heads/agent-04-work") == head
    assert repo.head("refs/remotes/origin/agent-04-work") == head
