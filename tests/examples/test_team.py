"""The example team plays its parts: each branch is run for real, alone and merged, apart from pytest-moa itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.xdist_group("example-team")  # one worker makes what they share

TEAM = Path(__file__).resolve().parents[2] / "examples" / "team"
BRANCHES = {patch.stem.split("-")[1]: patch.stem for patch in (TEAM / "branches").glob("*.patch")}
IDS = sorted(BRANCHES)
IDENTITY = ["-c", "user.name=Tester", "-c", "user.email=tester@example.invalid"]


def slowly(*agents: str) -> list[Any]:
    """The example changes seldom: one agent in the quick tier, the others in the slow one."""
    return [pytest.param(agent, marks=pytest.mark.slow) for agent in agents]


@dataclass(frozen=True)
class Run:
    status: int
    failed: frozenset[str]


@dataclass(frozen=True)
class Team:
    """The built repository, and trees of it in folders of their own."""

    repository: Path
    trees: Path

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *IDENTITY, *words], cwd=self.repository, capture_output=True, text=True, check=check
        )

    def tree(self, commit: str) -> Path:
        """The files of a commit, unpacked once."""
        folder = self.trees / commit.replace("/", "-")
        if not folder.exists():
            folder.mkdir(parents=True)
            archive = subprocess.run(
                ["git", "archive", commit], cwd=self.repository, stdout=subprocess.PIPE, check=True
            ).stdout
            subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)
        return folder

    def merged(self, first: str, second: str) -> str:
        """The commit that merges two agents' branches, which must not conflict."""
        tree = self.git("merge-tree", "--write-tree", BRANCHES[first], BRANCHES[second]).stdout.strip()
        parents = ["-p", BRANCHES[first], "-p", BRANCHES[second]]
        return self.git("commit-tree", *parents, "-m", "Merge", tree).stdout.strip()


def build(folder: Path, **variables: str) -> dict[str, str]:
    words = [sys.executable, "-P", str(TEAM / "build.py"), str(folder)]
    run = subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return {name: head for head, name in (line.split() for line in run.stdout.splitlines())}


def runs_tests(tree: Path, *words: str) -> Run:
    # The plugins of whoever tests pytest-moa are not the example's, and cost half a second a run.
    apart = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider"]
    run = subprocess.run([*command, *words], cwd=tree, env=apart, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return Run(run.returncode, frozenset(re.findall(r"^FAILED (\S+)", run.stdout, re.MULTILINE)))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    folder = tmp_path_factory.mktemp("team")
    build(folder / "taskboard")
    return Team(folder / "taskboard", folder / "trees")


def own_coverage(team: Team, agent: str) -> float:
    """Coverage, in percent, of the source lines that the branch added, by the agent's own tests."""
    tree = team.tree(BRANCHES[agent])
    runs_tests(
        tree, f"tests/agent{agent}", "-p", "pytest_cov.plugin", "--cov", "--cov-report=json:coverage.json"
    )
    measured = json.loads((tree / "coverage.json").read_text(encoding="utf-8"))["files"]
    covered = statements = 0
    for path, lines in added_lines(team, BRANCHES[agent]).items():
        ran = lines & set(measured[path]["executed_lines"])
        covered += len(ran)
        statements += len(ran) + len(lines & set(measured[path]["missing_lines"]))
    return 100 * covered / statements


def added_lines(team: Team, branch: str) -> dict[str, set[int]]:
    patch = team.git("diff", "--unified=0", "--no-renames", f"develop...{branch}", "--", "src").stdout
    lines: dict[str, set[int]] = {}
    path = ""
    for line in patch.splitlines():
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            start, count = int(hunk[1]), int(hunk[2] or 1)
            lines.setdefault(path, set()).update(range(start, start + count))
    return lines


def test_there_are_eight_agents_and_the_registry_knows_them(team: Team) -> None:
    registry = yaml.safe_load((TEAM / "project" / "moa.yaml").read_text(encoding="utf-8"))["registry"]
    assert {entry["id"]: entry["branch"] for entry in registry} == BRANCHES
    assert IDS == ["01", "02", "03", "04", "05", "06", "07", "08"]
    for entry in registry:
        assert all((team.tree(entry["branch"]) / folder).is_dir() for folder in entry["tests"])


def test_develop_is_green_and_the_checked_out_branch(team: Team) -> None:
    assert team.git("branch", "--show-current").stdout == "develop\n"
    assert team.git("status", "--porcelain").stdout == ""
    assert runs_tests(team.tree("develop")).status == 0


def test_the_example_is_large_enough_to_be_real() -> None:
    code = [
        line for file in (TEAM / "project" / "src").rglob("*.py") for line in file.read_text().splitlines()
    ]
    assert sum(bool(line.strip()) for line in code) >= 600


def test_every_agent_says_that_it_is_done(team: Team) -> None:
    trailer = "--format=%(trailers:key=Moa-Ready,valueonly)"
    said = [team.git("log", "-1", trailer, branch).stdout.strip() for branch in BRANCHES.values()]
    assert said == ["yes"] * 8


@pytest.mark.parametrize("agent", ["01", *slowly("02", "03", "05", "06", "07", "08")])
def test_a_branch_that_is_green_alone(agent: str, team: Team) -> None:
    assert runs_tests(team.tree(BRANCHES[agent])).failed == frozenset()


def test_the_yearly_branch_is_red_by_one_test_of_its_own(team: Team) -> None:
    test = "tests/agent04/test_yearly.py::test_a_birthday_on_a_leap_day_returns_to_the_29th"
    assert runs_tests(team.tree(BRANCHES["04"])).failed == {test}


@pytest.mark.parametrize("agent", ["01", *slowly("02", "04", "05", "06", "07", "08")])
def test_a_branch_that_covers_its_own_code(agent: str, team: Team) -> None:
    assert own_coverage(team, agent) >= 95


def test_the_search_branch_covers_too_little_of_its_own_code(team: Team) -> None:
    assert 70 <= own_coverage(team, "03") <= 80


def test_the_quick_branch_is_red_by_the_test_that_it_changed(team: Team, tmp_path: Path) -> None:
    tree = team.tree(BRANCHES["07"])
    old = team.tree("develop") / "tests" / "test_recurrence.py"
    apart = tmp_path / "tree"
    shutil.copytree(tree, apart)
    shutil.copy(old, apart / "tests" / "test_recurrence.py")
    (failed,) = runs_tests(apart, "tests/test_recurrence.py").failed
    assert failed.startswith("tests/test_recurrence.py::test_the_next_date_exists_in_the_calendar[monthly-")


def test_the_digests_tests_pass_with_a_digest_that_says_nothing(team: Team, tmp_path: Path) -> None:
    apart = tmp_path / "tree"
    shutil.copytree(team.tree(BRANCHES["08"]), apart)
    module = apart / "src" / "taskboard" / "digest.py"
    module.write_text(module.read_text().replace('return "\\n".join(lines) or "Nothing to do."', 'return ""'))
    assert 'return ""' in module.read_text()
    assert runs_tests(apart, "tests/agent08").status == 0


def test_only_the_two_formats_conflict_and_in_one_file(team: Team) -> None:
    conflicts = {}
    for first, second in ((a, b) for a in IDS for b in IDS if a < b):
        merge = team.git(
            "merge-tree", "--write-tree", "--name-only", "--no-messages",
            BRANCHES[first], BRANCHES[second], check=False,
        )  # fmt: skip
        if merge.returncode:
            conflicts[first, second] = merge.stdout.splitlines()[1:]
    assert conflicts == {("02", "05"): ["src/taskboard/formats.py"]}


def test_spans_and_workload_are_red_together(team: Team) -> None:
    failed = runs_tests(team.tree(team.merged("01", "06"))).failed
    assert "tests/agent06/test_workload.py::test_a_week_has_seven_days_from_monday_to_sunday" in failed
    assert all(test.startswith("tests/agent06/") for test in failed)


def test_the_second_try_makes_them_green(team: Team, tmp_path: Path) -> None:
    build(tmp_path / "again")
    again = Team(tmp_path / "again", tmp_path / "trees")
    again.git("switch", "-q", "--detach", again.merged("01", "06"))
    again.git("am", "-q", str(TEAM / "fixes" / "agent-06-workload.patch"))
    assert runs_tests(again.tree("HEAD")).status == 0


def test_the_same_files_make_the_same_ids_whatever_the_user_has_set(team: Team, tmp_path: Path) -> None:
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[core]\n\tautocrlf = true\n\thooksPath = {hook.parent}\n[commit]\n\tgpgSign = true\n"
        "[user]\n\tname = Else\n[init]\n\tdefaultBranch = trunk\n[am]\n\tkeepcr = true\n"
    )
    heads = build(
        tmp_path / "there",
        GIT_CONFIG_GLOBAL=str(settings),
        GIT_DIR=str(tmp_path / "nowhere"),
        GIT_AUTHOR_NAME="Else",
        GIT_DEFAULT_HASH="sha256",
        TZ="Asia/Kathmandu",
    )
    refs = team.git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").stdout
    assert heads == {name: head[:12] for name, head in (line.split() for line in refs.splitlines())}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    words = [sys.executable, "-P", str(TEAM / "build.py"), str(tmp_path)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "is not empty" in run.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
