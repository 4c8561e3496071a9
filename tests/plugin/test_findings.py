"""What the integrity rules see is told at the desk, too: in the section, in the report, by the exit status."""

from __future__ import annotations

import pytest
from support.desks import FILES, Desk
from support.repos import Repo

CART = {k: v for k, v in FILES.items() if "cart" in k}
SILENCED = FILES["tests/agent03/test_core.py"].replace(
    "def test_sub", "import pytest\n\n\n@pytest.mark.skip\ndef test_sub"
)


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """Agent 04's branch is checked out, with a cart that is whole and tested."""
    repo = Repo.create(desk.root, files={k: v for k, v in FILES.items() if k not in CART})
    repo.git("checkout", "-q", "-b", "agent-04-cart")
    repo.writes(CART).commits("The cart")
    return desk


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["none", "n2"])
def test_a_silenced_test_fails_the_run_before_it_is_committed(shop: Desk, workers: tuple[str, ...]) -> None:
    ran = shop.has({"tests/agent03/test_core.py": SILENCED}).runs("--moa-agent", "auto", *workers)
    assert (ran.status, ran.gate["verdict"]) == (1, "failed")
    (finding,) = [f for f in ran.gate["findings"] if f["severity"] == "block"]
    assert (finding["rule"], finding["path"]) == ("tests-silenced", "tests/agent03/test_core.py")
    assert "tests-silenced" in ran.out
    assert finding["remedy"] in ran.out.replace("\n", " ")


def test_an_untracked_settings_file_is_seen(shop: Desk) -> None:
    ran = shop.has({".coveragerc": "[run]\nbranch = true\nomit = */core.py\n"}).runs("--moa-agent", "04")
    assert ("settings-changed", ".coveragerc") in {(f["rule"], f["path"]) for f in ran.gate["findings"]}
    assert ran.status == 1


def test_honest_work_has_no_finding(shop: Desk) -> None:
    ran = shop.runs("--moa-agent", "auto")
    assert (ran.status, ran.gate["verdict"], ran.gate["findings"]) == (0, "passed", [])


def test_a_partial_run_asks_no_rules(shop: Desk) -> None:
    ran = shop.has({"tests/agent03/test_core.py": SILENCED}).runs("--moa-agent", "auto", "-k", "total")
    assert (ran.gate["verdict"], ran.gate["findings"]) == (None, [])


def test_the_work_trees_own_config_can_let_it_through_at_the_desk(shop: Desk) -> None:
    allow = "integrity:\n  allow:\n    - {rule: tests-silenced, path: tests/agent03, because: flaky}\n    - {rule: settings-changed, path: moa.yaml}\n"
    ran = shop.has({"tests/agent03/test_core.py": SILENCED, "moa.yaml": allow}).runs("--moa-agent", "auto")
    assert ran.gate["verdict"] == "passed", ran.gate["reason"]
    assert {"rule": "tests-silenced", "path": "tests/agent03/test_core.py", "because": "flaky"} in ran.gate[
        "allowed"
    ]


def test_without_an_answer_of_the_rules_nothing_can_be_said(
    shop: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_moa.desk.review.PATIENCE", 0.0)
    ran = shop.runs("--moa-agent", "auto")
    assert (ran.status, ran.gate["verdict"]) == (1, "undetermined")
    assert "the integrity rules gave no answer" in ran.gate["reason"]
