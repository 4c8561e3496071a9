"""Where the plugin meets other plugins, other folders and git as it is found in practice."""

from __future__ import annotations

import pytest
from support.desks import CONFIG, FILES, Desk, write
from support.repos import Repo

# With workers, in the slow tier: each start of two takes two seconds, and one test stays.
TWO = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["none", "n2"]
)


@TWO
def test_a_test_that_passes_when_it_is_run_again_has_passed(desk: Desk, workers: tuple[str, ...]) -> None:
    flaky = (
        "from pathlib import Path\n\n\ndef test_second_time():\n    mark = Path(__file__).with_suffix('.mark')\n"
        "    if not mark.exists():\n        mark.touch()\n        raise AssertionError\n"
    )
    desk.shop().has({"tests/agent04/test_flaky.py": flaky})
    ran = desk.runs("--moa-agent", "04", "--reruns", "2", *workers)
    assert (ran.status, ran.gate["verdict"], ran.gate["tests"]["passed"]) == (0, "passed", 2)


def test_a_failing_subtest_fails_its_test(desk: Desk) -> None:
    text = (
        "import unittest\n\n\nclass TestMany(unittest.TestCase):\n    def test_all(self):\n"
        "        for n in (1, 2):\n            with self.subTest(n=n):\n                assert n == 1\n"
    )
    ran = desk.shop().has({"tests/agent04/test_sub.py": text}).runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"], ran.gate["tests"]["failed"]) == (1, "failed", 1)


def test_fixtures_of_a_package_are_set_up_once_under_moa(desk: Desk) -> None:
    fixture = (
        "import pytest\n\n\n@pytest.fixture(scope='package', autouse=True)\ndef place():\n"
        "    print('SET UP', __name__)\n    yield\n"
    )
    body = "def test_it():\n    pass\n"
    config = (
        'registry: [{id: "1", source: [src], tests: [tests/p/test_a.py, tests/q/test_c.py]},'
        ' {id: "2", source: [src], tests: [tests/p/test_b.py]}]\n'
    )
    desk.shop(config).has({f"tests/{p}/conftest.py": fixture for p in "pq"})
    desk.has({f"tests/{p}/__init__.py": "" for p in "pq"})
    desk.has({"tests/p/test_a.py": body, "tests/p/test_b.py": body, "tests/q/test_c.py": body})
    ran = desk.runs("--moa", "-s")
    assert ran.out.count("SET UP") == 2
    assert [a["tests"]["passed"] for a in ran.gate["agents"] if a["agent"] in {"1", "2"}] == [2, 1]


def test_a_project_inside_a_monorepo_has_paths_from_the_repositorys_root(desk: Desk) -> None:
    config = "project: {working_directory: backend}\n" + CONFIG
    repo = Repo.create(desk.root, files={"README.md": "x\n", "moa.yaml": config})
    repo.git("checkout", "-q", "-b", "agent-04-cart")
    write(desk.root / "backend", FILES)
    repo.commits()
    outside = desk.runs("--moa-agent", "04", "-c", "backend/pyproject.toml")
    desk.pytester.chdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk.root / "backend")
        inside = desk.runs("--moa-agent", "04")
    for ran in (outside, inside):
        # core.py is not the registry's, but new on this branch
        assert {f["path"]: f["missing"] for f in ran.gate["coverage"]["files"]} == {
            "backend/src/shop/cart.py": [],
            "backend/src/shop/core.py": [6, 7, 8],
        }
        assert ran.gate["tests"]["collected"] == 1


def test_from_a_subfolder_the_agents_own_tests_are_found(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.shop()
    monkeypatch.chdir(desk.root / "src")
    ran = desk.runs("--moa-agent", "04")
    assert (ran.status, ran.gate["tests"]["collected"], ran.gate["coverage"]["percent"]) == (0, 1, "100.00")


def test_the_remotes_target_comes_before_a_stale_local_one(desk: Desk) -> None:
    origin = Repo.create(desk.root.parent / f"{desk.root.name}-origin", files={"README.md": "x\n"})
    repo = origin.clone(desk.root)
    stale = repo.head()
    origin.writes(FILES).commits("Everything lands")
    repo.git("fetch", "-q", "origin")
    repo.git("checkout", "-q", "-b", "agent-04-cart", "origin/develop")
    ran = desk.has({"src/shop/more.py": "x = 1\n"}).runs("--moa-agent", "auto")
    assert ran.gate["target"] == origin.head() != stale
    assert [f["path"] for f in ran.gate["coverage"]["files"]] == ["src/shop/more.py"]


def test_work_that_changes_no_code_has_nothing_to_measure_and_passes(desk: Desk) -> None:
    repo = Repo.create(desk.root, files=FILES)
    repo.git("checkout", "-q", "-b", "agent-04-docs")
    ran = desk.has({"README.md": "Words\n"}).runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"], ran.gate["coverage"]) == (0, "passed", None)


def test_the_target_itself_without_changes_is_nobodys_work(desk: Desk) -> None:
    Repo.create(desk.root, files=FILES)
    ran = desk.runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "the target itself is checked out" in ran.gate["reason"]


def test_an_empty_repository_is_undetermined(desk: Desk) -> None:
    Repo.create(desk.root, branch="agent-04-x")
    ran = desk.has(FILES).runs("--moa-agent", "04")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")


def test_the_run_leaves_the_repository_as_it_was(desk: Desk) -> None:
    repo = Repo.create(
        desk.root,
        files={**FILES, "moa.yaml": CONFIG, ".gitignore": "__pycache__/\n.coverage\n.pytest_cache/\n"},
    )
    repo.agent("04")
    before = repo.refs(), (desk.root / ".git/config").read_bytes(), (desk.root / ".git/index").read_bytes()
    desk.runs("--moa-agent", "04")
    after = repo.refs(), (desk.root / ".git/config").read_bytes(), (desk.root / ".git/index").read_bytes()
    assert before == after
    assert repo.git("status", "--porcelain") == ""


def test_odd_text_of_tests_does_not_reach_the_terminal_raw(desk: Desk) -> None:
    odd = "import pytest\n\n\n@pytest.mark.parametrize('n', [1], ids=['\\x1b[31mred\\u202e'])\ndef test_odd(n):\n    assert 0\n"
    ran = desk.shop().has({"tests/agent04/test_odd.py": odd}).runs("--moa-agent", "04", "--color=no")
    section = ran.out[ran.out.index("moa: agent 04", ran.out.index("collected")) :]
    assert ("\x1b" in section, "\u202e" in section) == (False, False)
