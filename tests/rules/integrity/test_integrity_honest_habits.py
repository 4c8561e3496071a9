"""What honest people do to tests all day, and no rule may block; where a warning is fair, the table says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.gaming import Trick

BEFORE = """\
import pytest
from shop import Cart, parse, price, total


def make_cart():
    cart = Cart()
    cart.add("apple", 3)
    cart.add("pear", 2)
    return cart


def test_total_of_two_items():
    cart = Cart()
    cart.add("apple", 3)
    cart.add("pear", 2)
    assert total(cart) == 5
    assert len(cart) == 2


def test_total_of_one_item():
    cart = Cart()
    cart.add("apple", 3)
    assert total(cart) == 3


def test_total_of_nothing():
    cart = Cart()
    assert total(cart) == 0


def test_parse_refuses_words():
    try:
        parse("three")
    except ValueError as error:
        assert "three" in str(error)
    else:
        raise AssertionError("no error")


class TestPrice:
    def test_price_of_apple(self):
        assert price("apple") == 3

    def test_price_of_unknown(self):
        with pytest.raises(KeyError):
            price("stone")
"""
SHOP = "class Cart: ...\ndef parse(text): ...\ndef price(name): ...\ndef total(cart): ...\n"


def swap(*pairs: tuple[str, str]) -> str:
    text = BEFORE
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


TWO = BEFORE[BEFORE.index("def test_total_of_two_items") : BEFORE.index("def test_total_of_one_item")]
ONE = BEFORE[BEFORE.index("def test_total_of_one_item") : BEFORE.index("def test_total_of_nothing")]
NONE = BEFORE[BEFORE.index("def test_total_of_nothing") : BEFORE.index("def test_parse")]
REFUSES = BEFORE[BEFORE.index("def test_parse") : BEFORE.index("class TestPrice")]
PRICES = BEFORE[BEFORE.index("class TestPrice") :]
FILE = "tests/test_shop.py"

CASES = """\
@pytest.mark.parametrize(
    ("items", "expected"),
    [([("apple", 3), ("pear", 2)], 5), ([("apple", 3)], 3), ([], 0)],
)
def test_total(items, expected):
    cart = Cart()
    for item in items:
        cart.add(*item)
    assert total(cart) == expected
    assert len(cart) == len(items)


"""

HABITS: dict[str, Mapping[str, str | None]] = {
    "a test is split in two": {FILE: swap(("    assert len(cart) == 2\n", "\n\ndef test_length():\n    cart = make_cart()\n    assert len(cart) == 2\n"))},
    "three tests become one with cases": {FILE: swap((TWO, ""), (NONE, ""), (ONE, CASES))},
    "two tests become one": {FILE: swap((TWO, ""), (ONE, ONE.rstrip() + '\n    cart.add("pear", 2)\n    assert total(cart) == 5\n    assert len(cart) == 2\n\n\n'))},
    "functions go into a class": {
        FILE: swap((TWO + ONE + NONE, "class TestTotal:\n" + "".join(f"    {line}\n" if line else "\n" for line in (TWO + ONE + NONE).replace("():", "(self):").split("\n")) + "\n"))
    },
    "a class becomes functions": {FILE: swap((PRICES, 'def test_price_of_apple():\n    assert price("apple") == 3\n\n\ndef test_price_of_unknown():\n    with pytest.raises(KeyError):\n        price("stone")\n'))},
    "a rename": {FILE: swap(("test_total_of_two_items", "test_two_items_are_summed_up"))},
    "a rename with a grown body": {FILE: swap((TWO, TWO.replace("test_total_of_two_items", "test_sum").replace("    assert len", "    cart.check()\n    assert len")))},
    "a helper is taken out": {FILE: swap((TWO, "def test_total_of_two_items():\n    cart = make_cart()\n    assert total(cart) == 5\n    assert len(cart) == 2\n\n\n"))},
    "a helper that asserts is taken out": {
        FILE: swap((TWO, 'def check(items, expected):\n    cart = Cart()\n    for item in items:\n        cart.add(*item)\n    assert total(cart) == expected\n    assert len(cart) == len(items)\n\n\ndef test_total_of_two_items():\n    check([("apple", 3), ("pear", 2)], 5)\n\n\n'))
    },
    "a fixture is taken out": {
        FILE: swap((TWO, "@pytest.fixture\ndef cart():\n    return make_cart()\n\n\ndef test_total_of_two_items(cart):\n    assert total(cart) == 5\n    assert len(cart) == 2\n\n\n"))
    },
    "a fixture is taken out into the conftest": {
        "tests/conftest.py": "import pytest\nfrom shop import Cart\n\n\n@pytest.fixture\ndef cart():\n    cart = Cart()\n    cart.add('apple', 3)\n    cart.add('pear', 2)\n    return cart\n",
        FILE: swap((TWO, "def test_total_of_two_items(cart):\n    assert total(cart) == 5\n    assert len(cart) == 2\n\n\n")),
    },
    "try becomes pytest.raises": {FILE: swap((REFUSES, 'def test_parse_refuses_words():\n    with pytest.raises(ValueError, match="three"):\n        parse("three")\n\n\n'))},
    "the file is split": {
        FILE: swap((PRICES, "")),
        "tests/test_price.py": "import pytest\nfrom shop import price\n\n\n" + PRICES,
    },
    "the file moves and is renamed": {FILE: None, "tests/unit/test_the_shop.py": BEFORE},
    "the file moves and changes": {FILE: None, "tests/unit/test_the_shop.py": swap(("from shop import", "from shop.api import"), ("    assert len(cart) == 2\n", "    assert len(cart) == 2\n    assert cart\n"))},
    "a class is renamed": {FILE: swap(("class TestPrice", "class TestPrices"))},
    "a common base": {
        FILE: swap((PRICES, 'class PriceCases:\n    name = ""\n\n    def test_price_of_apple(self):\n        assert price("apple") == 3\n\n    def test_price_of_unknown(self):\n        with pytest.raises(KeyError):\n            price("stone")\n\n\nclass TestPrice(PriceCases):\n    name = "x"\n\n\nclass TestSale(PriceCases):\n    name = "y"\n'))
    },
    "types are added": {FILE: swap(("def test_total_of_nothing():", "def test_total_of_nothing() -> None:"), ("def test_price_of_apple(self):", "def test_price_of_apple(self) -> None:"))},
    "docstrings and comments": {FILE: swap(("def test_total_of_nothing():\n", 'def test_total_of_nothing():\n    """Nothing costs nothing."""\n    # not even here\n'))},
    "the code's names change": {FILE: swap(("total(", "sum_up("), ("total\n", "sum_up\n"))},
    "tests become async with a mark": {FILE: swap((NONE, "@pytest.mark.asyncio\nasync def test_total_of_nothing():\n    cart = Cart()\n    assert await total(cart) == 0\n\n\n"))},
    "a mark that silences nothing": {FILE: swap(("def test_total_of_nothing", "@pytest.mark.slow\ndef test_total_of_nothing"))},
    "a skip where it cannot run": {FILE: swap(("def test_total_of_nothing", '@pytest.mark.skipif(sys.platform == "win32", reason="no files")\ndef test_total_of_nothing'), ("import pytest\n", "import sys\n\nimport pytest\n"))},
    "a skip for an old Python": {FILE: swap(("def test_total_of_nothing", '@pytest.mark.skipif(sys.version_info < (3, 10), reason="x")\ndef test_total_of_nothing'), ("import pytest\n", "import sys\n\nimport pytest\n"))},
    "a test is added": {FILE: BEFORE + "\n    def test_price_of_pear(self):\n        assert price('pear') == 2\n"},
    "subtests": {FILE: swap((TWO, 'def test_total_of_two_items(subtests):\n    cart = make_cart()\n    with subtests.test("total"):\n        assert total(cart) == 5\n    with subtests.test("length"):\n        assert len(cart) == 2\n\n\n'))},
    "a loop becomes cases": {FILE: swap((ONE, '@pytest.mark.parametrize("count", [1, 2, 3])\ndef test_total_of_one_item(count):\n    cart = Cart()\n    cart.add("apple", 3 * count)\n    assert total(cart) == 3 * count\n\n\n') )},
    "a typo in a test's name": {FILE: swap(("test_total_of_nothing", "test_total_of_notihng"))},
    "several renames at once": {FILE: swap(("test_total_of_two_items", "test_sum_two"), ("test_total_of_one_item", "test_sum_one"), ("test_total_of_nothing", "test_sum_none"), ("test_parse_refuses_words", "test_words_are_refused"))},
    "the order changes": {FILE: BEFORE.replace(TWO, "").replace(ONE, ONE + TWO)},
    "a clock is patched": {FILE: swap((NONE, 'def test_total_of_nothing(monkeypatch):\n    monkeypatch.setattr("time.time", lambda: 0)\n    cart = Cart()\n    assert total(cart) == 0\n\n\n'))},
    "unittest's class": {
        FILE: swap((PRICES, 'class TestPrice(unittest.TestCase):\n    def test_price_of_apple(self):\n        self.assertEqual(price("apple"), 3)\n\n    def test_price_of_unknown(self):\n        with self.assertRaises(KeyError):\n            price("stone")\n'), ("import pytest\n", "import unittest\n\nimport pytest\n"))
    },
}  # fmt: skip


@pytest.mark.parametrize("after", HABITS.values(), ids=HABITS.keys())
def test_an_honest_habit_passes(after: Mapping[str, str | None]) -> None:
    Trick("honest", after, None, before={FILE: BEFORE}, unchanged={"shop.py": SHOP}).check()


def blocked(after: Mapping[str, str | None], before: Mapping[str, str]) -> list[str]:
    found = Trick("change", after, None, before=before, unchanged={}).findings()
    return [f"{f.rule}: {f.message}" for f in found if f.severity == "block"]


def test_a_feature_removed_together_with_its_tests_is_told_as_one_removal_a_test() -> None:
    before = {FILE: BEFORE, "shop.py": SHOP}
    after = {FILE: swap((PRICES, "")), "shop.py": SHOP.replace("def price(name): ...\n", "")}
    assert sorted(m.split("`")[1] for m in blocked(after, before)) == [
        "TestPrice::test_price_of_apple",
        "TestPrice::test_price_of_unknown",
    ]


@pytest.mark.parametrize(
    "gone", [("test_total_of_two_items", TWO), ("test_parse_refuses_words", REFUSES)], ids=lambda g: g[0]
)
@pytest.mark.parametrize("also", list(HABITS)[:8])
def test_a_removed_test_is_seen_among_honest_changes_of_other_files(also: str, gone: tuple[str, str]) -> None:
    name, text = gone
    other = {path.replace("shop", "other"): new for path, new in HABITS[also].items()}
    before = {
        FILE: BEFORE,
        FILE.replace("shop", "other"): BEFORE.replace("apple", "chair").replace("cart", "desk"),
    }
    after = {**other, FILE: BEFORE.replace(text, "")}
    renamed = {
        p: None if t is None else t.replace("apple", "chair").replace("cart", "desk")
        for p, t in after.items()
        if p != FILE
    }
    assert any(name in m for m in blocked({**renamed, FILE: after[FILE]}, before))
