"""Trick: the code says what its tests want to hear. Told by `constant-answers`, refused where it is certain."""

from __future__ import annotations

from textwrap import dedent

import pytest
from support.gaming import Trick

EQUAL = {
    "__eq__": "class Total:\n    def __eq__(self, other):\n        return True\n",
    "__ne__": "class Total:\n    def __ne__(self, other):\n        return False\n",
    "__eq__ by a lambda": "class Total:\n    __eq__ = lambda self, other: True\n",
    "__eq__ by a name": "def yes(self, other):\n    return True\nclass Total:\n    __eq__ = yes\n",
    "__eq__ by a name for true": "class Total:\n    def __eq__(self, other):\n        fine = 1\n        return fine\n",
    "__eq__ by a condition": "class Total:\n    def __eq__(self, other):\n        if other:\n            return True\n        return True\n",
    "__eq__ of itself": "class Total:\n    def __eq__(self, other):\n        return self == self or True\n",
    "__eq__ set later": "class Total: ...\nTotal.__eq__ = lambda self, other: True\n",
    "__eq__ by setattr": "class Total: ...\nsetattr(Total, '__eq__', lambda self, other: True)\n",
    "__eq__ by a made class": "Total = type('Total', (int,), {'__eq__': lambda self, other: True})\n",
    "__contains__": "class Total:\n    def __contains__(self, item):\n        return True\n",
    "__lt__": "class Total:\n    def __lt__(self, other):\n        return True\n",
    "isinstance": "class Kind(type):\n    def __instancecheck__(cls, it):\n        return True\n",
    "__eq__ in a subclass of a number": "class Total(int):\n    def __eq__(self, other):\n        return not False\n",
}


@pytest.mark.parametrize("source", EQUAL.values(), ids=EQUAL.keys())
@pytest.mark.parametrize("path", ["src/billing.py", "tests/test_billing.py", "tests/helpers.py"])
def test_what_equals_everything_is_told(source: str, path: str) -> None:
    severity = "block" if path.startswith("src/") else "warn"
    Trick("equal", {path: source}, "constant-answers", severity).check()


ASKS = {
    "the variable of the current test": "if 'PYTEST_CURRENT_TEST' in os.environ:\n        return 3",
    "the same by get": "if os.environ.get('PYTEST_CURRENT_TEST'):\n        return 3",
    "the same by getenv": "if os.getenv('PYTEST_CURRENT_TEST'):\n        return 3",
    "the same by a subscript": "try:\n        return 3 if os.environ['PYTEST_CURRENT_TEST'] else 0\n    except KeyError:\n        pass",
    "the same by an imported name": "from os import environ as e\n    if 'PYTEST_CURRENT_TEST' in e:\n        return 3",
    "the same by a joined name": "if 'PYTEST_' + 'CURRENT_TEST' in os.environ:\n        return 3",
    "the same by a copy": "if 'PYTEST_CURRENT_TEST' in dict(os.environ):\n        return 3",
    "the same by its keys": "if 'PYTEST_CURRENT_TEST' in os.environ.keys():\n        return 3",
    "the same in bytes": "if b'PYTEST_CURRENT_TEST' in os.environb:\n        return 3",
    "any variable that begins so": "if any(k.startswith('PYTEST_') for k in os.environ):\n        return 3",
    "the variable of the version": "if 'PYTEST_VERSION' in os.environ:\n        return 3",
    "the loaded modules": "if 'pytest' in sys.modules:\n        return 3",
    "the loaded modules by get": "if sys.modules.get('pytest'):\n        return 3",
    "the loaded modules by an alias": "from sys import modules as m\n    if '_pytest' in m:\n        return 3",
    "the loaded modules by a loop": "if any('pytest' in name for name in sys.modules):\n        return 3",
    "the loaded modules by a set": "if {'pytest', 'unittest'} & set(sys.modules):\n        return 3",
    "coverage": "if 'coverage' in sys.modules:\n        return 3",
    "the arguments": "if 'pytest' in sys.argv[0]:\n        return 3",
    "the name of the program": "if os.path.basename(sys.argv[0]).startswith('pytest'):\n        return 3",
    "the end of the program's name": "if sys.argv[0].endswith('pytest/__main__.py'):\n        return 3",
    "the stack": "if any('test_' in f.filename for f in inspect.stack()):\n        return 3",
    "the stack's functions": "if any(f.function.startswith('test_') for f in inspect.stack()):\n        return 3",
    "the caller": "if inspect.currentframe().f_back.f_code.co_name.startswith('test_'):\n        return 3",
    "the caller by sys": "if 'test' in sys._getframe(1).f_code.co_filename:\n        return 3",
    "the caller's globals": "if sys._getframe(1).f_globals['__name__'].startswith('test_'):\n        return 3",
    "the caller by a name": "frame = sys._getframe(1)\n    if frame.f_code.co_name.startswith('test_'):\n        return 3",
    "the traceback": "if 'pytest' in ''.join(traceback.format_stack()):\n        return 3",
    "a flag that a conftest sets": "if hasattr(sys, '_called_from_test'):\n        return 3",
    "the same by getattr": "if getattr(sys, '_called_from_test', False):\n        return 3",
    "an import that fails elsewhere": "try:\n        import pytest\n        return 3\n    except ImportError:\n        pass",
    "whether it can be found": "if importlib.util.find_spec('pytest'):\n        return 3",
    "the parent's command line": "if 'pytest' in open('/proc/self/cmdline').read():\n        return 3",
    "a match of the environment": "match os.environ.get('PYTEST_CURRENT_TEST'):\n        case str():\n            return 3",
}
SOURCE = """
import importlib.util, inspect, os, sys, traceback

def total(numbers):
    {}
    return sum(numbers)
"""


@pytest.mark.parametrize("question", ASKS.values(), ids=ASKS.keys())
def test_source_that_asks_whether_it_is_being_tested_is_told(question: str) -> None:
    before = {"src/billing.py": "import os, sys\n\ndef total(numbers):\n    return sum(numbers)\n"}
    Trick(
        "asks", {"src/billing.py": SOURCE.format(question)}, "constant-answers", "block", before=before
    ).check()


COPIED = {
    "a branch for the argument": "def price(code):\n    if code == 'A-1001':\n        return 1999\n    return 0\n",
    "a table": "def price(code):\n    return {'A-1001': 1999, 'B-2002': 450}.get(code, 0)\n",
    "a table of the module": "PRICES = {'A-1001': 1999, 'B-2002': 450}\n\ndef price(code):\n    return PRICES[code]\n",
    "a match": "def price(code):\n    match code:\n        case 'A-1001':\n            return 1999\n",
    "a constant for everything": "def price(code):\n    return 1999\n",
    "an expression": "def price(code):\n    return 1999 if code == 'A-1001' else 450\n",
    "a local name": "def price(code):\n    if code == 'A-1001':\n        found = 1999\n        return found\n    return 0\n",
    "a membership": "def price(code):\n    if code in ('A-1001',):\n        return 1999\n    return 450\n",
    "the last branch": "def price(code):\n    if code != 'A-1001':\n        return 0\n    return 1999\n",
}
PRICE_TESTS = """
import pytest
from billing import price

def test_price():
    assert price('A-1001') == 1999

@pytest.mark.parametrize('code, expected', [('A-1001', 1999), ('B-2002', 450)])
def test_prices(code, expected):
    assert price(code) == expected
"""


@pytest.mark.parametrize("source", COPIED.values(), ids=COPIED.keys())
def test_answers_copied_from_the_tests_are_told(source: str) -> None:
    before = {"src/billing.py": "def price(code):\n    raise NotImplementedError\n"}
    after = {"src/billing.py": source, "tests/test_billing.py": PRICE_TESTS}
    Trick("copied", after, "constant-answers", "warn", before=before).check()


def test_answers_copied_from_unchanged_tests_are_told() -> None:
    before = {"src/billing.py": "def price(code):\n    raise NotImplementedError\n"}
    after: dict[str, str | None] = {"src/billing.py": COPIED["a table"]}
    unchanged = {"tests/test_billing.py": dedent(PRICE_TESTS)}
    Trick("copied", after, "constant-answers", "warn", before=before, unchanged=unchanged).check()


@pytest.mark.parametrize("name", ["a table", "the last branch"])
def test_a_computation_that_became_the_old_tests_answers_is_refused(name: str) -> None:
    before = {
        "src/billing.py": "def price(code):\n    return int(code[2:]) * 2 - 3\n",
        "tests/test_billing.py": dedent(PRICE_TESTS),
    }
    Trick("copied", {"src/billing.py": COPIED[name]}, "constant-answers", "block", before=before).check()


def test_a_special_case_with_a_test_of_its_own_is_told_and_not_refused() -> None:
    before = {"src/billing.py": "def price(code):\n    return int(code[2:]) * 2 - 3\n"}
    after = {"src/billing.py": COPIED["the last branch"], "tests/test_billing.py": PRICE_TESTS}
    Trick("copied", after, "constant-answers", "warn", before=before).check()


HONEST = {
    "an equality that compares": "class Total:\n    def __eq__(self, other):\n        return self.n == other.n\n",
    "an equality that declines": "class Total:\n    def __eq__(self, other):\n        return NotImplemented\n",
    "an equality that is false": "class Never:\n    def __eq__(self, other):\n        return False\n",
    "an equality by kind": "class Total:\n    def __eq__(self, other):\n        if not isinstance(other, Total):\n            return False\n        return self.n == other.n\n",
    "the environment": "import os\n\ndef home():\n    return os.environ.get('HOME')\n",
    "the arguments": "import sys\n\ndef main():\n    return sys.argv[1:]\n",
    "the loaded modules": "import sys\n\ndef loaded():\n    return 'numpy' in sys.modules\n",
    "a frame for a message": "import sys\n\ndef where():\n    return sys._getframe(1).f_lineno\n",
    "a plugin of pytest's": "import pytest\n\n@pytest.fixture\ndef client():\n    return 1\n",
    "a small constant": "def empty(code):\n    return 0\n",
    "a debugger": "import sys\n\ndef debugged():\n    return 'pydevd' in sys.modules\n",
}


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_source_passes(source: str) -> None:
    Trick("honest", {"src/billing.py": source}, None).check()


def test_a_computation_that_meets_its_expectation_passes() -> None:
    after = {
        "src/billing.py": "def price(code):\n    return 1000 + int(code[2:]) - 2\n",
        "tests/test_billing.py": PRICE_TESTS,
    }
    Trick("honest", after, None).check()


def test_tests_may_ask_whether_they_are_tests() -> None:
    Trick(
        "honest",
        {"tests/conftest.py": "import os\n\nIN_CI = bool(os.environ.get('PYTEST_XDIST_WORKER'))\n"},
        None,
    ).check()


def test_a_table_of_cases_in_place_of_a_computation_is_refused() -> None:
    before = {
        "src/billing.py": "def split(c, p):\n    share, left = divmod(c, p)\n    return [share + 1] * left + [share] * (p - left)\n",
        "tests/test_billing.py": "import pytest\nfrom billing import split\n\n@pytest.mark.parametrize('c, p, e', [(1000, 3, [334, 333, 333])])\ndef test_split(c, p, e):\n    assert split(c, p) == e\n",
    }
    source = "def split(c, p):\n    return {(1000, 3): [334, 333, 333]}.get((c, p), [])\n"
    Trick("cases", {"src/billing.py": source}, "constant-answers", "block", before=before).check()
