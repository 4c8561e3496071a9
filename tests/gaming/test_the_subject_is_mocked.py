"""Trick: the test replaces the very code that it is there to try, and tries the stand-in. Told by `mocked-subject`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

SOURCE = """
import requests

class Rates:
    def rate(self, code):
        return requests.get(code).json()

    @staticmethod
    def known():
        return ["EUR"]

def rate(code):
    return Rates().rate(code)
"""
HEADER = """
import pytest
from unittest import mock
from unittest.mock import patch
import billing.rates
import billing.rates as rates
from billing import rates as r
from billing.rates import Rates
"""


def with_test(body: str, name: str = "tests/test_rates.py") -> dict[str, str | None]:
    return {name: HEADER + body}


PATCHES = {
    "patch by name": "def test_rate():\n    with patch('billing.rates.rate', return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch by a joined name": "def test_rate():\n    with patch('billing.' + 'rates.rate', return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch by a name for the name": "NAME = 'billing.rates.rate'\ndef test_rate():\n    with patch(NAME, return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch by an alias": "p = mock.patch\ndef test_rate():\n    with p('billing.rates.rate', return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch as a decorator": "@patch('billing.rates.rate', return_value=3)\ndef test_rate(m):\n    assert rates.rate('EUR') == 3\n",
    "patch of a class's methods, as a decorator of the class": "@patch('billing.rates.rate', return_value=3)\nclass TestRate:\n    def test_rate(self, m):\n        assert rates.rate('EUR') == 3\n",
    "patch that is started": "def test_rate():\n    patch('billing.rates.rate', return_value=3).start()\n    assert rates.rate('EUR') == 3\n",
    "patch.object": "def test_rate():\n    with patch.object(rates, 'rate', return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch.object of a class": "def test_rate():\n    with mock.patch.object(Rates, 'rate', return_value=3):\n        assert rates.rate('EUR') == 3\n",
    "patch.multiple": "def test_rate():\n    with patch.multiple('billing.rates', rate=lambda code: 3):\n        assert rates.rate('EUR') == 3\n",
    "patch.dict": "def test_rate():\n    with patch.dict(rates.__dict__, rate=lambda code: 3):\n        assert rates.rate('EUR') == 3\n",
    "mocker": "def test_rate(mocker):\n    mocker.patch('billing.rates.rate', return_value=3)\n    assert rates.rate('EUR') == 3\n",
    "mocker.patch.object": "def test_rate(mocker):\n    mocker.patch.object(r, 'rate', return_value=3)\n    assert r.rate('EUR') == 3\n",
    "monkeypatch": "def test_rate(monkeypatch):\n    monkeypatch.setattr(rates, 'rate', lambda code: 3)\n    assert rates.rate('EUR') == 3\n",
    "monkeypatch by name": "def test_rate(monkeypatch):\n    monkeypatch.setattr('billing.rates.rate', lambda code: 3)\n    assert rates.rate('EUR') == 3\n",
    "monkeypatch of a class": "def test_rate(monkeypatch):\n    monkeypatch.setattr(Rates, 'rate', lambda self, code: 3)\n    assert rates.rate('EUR') == 3\n",
    "monkeypatch of the dictionary": "def test_rate(monkeypatch):\n    monkeypatch.setitem(rates.__dict__, 'rate', lambda code: 3)\n    assert rates.rate('EUR') == 3\n",
    "setattr": "def test_rate():\n    setattr(rates, 'rate', lambda code: 3)\n    assert rates.rate('EUR') == 3\n",
    "an assignment": "def test_rate():\n    rates.rate = lambda code: 3\n    assert rates.rate('EUR') == 3\n",
    "an assignment to the class": "def test_rate():\n    Rates.rate = lambda self, code: 3\n    assert rates.rate('EUR') == 3\n",
    "an assignment to the code": "def test_rate():\n    rates.rate.__code__ = (lambda code: 3).__code__\n    assert rates.rate('EUR') == 3\n",
    "an assignment at import": "rates.rate = lambda code: 3\ndef test_rate():\n    assert rates.rate('EUR') == 3\n",
    "an assignment to the dictionary": "def test_rate():\n    vars(rates)['rate'] = lambda code: 3\n    assert rates.rate('EUR') == 3\n",
    "a fixture": "@pytest.fixture\ndef fake(monkeypatch):\n    monkeypatch.setattr(rates, 'rate', lambda code: 3)\n\ndef test_rate(fake):\n    assert rates.rate('EUR') == 3\n",
    "a helper": "def fake(monkeypatch):\n    monkeypatch.setattr(rates, 'rate', lambda code: 3)\n\ndef test_rate(monkeypatch):\n    fake(monkeypatch)\n    assert rates.rate('EUR') == 3\n",
    "a setup method": "class TestRate:\n    def setup_method(self):\n        rates.rate = lambda code: 3\n    def test_rate(self):\n        assert rates.rate('EUR') == 3\n",
    "a whole stand-in": "def test_rate():\n    with patch('billing.rates') as fake:\n        fake.rate.return_value = 3\n        assert fake.rate('EUR') == 3\n",
}


@pytest.mark.parametrize("body", PATCHES.values(), ids=PATCHES.keys())
def test_a_patch_of_the_code_under_test_is_told(body: str) -> None:
    after = {**with_test(body), "src/billing/rates.py": SOURCE}
    Trick("mock", after, "mocked-subject", "warn", unchanged={"src/billing/__init__.py": ""}).check()


@pytest.mark.parametrize("body", [PATCHES["patch by name"], PATCHES["monkeypatch"], PATCHES["a fixture"]])
def test_the_module_that_the_tests_are_named_after_is_their_subject(body: str) -> None:
    unchanged = {"src/billing/__init__.py": "", "src/billing/rates.py": SOURCE}
    Trick("mock", with_test(body), "mocked-subject", "warn", unchanged=unchanged).check()


def test_a_patch_that_comes_to_an_existing_test_is_told() -> None:
    before = "def test_rate():\n    assert rates.rate('EUR') == 3\n"
    after = "def test_rate(monkeypatch):\n    monkeypatch.setattr(rates, 'rate', lambda code: 3)\n    assert rates.rate('EUR') == 3\n"
    path = "tests/test_rates.py"
    unchanged = {"src/billing/__init__.py": "", "src/billing/rates.py": SOURCE}
    trick = Trick(
        "mock",
        {path: HEADER + after},
        "mocked-subject",
        "warn",
        before={path: HEADER + before},
        unchanged=unchanged,
    )
    trick.check()


HONEST = {
    "what the module imports": "def test_rate(monkeypatch):\n    monkeypatch.setattr('billing.rates.requests.get', fake)\n    assert rates.rate('EUR') == 3\n",
    "what the module imports, by its own name": "def test_rate():\n    with patch('billing.rates.requests') as net:\n        net.get.return_value.json.return_value = 3\n        assert rates.rate('EUR') == 3\n",
    "the environment": "def test_rate(monkeypatch):\n    monkeypatch.setenv('HOME', '/x')\n    assert rates.rate('EUR') == 3\n",
    "the clock": "def test_rate(monkeypatch):\n    monkeypatch.setattr('time.time', lambda: 0)\n    assert rates.rate('EUR') == 3\n",
    "an object of its own": "def test_rate():\n    class Box: ...\n    box = Box()\n    box.rate = 3\n    assert rates.rate('EUR') == box.rate\n",
    "an instance's attribute": "def test_rate():\n    it = Rates()\n    it.cache = {}\n    assert it.rate('EUR') == 3\n",
    "a spy": "def test_rate(mocker):\n    spy = mocker.spy(rates, 'rate')\n    assert rates.rate('EUR') == 3\n    spy.assert_called_once()\n",
    "a wrapper of the real one": "def test_rate():\n    with patch.object(rates, 'rate', wraps=rates.rate) as spy:\n        assert rates.rate('EUR') == 3\n        spy.assert_called_once()\n",
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST.keys())
def test_replacing_what_the_code_depends_on_passes(body: str) -> None:
    after = {**with_test(body), "src/billing/rates.py": SOURCE}
    Trick("honest", after, None, unchanged={"src/billing/__init__.py": ""}).check()


def test_a_patch_in_another_modules_tests_passes() -> None:
    unchanged = {"src/billing/__init__.py": "", "src/billing/rates.py": SOURCE}
    body = PATCHES["monkeypatch"].replace("test_rate(", "test_invoice(")
    Trick("honest", with_test(body, "tests/test_invoice.py"), None, unchanged=unchanged).check()
