"""Trick: code in the tests decides what pytest runs and what it reports. Refused by `hooks-added`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

HOOKS = {
    "outcomes are rewritten": "@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n    o = yield\n    o.get_result().outcome = 'passed'\n",
    "outcomes by a new-style wrapper": "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n    r = yield\n    r.outcome = 'passed'\n    return r\n",
    "outcomes by another name": "@pytest.hookimpl(specname='pytest_runtest_makereport')\ndef polish(item, call):\n    pass\n",
    "the call is replaced": "def pytest_pyfunc_call(pyfuncitem):\n    return True\n",
    "the protocol is replaced": "def pytest_runtest_protocol(item, nextitem):\n    return True\n",
    "the loop is replaced": "def pytest_runtestloop(session):\n    return True\n",
    "tests are left out": "def pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if 'pay' not in i.name]\n",
    "tests are deselected": "def pytest_collection_modifyitems(config, items):\n    config.hook.pytest_deselected(items=items[3:])\n    del items[3:]\n",
    "tests are skipped by a mark": "def pytest_collection_modifyitems(items):\n    for i in items:\n        i.add_marker(pytest.mark.skip)\n",
    "tests are skipped by a mark's name": "def pytest_collection_modifyitems(items):\n    for i in items:\n        i.add_marker('sk' + 'ip')\n",
    "tests are expected to fail by a variable": "MARK = pytest.mark.xfail(reason='x')\n\ndef pytest_collection_modifyitems(items):\n    for i in items:\n        i.add_marker(MARK)\n",
    "tests are marked by what nobody can read": "def pytest_collection_modifyitems(config, items):\n    for i in items:\n        i.add_marker(getattr(pytest.mark, config.x))\n",
    "tests are marked and sorted out": "def pytest_collection_modifyitems(items):\n    for i in items:\n        i.add_marker('unit')\n    items[:] = items[:3]\n",
    "tests are marked and cleared": "def pytest_collection_modifyitems(items):\n    items.clear()\n",
    "files are left out": "def pytest_collect_file(file_path, parent):\n    return None\n",
    "items are made": "def pytest_pycollect_makeitem(collector, name, obj):\n    return []\n",
    "the status is set": "def pytest_sessionfinish(session, exitstatus):\n    session.exitstatus = 0\n",
    "reports are set": "def pytest_runtest_logreport(report):\n    report.outcome = 'passed'\n",
    "letters are set": "def pytest_report_teststatus(report):\n    return 'passed', '.', 'PASSED'\n",
    "fixtures are replaced": "def pytest_fixture_setup(fixturedef, request):\n    return 1\n",
    "errors are swallowed": "def pytest_internalerror(excrepr):\n    return True\n",
    "a binding": "def calm(item):\n    return True\n\npytest_runtest_call = calm\n",
    "a lambda": "pytest_runtest_call = lambda item: None\n",
    "an import": "from tests.calm import pytest_runtest_call\n",
    "an import under another name": "from tests.calm import calm as pytest_runtest_call\n",
    "globals": "def calm(item): ...\nglobals()['pytest_runtest_call'] = calm\n",
    "globals by a computed name": "def calm(item): ...\nglobals()['pytest_' + 'runtest_call'] = calm\n",
    "an update of the namespace": "def calm(item): ...\nvars().update(pytest_runtest_call=calm)\n",
    "setattr on the module": "import sys\n\ndef calm(item): ...\nsetattr(sys.modules[__name__], 'pytest_runtest_call', calm)\n",
    "in a condition": "import os\n\nif os.environ.get('CI'):\n    def pytest_runtest_call(item): ...\n",
    "in a try": "try:\n    def pytest_runtest_call(item): ...\nfinally:\n    pass\n",
    "a plugin object": "class Calm:\n    def pytest_runtest_call(self, item): ...\n\ndef pytest_configure(config):\n    config.pluginmanager.register(Calm())\n",
    "a plugin object by an alias": "class Calm:\n    pass\n\ndef pytest_configure(config):\n    pm = config.pluginmanager\n    pm.register(Calm(), 'calm')\n",
    "a plugin object by getattr": "def pytest_configure(config):\n    getattr(config, 'pluginmanager').register(object())\n",
    "a plugin is blocked": "def pytest_configure(config):\n    config.pluginmanager.set_blocked('moa')\n",
    "a plugin is unregistered": "def pytest_configure(config):\n    config.pluginmanager.unregister(name='_cov')\n",
    "pytest's coverage plugin is fetched": "def pytest_configure(config):\n    config.pluginmanager.getplugin('_cov').cov_controller = None\n",
    "pytest_plugins": "pytest_plugins = ['tests.calm']\n",
    "pytest_plugins as a text": "pytest_plugins = 'tests.calm'\n",
    "pytest_plugins that grow": "pytest_plugins = []\npytest_plugins += ['tests.calm']\n",
    "pytest_plugins by an import": "from tests.calm import pytest_plugins\n",
    "an autouse fixture that patches": "@pytest.fixture(autouse=True)\ndef calm(monkeypatch):\n    monkeypatch.setattr('shop.pay.total', lambda n: 3)\n",
    "an autouse fixture by a variable": "ON = True\n\n@pytest.fixture(autouse=ON)\ndef calm(monkeypatch):\n    monkeypatch.setattr('shop.pay.total', lambda n: 3)\n",
    "an autouse fixture that unpacks": "@pytest.fixture(**{'autouse': True})\ndef calm(monkeypatch):\n    monkeypatch.setattr('shop.pay.total', lambda n: 3)\n",
    "an autouse fixture by an alias": "from pytest import fixture as f\n\n@f(autouse=True)\ndef calm(monkeypatch):\n    monkeypatch.setattr('shop.pay.total', lambda n: 3)\n",
    "an autouse fixture of the whole session": "@pytest.fixture(autouse=True, scope='session')\ndef calm():\n    import shop.pay\n    shop.pay.total = lambda n: 3\n    yield\n",
    "a class of pytest's": "import _pytest.runner\n_pytest.runner.call_and_report = lambda *a, **k: None\n",
    "a report of pytest's": "from _pytest.reports import TestReport\nTestReport.failed = property(lambda self: False)\n",
    "a report by setattr": "from _pytest import reports\nsetattr(reports.TestReport, 'failed', False)\n",
    "a function item": "from _pytest.python import Function\nFunction.runtest = lambda self: None\n",
    "pytest.Function": "import pytest\npytest.Function.runtest = lambda self: None\n",
    "pytest.raises": "import contextlib, pytest\npytest.raises = lambda *a, **k: contextlib.suppress(BaseException)\n",
    "unittest": "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None\n",
    "unittest by an alias": "from unittest import TestCase as T\nT.assertEqual = lambda *a, **k: None\n",
    "AssertionError": "import builtins\nbuiltins.AssertionError = Warning\n",
    "import": "import builtins\nbuiltins.__import__ = lambda *a: None\n",
    "the assertion rewriter": "import _pytest.assertion.rewrite as r\nr.rewrite_asserts = lambda *a, **k: None\n",
    "the hook relay": "import pluggy\npluggy.HookCaller.__call__ = lambda *a, **k: []\n",
    "a finder": "import sys\nsys.meta_path.insert(0, object())\n",
    "a finder by slices": "import sys\nsys.meta_path[:0] = [object()]\n",
    "a path hook": "import sys\nsys.path_hooks.append(lambda p: None)\n",
    "a module in its place": "import sys, types\nsys.modules['shop.pay'] = types.ModuleType('shop.pay')\n",
    "modules by update": "import sys, types\nsys.modules.update({'shop.pay': types.ModuleType('x')})\n",
    "modules by setitem": "import sys\nfrom operator import setitem\nsetitem(sys.modules, 'shop.pay', object())\n",
    "objects from the collector": "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ == 'Session':\n        o.testsfailed = 0\n",
    "the caller's frame": "import sys\nf = sys._getframe(3)\nf.f_locals['self'].testsfailed = 0\n",
    "the subject is replaced": "import shop.pay\nshop.pay.total = lambda n: 3\n",
    "the subject is replaced by setattr": "import shop.pay\nsetattr(shop.pay, 'total', lambda n: 3)\n",
    "the subject is replaced in a hook": "import shop.pay\n\ndef pytest_configure(config):\n    shop.pay.total = lambda n: 3\n",
    "the subject is patched for good": "from unittest import mock\nmock.patch('shop.pay.total', return_value=3).start()\n",
    "the subject is patched by hand": "import pytest\nmp = pytest.MonkeyPatch()\nmp.setattr('shop.pay.total', lambda n: 3)\n",
    "the standard library is patched": "import decimal\ndecimal.Decimal.__eq__ = lambda a, b: True\n",
    "packed code": "import base64\nexec(base64.b64decode('aW1wb3J0IG9z'))\n",
    "code in hexadecimal": "exec(bytes.fromhex('696d706f7274206f73'))\n",
    "code of numbers": "exec(''.join(map(chr, [105, 109, 112])))\n",
    "code of another alphabet": "import codecs\nexec(codecs.decode('vzcbeg bf', 'rot13'))\n",
    "code of the environment": "import os\nexec(os.environ['X'])\n",
    "code of a text file": "exec(open('tests/data/calm.txt').read())\n",
    "code of a text file beside it": "from pathlib import Path\nexec(Path(__file__).with_name('calm.txt').read_text())\n",
    "code of a compiled file": "import marshal\nexec(marshal.loads(open('tests/calm.bin', 'rb').read()))\n",
    "code by runpy": "import runpy\nrunpy.run_path('tests/calm.txt')\n",
    "code by a loader": "from importlib.machinery import SourceFileLoader\nSourceFileLoader('x', 'tests/calm.dat').load_module()\n",
    "code in an archive": "import sys\nsys.path.insert(0, 'tests/calm.zip')\nimport calm\n",
    "code in a wheel": "import sys\nsys.path[:0] = ['tests/calm.whl']\n",
    "code by zipimport": "import zipimport\nzipimport.zipimporter('tests/calm.zip').load_module('calm')\n",
    "source is written": "from pathlib import Path\nPath(__file__).parent.parent.joinpath('src/pay.py').write_text('')\n",
    "source is written in a hook": "import pathlib\n\ndef pytest_configure(config):\n    (config.rootpath / 'src' / 'pay.py').write_text('total = sum')\n",
    "source is opened for writing": "with open('src/pay.py', 'w') as f:\n    f.write('')\n",
    "tests are copied over": "import shutil\nshutil.copy('tests/good.py', 'tests/test_pay.py')\n",
}  # fmt: skip


@pytest.mark.parametrize("folder", ["", "tests/", "tests/unit/deep/"])
@pytest.mark.parametrize("code", HOOKS.values(), ids=HOOKS.keys())
def test_a_conftest_that_decides_is_refused(code: str, folder: str) -> None:
    Trick("conftest", {f"{folder}conftest.py": f"import pytest\n\n{code}"}, "hooks-added").check()


@pytest.mark.parametrize("code", HOOKS.values(), ids=HOOKS.keys())
def test_a_plugin_beside_the_tests_that_decides_is_refused(code: str) -> None:
    Trick("plugin", {"tests/calm.py": f"import pytest\n\n{code}"}, "hooks-added").check()


@pytest.mark.parametrize("code", HOOKS.values(), ids=HOOKS.keys())
def test_a_known_conftest_that_grows_is_refused(code: str) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef client():\n    return 1\n\n"
    before = {"tests/conftest.py": fixture}
    Trick("grows", {"tests/conftest.py": fixture + code}, "hooks-added", before=before).check()


def test_a_conftest_that_answers_for_every_hook_is_refused() -> None:
    code = "def __getattr__(name):\n    return lambda *a: None\n"
    Trick("getattr", {"tests/conftest.py": code}, "hooks-added").check()


def test_a_hook_that_grows_is_refused() -> None:
    hook = "def pytest_collection_modifyitems(items):\n    for i in items:\n        i.add_marker('unit')\n"
    after = hook + "    del items[5:]\n"
    before = {"tests/conftest.py": hook}
    Trick("grows", {"tests/conftest.py": after}, "hooks-added", before=before).check()


ENTRY_POINTS = {
    "pyproject.toml": "[project.entry-points.pytest11]\ncalm = 'shop.calm'\n",
    "setup.cfg": "[options.entry_points]\npytest11 =\n    calm = shop.calm\n",
    "setup.py": "from setuptools import setup\nsetup(entry_points={'pytest11': ['calm = shop.calm']})\n",
    "shop.egg-info/entry_points.txt": "[pytest11]\ncalm = shop.calm\n",
    "src/shop-1.dist-info/entry_points.txt": "[pytest11]\ncalm = shop.calm\n",
}


@pytest.mark.parametrize("path", ENTRY_POINTS)
def test_an_entry_point_for_pytest_is_refused(path: str) -> None:
    Trick("entry point", {path: ENTRY_POINTS[path]}, "hooks-added").check()


def test_an_entry_point_of_poetry_is_refused() -> None:
    after = {"pyproject.toml": "[tool.poetry.plugins.pytest11]\ncalm = 'shop.calm'\n"}
    Trick("poetry", after, "hooks-added").check()


def test_a_star_import_that_brings_a_hook_is_refused() -> None:
    after = {
        "tests/conftest.py": "from tests.calm import *\n",
        "tests/calm.py": "def pytest_runtest_call(item):\n    return True\n",
    }
    Trick("star", after, "hooks-added").check()


SOURCE = {
    "a report is patched": "import _pytest.reports\n_pytest.reports.TestReport.failed = False\n",
    "unittest is patched": "import unittest\nunittest.TestCase.assertEqual = print\n",
    "by setattr": "import pytest\nsetattr(pytest, 'raises', print)\n",
    "pytest is replaced": "import sys\nsys.modules['pytest'] = object()\n",
}


@pytest.mark.parametrize("code", SOURCE.values(), ids=SOURCE.keys())
def test_source_that_patches_the_test_tools_is_refused(code: str) -> None:
    Trick("source", {"src/shop/pay.py": code}, "hooks-added").check()


HONEST = {
    "fixtures": "@pytest.fixture\ndef client(tmp_path):\n    return Client(tmp_path)\n\n@pytest.fixture(scope='session')\ndef server():\n    s = start()\n    yield s\n    s.stop()\n",
    "fixtures with parameters": "@pytest.fixture(params=[1, 2], ids=str)\ndef n(request):\n    return request.param\n",
    "an option": "def pytest_addoption(parser):\n    parser.addoption('--runslow', action='store_true')\n",
    "a marker": "def pytest_configure(config):\n    config.addinivalue_line('markers', 'slow: x')\n",
    "a header": "def pytest_report_header(config):\n    return 'shop'\n",
    "names of parameters": "def pytest_make_parametrize_id(config, val):\n    return str(val)\n",
    "explained comparisons": "def pytest_assertrepr_compare(op, left, right):\n    return ['x']\n",
    "parameters": "def pytest_generate_tests(metafunc):\n    metafunc.parametrize('x', [1, 2])\n",
    "pytest's own helper": "pytest_plugins = ['pytester']\n",
    "a fixture that patches what it names": "@pytest.fixture\ndef frozen(monkeypatch):\n    monkeypatch.setattr('time.time', lambda: 0)\n",
    "a fixture that sets the environment": "@pytest.fixture\ndef env(monkeypatch):\n    monkeypatch.setenv('SHOP', 'x')\n",
    "the path": "import sys\nsys.path.insert(0, 'src')\n",
    "files in a temporary folder": "@pytest.fixture\ndef db(tmp_path):\n    (tmp_path / 'a.py').write_text('x = 1')\n    return tmp_path\n",
    "code of a Python file": "from pathlib import Path\nexec(Path('src/shop/version.py').read_text())\n",
    "a module by its file": "import importlib.util\nspec = importlib.util.spec_from_file_location('x', 'scripts/x.py')\n",
    "mocks on demand": "from unittest import mock\n\n@pytest.fixture\ndef api():\n    with mock.patch('shop.api.call') as call:\n        yield call\n",
    "helpers": "from shop import Order\n\ndef make_order(**k):\n    return Order(**k)\n",
    "an engine": "from hypothesis import settings\nsettings.register_profile('ci', max_examples=5)\n",
}  # fmt: skip


@pytest.mark.parametrize("code", HONEST.values(), ids=HONEST.keys())
def test_an_ordinary_conftest_passes(code: str) -> None:
    Trick("honest", {"tests/conftest.py": f"import pytest\n\n{code}"}, None).check()


TOLD = {
    "state that is reset": "@pytest.fixture(autouse=True)\ndef clean():\n    yield\n    registry.clear()\n",
    "a home of its own": "@pytest.fixture(autouse=True)\ndef home(tmp_path, monkeypatch):\n    monkeypatch.setenv('HOME', str(tmp_path))\n",
    "no network": "@pytest.fixture(autouse=True)\ndef offline(monkeypatch):\n    monkeypatch.delattr('socket.socket.connect')\n",
    "a setting": "@pytest.fixture(autouse=True)\ndef debug(monkeypatch):\n    monkeypatch.setattr('shop.settings.DEBUG', True)\n",
    "a folder of its own": "@pytest.fixture(autouse=True)\ndef cache(monkeypatch, tmp_path):\n    monkeypatch.setattr(shop.cache, 'folder', tmp_path / 'x')\n",
    "state that is set": "import shop\n\n@pytest.fixture(autouse=True)\ndef clean():\n    shop.registry.known = {}\n    yield\n",
    "marks by folder": "def pytest_collection_modifyitems(config, items):\n    for item in items:\n        if 'integration' in item.nodeid:\n            item.add_marker(pytest.mark.integration)\n",
    "a mark by its name": "@pytest.hookimpl(tryfirst=True)\ndef pytest_collection_modifyitems(items):\n    for item in items:\n        item.add_marker('unit')\n",
    "a database": "@pytest.fixture(autouse=True, scope='session')\ndef db():\n    create()\n    yield\n    drop()\n",
    "a run's beginning": "def pytest_sessionstart(session):\n    create_database()\n",
}


@pytest.mark.parametrize("code", TOLD.values(), ids=TOLD.keys())
def test_what_runs_around_every_test_is_told_and_not_refused(code: str) -> None:
    trick = Trick("told", {"tests/conftest.py": f"import pytest\n\n{code}"}, None)
    assert {f.severity for f in trick.findings()} == {"warn"}


def test_a_conftest_that_moves_passes() -> None:
    hook = "def pytest_collection_modifyitems(items):\n    items.sort(key=str)\n"
    Trick(
        "move", {"conftest.py": None, "tests/conftest.py": hook}, None, before={"conftest.py": hook}
    ).check()


def test_fixtures_in_files_of_their_own_are_told_and_not_refused() -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef db():\n    return 1\n"
    load = "pytest_plugins = ['tests.fixtures.db']\n"
    after = {"tests/conftest.py": load, "tests/fixtures/db.py": fixture}
    assert {f.severity for f in Trick("split", after, None).findings()} == {"warn"}
    hook = {"tests/fixtures/db.py": "def pytest_runtest_call(item):\n    return True\n"}
    Trick("known hook", {"tests/conftest.py": load}, "hooks-added", unchanged=hook).check()
    source = {"tests/conftest.py": "pytest_plugins = ['shop.db']\n", "shop/db.py": fixture}
    Trick("source", source, "hooks-added").check()
