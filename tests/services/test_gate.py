"""`moa gate`, run as a person would, over real repositories."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest
from support.repos import Repo
from support.teams import CORE, PROJECT, PYTEST, Team, half_test, module, whole_test

import pytest_moa


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo")


def test_a_tested_branch_passes_and_nothing_of_the_repository_changes(team: Team) -> None:
    head = team.green("03", "inc").head
    before = (
        team.repo.refs(),
        (team.path / ".git/config").read_bytes(),
        team.repo.git("status", "--porcelain"),
    )
    answer = team.moa("gate", "03", "--json")
    after = (
        team.repo.refs(),
        (team.path / ".git/config").read_bytes(),
        team.repo.git("status", "--porcelain"),
    )
    assert (answer.code, before) == (0, after), answer.err
    data = answer.data
    assert (data["verdict"], data["head"], data["target"]) == ("passed", head, team.target())
    assert data["tests"] == {"collected": 1, "passed": 1, "failed": 0, "skipped": 0, "errors": 0}
    assert data["coverage"]["percent"] == "100.00"
    assert [f["path"] for f in data["coverage"]["files"]] == ["src/calc/inc.py"]
    assert data["reason"] is None


def test_a_half_tested_branch_fails_with_the_lines_that_nothing_runs(team: Team) -> None:
    team.agent("03", "inc").writes(
        {"src/calc/inc.py": module("inc"), "tests/agent03/test_inc.py": half_test("inc")}
    ).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert answer.data["coverage"]["percent"] == "75.00"
    assert answer.data["coverage"]["files"][0]["missing"] == [3]


def test_a_red_test_fails_with_its_name_and_message(team: Team) -> None:
    line = team.green("03", "inc")
    line.writes({"src/calc/inc.py": module("inc").replace("x + 1", "x + 2")}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    (failure,) = answer.data["failures"]
    assert failure["id"] == "tests/agent03/test_inc.py::test_inc"
    assert "assert 3 == 2" in failure["message"]


def test_what_the_merge_breaks_is_red_although_each_side_is_green(team: Team) -> None:
    team.agent("03", "use").writes(
        {
            "src/calc/use.py": "from calc.core import double\n\n\ndef four(x):\n    return double(double(x))\n",
            "tests/agent03/test_use.py": "from calc.use import four\n\n\ndef test_four():\n    assert four(1) == 4\n",
        }
    ).commits()
    team.repo.writes(
        {
            "src/calc/core.py": CORE.replace("double(x)", "twice(x)"),
            "tests/test_core.py": "from calc.core import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n",
        }
    ).commits("Rename double")
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    assert answer.data["tests"]["errors"] == 1


def test_a_conflict_with_the_target_is_undetermined_with_its_files_and_exits_with_4(team: Team) -> None:
    team.agent("03", "core").writes({"src/calc/core.py": CORE.replace("2 *", "3 *")}).commits()
    team.repo.writes({"src/calc/core.py": CORE.replace("2 *", "4 *")}).commits()
    answer = team.moa("gate", "03", "--json")
    assert answer.code == 4
    data = answer.data
    assert (data["verdict"], data["candidate"], data["conflicts"]) == (
        "undetermined",
        None,
        ["src/calc/core.py"],
    )


def test_documentation_alone_passes_without_a_coverage_figure(team: Team) -> None:
    team.agent("03", "docs").writes({"README.md": "# calc\n"}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["coverage"]) == (0, None)


def test_a_branch_without_anything_of_its_own_is_undetermined(team: Team) -> None:
    team.agent("03", "idle")
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert "has no commit" in answer.data["reason"]


def test_no_tests_at_all_are_undetermined(tmp_path: Path) -> None:
    team = Team(Repo.create(tmp_path / "repo", files={"pkg/__init__.py": ""}))
    team.agent("03", "x").writes({"pkg/a.py": "A = 1\n"}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert "no tests were collected" in answer.data["reason"]


def test_the_threshold_comes_from_the_target_and_not_from_the_branch(team: Team) -> None:
    line = team.agent("03", "inc").writes(
        {"src/calc/inc.py": module("inc"), "tests/agent03/test_inc.py": half_test("inc")}
    )
    line.writes({"moa.yaml": "agents:\n  test_threshold: 10\n"}).commits()
    assert team.moa("gate", "03", "--json").data["coverage"]["threshold"] == "90"


def test_a_threshold_can_be_raised_and_not_lowered(team: Team) -> None:
    team.green("03", "inc")
    raised = team.moa("gate", "03", "--json", "--threshold", "95").data
    lowered = team.moa("gate", "03", "--json", "--threshold", "5").data
    assert (raised["coverage"]["threshold"], lowered["coverage"]["threshold"]) == ("95", "90")
    assert any("can only be raised" in note for note in lowered["notes"])


def test_registered_source_counts_whole_and_only_changed_lines_elsewhere(tmp_path: Path) -> None:
    config = "registry:\n  - id: 03\n    name: Core\n    source: [src/calc/core.py]\n    tests: [tests/test_core.py]\n"
    untested = CORE + "\n\ndef unused():\n    return 1\n"
    team = Team.create(tmp_path / "repo", {"moa.yaml": config, "src/calc/core.py": untested})
    team.agent("03", "x").writes({"README.md": "x\n"}).commits()
    data = team.moa("gate", "03", "--json").data
    assert (data["name"], data["coverage"]["percent"]) == ("Core", "75.00")


def test_registered_tests_that_are_not_there_are_undetermined_and_named(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": 'registry: [{id: "03", tests: [tests/gone]}]\n'})
    team.green("03", "inc")
    answer = team.moa("gate", "03", "--json")
    assert answer.code == 3
    assert "tests/gone" in answer.data["reason"]


def test_a_test_that_hangs_is_named(tmp_path: Path) -> None:
    team = Team.create(tmp_path / "repo", {"moa.yaml": "agents:\n  timeout: 2\n"})
    hang = "import time\n\n\ndef test_sleepy():\n    time.sleep(60)\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": hang}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert "tests/agent03/test_x.py::test_sleepy" in answer.data["reason"]


def test_a_process_that_leaves_early_fails_by_the_rules_name_and_the_tests(team: Team) -> None:
    leaves = "import os\n\n\ndef test_a():\n    pass\n\n\ndef test_b():\n    os._exit(0)\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": leaves}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (1, "failed")
    early = [f["message"] for f in answer.data["findings"] if f["rule"] == "early-exit"]
    assert any("os._exit" in message for message in early), "what the text shows"
    assert any("test_b" in message for message in early), "what the run showed"


def test_tests_that_run_git_where_they_stand_leave_the_real_repository_alone(team: Team) -> None:
    text = (
        "import subprocess\n\n\ndef test_git():\n"
        "    for command in (['config', 'user.name', 'Mallory'], ['commit', '--allow-empty', '-m', 'x'], ['tag', 't']):\n"
        "        subprocess.run(['git', *command], check=True)\n"
    )
    team.agent("03", "x").writes({"tests/agent03/test_x.py": text}).commits()
    before = (team.repo.refs(), (team.path / ".git/config").read_bytes())
    assert team.moa("gate", "03", "--json").code == 0
    assert (team.repo.refs(), (team.path / ".git/config").read_bytes()) == before


def test_a_test_that_changes_the_real_repositorys_settings_is_found_out(team: Team) -> None:
    config = str(team.path / ".git" / "config")
    text = f"def test_x():\n    with open({config!r}, 'a') as f:\n        f.write('[x]\\n\\ty = z\\n')\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": text}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert "config" in answer.data["reason"]


@pytest.mark.parametrize(
    "folder", ["backend", *(pytest.param(same, marks=pytest.mark.slow) for same in ("./backend", "backend/"))]
)
def test_a_project_in_a_folder_of_a_monorepo(tmp_path: Path, folder: str) -> None:
    files = {f"backend/{name}": text for name, text in PROJECT.items()}
    repo = Repo.create(
        tmp_path / "repo", files={**files, "moa.yaml": f"project: {{working_directory: {folder}}}\n"}
    )
    team = Team(repo)
    team.agent("03", "inc").writes(
        {"backend/src/calc/inc.py": module("inc"), "backend/tests/agent03/test_inc.py": whole_test("inc")}
    ).commits()
    data = team.moa("gate", "03", "--json").data
    assert (data["verdict"], data["coverage"]["files"][0]["path"]) == ("passed", "backend/src/calc/inc.py")


@pytest.mark.parametrize("layout", [pytest.param("flat", marks=pytest.mark.slow), "src"])
def test_code_installed_from_another_checkout_is_never_what_is_judged(tmp_path: Path, layout: str) -> None:
    place = "src/calc" if layout == "src" else "calc"
    files = {
        f"{place}/__init__.py": "",
        f"{place}/core.py": CORE,
        "tests/test_core.py": TEST_WRONG,
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--import-mode=importlib -p no:hypothesispytest'\n",
    }
    team = Team(Repo.create(tmp_path / "repo", files=files))
    team.agent("03", "wrong").writes({f"{place}/core.py": CORE.replace("2 *", "3 *")}).commits()
    # The desk's checkout (develop, which answers 4) is what is installed: the branch (which answers 6) must be run.
    root = team.path / ("src" if layout == "src" else ".")
    answer = team.moa("gate", "03", "--json", env={"PYTHONPATH": str(root)}, fresh=True)
    assert answer.data["verdict"] == "failed", answer.data["reason"]
    assert "assert 6 == 4" in answer.data["failures"][0]["message"]


TEST_WRONG = "def test_double():\n    from calc.core import double\n    assert double(2) == 4\n"


def test_the_agent_of_the_checked_out_branch_is_auto(team: Team) -> None:
    team.green("03", "inc")
    team.repo.checkout("agent-03-inc")
    assert team.moa("gate", "auto", "--json").data["agent"] == "03"


def test_a_branch_of_nobody_is_no_agent(team: Team) -> None:
    answer = team.moa("gate", "auto", "--json")
    assert (answer.code, answer.data["error"]["kind"]) == (2, "no-agent")


def test_the_summary_is_written(team: Team, tmp_path: Path) -> None:
    team.green("03", "inc")
    team.moa("gate", "03", "--summary", str(tmp_path / "summary.md"))
    assert "PASSED" in (tmp_path / "summary.md").read_text()[:300]


def test_hostile_branch_names_are_only_names(team: Team) -> None:
    name = "x$(touch${IFS}pwned)`id`;'\"🦊"
    line = team.agent("03", name)
    line.writes({"src/calc/inc.py": module("inc"), "tests/agent03/test_inc.py": whole_test("inc")}).commits()
    answer = team.moa("gate", "03", "--json")
    assert (answer.code, answer.data["branch"]) == (0, f"agent-03-{name}")
    assert not [tmp.name for tmp in team.path.glob("pwned")]


def test_a_clone_too_shallow_for_a_merge_base_accuses_nobody_of_a_conflict(
    team: Team, tmp_path: Path
) -> None:
    team.green("03", "inc")
    team.repo.writes({"NEWS": "x\n"}).commits()
    clone = Repo(tmp_path / "clone")
    team.repo.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{team.path}", str(clone.path))
    answer = Team(clone).moa("gate", "03", "--json")
    assert (answer.code, answer.data["verdict"], answer.data["conflicts"]) == (3, "undetermined", [])
    assert "too shallow" in answer.data["reason"]
    assert "--unshallow" in answer.data["remedy"]
    clone.git("fetch", "-q", "--unshallow")
    assert Team(clone).moa("gate", "03", "--json").data["verdict"] == "passed"


def installed_from(team: Team, tmp_path: Path, line: str) -> str:
    """An environment in which another checkout is installed as editable installs do it; returns its interpreter."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [*(p for p in sys.path if p.endswith("site-packages")), str(Path(pytest_moa.__file__).parents[1])]
    (packages / "a_tools.pth").write_text("\n".join(ours) + "\n")
    (packages / "z_project.pth").write_text(line + "\n")
    (packages / "__editable___mapped_finder.py").write_text(
        FINDER.replace("CODE", repr(str(team.path / "code")))
    )
    return str(folder / "bin" / "python")


FINDER = """\
import sys
from importlib.machinery import PathFinder

MAPPING = {"mapped": CODE}


class _Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            import importlib.util

            return importlib.util.spec_from_file_location(name, MAPPING[name] + "/__init__.py", submodule_search_locations=[MAPPING[name]])
        return None


def install():
    sys.meta_path.append(_Finder)
"""


def test_a_module_that_only_another_checkout_has_is_not_borrowed_from_there(
    team: Team, tmp_path: Path
) -> None:
    use = "from helpers import help_me\n\n\ndef use():\n    return help_me()\n"
    test = "from calc.use import use\n\n\ndef test_use():\n    assert use() == 1\n"
    team.agent("03", "use").writes({"src/calc/use.py": use, "tests/agent03/test_use.py": test}).commits()
    # Forgotten with `git add`: it lies in the desk's work tree, whose `src` an editable install has put on the path.
    team.repo.writes({"src/helpers.py": "def help_me():\n    return 1\n"})
    python = installed_from(team, tmp_path, str(team.path / "src"))
    answer = team.moa("gate", "03", "--json", "--python", python)
    assert (answer.code, answer.data["verdict"]) == (1, "failed"), team.moa(
        "gate", "03", "--python", python
    ).out
    assert "No module named 'helpers'" in answer.data["failures"][0]["message"]


def test_a_package_mapped_to_another_checkout_is_turned_to_the_candidate(tmp_path: Path) -> None:
    test = "from mapped.base import base\n\n\ndef test_base():\n    assert base() == 1\n"
    files = {
        "code/__init__.py": "",
        "code/base.py": "def base():\n    return 1\n",
        "tests/test_base.py": test,
    }
    team = Team.create(tmp_path / "repo", files)
    team.agent("03", "broken").writes({"code/base.py": "def base():\n    return 2\n"}).commits()
    team.agent("04", "whole").writes({"code/base.py": "def base():\n    x = 1\n    return x\n"}).commits()
    python = installed_from(team, tmp_path, "import __editable___mapped_finder as f; f.install()")
    broken = team.moa("gate", "03", "--json", "--python", python).data
    assert (broken["verdict"], broken["tests"]["failed"]) == ("failed", 1), broken
    whole = team.moa("gate", "04", "--json", "--python", python).data
    assert (whole["verdict"], whole["coverage"]["percent"]) == ("passed", "100.00"), whole


SCM = '[tool.setuptools_scm]\nversion_file = "src/calc/_version.py"\n\n' + PYTEST


def test_a_version_file_that_the_build_generates_is_there(tmp_path: Path) -> None:
    test = "import calc\n\n\ndef test_version():\n    assert calc.version == '1.1.dev2+g' + calc.version.rpartition('g')[2]\n"
    files = {
        "pyproject.toml": SCM,
        "src/calc/__init__.py": "from calc._version import version\n",
        "tests/test_version.py": test,
        ".gitignore": "_version.py\n",
    }
    team = Team.create(tmp_path / "repo", files)
    team.repo.git("tag", "v1.0")
    team.green("03", "inc")
    data = team.moa("gate", "03", "--json").data
    assert (data["verdict"], any("_version.py is generated" in note for note in data["notes"])) == (
        "passed",
        True,
    )
    assert not (team.path / "src/calc/_version.py").exists()
    assert team.moa("integrate", "03").code == 0


MAKES = "  setup:\n    - [{python}, -m, venv, --without-pip, --symlinks, '{{environment}}']\n    - [sh, -c, '{tools}']\n"


def made(tmp_path: Path, more: str) -> Team:
    """A team whose tests run in a made environment, which borrows the tools of this one."""
    ours = [*(p for p in sys.path if p.endswith("site-packages")), str(Path(pytest_moa.__file__).parents[1])]
    lines = "\\n".join(ours)
    tools = f'printf "{lines}\\n" > "$(echo "$MOA_ENVIRONMENT"/lib/python*/site-packages)"/tools.pth'
    setup = MAKES.format(python=sys.executable, tools=tools)
    return Team.create(tmp_path / "repo", {"moa.yaml": f"environment:\n{setup}{more}"})


def test_a_setup_that_writes_into_the_tree_is_refused_the_first_time_and_every_time(tmp_path: Path) -> None:
    team = made(tmp_path, "    - [sh, -c, 'echo A = 1 > generated.py']\n")
    team.green("03", "inc")
    for _ in range(2):
        answer = team.moa("gate", "03", "--json")
        assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
        assert "generated.py" in answer.data["reason"]
        assert "environment.prepare" in answer.data["remedy"]


def test_what_prepares_the_tree_runs_for_every_candidate(tmp_path: Path) -> None:
    team = made(
        tmp_path, "  prepare:\n    - ['{python}', -c, \"open('generated.py', 'w').write('A = 1')\"]\n"
    )
    test = "import generated\n\n\ndef test_generated():\n    assert generated.A == 1\n"
    team.agent("03", "x").writes({"tests/agent03/test_x.py": test}).commits()
    for _ in range(2):
        data = team.moa("gate", "03", "--json").data
        assert (data["verdict"], data["environment"]["key"] is not None) == ("passed", True), data["reason"]


def test_tests_that_write_into_their_made_environment_are_told_as_that(tmp_path: Path) -> None:
    team = made(tmp_path, "")
    test = (
        "import os, pathlib, sys\n\n\ndef test_writes():\n"
        "    place = next(pathlib.Path(sys.prefix).glob('lib/python*/site-packages'))\n"
        "    place.chmod(0o755)\n    (place / 'mine.pth').write_text('')\n"
    )
    team.agent("03", "x").writes({"tests/agent03/test_x.py": test, "src/calc/new.py": "A = 1\n"}).commits()
    assert "hooks-added" in team.moa("gate", "03", "--json").data["reason"], "the text shows it"
    allow = ("--allow", "hooks-added:tests/**", "--because", "to see what the run shows")
    answer = team.moa("gate", "03", "--json", *allow)
    assert (answer.code, answer.data["verdict"]) == (3, "undetermined")
    assert "wrote into the environment" in answer.data["reason"]


def test_a_target_that_took_the_head_in_meanwhile_is_told_and_proves_nothing(team: Team) -> None:
    line = team.green("03", "inc")
    # As an attacker would, but by a path of this test's own: the rules know the usual ways to find it.
    ref = team.path / ".git/refs/heads"
    moving = f"def test_moves():\n    a, b = (open({str(ref)!r} + '/' + n, m) for n, m in (('agent-03-inc', 'r'), ('develop', 'w')))\n    assert b.write(a.read())\n"
    line.writes({"tests/agent03/test_moves.py": moving}).commits()
    answer = team.moa("gate", "03", "--json")
    assert answer.data["verdict"] != "passed"
    assert "was moved to a commit that holds the judged head" in answer.data["reason"]
