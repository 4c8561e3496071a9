"""`pytest --moa`: everyone's tests once, a verdict each, lines told apart by agent."""

from __future__ import annotations

import pytest
from support.desks import CONFIG, FILES, Desk
from support.repos import Repo

# With workers, in the slow tier: each start of two takes two seconds, and one test stays.
TWO = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["none", "n2"]
)

# `sub` is run by the other agent's tests, too: that must not count for agent 03.
HELPED = {
    "tests/agent04/test_helps.py": "from shop.core import sub\n\n\ndef test_less():\n    assert sub(1, 2) == 0\n"
}


@pytest.mark.parametrize("workers", [(), ("-n0",), ("-n2",)], ids=["none", "n0", "n2"])
def test_each_agent_is_judged_by_its_own_tests_only(desk: Desk, workers: tuple[str, ...]) -> None:
    ran = desk.shop().has(HELPED).runs("--moa", *workers)
    assert ran.status == 1
    core, cart = ran.gate["agents"]
    assert (core["agent"], core["verdict"], core["coverage"]["percent"]) == ("03", "failed", "83.33")
    assert (cart["agent"], cart["verdict"], cart["coverage"]["percent"]) == ("04", "passed", "100.00")
    assert (core["tests"]["collected"], cart["tests"]["collected"]) == (2, 2)
    assert ran.out.index("moa: agent 03") < ran.out.index("moa: agent 04")


def test_a_red_test_is_held_against_its_own_agent_alone(desk: Desk) -> None:
    desk.shop("agents: {test_threshold: 80}\n" + CONFIG)
    desk.has({"tests/agent04/test_more.py": "def test_wrong():\n    assert 1 == 2\n"})
    ran = desk.runs("--moa")
    assert {a["agent"]: a["verdict"] for a in ran.gate["agents"]} == {"03": "passed", "04": "failed"}
    assert ran.status == 1


def test_tests_that_cannot_be_collected_are_held_against_their_own_agent_alone(desk: Desk) -> None:
    ran = desk.shop().has({"tests/agent04/test_broken.py": "import nothing_of_this_name\n"}).runs("--moa")
    assert ran.status == 2
    assert {a["agent"]: a["verdict"] for a in ran.gate["agents"]} == {"03": "undetermined", "04": "failed"}


def test_without_own_tests_the_whole_suite_is_an_agents(desk: Desk) -> None:
    desk.shop(CONFIG + '  - {id: "05", name: All, source: [src]}\n').has(HELPED)
    ran = desk.runs("--moa")
    found = {a["agent"]: (a["verdict"], a["tests"]["collected"]) for a in ran.gate["agents"]}
    assert found == {"03": ("failed", 2), "04": ("passed", 2), "05": ("passed", 4)}


def test_agents_whose_work_is_not_in_this_tree_get_no_verdict_and_no_blame(desk: Desk) -> None:
    config = 'registry: [{id: "03", source: [src/shop/cart.py]}]'
    repo = Repo.create(desk.root, files={**FILES, "moa.yaml": config})
    repo.agent("04").commits()
    desk.has({"tests/agent03/test_mine.py": FILES["tests/agent04/test_cart.py"]})
    ran = desk.runs("--moa")
    by = {a["agent"]: a for a in ran.gate["agents"]}
    assert (by["03"]["verdict"], by["04"]["verdict"]) == ("passed", None)
    assert "the registry names no source for agent 04" in by["04"]["reason"]
    assert ran.status == 0


def test_where_nobody_can_be_judged_the_run_does_not_pass(desk: Desk) -> None:
    repo = Repo.create(desk.root, files=FILES)
    repo.agent("03").commits()
    ran = desk.runs("--moa")
    assert (ran.status, {a["verdict"] for a in ran.gate["agents"]}) == (1, {None})


def test_a_module_that_another_agents_test_imported_first_is_imported_for_everyone(desk: Desk) -> None:
    late = "def test_late():\n    from shop.core import sub\n\n    assert sub(2, 1) == 1\n"
    config = 'registry: [{id: "03", source: [src/shop/core.py]}, {id: "01"}]\n'
    desk.shop(config).has({"tests/agent01/test_first.py": late})
    (desk.root / "tests/agent04/test_cart.py").unlink()
    desk.has(
        {
            "tests/agent03/test_core.py": late.replace("test_late", "test_mine").replace(
                "2, 1) == 1", "1, 2) == 0"
            )
        }
    )
    ran = desk.runs("--moa")
    found = {a["agent"]: a["coverage"] for a in ran.gate["agents"]}
    # both `def` lines and the two lines of `sub` that its own test runs; not line 7, which the other's did
    assert [file["missing"] for file in found["03"]["files"]] == [[2, 7]]


def test_contexts_of_the_users_own_are_read_instead_of_switched(desk: Desk) -> None:
    ran = desk.shop().has(HELPED).runs("--moa", "--cov-context=test", "--cov=src")
    assert [a["coverage"]["percent"] for a in ran.gate["agents"]] == ["83.33", "100.00"]


def test_a_core_that_cannot_switch_contexts_is_replaced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_CORE", "sysmon")
    text = "import os\n\n\ndef test_core():\n    assert os.environ['COVERAGE_CORE'] == 'ctrace'\n"
    ran = desk.shop().has({"tests/agent04/test_env.py": text}).runs("--moa")
    assert [a["verdict"] for a in ran.gate["agents"]] == ["failed", "passed"]


def test_coverages_own_switching_leaves_it_undetermined(desk: Desk) -> None:
    desk.shop().has({".coveragerc": "[run]\ndynamic_context = test_function\n"})
    ran = desk.runs("--moa")
    assert {a["verdict"] for a in ran.gate["agents"]} == {"undetermined"}
    assert "switches contexts on its own" in ran.gate["agents"][0]["reason"]


def test_a_static_context_is_looked_through(desk: Desk) -> None:
    ran = desk.shop().has({**HELPED, ".coveragerc": "[run]\ncontext = py|x\n"}).runs("--moa")
    assert [a["coverage"]["percent"] for a in ran.gate["agents"]] == ["83.33", "100.00"]


def test_together_with_one_agent_it_is_a_usage_error(desk: Desk) -> None:
    assert "two different runs" in desk.shop().refuses("--moa", "--moa-agent", "03")


@TWO
def test_groups_are_run_side_by_side_and_modules_in_their_own_order(
    desk: Desk, workers: tuple[str, ...]
) -> None:
    body = "def test_b():\n    pass\n\n\ndef test_a():\n    pass\n"
    config = (
        'registry:\n  - {id: "1", tests: [tests/a_test.py, tests/c_test.py], source: [src]}\n'
        '  - {id: "2", tests: [tests/b_test.py], source: [src]}\n'
    )
    desk.shop(config).has({f"tests/{name}_test.py": body for name in "abc"})
    ran = desk.runs("--moa", "-v", *workers)
    if not workers:
        names = [line.split(" ")[0] for line in ran.out.splitlines() if " PASSED " in line]
        assert [name for name in names if "_test.py::" in name] == [
            f"tests/{module}_test.py::test_{test}" for module in "acb" for test in "ba"
        ]
    assert [a["tests"]["passed"] for a in ran.gate["agents"]] == [4, 2, 2, 1]
