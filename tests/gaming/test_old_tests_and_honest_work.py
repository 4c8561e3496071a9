"""Honest work that touches tests: moved, renamed, extended, retyped. `old-tests-fail` has nothing against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.old_tests import CART, SHOP, TEST_CART, asked
from support.repos import Content

pytestmark = pytest.mark.slow  # up to three runs a story

TESTS = "tests/test_cart.py"
CONFTEST, HELPERS = SHOP["tests/conftest.py"], SHOP["tests/helpers.py"]
MORE = {
    "tests/unit/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef one():\n    return [1]\n",
    "tests/unit/test_more.py": "from shop.cart import total\n\n\ndef test_one(one):\n    assert total(one) == 1\n",
}


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({TESTS: '"""Tests of the cart."""\n' + TEST_CART}, id="a docstring"),
        pytest.param(
            {
                TESTS: TEST_CART.replace(
                    "def test_count(prices):", "def test_count(prices: list[int]) -> None:"
                )
            },
            id="type hints",
        ),
        pytest.param(
            {TESTS: TEST_CART.replace("import count, total", "import (\n    total,\n    count,\n)")},
            id="imports in another order",
        ),
        pytest.param(
            {TESTS: TEST_CART + "\n\ndef test_empty():\n    assert total([]) == 0\n"}, id="a further test"
        ),
        pytest.param({"tests/test_new.py": "def test_new():\n    assert 1 + 1 == 2\n"}, id="a new test file"),
        pytest.param({"src/shop/cart.py": CART + "\n\nLIMIT = 3\n"}, id="source alone"),
    ],
)
def test_what_pytest_does_not_see_runs_nothing(tmp_path: Path, after: dict[str, Content]) -> None:
    said = asked(tmp_path, after)
    assert (said.ran, said.findings, said.doubts) == (None, [], [])


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(
            {
                TESTS: None,
                "tests/unit/test_basket.py": TEST_CART.replace("parent /", "parents[1] /"),
                "tests/helpers.py": None,
                "tests/unit/helpers.py": HELPERS,
            },
            id="a test moves with its helper",
        ),
        pytest.param(
            {
                "tests/conftest.py": CONFTEST.replace("def prices", "def amounts"),
                TESTS: TEST_CART.replace("(prices)", "(amounts)"),
            },
            id="a fixture is renamed with its users",
        ),
        pytest.param(
            {
                "tests/conftest.py": CONFTEST + MORE["tests/unit/conftest.py"].partition("\n")[2],
                "tests/unit/conftest.py": None,
            },
            id="a fixture moves to the parent conftest",
        ),
        pytest.param(
            {
                "src/shop/cart.py": None,
                "src/shop/basket.py": CART,
                TESTS: TEST_CART.replace("shop.cart", "shop.basket"),
                "tests/unit/test_more.py": MORE["tests/unit/test_more.py"].replace(
                    "shop.cart", "shop.basket"
                ),
            },
            id="a source module is renamed",
        ),
        pytest.param(
            {
                "src/shop/cart.py": CART.partition("\n\n\n")[0] + "\n",
                "src/shop/numbers.py": CART.partition("\n\n\n")[2],
                TESTS: TEST_CART.replace(
                    "from shop.cart import count, total",
                    "from shop.cart import total\nfrom shop.numbers import count",
                ),
            },
            id="a function moves to another module",
        ),
        pytest.param(
            {
                "src/shop/cart.py": CART.replace("def count", "def number_of"),
                TESTS: TEST_CART.replace("import count", "import number_of").replace(
                    "count(p", "number_of(p"
                ),
            },
            id="a function is renamed with its test",
        ),
        pytest.param(
            {
                "src/shop/cart.py": None,
                "src/shop/cart/__init__.py": "from shop.cart.sums import total\n",
                "src/shop/cart/sums.py": CART.partition("\n\n\n")[0] + "\n",
                "src/shop/cart/numbers.py": CART.partition("\n\n\n")[2],
                TESTS: TEST_CART.replace(
                    "from shop.cart import count, total",
                    "from shop.cart import total\nfrom shop.cart.numbers import count",
                ),
            },
            id="a module becomes a package",
        ),
        pytest.param(
            {
                "src/shop/__init__.py": None,
                "src/shop/cart.py": None,
                "src/store/__init__.py": "",
                "src/store/cart.py": CART,
                TESTS: TEST_CART.replace("shop.cart", "store.cart"),
                "tests/unit/test_more.py": MORE["tests/unit/test_more.py"].replace("shop.", "store."),
            },
            id="the whole package is renamed",
        ),
        pytest.param(
            {
                "pyproject.toml": SHOP["pyproject.toml"]
                + 'addopts = "--strict-markers"\nmarkers = ["heavy: takes long"]\nfilterwarnings = ["error"]\n',
                TESTS: TEST_CART.replace("def test_count", "@pytest.mark.heavy\ndef test_count").replace(
                    "from helpers", "import pytest\nfrom helpers"
                ),
            },
            id="markers and stricter settings come with the tests",
        ),
        pytest.param(
            {
                **{path: None for path in SHOP if path.startswith("tests/")},
                "tests/unit/conftest.py": None,
                "tests/unit/test_more.py": None,
                **{
                    path.replace("tests/", "checks/"): text for path, text in SHOP.items() if "tests/" in path
                },
                "pyproject.toml": SHOP["pyproject.toml"].replace("tests", "checks"),
            },
            id="the folder of the tests is renamed",
        ),
        pytest.param(
            {
                "src/shop/cart.py": CART.partition("\n\n\n")[0] + "\n",
                TESTS: TEST_CART.partition("\n\n\ndef test_count")[0].replace("count, ", "") + "\n",
            },
            id="a function goes with its test, which another rule speaks of",
        ),
    ],
)
def test_honest_work_meets_no_block_and_no_doubt(tmp_path: Path, after: dict[str, Content]) -> None:
    said = asked(tmp_path, after, MORE)
    assert said.ran is not None
    assert (said.blocks, said.doubts) == ([], []), said
