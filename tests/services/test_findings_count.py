"""What the integrity rules see counts in `moa gate` and `moa integrate`; and a person's word lets it through."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.teams import PROJECT, TEST_CORE, Team

REMOVAL = "tests-removed:tests/test_core.py"
WHY = "double() is tested elsewhere now"


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def removing(team: Team) -> None:
    line = team.green("03", "inc")
    line.writes({"tests/test_core.py": TEST_CORE.replace("def test_double", "def helper_double")}).commits()


def test_a_removed_test_is_refused_with_file_and_remedy_although_all_is_green(team: Team) -> None:
    removing(team)
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    (finding,) = [f for f in answer.data["findings"] if f["severity"] == "block"]
    assert (finding["rule"], finding["path"]) == ("tests-removed", "tests/test_core.py")
    assert finding["remedy"]
    assert "tests-removed" in answer.data["reason"]
    assert answer.data["tests"]["passed"] == 1, "the tests ran all the same"


def test_the_queue_rejects_it_before_anything_runs(team: Team) -> None:
    removing(team)
    before = team.target()
    answer = team.moa("integrate", "03", "--json")
    (rejected,) = answer.data["rejected"]
    assert (answer.code, rejected["class"], answer.data["runs"]) == (1, "integrity", 0)
    assert [f["rule"] for f in rejected["findings"] if f["severity"] == "block"] == ["tests-removed"]
    assert team.target() == before


def test_a_persons_word_lets_it_through_and_the_merge_commit_and_the_ledger_tell_it(team: Team) -> None:
    removing(team)
    gate = team.moa("gate", "03", "--json", "--allow", REMOVAL, "--because", WHY)
    assert (gate.code, gate.data["verdict"]) == (0, "passed"), gate.err
    assert gate.data["allowed"] == [{"rule": "tests-removed", "path": "tests/test_core.py", "because": WHY}]
    landed = team.moa("integrate", "03", "--json", "--allow", REMOVAL, "--because", WHY)
    assert landed.code == 0, landed.err
    commit = landed.data["landed"][0]["commit"]
    assert commit == gate.data["candidate"], "the gate judged the very commit that lands"
    message = team.repo.git("log", "-1", "--format=%B", commit)
    assert f"Moa-Allow: {REMOVAL} ({WHY})" in message
    (path,) = team.repo.git("ls-tree", "-r", "--name-only", "moa/ledger").split()
    assert f"{REMOVAL} ({WHY})" in team.repo.shows(path, "moa/ledger")


def test_the_targets_policy_lets_it_through_for_the_content_that_it_was_given_for(tmp_path: Path) -> None:
    changed = TEST_CORE.replace("def test_double", "def helper_double")
    blob = Team.create(tmp_path / "scratch").repo.git("hash-object", "-w", "--stdin", text=changed).strip()
    allow = (
        "integrity:\n  allow:\n    - {rule: tests-removed, path: tests/**, content: '%s', because: agreed}\n"
    )
    team = Team.create(tmp_path / "repo", files={"moa.yaml": allow % blob})
    removing(team)
    assert team.moa("gate", "03", "--json").data["verdict"] == "passed"
    team.repo.branch("agent-03-inc").writes({"tests/test_core.py": changed + "# later\n"}).commits()
    assert team.moa("gate", "03", "--json").data["verdict"] == "failed", "a later change needs a new word"


def test_a_policy_makes_a_rule_milder_and_a_branch_cannot(tmp_path: Path) -> None:
    mild = "integrity:\n  severity: {tests-removed: note}\n"
    team = Team.create(tmp_path / "mild", files={"moa.yaml": mild})
    removing(team)
    assert team.moa("gate", "03", "--json").data["verdict"] == "passed"
    strict = Team.create(tmp_path / "strict")
    removing(strict)
    strict.repo.branch("agent-03-inc").writes({"moa.yaml": mild}).commits()
    answer = strict.moa("gate", "03", "--json")
    assert answer.data["verdict"] == "failed"
    assert {"tests-removed", "settings-changed"} <= {f["rule"] for f in answer.data["findings"]}


def test_a_module_that_shadows_a_test_tool_is_refused_before_anything_runs(
    team: Team, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    team.green("03", "inc").writes({"coverage.py": f"open({str(mark)!r}, 'w').close()\n"}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert "shadowed-module" in answer.data["reason"]
    assert answer.data["tests"]["collected"] == 0
    assert not mark.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--allow", REMOVAL], "Each --allow needs its --because"),
        (["--because", "x"], "nothing is allowed"),
        (["--allow", "tests-removed", "--because", "x"], "names no path"),
        (["--allow", "no-such:x.py", "--because", "x"], "There is no rule 'no-such'"),
        (["--allow", REMOVAL, "--because", " "], "Each --allow needs its --because"),
        (["--allow", REMOVAL, "--because", "a", "--because", "b"], "Each --allow needs its --because"),
    ],
)
def test_a_word_that_says_too_little_is_refused(team: Team, words: list[str], said: str) -> None:
    team.green("03", "inc")
    answer = team.moa("gate", "03", "--json", *words)
    assert answer.code == 2
    assert said in answer.data["error"]["message"]


def test_lines_that_a_new_pragma_hides_count_as_what_they_are(team: Team) -> None:
    hidden = "def rare(x):  # pragma: no cover\n    y = x + 1\n    return y * 2\n"
    team.green("03", "inc").writes({"src/calc/rare.py": hidden}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    (file,) = [f for f in answer.data["coverage"]["files"] if f["path"] == "src/calc/rare.py"]
    assert file["missing"] == [1, 2, 3]


def test_what_the_targets_policy_excludes_stays_excluded(tmp_path: Path) -> None:
    settings = (
        PROJECT["pyproject.toml"] + '\n[tool.coverage.report]\nexclude_also = ["raise NotImplementedError"]\n'
    )
    team = Team.create(tmp_path / "repo", files={"pyproject.toml": settings})
    abstract = "def later(x):\n    raise NotImplementedError\n"
    tests = (
        "from calc.later import later\n\n\ndef test_later_is_there():\n    assert later.__name__ == 'later'\n"
    )
    team.green("03", "inc").writes(
        {"src/calc/later.py": abstract, "tests/agent03/test_later.py": tests}
    ).commits()
    answer = team.moa("gate", "03", "--json")
    assert answer.data["verdict"] == "passed", answer.data["reason"]


def test_a_link_that_leaves_the_tree_is_refused_before_anything_runs(team: Team) -> None:
    team.green("03", "inc").links("tests/data.py", "/etc/passwd").commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert "odd-source" in answer.data["reason"]
    assert answer.data["tests"]["collected"] == 0


def test_a_submodule_that_a_branch_adds_is_told(team: Team) -> None:
    team.green("03", "inc").submodule("vendor", team.target()).commits()
    answer = team.moa("gate", "03", "--json")
    assert "vendor" in {f["path"] for f in answer.data["findings"]}
