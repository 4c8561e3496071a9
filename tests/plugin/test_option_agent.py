"""`--moa-agent ID|auto`: which tests run, what is measured, what the verdict and the exit status are."""

from __future__ import annotations

import json
import sys

import pytest
from support.desks import FILES, Desk
from support.repos import Repo

WORKERS = pytest.mark.parametrize("workers", [(), ("-n0",), ("-n2",)], ids=["none", "n0", "n2"])
# With workers, in the slow tier: each start of two takes two seconds, and one test stays.
TWO = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["none", "n2"]
)


@WORKERS
def test_low_coverage_fails_a_run_whose_tests_pass(desk: Desk, workers: tuple[str, ...]) -> None:
    ran = desk.shop().runs("--moa-agent", "03", *workers)
    assert ran.status == 1
    assert ran.gate["verdict"] == "failed"
    assert ran.gate["coverage"] == {
        "percent": "83.33",
        "threshold": "90",
        "covered": 5,
        "statements": 6,
        "files": [{"path": "src/shop/core.py", "percent": "83.33", "missing": [8]}],
    }
    assert ran.gate["tests"] == {"collected": 2, "passed": 2, "failed": 0, "skipped": 0, "errors": 0}
    assert "moa: agent 03" in ran.out
    assert "not run: 8" in ran.out


def test_good_work_passes_with_status_0(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"], ran.gate["reason"]) == (0, "passed", None)
    assert ran.gate["coverage"]["percent"] == "100.00"


@TWO
def test_a_red_test_keeps_pytests_own_status_and_is_named(desk: Desk, workers: tuple[str, ...]) -> None:
    desk.shop().has({"tests/agent04/test_more.py": "def test_wrong():\n    assert 1 == 2\n"})
    ran = desk.runs("--moa-agent", "04", *workers)
    assert (ran.status, ran.gate["verdict"]) == (1, "failed")
    assert [failure["id"] for failure in ran.gate["failures"]] == ["tests/agent04/test_more.py::test_wrong"]
    assert "1 test fails: tests/agent04/test_more.py::test_wrong" in ran.gate["reason"]


def test_the_percentage_is_that_of_coverage_json(desk: Desk) -> None:
    desk.shop().has({".coveragerc": "[run]\nbranch = true\n"})
    ran = desk.runs("--moa-agent", "03")
    file = desk.root / "theirs.json"
    desk.pytester.run(sys.executable, "-m", "coverage", "json", "-o", str(file), "--include=src/shop/core.py")
    totals = json.loads(file.read_text())["totals"]
    assert totals["percent_covered"] == pytest.approx(float(ran.gate["coverage"]["percent"]), abs=0.01)
    assert ran.gate["coverage"]["statements"] == totals["num_statements"] + totals["num_branches"] == 8


def test_own_files_that_nothing_imports_count_as_missing(desk: Desk) -> None:
    config = 'registry:\n  - {id: "04", source: [src/shop/cart.py, src/shop/unused.py, src/bare/thing.py]}\n'
    desk.shop(config).has({"src/shop/unused.py": "x = 1\ny = 2\n", "src/bare/thing.py": "z = 3\n"})
    ran = desk.runs("--moa-agent", "04")
    assert {f["path"]: f["missing"] for f in ran.gate["coverage"]["files"]} == {
        "src/bare/thing.py": [1],
        "src/shop/cart.py": [],
        "src/shop/unused.py": [1, 2],
    }


def test_no_tests_are_undetermined_and_exit_5_stays(desk: Desk) -> None:
    desk.shop()
    (desk.root / "tests/agent04/test_cart.py").write_text("")
    ran = desk.runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"]) == (5, "undetermined")
    assert "no tests were collected" in ran.gate["reason"]


def test_a_broken_import_fails_and_exit_2_stays(desk: Desk) -> None:
    desk.shop().has({"tests/agent04/test_broken.py": "import nothing_of_this_name\n"})
    ran = desk.runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"]) == (2, "failed")


def test_a_run_that_ends_itself_early_with_status_0_is_undetermined(desk: Desk) -> None:
    text = "import pytest\n\ndef test_a():\n    pass\n\ndef test_b():\n    pytest.exit('done', 0)\n"
    ran = desk.shop().has({"tests/agent04/test_leave.py": text}).runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "left no outcome" in ran.gate["reason"]


def test_an_unknown_agent_is_a_usage_error_that_names_the_known_ones(desk: Desk) -> None:
    said = desk.shop().has({"tests/agent05/test_x.py": ""}).refuses("--moa-agent", "3")
    assert "there is no agent '3' here: known are 03, 04, 05" in said


def test_missing_tests_of_the_registry_are_a_usage_error(desk: Desk) -> None:
    config = 'registry: [{id: "03", tests: [tests/gone], source: [src]}]'
    assert "the tests of agent 03 are not there" in desk.shop(config).refuses("--moa-agent", "03")


def test_quiet_is_one_line(desk: Desk) -> None:
    ran = desk.shop().runs("--moa-agent", "03", "-q")
    lines = [line for line in ran.out.splitlines() if "moa:" in line]
    told = "moa: agent 03 FAILED: 2 of 2 tests passed; coverage 83.33% of 90%"
    assert lines == [f"{told}; coverage of own code is 83.33%, below 90%"]


def test_auto_takes_the_agent_of_the_checked_out_branch_and_measures_its_changes(desk: Desk) -> None:
    repo = Repo.create(desk.root, files={k: v for k, v in FILES.items() if "cart" not in k})
    repo.git("checkout", "-q", "-b", "agent-04-cart")
    repo.writes({k: v for k, v in FILES.items() if "cart" in k}).commits("The cart")
    desk.has({"src/shop/core.py": FILES["src/shop/core.py"] + "\n\ndef double(a):\n    return 2 * a\n"})
    ran = desk.runs("--moa-agent", "auto")
    assert (ran.status, ran.gate["agent"], ran.gate["branch"]) == (1, "04", "agent-04-cart")
    assert {f["path"]: f["statements"] for f in _with_statements(ran.gate)} == {
        "src/shop/cart.py": 6,
        "src/shop/core.py": 2,
    }
    assert ran.gate["target"] == repo.head("develop")
    assert ran.gate["head"] == repo.head()


def _with_statements(gate: dict[str, object]) -> list[dict[str, object]]:
    """The contract's files tell what is missing only: 1 of 8 here, the body of `double`."""
    coverage = gate["coverage"]
    assert isinstance(coverage, dict)
    assert (coverage["covered"], coverage["statements"]) == (7, 8)
    return [{"path": f["path"], "statements": 6 if not f["missing"] else 2} for f in coverage["files"]]


def test_auto_on_a_detached_head_takes_the_pull_requests_branch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo.create(desk.root, files=FILES)
    repo.checkout("develop", detach=True)
    monkeypatch.setenv("GITHUB_HEAD_REF", "agent-03-core")
    ran = desk.runs("--moa-agent", "auto")
    assert (ran.status, ran.gate["agent"]) == (0, "03")
    # nothing changed: no reason against it
    assert ran.gate["coverage"] is None


@pytest.mark.parametrize("detached", [False, True])
def test_auto_without_an_agents_branch_says_so(desk: Desk, detached: bool) -> None:
    Repo.create(desk.root, files=FILES).checkout("develop", detach=detached)
    assert "--moa-agent auto finds no agent" in desk.refuses("--moa-agent", "auto")


def test_without_source_and_without_a_target_nothing_can_be_said(desk: Desk) -> None:
    Repo.create(desk.root, branch="agent-03-core", files=FILES)
    ran = desk.runs("--moa-agent", "03")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "the target 'develop' is neither here nor on 'origin'" in ran.gate["reason"]


def test_another_agents_branch_is_not_taken_for_this_ones_work(desk: Desk) -> None:
    Repo.create(desk.root, files=FILES).git("checkout", "-q", "-b", "agent-04-cart")
    ran = desk.runs("--moa-agent", "03")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "the checked-out branch agent-04-cart is agent 04's" in ran.gate["reason"]


@TWO
def test_code_of_another_checkout_is_undetermined_and_says_from_where(
    desk: Desk,
    workers: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = tmp_path_factory.mktemp("other")
    Desk.has(_at(other), FILES)
    desk.shop().has({"pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'})
    monkeypatch.setenv("PYTHONPATH", str(other / "src"))
    ran = desk.runs("--moa-agent", "04", *workers, fresh=True)
    assert ran.status == 1
    assert ran.gate["verdict"] == "undetermined"
    assert f"imported shop.cart from {(other / 'src/shop/cart.py').resolve()}" in ran.gate["reason"]


def _at(root: object) -> Desk:
    desk = object.__new__(Desk)
    desk.root = root  # type: ignore[assignment]  # only `has` is used
    return desk
