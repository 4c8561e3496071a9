"""`old-tests-fail` and `no-new-failure` in the whole of moa: verdicts, the legal way out, what is counted and left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.old_tests import CART, QUICK, SHOP, TEST_CART, WRONG, asked, standing
from support.teams import CORE, TEST_CORE, Team

from pytest_moa.model.results import EnvironmentFacts
from pytest_moa.services.environment import Interpreter
from pytest_moa.services.no_new_failure import new_tests_findings, run_new_tests
from pytest_moa.services.old_tests import OldTestsOptions, old_tests_findings, run_old_tests

THREE = {
    "src/calc/core.py": CORE.replace("2 * x", "3 * x"),
    "tests/test_core.py": TEST_CORE.replace("== 4", "== 6"),
}
BECAUSE = ("--because", "three was agreed on")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team.create(tmp_path / "repo", {"moa.yaml": QUICK + "integrity:\n  probes:\n    count: 0\n"})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_a_change_of_behaviour_is_refused_and_a_persons_word_lets_it_land(team: Team) -> None:
    team.agent("03", "three").writes(THREE).commits()
    refused = team.moa("integrate", "03", "--json")
    (rejected,) = refused.data["rejected"]
    assert (refused.code, rejected["class"]) == (1, "integrity"), refused.out
    (finding,) = [f for f in rejected["findings"] if f["rule"] == "old-tests-fail"]
    assert (finding["path"], finding["line"], finding["severity"]) == ("tests/test_core.py", 4, "block")
    # The old tests, the failed one again, and that one on the target: what they refuse never runs beside the others.
    assert refused.data["runs"] == 3

    words = ("--allow", "old-tests-fail:tests/test_core.py", *BECAUSE)
    landed = team.moa("integrate", "03", "--json", *words)
    assert landed.code == 0, landed.out
    assert "Moa-Allow: old-tests-fail:tests/test_core.py" in team.repo.git(
        "log", "-1", "--format=%B", "develop"
    )


@pytest.mark.slow
def test_one_word_about_a_removed_test_is_enough_for_the_function_that_goes_with_it(team: Team) -> None:
    team.repo.writes(
        {
            "src/calc/core.py": CORE + "\n\ndef half(x):\n    return x / 2\n",
            "tests/test_core.py": TEST_CORE.replace("import double", "import double, half")
            + "\n\ndef test_half():\n    assert half(4) == 2\n",
        }
    ).commits()
    team.agent("03", "less").writes({"src/calc/core.py": CORE, "tests/test_core.py": TEST_CORE}).commits()
    refused = team.moa("gate", "03", "--json")
    blocks = {f["rule"] for f in refused.data["findings"] if f["severity"] == "block"}
    assert (refused.code, blocks) == (1, {"tests-removed"}), refused.out
    allowed = team.moa("gate", "03", "--json", "--allow", "tests-removed:tests/test_core.py", *BECAUSE)
    assert (allowed.code, allowed.data["verdict"]) == (0, "passed"), allowed.out


@pytest.mark.slow
def test_a_flaky_test_blames_nobody(tmp_path: Path) -> None:
    flaky = (
        "from pathlib import Path\n\n\ndef test_flaky():\n    seen = Path(__file__).with_suffix('.seen')\n"
        "    known = seen.exists()\n    seen.touch()\n    assert known\n"
    )
    after = {"tests/test_flaky.py": flaky.replace("known = ", "known = True or ")}
    said = asked(tmp_path, after, {"tests/test_flaky.py": flaky})
    assert (said.findings, said.doubts, said.runs) == ([], [], 2)


@pytest.mark.slow
def test_what_is_red_on_the_target_blames_nobody(tmp_path: Path) -> None:
    red = "def test_red():\n    assert 1 == 2\n"
    said = asked(tmp_path, {"tests/test_red.py": red.replace("2", "1")}, {"tests/test_red.py": red})
    assert (said.findings, said.doubts, said.runs) == ([], [], 3)


def test_evidence_without_the_old_tests_where_they_are_due_is_a_doubt(tmp_path: Path) -> None:
    with standing(tmp_path, {"tests/test_cart.py": TEST_CART.replace("3)", "4)")}) as where:
        found, (doubt,) = old_tests_findings(*where, None)
    assert (found, "were not run" in doubt.reason) == ([], True)


def test_a_policy_that_has_the_rule_off_runs_nothing(tmp_path: Path) -> None:
    config = "integrity:\n  severity:\n    old-tests-fail: 'off'\n"
    after = {"src/shop/cart.py": WRONG, "tests/test_cart.py": TEST_CART.replace("3)", "4)")}
    said = asked(tmp_path, after, config=config)
    assert (said.ran, said.findings, said.doubts) == (None, [], [])


@pytest.mark.slow
def test_the_tree_that_may_land_is_left_alone(tmp_path: Path) -> None:
    after = {"src/shop/cart.py": WRONG, "tests/test_cart.py": TEST_CART.replace("3)", "4)")}
    with standing(tmp_path, after) as (project, quarantine, subject):
        work = quarantine.checkout(subject.candidate)
        run_old_tests(project, quarantine, subject, interpreter(), OldTestsOptions())
        assert quarantine.dirty(work, subject.candidate) == ()


@pytest.mark.slow
def test_a_project_in_a_folder_of_the_repository_is_seen_with_its_whole_paths(tmp_path: Path) -> None:
    before = {f"py/{path}": text for path, text in SHOP.items()}
    after = {"py/src/shop/cart.py": WRONG, "py/tests/test_cart.py": TEST_CART.replace("3)", "4)")}
    said = asked(tmp_path, after, before, config="project:\n  working_directory: py\n")
    assert {f.path for f in said.findings} == {"py/tests/test_cart.py"}


FRESH = "def test_fresh():\n    assert round(1.5) == 2\n"
REAL = "from shop.cart import LIMIT\n\n\ndef test_limit():\n    assert LIMIT == 3\n"
OPT_IN = "integrity:\n  severity:\n    no-new-failure: note\n"


@pytest.mark.slow
def test_a_new_module_that_passes_without_the_branch_is_noted_where_the_policy_asks(tmp_path: Path) -> None:
    after = {
        "src/shop/cart.py": CART + "\n\nLIMIT = 3\n",
        "tests/test_fresh.py": FRESH,
        "tests/test_limit.py": REAL,
        "tests/test_cart.py": None,
        "tests/test_basket.py": TEST_CART,
    }
    with standing(tmp_path, after, config=OPT_IN) as where:
        evidence = run_new_tests(*where, interpreter(), OldTestsOptions())
        (found,) = new_tests_findings(*where, evidence)
    assert (found.rule, found.severity, found.path) == ("no-new-failure", "note", "tests/test_fresh.py")


@pytest.mark.parametrize(
    ("after", "config"),
    [
        ({"src/shop/cart.py": CART + "\n\nLIMIT = 3\n", "tests/test_fresh.py": FRESH}, None),
        ({"tests/test_fresh.py": FRESH}, OPT_IN),
    ],
    ids=["nobody asked", "tests alone"],
)
def test_without_need_new_tests_are_not_run_on_the_target(
    tmp_path: Path, after: dict[str, str], config: str | None
) -> None:
    with standing(tmp_path, after, config=config) as where:
        assert run_new_tests(*where, interpreter(), OldTestsOptions()) is None


def interpreter() -> Interpreter:
    assert os.access(sys.executable, os.X_OK)
    return Interpreter(python=Path(sys.executable), facts=EnvironmentFacts(python=""))
