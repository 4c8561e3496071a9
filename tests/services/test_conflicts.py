"""The conflict matrix over real repositories: who conflicts with whom, where, and what it costs to know."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest
from support.repos import Repo

from pytest_moa.errors import AgentError
from pytest_moa.git.conflicts import Bench
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.conflicts import Matrix, PairConflict, Place, Span
from pytest_moa.services import conflict_memory
from pytest_moa.services.conflicts import chosen, matrix_of
from pytest_moa.services.project import OpenOptions, Project, open_project

TEN = "".join(f"{n}\n" for n in range(1, 11))


def numbered(**changed: str) -> str:
    """The file of ten lines with some replaced: `numbered(l3="drei")`."""
    lines = TEN.splitlines()
    for name, text in changed.items():
        lines[int(name[1:]) - 1] = text
    return "".join(f"{line}\n" for line in lines if line)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    files: dict[str, str | bytes] = {
        "core.py": TEN,
        "other.py": TEN,
        "d/a": TEN,
        "d/b": TEN * 2,
        "logo": b"\0\1",
    }
    return Repo.create(tmp_path / "repo", files=files)


def opened(repo: Repo) -> Project:
    return open_project(OpenOptions(start=repo.path, environ=dict(os.environ), fetch=False))


def matrix(repo: Repo, *ids: str, all_pairs: bool = False) -> Matrix:
    project = opened(repo)
    return matrix_of(project, chosen(project, ids) if ids else None, all_pairs=all_pairs)


def named(found: Matrix) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(pair.a, pair.b): pair.paths for pair in found.pairs}


def behind(found: Matrix) -> dict[str, tuple[str, ...]]:
    return {one.agent: one.paths for one in found.with_target}


def kind(pair: PairConflict, path: str) -> str:
    return next(file.kind for file in pair.files if file.path == path)


def test_two_branches_that_change_a_line_conflict_there(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l1="eins\nnull", l5="fünf")}).commits()
    repo.agent("04").writes({"core.py": numbered(l5="cinq\nsix")}).commits()
    found = matrix(repo)
    assert named(found) == {("03", "04"): ("core.py",)}
    (file,) = found.pairs[0].files
    assert (file.kind, file.places) == ("contents", (Place(Span(6, 6), Span(5, 6)),))
    assert (found.target, found.with_target, found.uncompared) == (repo.head("develop"), (), ())


def test_branches_whose_changes_do_not_meet_are_not_merged_with_each_other(repo: Repo) -> None:
    for number in range(8):
        repo.agent(f"{number:02d}").writes({f"new/{number}.py": TEN}).commits()
    found = matrix(repo)
    assert (found.pairs, found.pairs_met, found.merges_tried) == ((), 0, 8)


def test_changes_that_meet_in_a_file_and_not_in_its_lines_are_no_conflict(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l1="eins")}).commits()
    repo.agent("04").writes({"core.py": numbered(l9="neuf")}).commits()
    found = matrix(repo)
    assert (found.pairs, found.pairs_met, found.merges_tried) == ((), 1, 3)


def test_the_same_change_in_both_is_no_conflict(repo: Repo) -> None:
    for agent in ("03", "04"):
        repo.agent(agent).writes({"core.py": numbered(l1="eins")}).commits()
    assert matrix(repo).pairs == ()


@pytest.mark.parametrize(
    ("first", "second", "path", "word"),
    [
        (lambda a: a.removes("core.py"), lambda b: b.writes({"core.py": TEN + "x\n"}), "core.py", "modify/delete"),
        (lambda a: a.writes({"new": "a\n"}), lambda b: b.writes({"new": "b\n"}), "new", "add/add"),
        (lambda a: a.writes({"logo": b"\0a"}), lambda b: b.writes({"logo": b"\0b"}), "logo", "binary"),
        (lambda a: a.renames("core.py", "x.py"), lambda b: b.renames("core.py", "y.py"), "core.py", "rename/rename"),
        (lambda a: a.writes({"new": "a\n"}), lambda b: b.writes({"new/in": "b\n"}), "new", "file/directory"),
        (
            lambda a: a.renames("d/a", "e/a").renames("d/b", "e/b"),
            lambda b: b.writes({"d/c": "c\n"}),
            "e/c",
            "directory rename suggested",
        ),
        (
            lambda a: a.renames("core.py", "moved.py"),
            lambda b: b.writes({"core.py": numbered(l5="b")}),
            None,
            None,
        ),
        (
            lambda a: a.renames("core.py", "moved.py").writes({"moved.py": numbered(l5="a")}),
            lambda b: b.writes({"core.py": numbered(l5="b")}),
            "moved.py",
            "contents",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_conflict_is_found_and_named(
    repo: Repo,
    first: Callable[..., object],
    second: Callable[..., object],
    path: str | None,
    word: str | None,
) -> None:
    for agent, change in (("03", first), ("04", second)):
        line = repo.agent(agent)
        change(line)
        line.commits()
    found = matrix(repo)
    if path is None or word is None:
        assert found.pairs == ()
        return
    assert path in named(found)["03", "04"]
    assert kind(found.pairs[0], path) == word
    assert "~" not in "".join(found.pairs[0].paths)


def test_lines_of_a_file_that_both_added_are_those_that_differ(repo: Repo) -> None:
    repo.agent("03").writes({"new": TEN}).commits()
    repo.agent("04").writes({"new": numbered(l3="drei")}).commits()
    (file,) = matrix(repo).pairs[0].files
    assert file.places == (Place(Span(3, 3), Span(3, 3)),)


def test_a_branch_does_not_conflict_with_what_it_stands_on(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l5="drei")}).commits()
    repo.agent("04", at="agent-03-work").writes({"core.py": numbered(l5="vier")}).commits()
    found = matrix(repo)
    assert (found.pairs, found.merges_tried) == ((), 2)


def test_work_that_two_branches_share_is_no_conflict_between_them(repo: Repo) -> None:
    repo.branch("shared").writes({"core.py": numbered(l5="shared"), "other.py": TEN + "s\n"}).commits()
    repo.agent("03", at="shared").writes({"core.py": numbered(l5="drei")}).commits()
    repo.agent("04", at="shared").writes({"other.py": TEN + "vier\n"}).commits()
    repo.agent("05", at="shared").writes({"core.py": numbered(l5="cinq")}).commits()
    repo.writes({"README": "the target went on\n"}).commits()
    found = matrix(repo)
    assert named(found) == {("03", "05"): ("core.py",)}
    assert found.pairs[0].files[0].places == (Place(Span(5, 5), Span(5, 5)),)
    assert matrix(repo).pairs == found.pairs


def test_shared_work_that_conflicts_with_the_target_itself_is_compared_as_git_would(repo: Repo) -> None:
    """Both resolved it in their own way: one as the target has it, one otherwise."""
    repo.branch("shared").writes({"core.py": numbered(l5="shared")}).commits()
    repo.writes({"core.py": numbered(l5="target")}).commits()
    for agent, said in (("03", "drei"), ("04", "vier")):
        line = repo.agent(agent, at="shared")
        line.writes({"core.py": numbered(l5=said)}).commits(merging=["develop"])
    found = matrix(repo)
    assert behind(found) == {}
    assert named(found) == {("03", "04"): ("core.py",)}


def test_branches_in_conflict_with_the_target_are_told_and_paired_on_request_alone(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l5="drei"), "other.py": numbered(l1="drei")}).commits()
    repo.agent("05").writes({"new": TEN}).commits()
    repo.writes({"core.py": numbered(l2="zwei", l5="target")}).commits()
    repo.agent("04").writes({"other.py": numbered(l1="vier")}).commits()
    found = matrix(repo)
    assert behind(found) == {"03": ("core.py",)}
    assert found.with_target[0].files[0].places == (Place(Span(5, 5), Span(5, 5)),)
    assert (found.pairs, found.paired_all) == ((), False)
    asked = matrix(repo, all_pairs=True)
    # What 03 has with the target is no conflict with 04.
    assert named(asked) == {("03", "04"): ("other.py",)}
    assert (asked.merges_tried, asked.paired_all) == (1, True)
    assert matrix(repo, all_pairs=True).merges_tried == 0
    assert named(matrix(repo)) == {}


def test_a_branch_that_the_target_already_has_conflicts_with_nobody(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l5="drei")}).commits()
    repo.agent("04").writes({"core.py": numbered(l5="vier")}).commits()
    repo.merges("agent-03-work")
    repo.agent("05")
    found = matrix(repo)
    assert ([row.agent for row in found.rows], found.pairs, list(behind(found))) == (
        ["03", "04", "05"],
        (),
        ["04"],
    )


def test_only_the_agents_that_were_asked_for_are_compared(repo: Repo) -> None:
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    assert list(named(matrix(repo, "05", "03"))) == [("03", "05")]
    assert list(named(matrix(repo))) == [("03", "04"), ("03", "05"), ("04", "05")]
    with pytest.raises(AgentError, match="99"):
        chosen(opened(repo), ["03", "99"])


def test_nobody_is_an_empty_answer(repo: Repo) -> None:
    found = matrix(repo)
    assert (found.rows, found.pairs, found.merges_tried) == ((), (), 0)


def test_an_agent_that_cannot_be_compared_is_told_and_stops_nobody(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l5="drei")}).commits()
    repo.agent("04").writes({"core.py": numbered(l5="vier")}).commits()
    repo.agent("05", slug="one")
    repo.agent("05", slug="two")
    repo.git("checkout", "-q", "--orphan", "agent-06-alone")
    repo.commits()
    repo.git("checkout", "-q", "develop")
    repo.agent("07").writes({"core.py": numbered(l5="sieben")}).commits()
    repo.agent("08").writes({"d/a": "acht\n"}).commits()
    for rev in ("agent-07-work^{tree}", "agent-08-work:d"):
        oid = repo.git("rev-parse", rev).strip()
        (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    found = matrix(repo)
    assert named(found) == {("03", "04"): ("core.py",)}
    said = {one.agent: one.reason for one in found.uncompared}
    assert set(said) == {"05", "06", "07", "08"}
    assert "no common history" in said["06"]
    assert all(one.remedy for one in found.uncompared)


def test_a_pair_that_git_cannot_compare_is_told_and_stops_nobody(repo: Repo) -> None:
    """A file is missing that only a merge of both has to read."""
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent), f"{agent}.py": TEN}).commits()
    oid = repo.git("rev-parse", "agent-04-work:core.py").strip()
    (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    found = matrix(repo)
    assert list(named(found)) == [("03", "05")]
    assert [note.partition(":")[0] for note in found.notes] == [
        "03 and 04 could not be compared",
        "04 and 05 could not be compared",
    ]


def test_a_clone_that_is_too_shallow_accuses_nobody(repo: Repo, tmp_path: Path) -> None:
    repo.agent("03").writes({"new": TEN}).commits()
    for number in range(3):
        repo.writes({"README": f"{number}\n"}).commits()
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.path}", str(clone))
    found = matrix(Repo(clone))
    assert (found.pairs, found.with_target) == ((), ())
    assert "too shallow" in found.uncompared[0].reason
    assert "--unshallow" in found.uncompared[0].remedy


def test_asking_again_costs_no_merge_and_says_the_same(repo: Repo) -> None:
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent), f"{agent}.py": TEN}).commits()
    first, again = matrix(repo), matrix(repo)
    assert (first.merges_tried, again.merges_tried) == (6, 0)
    assert (again.pairs, again.with_target, again.pairs_met) == (first.pairs, first.with_target, 3)


def test_a_branch_that_moved_costs_its_own_merges_alone(repo: Repo) -> None:
    for agent in ("03", "04", "05", "06"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    repo.writes({"README": "the target went on\n"}).commits()
    assert matrix(repo).merges_tried == 4 + 6
    repo.agent("05").writes({"core.py": numbered(l9="neuf")}).commits()
    moved = matrix(repo)
    assert moved.merges_tried == 1 + 3  # itself, and with each of the others: these are not merged again
    assert list(named(moved)) == [("03", "04"), ("03", "06"), ("04", "06")]


def test_a_target_that_moved_makes_all_known_things_old(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l5="drei")}).commits()
    repo.agent("04").writes({"core.py": numbered(l5="vier")}).commits()
    assert named(matrix(repo))
    repo.merges("agent-03-work")
    assert (behind(matrix(repo)), matrix(repo).pairs) == ({"04": ("core.py",)}, ())


def test_sides_follow_the_agents_order_whatever_order_their_ids_had_before(repo: Repo) -> None:
    repo.agent("03").writes({"core.py": numbered(l1="x\ny\nz", l5="drei")}).commits()
    repo.agent("04").writes({"core.py": numbered(l5="vier")}).commits()
    project = opened(repo)
    forth = matrix_of(project)
    back = matrix_of(project, tuple(reversed(project.agents)))
    assert (back.pairs[0].a, back.pairs[0].b) == ("04", "03")
    (there,), (here,) = forth.pairs[0].files[0].places, back.pairs[0].files[0].places
    assert (there.a, there.b) == (here.b, here.a) == (Span(7, 7), Span(5, 5))


def three_on_an_older_target(repo: Repo) -> None:
    """Their merges with the target are new objects, which the cache keeps."""
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    repo.writes({"README": "the target went on\n"}).commits()


def cache_of(repo: Repo) -> Path:
    return conflict_memory.folder_of(opened(repo))


def test_a_damaged_cache_is_found_out_again(repo: Repo) -> None:
    for agent in ("03", "04"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    first = matrix(repo)
    for content in (b"", b"{}", b"[" * 100_000, b"\xff", b'{"form": 1, "git": 2}'):
        (cache_of(repo) / "memory.json").write_bytes(content)
        assert matrix(repo).pairs == first.pairs
    assert matrix(repo).merges_tried == 0


def test_objects_that_are_damaged_in_the_cache_are_made_again(repo: Repo) -> None:
    three_on_an_older_target(repo)
    matrix(repo)
    (pack,) = (cache_of(repo) / "pack").glob("*.pack")
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:20] + b"\0" * (pack.stat().st_size - 20))
    repo.agent("05").writes({"core.py": numbered(l5="cinq")}).commits()
    found = matrix(repo)
    assert len(found.pairs) == 3
    assert found.notes == ()


def test_objects_of_which_a_part_is_gone_are_made_again(repo: Repo) -> None:
    """The merged trees are there, and what they hold is not."""
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"d/a": numbered(l5=agent)}).commits()
    repo.writes({"d/b": "the target went on\n"}).commits()
    first = matrix(repo)
    kept = cache_of(repo)
    roots = [known.tree for known in conflict_memory.recall(opened(repo)).heads.values() if known.tree]
    with Bench.open(opened(repo).repo, kept) as bench:
        words = "".join(f"{root}\n" for root in roots).encode()
        bench.git.run("pack-objects", "-q", str(kept / "pack/less"), input=words)
    for file in (kept / "pack").glob("pack-*"):
        file.unlink()
    repo.agent("05").writes({"d/a": numbered(l5="cinq")}).commits()
    found = matrix(repo)
    assert list(named(found)) == list(named(first))
    assert (found.notes, found.uncompared) == ((), ())


def test_objects_that_are_gone_from_the_cache_are_made_again(repo: Repo) -> None:
    three_on_an_older_target(repo)
    matrix(repo)
    for file in (cache_of(repo) / "pack").iterdir():
        file.unlink()
    repo.agent("05").writes({"core.py": numbered(l5="cinq")}).commits()
    assert len(matrix(repo).pairs) == 3


def test_what_another_git_found_out_is_not_believed(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.agent("03").writes({"core.py": TEN + "x\n"}).commits()
    matrix(repo)
    monkeypatch.setattr(conflict_memory, "_git_version", lambda: "git version 9.9")
    assert matrix(repo).merges_tried == 1


def test_a_cache_that_cannot_be_written_is_no_error(repo: Repo, isolated: Path) -> None:
    (isolated / "cache/moa").write_text("a file where a folder belongs")
    for agent in ("03", "04"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    assert len(matrix(repo).pairs) == 1


def test_paths_of_any_bytes_are_compared_and_told(repo: Repo) -> None:
    odd = 'odd\n"\udce9|`'
    for agent in ("03", "04"):
        repo.agent(agent).writes({odd: agent}).commits()
    repo.agent("05").writes({"core.py": TEN + "x\n"}).commits()
    assert named(matrix(repo)) == {("03", "04"): (odd,)}
    again = matrix(repo)
    assert named(again) == {("03", "04"): (odd,)}
    # A cache of text cannot hold them; what does not speak of them is remembered all the same.
    assert again.merges_tried == 3


def test_callers_at_once_do_not_disturb_each_other(repo: Repo) -> None:
    for agent in ("03", "04", "05"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: named(matrix(repo)), range(4)))
    assert len(answers[0]) == 3
    assert all(answer == answers[0] for answer in answers)


def test_what_older_targets_left_is_cleared(repo: Repo) -> None:
    repo.agent("03").writes({"new": TEN}).commits()
    for number in range(7):
        repo.writes({"README": f"{number}\n"}).commits()
        matrix(repo)
    assert len(list(cache_of(repo).parent.iterdir())) == 4
    assert cache_of(repo).is_dir()


def test_the_users_repository_is_left_as_it_was(repo: Repo, isolated: Path) -> None:
    for agent in ("03", "04"):
        repo.agent(agent).writes({"core.py": numbered(l5=agent)}).commits()

    def seen() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_size) for path in repo.path.rglob("*"))

    before = seen()
    matrix(repo, all_pairs=True)
    assert seen() == before
    assert list((isolated / "tmp").iterdir()) == []


def a_dozen(repo: Repo, chance: random.Random) -> None:
    """Branches that edit, add, remove and move files and folders at random; some stand on others."""
    paths = ["core.py", "other.py", "d/a", "d/b", "n/x", "n/y", "e/z", "d"]
    for number in range(12):
        at = f"agent-{number - 2:02d}-work" if number % 5 == 4 else "develop"
        line = repo.agent(f"{number:02d}", at=at)
        here = set(repo.git("ls-tree", "-r", "--name-only", line.head).split())
        for _ in range(chance.randrange(1, 4)):
            old, new = chance.choice(sorted(here)), chance.choice(paths)
            free = not any(p == new or p.startswith((f"{new}/",)) or new.startswith(f"{p}/") for p in here)
            match chance.randrange(4):
                case 0:
                    line.writes({old: numbered(**{f"l{chance.randrange(1, 11)}": f"x{chance.randrange(3)}"})})
                case 1 if free:
                    line.writes({new: TEN + f"{chance.randrange(2)}\n"})
                    here.add(new)
                case 2 if free:
                    line.renames(old, new)
                    here = here - {old} | {new}
                case 3 if "d/a" in here and "d/b" in here and "m/a" not in here:
                    line.renames("d/a", "m/a").renames("d/b", "m/b")
                    here = here - {"d/a", "d/b"} | {"m/a", "m/b"}
                case _:
                    line.removes(old)
                    here -= {old}
            if not here:
                break
        line.commits()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_matrix_says_what_merging_one_after_the_other_says(repo: Repo, seed: int) -> None:
    """The queue's own merges are the truth: one branch on the target, and the other on that."""
    a_dozen(repo, random.Random(seed))
    project = opened(repo)
    found = matrix_of(project)
    clean = [row for row in found.rows if row.agent not in behind(found)]
    pairs = list(combinations(clean, 2))
    with Quarantine.open(project.repo) as quarantine:
        on_target = {
            row.agent: quarantine.candidate(project.target.head, row.head, agent=row.agent) for row in clean
        }
        merges = quarantine.merges([(on_target[a.agent], b.head) for a, b in pairs])
    truth = {(a.agent, b.agent) for (a, b), merge in zip(pairs, merges, strict=True) if not merge.clean}
    assert truth == set(named(found))
    assert 0 < len(truth) < len(pairs)
    assert found.pairs_met < len(pairs)
