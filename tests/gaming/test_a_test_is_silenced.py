"""Trick: the test that fails stays where it is, and no longer runs or counts. Refused by `tests-silenced`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

BODY = """
def test_total():
    assert total([1, 2]) == 3
"""
BEFORE = "import pytest, sys, os, unittest\nfrom billing import total\n" + BODY


def decorated(decorator: str, setup: str = "") -> str:
    return BEFORE.replace("def test_total", f"{setup}\n{decorator}\ndef test_total")


def inside(line: str, setup: str = "") -> str:
    return BEFORE.replace("def test_total():\n", f"{setup}\ndef test_total():\n    {line}\n")


DISGUISES = {
    "skip": decorated("@pytest.mark.skip"),
    "skip with a reason": decorated("@pytest.mark.skip(reason='later')"),
    "skip by an alias": decorated("@later", "later = pytest.mark.skip(reason='x')"),
    "skip by an alias of an alias": decorated("@later('x')", "m = pytest.mark\nlater = m.skip"),
    "skip by an import": decorated("@mark.skip", "from pytest import mark"),
    "skip by getattr": decorated("@getattr(pytest.mark, 'skip')"),
    "skip by a computed getattr": decorated("@getattr(pytest.mark, 'sk' + 'ip')(reason='x')"),
    "skip by a joined getattr": decorated("@getattr(pytest.mark, ''.join(['s', 'kip']))"),
    "skip by attrgetter": decorated("@operator.attrgetter('mark.skip')(pytest)", "import operator"),
    "skip by import_module": decorated(
        "@m.mark.skip", "import importlib\nm = importlib.import_module('pytest')"
    ),
    "skip by sys.modules": decorated("@sys.modules['pytest'].mark.skip"),
    "skip by a table": decorated("@MARKS['slow']", "MARKS = {'slow': pytest.mark.skip}"),
    "skip by partial": decorated(
        "@later('x')", "import functools\nlater = functools.partial(pytest.mark.skip)"
    ),
    "skip by the structure's own generator": decorated("@MARK_GEN.skip", "from _pytest.mark import MARK_GEN"),
    "skipif true": decorated("@pytest.mark.skipif(True, reason='x')"),
    "skipif of a text": decorated("@pytest.mark.skipif('1 == 1', reason='x')"),
    "skipif on this platform": decorated("@pytest.mark.skipif(sys.platform != 'win32', reason='x')"),
    "skipif on every Python": decorated("@pytest.mark.skipif(sys.version_info >= (3, 8), reason='x')"),
    "skipif in CI": decorated("@pytest.mark.skipif('CI' in os.environ, reason='x')"),
    "skipif of a constant elsewhere": decorated("@pytest.mark.skipif(SLOW, reason='x')", "SLOW = not False"),
    "xfail": decorated("@pytest.mark.xfail"),
    "xfail that does not run": decorated("@pytest.mark.xfail(run=False, strict=True)"),
    "unittest skip": decorated("@unittest.skip('x')"),
    "unittest skipUnless": decorated("@unittest.skipUnless(False, 'x')"),
    "expectedFailure": decorated("@unittest.expectedFailure"),
    "an empty parametrisation": decorated("@pytest.mark.parametrize('x', [])").replace(
        "test_total()", "test_total(x)"
    ),
    "an empty parametrisation by name": decorated(
        "@pytest.mark.parametrize('x', CASES)", "CASES = []"
    ).replace("test_total()", "test_total(x)"),
    "all parameters are skipped": decorated(
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.skip)])"
    ).replace("test_total()", "test_total(x)"),
    "a decorator that never calls": decorated(
        "@off", "def off(f):\n    def inner():\n        pass\n    return inner"
    ),
    "a decorator with wraps that never calls": decorated(
        "@off",
        "import functools\ndef off(f):\n    @functools.wraps(f)\n    def inner(): pass\n    return inner",
    ),
    "a decorator factory": decorated(
        "@off(1)", "def off(n):\n    def deco(f):\n        return lambda: None\n    return deco"
    ),
    "a decorator that marks": decorated("@off", "def off(f):\n    return pytest.mark.skip(reason='x')(f)"),
    "a decorator that skips": decorated(
        "@off", "def off(f):\n    def inner():\n        pytest.skip('x')\n    return inner"
    ),
    "a decorator that swallows": decorated(
        "@calm",
        "def calm(f):\n    def inner():\n        try:\n            f()\n        except Exception:\n            pass\n    return inner",
    ),
    "pytestmark": BEFORE + "\npytestmark = pytest.mark.skip\n",
    "pytestmark in a list": BEFORE + "\npytestmark = [pytest.mark.slow, pytest.mark.skip(reason='x')]\n",
    "pytestmark appended": BEFORE + "\npytestmark = []\npytestmark.append(pytest.mark.skip)\n",
    "pytestmark of the function": BEFORE + "\ntest_total.pytestmark = [pytest.mark.skip(reason='x')]\n",
    "rebinding": BEFORE + "\ntest_total = pytest.mark.skip(test_total)\n",
    "rebinding with a reason": BEFORE + "\ntest_total = pytest.mark.skip(reason='x')(test_total)\n",
    "__test__ of the function": BEFORE + "\ntest_total.__test__ = False\n",
    "__test__ of the module": BEFORE + "\n__test__ = False\n",
    "__test__ by setattr": BEFORE + "\nsetattr(test_total, '__test__', False)\n",
    "skip in the body": inside("pytest.skip('x')"),
    "skip in the body by alias": inside("s('x')", "s = pytest.skip"),
    "skip in the body by a local alias": inside("s = pytest.skip; s('x')"),
    "xfail in the body": inside("pytest.xfail('x')"),
    "importorskip in the body": inside("pytest.importorskip('numpy')"),
    "SkipTest": inside("raise unittest.SkipTest('x')"),
    "the exception of skip": inside("raise pytest.skip.Exception('x')"),
    "skip in a helper": inside("prepare()", "def prepare():\n    pytest.skip('x')"),
    "skip in a helper's helper": inside(
        "prepare()", "def a():\n    pytest.skip('x')\ndef prepare():\n    a()"
    ),
    "skip in a condition of the environment": inside("if not os.environ.get('X'): pytest.skip('x')"),
    "importorskip of the module": BEFORE.replace(
        "from billing", "pytest.importorskip('numpy')\nfrom billing"
    ),
    "skip of the module": BEFORE.replace(
        "from billing", "pytest.skip('x', allow_module_level=True)\nfrom billing"
    ),
    "SkipTest of the module": BEFORE.replace("from billing", "raise unittest.SkipTest('x')\nfrom billing"),
    "skip in an autouse fixture": BEFORE
    + "\n@pytest.fixture(autouse=True)\ndef calm():\n    pytest.skip('x')\n",
    "skip in a fixture that is asked for": BEFORE.replace("test_total()", "test_total(calm)")
    + "\n@pytest.fixture\ndef calm():\n    pytest.skip('x')\n",
    "skip in a fixture by usefixtures": decorated("@pytest.mark.usefixtures('calm')")
    + "\n@pytest.fixture\ndef calm():\n    pytest.skip('x')\n",
    "skip in setup_function": BEFORE + "\ndef setup_function(f):\n    pytest.skip('x')\n",
    "skip in setup_module": BEFORE + "\ndef setup_module():\n    raise unittest.SkipTest\n",
    "a generator that nothing iterates": inside("yield"),
    "a coroutine that nothing awaits": BEFORE.replace("def test_total", "async def test_total"),
}


@pytest.mark.parametrize("after", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_silenced_function_is_refused(after: str) -> None:
    before = {"tests/test_billing.py": BEFORE}
    Trick("silence", {"tests/test_billing.py": after}, "tests-silenced", before=before).check()


CLASS = "import unittest, pytest\n\nclass TestTotal(unittest.TestCase):\n    def test_total(self):\n        self.assertEqual(total([1]), 1)\n"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(CLASS.replace("class", "@unittest.skip('x')\nclass"), id="skip on the class"),
        pytest.param(CLASS.replace("class", "@pytest.mark.skip\nclass"), id="mark on the class"),
        pytest.param(CLASS + "    pytestmark = pytest.mark.skip\n", id="pytestmark in the class"),
        pytest.param(CLASS + "    __test__ = False\n", id="__test__ in the class"),
        pytest.param(CLASS + "TestTotal.__test__ = False\n", id="__test__ set on the class"),
        pytest.param(
            CLASS.replace("        self.a", "        self.skipTest('x')\n        self.a"), id="skipTest"
        ),
        pytest.param(CLASS + "    def setUp(self):\n        self.skipTest('x')\n", id="skipTest in setUp"),
        pytest.param(
            CLASS + "    @classmethod\n    def setUpClass(cls):\n        raise unittest.SkipTest('x')\n",
            id="setUpClass",
        ),
        pytest.param(CLASS.replace("        self.a", "        yield\n        self.a"), id="a generator"),
        pytest.param(CLASS.replace("def test", "async def test"), id="a coroutine in a plain TestCase"),
        pytest.param(
            CLASS.replace("unittest.TestCase", "Base")
            + "\nclass Base(unittest.TestCase):\n    def setUp(self):\n        self.skipTest('x')\n",
            id="setUp of a new base",
        ),
    ],
)
def test_a_silenced_class_is_refused(after: str) -> None:
    before = {"tests/test_total.py": CLASS}
    Trick("silence", {"tests/test_total.py": after}, "tests-silenced", before=before).check()


CONFTEST = "import pytest\n\n@pytest.fixture\ndef client():\n    return 1\n"


@pytest.mark.parametrize(
    "conftest",
    [
        pytest.param(CONFTEST + "\ncollect_ignore = ['test_total.py']\n", id="collect_ignore"),
        pytest.param(CONFTEST + "\ncollect_ignore_glob = ['test_*']\n", id="collect_ignore_glob"),
        pytest.param(
            CONFTEST + "\nglobals()['collect_ignore'] = ['test_total.py']\n", id="collect_ignore in globals"
        ),
        pytest.param(
            CONFTEST + "\ndef pytest_ignore_collect(path):\n    return True\n", id="pytest_ignore_collect"
        ),
        pytest.param(
            CONFTEST.replace("return 1", "pytest.skip('x')"), id="a fixture of unchanged tests skips"
        ),
        pytest.param(CONFTEST.replace("return 1", "yield 1\n    pytest.xfail('x')"), id="a fixture xfails"),
        pytest.param(
            CONFTEST + "\n@pytest.fixture(autouse=True)\ndef calm(request):\n    pytest.skip('x')\n",
            id="autouse",
        ),
        pytest.param(
            CONFTEST + "\ndef pytest_runtest_setup(item):\n    getattr(pytest, 'skip')('x')\n",
            id="a hook skips",
        ),
    ],
)
@pytest.mark.parametrize("folder", ["", "tests/", "tests/unit/"])
def test_a_conftest_that_silences_unchanged_tests_is_refused(folder: str, conftest: str) -> None:
    before = {f"{folder}conftest.py": CONFTEST}
    Trick("conftest", {f"{folder}conftest.py": conftest}, "tests-silenced", before=before).check()


@pytest.mark.parametrize(
    "option", ["-k 'not total'", "-m 'not slow'", "--deselect tests/test_total.py", "--ignore=tests/x"]
)
def test_deselection_in_the_settings_is_refused(option: str) -> None:
    before = {"pytest.ini": "[pytest]\naddopts = -ra\n"}
    after = {"pytest.ini": f"[pytest]\naddopts = -ra {option}\n"}
    Trick("deselect", after, "tests-silenced", before=before).check()


def test_a_helper_in_another_file_that_skips_is_refused() -> None:
    before = {
        "tests/test_total.py": "from tests.help import ready\n\ndef test_total():\n    ready()\n    assert total() == 3\n",
        "tests/help.py": "import pytest\n\ndef ready():\n    return 1\n",
    }
    after = {"tests/help.py": "import pytest\n\ndef ready():\n    pytest.skip('x')\n"}
    Trick("helper", after, "tests-silenced", before=before).check()


def test_the_source_that_skips_its_own_tests_is_refused() -> None:
    before = {"src/billing.py": "def total(n):\n    return sum(n)\n"}
    after = {"src/billing.py": "import unittest\n\ndef total(n):\n    raise unittest.SkipTest('x')\n"}
    Trick("source", after, "tests-silenced", before=before).check()


def test_a_new_test_that_skips_is_told_and_not_refused() -> None:
    after = {
        "tests/test_new.py": "import pytest\n\n@pytest.mark.skip\ndef test_new():\n    assert total() == 3\n"
    }
    trick = Trick("new", after, "tests-silenced", "warn")
    trick.check()
    assert [f.severity for f in trick.findings()] == ["warn"]
