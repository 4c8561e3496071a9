"""The child's redirector: old names of modules and of what is in them lead to where these are now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from pytest_moa.testing.child import redirects


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are imported from; what a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    for name, text in {
        "shop/__init__.py": "",
        "shop/basket.py": "def total(prices):\n    return sum(prices)\n\n\ndef twice(prices):\n    return 2 * total(prices)\n",
        "shop/numbers.py": "def count(prices):\n    return len(prices)\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    importlib.invalidate_caches()
    return tmp_path


def install(modules: Mapping[str, str | None], names: Mapping[str, Mapping[str, str | None]] = {}) -> None:
    redirects.install({"redirects": {"modules": dict(modules), "names": dict(names)}})


@pytest.mark.usefixtures("place")
def test_nothing_is_installed_without_a_need() -> None:
    before = list(sys.meta_path)
    redirects.install({})
    install({})
    assert sys.meta_path == before


@pytest.mark.usefixtures("place")
def test_an_old_module_is_the_new_one_and_keeps_its_own_facts() -> None:
    install({"shop.cart": "shop.basket"})
    cart, basket = importlib.import_module("shop.cart"), importlib.import_module("shop.basket")
    assert cart is basket
    assert basket.__spec__ is not None
    assert (basket.__name__, basket.__spec__.name) == ("shop.basket", "shop.basket")
    with mock.patch("shop.cart.total", return_value=5):
        assert basket.twice([1]) == 10


@pytest.mark.usefixtures("place")
def test_packages_above_an_old_module_need_not_be_there() -> None:
    install({"store.inner.cart": "shop.basket"})
    assert importlib.import_module("store.inner.cart").total([1, 2]) == 3


@pytest.mark.usefixtures("place")
def test_a_name_that_moved_is_found_where_it_went() -> None:
    install({}, {"shop.basket": {"count": "shop.numbers:count", "numbers": "shop.numbers:", "lost": None}})
    basket = importlib.import_module("shop.basket")
    assert basket.count([1]) == 1
    assert basket.numbers is importlib.import_module("shop.numbers")
    assert basket.total([1]) == 1


@pytest.mark.usefixtures("place")
def test_a_modules_own_getattr_comes_first() -> None:
    path = Path(sys.path[0]) / "shop/lazy.py"
    path.write_text(
        "def __getattr__(name):\n    if name == 'mine':\n        return 1\n    raise AttributeError(name)\n"
    )
    importlib.invalidate_caches()
    install({}, {"shop.lazy": {"mine": "shop.numbers:count", "count": "shop.numbers:count"}})
    lazy = importlib.import_module("shop.lazy")
    assert (lazy.mine, lazy.count([1])) == (1, 1)
    with pytest.raises(AttributeError, match="other"):
        _ = lazy.other


@pytest.mark.usefixtures("place")
def test_what_is_gone_can_be_imported_and_fails_when_it_is_used() -> None:
    install({"shop.cart": None}, {"shop.basket": {"Empty": None}})
    gone = importlib.import_module("shop.cart").total
    assert gone.__test__ is False
    with pytest.raises(AttributeError, match=r"shop\.cart has no 'total' any more"):
        gone([1])
    with pytest.raises(AttributeError, match=r"shop\.cart has no 'total' any more"):
        _ = gone.limit
    # `except` and `pytest.raises` take it, and so does a class statement.
    error = importlib.import_module("shop.basket").Empty
    assert issubclass(error, Exception)
    type("Derived", (error,), {})


@pytest.mark.usefixtures("place")
def test_what_the_candidate_has_wins() -> None:
    install({"shop.numbers": "shop.basket"}, {"shop.numbers": {"count": "shop.basket:total"}})
    assert importlib.import_module("shop.numbers").count([3]) == 1
