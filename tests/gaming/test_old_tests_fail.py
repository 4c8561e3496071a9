"""Trick: the code breaks a promise, and the branch rewrites the test, fixture, helper or golden file that held it to
it. Every test of the branch is green. Refused by `old-tests-fail`: the target's versions are run against its source.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.old_tests import CART, SHOP, TEST_CART, WRONG, asked
from support.repos import Content

pytestmark = pytest.mark.slow  # up to three runs a story

TOTAL, GOLDEN = "tests/test_cart.py::test_total", "tests/test_cart.py::test_golden"
TESTS = "tests/test_cart.py"


@pytest.mark.parametrize(
    ("after", "blocked"),
    [
        pytest.param(
            {
                TESTS: TEST_CART.replace("same(total(prices), 3)", "same(total(prices), 4)"),
                "tests/data/total.txt": "4\n",
            },
            [TOTAL, GOLDEN],
            id="the expectation and the golden file follow the fault",
        ),
        pytest.param(
            {"tests/helpers.py": "def same(left, right):\n    assert left == left\n"},
            [TOTAL, GOLDEN],
            id="the helper compares a value with itself",
        ),
        pytest.param(
            {"tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef prices():\n    return [1, 1]\n"},
            [TOTAL, GOLDEN],
            id="the fixture gives what the fault is right for",
        ),
        pytest.param(
            {
                "tests/unit/conftest.py": "import pytest, shop.cart\n\n\n@pytest.fixture(autouse=True)\n"
                "def mended(monkeypatch):\n    monkeypatch.setattr('shop.cart.total', sum)\n",
            },
            ["tests/unit/test_more.py::test_total"],
            id="a new conftest mends the code while tests run",
        ),
        pytest.param(
            {TESTS: TEST_CART.replace("def test_total(prices):", "def test_total(prices, total=sum):")},
            [TOTAL, GOLDEN],
            id="the test brings its own implementation",
        ),
        pytest.param(
            {
                TESTS: None,
                "tests/unit/test_cart.py": TEST_CART.replace("(prices), 3", "(prices), 4").replace(
                    "parent /", "parents[1] /"
                ),
            },
            [TOTAL, GOLDEN],
            id="the test moves and is changed on the way",
        ),
        pytest.param(
            {
                "src/shop/cart.py": None,
                "src/shop/basket.py": WRONG,
                TESTS: TEST_CART.replace("shop.cart", "shop.basket").replace("(prices), 3", "(prices), 4"),
            },
            [TOTAL, GOLDEN],
            id="the source moves, too",
        ),
        pytest.param(
            {
                "src/shop/cart.py": CART
                + "\n\nimport pytest\n\n\ndef total(prices):\n    pytest.skip('later')\n",
                TESTS: TEST_CART.replace("(prices), 3", "(prices), 4"),
            },
            [TOTAL, GOLDEN],
            id="the code skips whoever tests it",
        ),
        pytest.param(
            {
                "src/shop/cart.py": CART + "\n\ndef total(prices):\n    import os\n    os._exit(0)\n",
                TESTS: TEST_CART.replace("(prices), 3", "(prices), 4"),
            },
            [TOTAL],
            id="the code ends the test process",
        ),
        pytest.param(
            {
                "pyproject.toml": SHOP["pyproject.toml"] + 'addopts = "-k count"\n',
                TESTS: TEST_CART + "\nX = 1\n",
            },
            [TOTAL, GOLDEN],
            id="settings deselect the test",
        ),
    ],
)
def test_what_the_branch_broke_is_named_by_the_targets_tests(
    tmp_path: Path, after: dict[str, Content], blocked: list[str]
) -> None:
    before = {
        "tests/unit/test_more.py": "import shop.cart\n\n\ndef test_total():\n    assert shop.cart.total([1]) == 1\n"
    }
    touches_source = any(path.startswith("src/") for path in after)
    said = asked(tmp_path, after if touches_source else {"src/shop/cart.py": WRONG, **after}, before)
    assert set(blocked) <= set(said.blocks), said
    assert said.doubts == []
    first = next(f for f in said.findings if f.severity == "block")
    assert f"--allow old-tests-fail:{first.path}" in first.remedy


def test_a_removed_test_is_news_beside_the_rule_on_removed_tests(tmp_path: Path) -> None:
    kept = TEST_CART.replace("def test_total(prices):\n    same(total(prices), 3)\n", "")
    said = asked(tmp_path, {"src/shop/cart.py": WRONG, TESTS: kept, "tests/data/total.txt": "4\n"})
    assert said.blocks == [GOLDEN]
    (note,) = [f for f in said.findings if f.severity == "note"]
    assert (note.path, note.line) == (TESTS, 8)
    assert "test_total" in note.message
