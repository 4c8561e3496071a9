"""`moa integrate`: what was tested lands, and nothing else; a run that died is completed by the next."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.repos import Repo
from support.teams import CORE, Team, half_test, module, whole_test


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def leftovers(isolated: Path) -> list[str]:
    return sorted(path.name for path in (isolated / "tmp").iterdir())


def test_a_green_branch_lands_as_the_tested_merge(team: Team, isolated: Path) -> None:
    before, head = team.target(), team.green("03", "inc").head
    answer = team.moa("integrate", "03", "--json")
    assert answer.code == 0, answer.err
    data = answer.data
    (landed,) = data["landed"]
    assert (data["target"]["before"], data["target"]["after"], data["runs"]) == (before, team.target(), 1)
    assert (landed["commit"], landed["head"]) == (team.target(), head)
    assert team.repo.git("rev-list", "--parents", "-1", "develop").split()[1:] == [before, head]
    assert "Moa-Agent: 03" in team.repo.git("log", "-1", "--format=%B", "develop")
    assert f"Moa-Head: {head}" in team.repo.git("log", "-1", "--format=%B", "develop")
    # A clean checkout of the target follows.
    assert (team.path / "src/calc/inc.py").exists()
    assert team.repo.git("status", "--porcelain") == ""
    assert leftovers(isolated) == []


def test_the_ledger_tells_what_landed_with_tests_and_coverage(team: Team) -> None:
    team.green("03", "inc")
    commit = team.moa("integrate", "03", "--json").data["landed"][0]["commit"]
    (path,) = team.repo.git("ls-tree", "-r", "--name-only", "moa/ledger").split()
    event = team.repo.shows(path, "moa/ledger")
    assert f'"commit": "{commit}"' in event
    assert '"percent": "100.00"' in event


def test_an_agent_that_has_landed_is_told_so_and_nothing_changes(team: Team) -> None:
    team.green("03", "inc")
    team.moa("integrate", "03")
    refs = team.repo.refs()
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, answer.data["landed"], answer.data["runs"]) == (0, [], 0)
    assert answer.data["already"][0]["commit"] == team.target()
    assert team.repo.refs() == refs
    assert "already in develop" in team.moa("integrate", "03").out


def test_the_words_are_the_runbooks(team: Team) -> None:
    team.green("03", "inc")
    answer = team.moa("integrate", "03")
    assert "🔗 Coordinating integration for Agent 03..." in answer.err
    for line in (
        "✅ Integration successful!",
        "📝 Agent 03 successfully integrated",
        "🧪 Tests: 2/2 passed",
        "🔀 Merged to: develop",
    ):
        assert line in answer.out


def test_a_red_candidate_is_rejected_and_the_target_stays(team: Team) -> None:
    team.green("03", "inc").writes({"src/calc/inc.py": module("inc").replace("+ 1", "+ 2")}).commits()
    before = team.target()
    answer = team.moa("integrate", "03", "--json")
    (rejected,) = answer.data["rejected"]
    assert (answer.code, rejected["class"], team.target()) == (1, "red", before)
    assert rejected["tests"] == ["tests/agent03/test_inc.py::test_inc"]


def test_the_whole_suite_is_run_and_not_the_agents_tests_alone(team: Team) -> None:
    team.green("03", "inc").writes({"src/calc/core.py": CORE.replace("2 *", "3 *")}).commits()
    (rejected,) = team.moa("integrate", "03", "--json").data["rejected"]
    assert rejected["tests"] == ["tests/test_core.py::test_double"]


def test_lines_that_only_the_suite_covers_are_not_covered_by_the_agents_own_tests(team: Team) -> None:
    line = team.agent("03", "inc").writes(
        {
            "src/calc/inc.py": module("inc"),
            "tests/agent03/test_inc.py": half_test("inc"),
            "tests/test_all.py": "from calc.inc import inc\n\n\ndef test_negative():\n    assert inc(-1) == 0\n",
        }
    )
    line.commits()
    (rejected,) = team.moa("integrate", "03", "--json").data["rejected"]
    assert rejected["class"] == "coverage"
    assert "75.00%" in rejected["reason"]


def test_two_that_are_green_alone_and_red_together_do_not_both_land(team: Team) -> None:
    team.agent("03", "rename").writes(
        {
            "src/calc/core.py": CORE.replace("double(x)", "twice(x)"),
            "tests/test_core.py": "from calc.core import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n",
        }
    ).commits()
    team.agent("04", "use").writes(
        {
            "src/calc/use.py": "from calc.core import double\n\n\ndef four(x):\n    return double(double(x))\n",
            "tests/agent04/test_use.py": "from calc.use import four\n\n\ndef test_four():\n    assert four(1) == 4\n",
        }
    ).commits()
    data = team.moa("integrate", "03", "04", "--json").data
    assert ([a["agent"] for a in data["landed"]], [a["agent"] for a in data["rejected"]]) == (["03"], ["04"])
    assert data["landed"][0]["commit"] == team.target()


def test_a_conflict_names_the_files_and_who_else_is_in_it_and_exits_with_4(team: Team) -> None:
    for agent, factor in (("03", "3"), ("04", "4")):
        line = team.agent(agent, "core")
        line.writes({"src/calc/core.py": CORE.replace("2 *", f"{factor} *")})
        line.writes(
            {
                "tests/test_core.py": f"from calc.core import double\n\n\ndef test_double():\n    assert double(1) == {factor}\n"
            }
        )
        line.commits()
    wanted = ("--allow", "old-tests-fail:tests/test_core.py", "--because", "doubling is out of fashion")
    assert team.moa("integrate", "03", *wanted).code == 0
    answer = team.moa("integrate", "04", "--json")
    (rejected,) = answer.data["rejected"]
    assert (answer.code, rejected["class"], rejected["with"]) == (4, "conflict", ["03"])
    assert "src/calc/core.py" in rejected["reason"]


def test_a_missing_dependency_holds_and_is_named(tmp_path: Path) -> None:
    team = Team.create(
        tmp_path / "repo", {"moa.yaml": 'registry:\n  - {id: "04", depends_on: ["03"]}\n  - {id: "03"}\n'}
    )
    team.green("03", "inc")
    team.green("04", "dec")
    (rejected,) = team.moa("integrate", "04", "--json").data["rejected"]
    assert (rejected["class"], rejected["with"]) == ("held", ["03"])
    assert [a["agent"] for a in team.moa("integrate", "03", "04", "--json").data["landed"]] == ["03", "04"]


@pytest.mark.parametrize(
    ("require", "trailer", "lands"),
    [("[]", "no", False), ("[requested]", "yes", True), ("[requested]", None, False)],
)
def test_an_agent_speaks_through_its_trailer(
    tmp_path: Path, require: str, trailer: str | None, lands: bool
) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": f"integration:\n  require: {require}\n"})
    line = team.agent("03", "docs").writes({"README.md": "x\n"})
    line.commits(trailers={"Moa-Ready": trailer} if trailer else None)
    data = team.moa("integrate", "03", "--json").data
    assert bool(data["landed"]) is lands
    assert lands or data["rejected"][0]["class"] == "held"


def test_a_dirty_checkout_of_the_target_is_refused_before_anything_runs(team: Team) -> None:
    team.green("03", "inc")
    team.repo.writes({"src/calc/core.py": CORE + "# mine\n"})
    before = team.target()
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"], team.target()) == (2, "refused", before)
    assert "src/calc/core.py" in answer.data["error"]["reason"]
    assert (team.path / "src/calc/core.py").read_text() == CORE + "# mine\n"


def test_a_checkout_of_another_branch_is_left_alone(team: Team) -> None:
    team.green("03", "inc")
    team.repo.git("checkout", "-q", "-b", "topic")
    team.repo.writes({"src/calc/core.py": CORE + "# mine\n"})
    assert team.moa("integrate", "03").code == 0
    assert (team.path / "src/calc/core.py").read_text() == CORE + "# mine\n"
    assert not (team.path / "src/calc/inc.py").exists()


def test_with_a_remote_the_remote_is_the_truth(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    remote = team.repo.with_remote(tmp_path / "remote.git")
    answer = team.moa("integrate", "03", "--json")
    assert answer.code == 0, answer.err
    commit = answer.data["landed"][0]["commit"]
    assert remote.head("refs/heads/develop") == commit
    assert remote.has("refs/heads/moa/ledger")
    assert team.target() == commit


def test_a_branch_that_was_not_pushed_is_held(team: Team, tmp_path: Path) -> None:
    team.repo.with_remote(tmp_path / "remote.git")
    team.green("03", "inc")
    (rejected,) = team.moa("integrate", "03", "--json").data["rejected"]
    assert rejected["class"] == "held"
    assert "git push" in rejected["remedy"]


def test_a_push_of_somebody_else_during_the_run_means_testing_again(tmp_path: Path) -> None:
    # The test itself is the somebody: it moves the remote's target the first time that it runs.
    team = Team.create(tmp_path / "repo")
    remote_path, flag = tmp_path / "remote.git", tmp_path / "moved"
    race = (
        "import pathlib, subprocess\n\n\ndef test_race():\n"
        f"    flag = pathlib.Path({str(flag)!r})\n    if flag.exists():\n        return\n    flag.touch()\n"
        f"    git = ['git', '--git-dir', {str(remote_path)!r}, '-c', 'user.name=x', '-c', 'user.email=x@x']\n"
        "    run = lambda *a: subprocess.run([*git, *a], check=True, capture_output=True, text=True).stdout.strip()\n"
        "    new = run('commit-tree', 'develop^{tree}', '-p', 'develop', '-m', 'foreign')\n"
        "    run('update-ref', 'refs/heads/develop', new)\n"
    )
    line = team.green("03", "inc")
    line.writes({"tests/test_race.py": race}).commits()
    remote = team.repo.with_remote(remote_path)
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, answer.data["runs"]) == (0, 2), answer.err
    log = remote.git("log", "--first-parent", "--format=%s", "develop").splitlines()
    assert log[:2] == ["Merge agent 03 (agent-03-inc) into develop", "foreign"]


def test_a_head_that_moved_during_the_run_waits_for_the_next_call(team: Team) -> None:
    head = team.green("03", "inc").head
    git_dir = str(team.path / ".git")
    race = (
        "import subprocess\n\n\ndef test_race():\n"
        f"    git = ['git', '--git-dir', {git_dir!r}, '-c', 'user.name=x', '-c', 'user.email=x@x']\n"
        "    run = lambda *a: subprocess.run([*git, *a], check=True, capture_output=True, text=True).stdout.strip()\n"
        "    new = run('commit-tree', 'agent-03-inc^{tree}', '-p', 'agent-03-inc', '-m', 'on')\n"
        "    run('update-ref', 'refs/heads/agent-03-inc', new)\n"
    )
    team.agent("03", "inc").writes({"tests/agent03/test_race.py": race}).commits()
    before = team.target()
    data = team.moa("integrate", "03", "--json").data
    assert (data["rejected"][0]["class"], team.target()) == ("moved", before)
    assert head != team.repo.head("agent-03-inc")


def test_a_candidate_can_be_tested_in_one_step_and_landed_in_another(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    before, stage = team.target(), tmp_path / "stage"
    staged = team.moa("integrate", "03", "--json", "--stage", str(stage))
    assert (staged.code, staged.data["landed"], team.target()) == (0, [], before)
    commit = staged.data["staged"][0]["commit"]
    landed = team.moa("integrate", "03", "--json", "--staged", str(stage), "--commit", commit)
    assert (landed.code, landed.data["runs"], team.target()) == (0, 0, commit)


def test_the_queue_can_be_tested_in_one_step_and_landed_in_another(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    team.green("04", "dec")
    wrong = whole_test("neg").replace("==", "!=")
    team.agent("05", "neg").writes(
        {"src/calc/neg.py": module("neg"), "tests/agent05/test_neg.py": wrong}
    ).commits()
    before, stage = team.target(), tmp_path / "stage"
    staged = team.moa("integrate", "--all", "--json", "--stage", str(stage))
    assert (staged.code, team.target()) == (1, before)
    assert [row["agent"] for row in staged.data["staged"]] == ["03", "04"]
    assert [(row["agent"], row["class"]) for row in staged.data["rejected"]] == [("05", "red")]
    commit = staged.data["staged"][-1]["commit"]
    other = team.moa("integrate", "03", "--json", "--staged", str(stage), "--commit", commit)
    assert (other.code, team.target()) == (3, before)
    landed = team.moa("integrate", "--all", "--json", "--staged", str(stage), "--commit", commit)
    assert (landed.code, landed.data["runs"], team.target()) == (0, 0, commit)
    assert [row["agent"] for row in landed.data["landed"]] == ["03", "04"]


def test_a_head_that_moved_after_staging_lands_nothing(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    team.green("04", "dec")
    before, stage = team.target(), tmp_path / "stage"
    commit = team.moa("integrate", "--all", "--json", "--stage", str(stage)).data["staged"][-1]["commit"]
    team.agent("04", "dec").writes({"src/calc/more.py": "X = 1\n"}).commits()
    landed = team.moa("integrate", "--all", "--json", "--staged", str(stage), "--commit", commit)
    assert (landed.code, landed.data["error"]["kind"], team.target()) == (5, "race", before)


def test_where_nothing_may_be_run_a_staged_candidate_lands_and_no_other(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    before, stage, nothing = team.target(), tmp_path / "stage", {"MOA_RUN_NOTHING": "1"}
    for verb in ("integrate", "gate"):
        refused = team.moa(verb, "03", "--json", env=nothing)
        assert (refused.code, refused.data["error"]["kind"]) == (2, "refused")
        assert team.target() == before
    commit = team.moa("integrate", "03", "--json", "--stage", str(stage)).data["staged"][0]["commit"]
    words = ["integrate", "03", "--json", "--staged", str(stage), "--commit", commit]
    assert team.moa(*words, env=nothing).code == 0
    assert team.target() == commit


def test_a_forged_stage_lands_nothing(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    before, stage = team.target(), tmp_path / "stage"
    commit = team.moa("integrate", "03", "--json", "--stage", str(stage)).data["staged"][0]["commit"]
    file = stage / "staged.json"
    text = file.read_text()
    other = team.agent("03", "inc").writes({"src/calc/evil.py": "x = 1\n"}).commits()
    forged = {
        "commit": text.replace(commit, other),
        "same": text,
        "base": text.replace(before, other),
        "broken": "{",
    }
    for name, content in forged.items():
        file.write_text(content)
        answer = team.moa("integrate", "03", "--json", "--staged", str(stage), "--commit", commit)
        assert answer.code in {3, 5}, name
        assert team.target() == before, name


def test_killed_at_any_moment_the_next_run_finishes_the_job(tmp_path: Path, isolated: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    team = Team.create(tmp_path / "repo")
    team.green("03", "inc")
    before = team.target()
    for _ in range(6):
        process = team.starts("integrate", "03")
        time.sleep(chance.uniform(0.05, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        at = team.target()
        assert at == before or team.repo.git("rev-parse", f"{at}^1").strip() == before, seed
    answer = team.moa("integrate", "03", "--json")
    assert answer.code == 0, (seed, answer.err)
    assert team.repo.git("rev-list", "--first-parent", "--count", "develop").strip() == "2", seed
    assert team.repo.git("status", "--porcelain") == "", seed
    ledger = team.repo.git("ls-tree", "-r", "--name-only", "moa/ledger").split()
    assert len(ledger) == 1, seed
    assert leftovers(isolated) == [], seed
    assert not list((team.path / ".git").rglob("*.lock")), seed


def test_without_a_target_branch_the_error_says_what_to_do(tmp_path: Path) -> None:
    team = Team(Repo.create(tmp_path / "repo", branch="trunk", files={"a.py": "A = 1\n"}))
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "repository")
    assert "git branch develop" in answer.data["error"]["remedy"]


def test_a_target_named_in_the_config_of_main_is_followed(tmp_path: Path) -> None:
    files = {"moa.yaml": "git:\n  develop_branch: integration\n"}
    team = Team.create(tmp_path / "repo", files)
    team.repo.git("branch", "-m", "develop", "main")
    team.repo.git("branch", "integration")
    team.repo.branch("agent-03-docs", "main").writes({"README.md": "x\n"}).commits()
    data = team.moa("integrate", "03", "--json").data
    assert (data["target"]["branch"], len(data["landed"])) == ("integration", 1)


def test_tests_see_no_secrets_and_no_runner_files(team: Team) -> None:
    names = [
        "GITHUB_TOKEN",
        "GITHUB_ENV",
        "GITHUB_OUTPUT",
        "ACTIONS_RUNTIME_TOKEN",
        "MY_SECRET",
        "AWS_SECRET_ACCESS_KEY",
    ]
    test = f"import os\n\n\ndef test_env():\n    assert [n for n in {names!r} if n in os.environ] == []\n    assert os.environ['MOA_SLOT'] == '0'\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": test}).commits()
    answer = team.moa("integrate", "03", "--json", env=dict.fromkeys(names, "s3cr3t"))
    assert answer.code == 0, answer.out


def test_python_m_does_not_import_from_the_work_tree(team: Team) -> None:
    team.repo.writes({"click.py": "raise SystemExit('imported from the work tree')\n"}).commits()
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "pytest_moa", "--version"],
        cwd=team.path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "moa, version" in done.stdout) == (0, True), done.stderr


def test_a_refused_landing_of_several_lands_none_and_says_why(team: Team, tmp_path: Path) -> None:
    for agent, name in (("03", "inc"), ("04", "dec"), ("05", "neg")):
        team.green(agent, name)
    remote = team.repo.with_remote(tmp_path / "remote.git")
    before = remote.head("refs/heads/develop")
    hook = remote.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nwhile read old new ref; do\n"
        '  if [ "$ref" = refs/heads/develop ]; then echo not today; exit 1; fi\n'
        "done\n"
    )
    hook.chmod(0o755)
    answer = team.moa("integrate", "03", "04", "05", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "repository")
    assert "not today" in answer.data["error"]["reason"]
    assert remote.head("refs/heads/develop") == before


def test_what_a_death_after_the_push_left_undone_is_done_by_the_next_run(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    remote = team.repo.with_remote(tmp_path / "remote.git")
    before = team.target()
    team.moa("integrate", "03")
    # As if it had died between the push and everything that comes after it.
    for repo in (remote, team.repo):
        repo.git("update-ref", "-d", "refs/heads/moa/ledger")
    team.repo.git("update-ref", "-d", "refs/remotes/origin/moa/ledger")
    team.repo.git("reset", "-q", "--hard", before)
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, len(answer.data["already"])) == (0, 1)
    assert team.target() == remote.head("refs/heads/develop")
    assert team.repo.git("status", "--porcelain") == ""
    (path,) = remote.git("ls-tree", "-r", "--name-only", "moa/ledger").split()
    assert f'"commit": "{team.target()}"' in remote.shows(path, "moa/ledger")


def test_a_ledger_that_could_not_be_pushed_is_pushed_by_the_next_run(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    remote = team.repo.with_remote(tmp_path / "remote.git")
    hook = remote.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n! grep -q moa/ledger\n")
    hook.chmod(0o755)
    answer = team.moa("integrate", "03", "--json")
    assert (answer.code, remote.has("refs/heads/moa/ledger")) == (0, False)
    assert any("ledger" in note for note in answer.data["notes"])
    hook.unlink()
    assert team.moa("integrate", "03").code == 0
    assert remote.head("refs/heads/moa/ledger") == team.repo.head("refs/heads/moa/ledger")


def test_commits_that_were_not_pushed_are_told(team: Team, tmp_path: Path) -> None:
    line = team.green("03", "inc")
    team.repo.with_remote(tmp_path / "remote.git")
    pushed = line.head
    line.writes({"src/calc/inc.py": "broken(\n"}).commits()
    for verb in ("gate", "integrate"):
        data = team.moa(verb, "03", "--json").data
        assert any("1 commit here that origin has not" in note for note in data["notes"]), verb
    assert data["landed"][0]["head"] == pushed


def test_agents_land_after_those_that_they_depend_on(tmp_path: Path) -> None:
    config = 'registry:\n  - {id: "03"}\n  - {id: "04", depends_on: ["03"]}\n'
    team = Team.create(tmp_path / "repo", {"moa.yaml": config})
    team.green("03", "inc")
    team.green("04", "dec")
    data = team.moa("integrate", "04", "03", "--json").data
    assert ([a["agent"] for a in data["landed"]], data["rejected"]) == (["03", "04"], [])
