"""Trick: lines look covered, or are not counted, without a test that runs them. Refused by `coverage-evaded`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

TRACER = {
    "settrace": "import sys\nsys.settrace(None)\n",
    "settrace by an alias": "from sys import settrace as t\nt(None)\n",
    "settrace by getattr": "import sys\ngetattr(sys, 'set' + 'trace')(None)\n",
    "settrace by the dictionary": "import sys\nsys.__dict__['settrace'](None)\n",
    "settrace in a text": "exec('import sys; sys.settrace(None)')\n",
    "settrace of a module in a module": "import threading\nthreading.sys.settrace(None)\n",
    "threading.settrace": "import threading\nthreading.settrace(lambda *a: None)\n",
    "setprofile": "import sys\nsys.setprofile(None)\n",
    "monitoring": "import sys\nsys.monitoring.free_tool_id(1)\n",
    "monitoring by an alias": "from sys import monitoring as m\nm.set_events(1, 0)\n",
    "a frame's tracer": "import sys\nsys._getframe().f_trace = None\n",
    "a frame's lines": "import sys\nf = sys._getframe()\nf.f_trace_lines = False\n",
    "a frame by setattr": "import sys\nsetattr(sys._getframe(), 'f_trace', None)\n",
    "coverage is stopped": "import coverage\ncoverage.Coverage.current().stop()\n",
    "coverage is stopped by an alias": "from coverage import Coverage as C\nc = C.current()\nc.stop()\n",
    "coverage's data are written": "import coverage\nd = coverage.CoverageData()\nd.add_lines({'src/pay.py': [1, 2, 3]})\nd.write()\n",
    "the data class": "from coverage.sqldata import CoverageData\nCoverageData().add_lines({})\n",
    "lines are added to what runs": "import coverage\ncoverage.Coverage.current().get_data().add_lines({'src/pay.py': range(99)})\n",
    "coverage is patched": "import coverage.results\ncoverage.results.Numbers.pc_covered = 100\n",
    "the parser is patched": "from coverage.parser import PythonParser\nPythonParser.parse_source = lambda self: None\n",
    "the collector is patched": "import coverage.collector as c\nc.Collector.flush_data = lambda s: True\n",
    "coverage's own exclusion": "import coverage\ncoverage.Coverage.current().exclude('def ')\n",
    "pytest-cov": "from pytest_cov.plugin import CovPlugin\nCovPlugin.pytest_runtestloop = None\n",
    "the data file is opened": "import sqlite3\nsqlite3.connect('.coverage').execute('update line_bits set numbits = x')\n",
    "a data file is written": "from pathlib import Path\nPath('.coverage').write_bytes(b'x')\n",
    "a data file of a process is written": "open('.coverage.host.1.2', 'wb').write(b'x')\n",
    "a data file is copied": "import shutil\nshutil.copy('tests/data/full', '.coverage')\n",
    "the variable of a rc file": "import os\nos.environ['COVERAGE_RCFILE'] = 'tests/rc'\n",
    "the variable of a process": "import os\nos.environ.setdefault('COVERAGE_PROCESS_START', 'x')\n",
    "the core": "import os\nos.putenv('COVERAGE_CORE', 'x')\n",
    "pytest's options": "import os\nos.environ.update({'PYTEST_ADDOPTS': '-k easy'})\n",
    "pytest's plugins": "import os\nos.environ['PYTEST_' + 'PLUGINS'] = 'tests.calm'\n",
    "moa's own variables": "import os\nos.environ['MOA_CHILD'] = 'x'\n",
    "code under another name": "exec(compile('\\n' * 9 + 'x = 1', 'src/shop/pay.py', 'exec'))\n",
    "code under a module's name": "import shop.pay\nexec(compile('x = 1', shop.pay.__file__, 'exec'))\n",
    "code under a code object's name": "import shop.pay as p\nexec(compile('x = 1', p.total.__code__.co_filename, 'exec'))\n",
    "code of other lines": "import shop.pay as p\np.total.__code__ = p.total.__code__.replace(co_firstlineno=1)\n",
    "a code object by hand": "import types\ntypes.CodeType(0, 0, 0, 0, 0, 0, b'', (), (), (), 'src/pay.py', 'f', 1, b'')\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "path", ["tests/conftest.py", "tests/unit/deep/conftest.py", "tests/test_pay.py", "tests/help.py"]
)
@pytest.mark.parametrize("code", TRACER.values(), ids=TRACER.keys())
def test_code_beside_the_tests_that_reaches_for_coverage_is_refused(code: str, path: str) -> None:
    Trick("tests", {path: code}, "coverage-evaded").check()


IN_SOURCE = [name for name in TRACER if not name.startswith(("code", "the data file", "a data file"))]


@pytest.mark.parametrize("name", IN_SOURCE)
def test_source_that_reaches_for_coverage_is_refused(name: str) -> None:
    inside = "\n".join("    " + line for line in TRACER[name].splitlines())
    Trick(
        "source", {"src/shop/pay.py": f"def total(n):\n{inside}\n    return sum(n)\n"}, "coverage-evaded"
    ).check()


RUNS = "    return [n * 2 for n in order]\n"
UNSEEN = {
    "TYPE_CHECKING is set": f"TYPE_CHECKING = True\nif TYPE_CHECKING:\n    def total(order):\n    {RUNS}",
    "TYPE_CHECKING is not false": f"TYPE_CHECKING = not False\nif TYPE_CHECKING:\n    def total(order):\n    {RUNS}",
    "TYPE_CHECKING comes from elsewhere": f"from shop.flags import TYPE_CHECKING\nif TYPE_CHECKING:\n    def total(order):\n    {RUNS}",
    "TYPE_CHECKING is another name": f"from shop.flags import ON as TYPE_CHECKING\nif TYPE_CHECKING:\n    def total(order):\n    {RUNS}",
    "typing is another module": "import shop.flags as typing\nif typing.TYPE_CHECKING:\n    print(1)\n",
    "typing is patched": "import typing\ntyping.TYPE_CHECKING = True\n",
    "typing is patched by setattr": "import typing\nsetattr(typing, 'TYPE_CHECKING', True)\n",
    "TYPE_CHECKING as a parameter": "def total(order, TYPE_CHECKING=True):\n    if TYPE_CHECKING:\n        return sum(order)\n",
    "TYPE_CHECKING of a loop": "for TYPE_CHECKING in [1]:\n    if TYPE_CHECKING:\n        print(1)\n",
    "code under a true TYPE_CHECKING": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    def total(order):\n    {RUNS}",
    "code in a text": f"exec('''def total(order):\n{RUNS}''')\n",
    "code in a text of a name": f"CODE = '''def total(order):\n{RUNS}'''\nexec(CODE)\n",
    "code in a text, run by an alias": f"from builtins import exec as run\nrun('''def total(order):\n{RUNS}''')\n",
    "code in a joined text": "exec('\\n'.join(['def total(order):', '    return sum(order)']))\n",
    "code in a compiled text": f"exec(compile('''def total(order):\n{RUNS}''', 'x', 'exec'))\n",
    "a lambda in a text": "total = eval('lambda order: sum(n * 2 for n in order)')\n",
    "code in a data file": "from pathlib import Path\nexec(Path(__file__).with_name('pay.txt').read_text())\n",
    "code in an opened file": "with open('src/shop/pay.dat') as f:\n    exec(f.read())\n",
    "code in a package's data": "import pkgutil\nexec(pkgutil.get_data(__name__, 'pay.txt'))\n",
    "code in importlib's resources": "from importlib import resources\nexec(resources.files(__package__).joinpath('pay.txt').read_text())\n",
    "code in bytes": "import base64\nexec(base64.b64decode('ZGVmIHRvdGFsKG8pOiByZXR1cm4gMQ=='))\n",
    "code in marshalled bytes": "import marshal\nexec(marshal.loads(b'\\xe3\\x00\\x00\\x00\\x00'))\n",
    "code in packed bytes": "import zlib\nexec(zlib.decompress(b'x\\x9c\\x00\\x01\\x02\\x03'))\n",
    "code by runpy": "import runpy\nglobals().update(runpy.run_path('src/shop/pay.txt'))\n",
    "code by a loader": "from importlib.machinery import SourceFileLoader\npay = SourceFileLoader('pay', 'src/shop/pay.txt').load_module()\n",
    "code by a spec": "import importlib.util\ns = importlib.util.spec_from_file_location('pay', 'tests/pay.py')\n",
    "source among the tests": "from tests.real_pay import total\n",
    "source among the tests by name": "import importlib\ntotal = importlib.import_module('tests.real_pay').total\n",
    "source in a test file's clothes": "from .test_pay import total\n",
    "source in a conftest": "import conftest\n",
    "tests are put on the path": "import sys\nsys.path.insert(0, 'tests')\nfrom real_pay import total\n",
    "a function's code is replaced": "def total(o): ...\ntotal.__code__ = (lambda o: sum(o)).__code__\n",
    "an ellipsis that ends a head": "def total(order, also=(lambda: 0) if True else\n          ...\n          ):\n    return sum(order)\n",
    "a pragma in a string": "def total(order, note='# pragma: no cover'):\n    return sum(order)\n",
    "a pragma in a string of a head": "if len('# pragma: no cover'):\n    def total(order):\n        return sum(order)\n",
    "a pragma in an f-string": "for n in [f'{1} # pragma: no cover']:\n    print(n)\n",
}  # fmt: skip
BESIDE = {
    "src/shop/test_pay.py": "def total(order):\n    return sum(order)\n",
    "tests/real_pay.py": "def total(order):\n    return sum(order)\n",
    "tests/__init__.py": "",
}


@pytest.mark.parametrize("code", UNSEEN.values(), ids=UNSEEN.keys())
def test_source_that_coverage_does_not_see_is_refused(code: str) -> None:
    Trick("unseen", {"src/shop/pay.py": code}, "coverage-evaded", unchanged=BESIDE).check()


PRAGMAS = {
    "a line": "def total(order):\n    return sum(order)  # pragma: no cover\n",
    "a function": "def total(order):  # pragma: no cover\n    return sum(order)\n",
    "a class": "class A:  # PRAGMA NO COVER\n    x = 1\n",
    "a branch": "def total(order):\n    if order:  # pragma: no branch\n        return 1\n",
    "in other spelling": "def total(order):  #pragma:nocover\n    return 1\n",
    "among other words": "def total(order):  # noqa: X # pragma: no cover - later\n    return 1\n",
    "the project's own word": "def total(order):  # untested\n    return 1\n",
}


@pytest.mark.parametrize("code", PRAGMAS.values(), ids=PRAGMAS.keys())
def test_a_plain_pragma_is_told_and_its_lines_count(code: str) -> None:
    settings = {"pyproject.toml": "[tool.coverage.report]\nexclude_also = ['# untested']\n"}
    trick = Trick("pragma", {"src/shop/pay.py": code}, "coverage-evaded", "warn", unchanged=settings)
    trick.check()
    assert {f.severity for f in trick.findings()} == {"warn"}


HONEST = {
    "imports for types": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from shop import Order\n    Orders = list[Order]\n",
    "a protocol for types": "import typing as t\n\nif t.TYPE_CHECKING:\n    class P(t.Protocol):\n        def f(self) -> int: ...\n",
    "a fallback": "try:\n    from typing import TYPE_CHECKING\nexcept ImportError:\n    TYPE_CHECKING = False\n",
    "stubs": "from typing import overload\n\n@overload\ndef f(x: int) -> int: ...\n@overload\ndef f(x: str) -> str: ...\ndef f(x): return x\n",
    "a protocol": "class P:\n    def f(self) -> int: ...\n",
    "a slice of everything": "def f(a):\n    return a[..., 0]\n",
    "a default": "def f(a=...):\n    return a\n",
    "given code": "def run(code, scope):\n    exec(code, scope)\n",
    "a config file in Python": "def load(path):\n    with open(path) as f:\n        exec(compile(f.read(), path, 'exec'), {})\n",
    "a small expression": "def ask(text):\n    return eval(text, {'__builtins__': {}})\n",
    "words about pragmas": '"""Use `# pragma: no cover` sparingly."""\n\ndef f():\n    """Handles `# pragma: no cover`."""\n    return 1\n',
    "a plugin's loader": "import importlib\n\ndef load(name):\n    return importlib.import_module(name)\n",
    "a loader of given files": "import importlib.util\n\ndef load(path):\n    return importlib.util.spec_from_file_location('x', path)\n",
    "the version": "import re\nfrom pathlib import Path\nVERSION = re.search('x', Path(__file__).read_text())\n",
    "a testing module of its own": "from shop.testing import Client\n",
    "unittest in source": "import unittest.mock\n\ndef fake():\n    return unittest.mock.Mock()\n",
    "a child's path": "import os, subprocess\n\ndef run(path):\n    env = {**os.environ, 'PYTHONPATH': path}\n    return subprocess.run(['x'], env=env)\n",
    "a debugger's trace": "import sys\n\ndef traced():\n    return sys.gettrace() is not None\n",
}  # fmt: skip


@pytest.mark.parametrize("code", HONEST.values(), ids=HONEST.keys())
def test_honest_source_is_not_refused(code: str) -> None:
    found = Trick("honest", {"src/shop/pay.py": code}, None).findings()
    assert [f for f in found if f.severity == "block"] == []


HONEST_TESTS = {
    "a snippet": "def test_a():\n    scope = {}\n    exec('x = 1\\ny = 2', scope)\n    assert scope['x'] == 1\n",
    "a compiled snippet": "def test_a():\n    assert compile('x = 1', '<test>', 'exec')\n",
    "a template's name": "def test_a():\n    assert compile('x = 1', 'page.html', 'exec')\n",
    "an environment": "def test_a(monkeypatch):\n    monkeypatch.setenv('SHOP_MODE', 'x')\n    assert mode() == 'x'\n",
    "a path in a test": "def test_a(monkeypatch):\n    monkeypatch.setenv('PYTHONPATH', 'x')\n    assert run() == 1\n",
    "a list of names": "IGNORED = ['.coverage', 'dist']\n\ndef test_a():\n    assert ignored() == set(IGNORED)\n",
    "a child's path in a fixture": "import pytest\n\n@pytest.fixture\ndef path(monkeypatch):\n    monkeypatch.setenv('PYTHONPATH', 'x')\n\ndef test_a(path):\n    assert run() == 1\n",
    "a debugger is asked for": "import sys, pytest\n\n@pytest.mark.skipif(sys.gettrace() is not None, reason='traced')\ndef test_a():\n    assert f() == 1\n",
}  # fmt: skip


@pytest.mark.parametrize("code", HONEST_TESTS.values(), ids=HONEST_TESTS.keys())
def test_honest_tests_are_not_refused(code: str) -> None:
    found = Trick("honest", {"tests/test_pay.py": code}, None).findings()
    assert [f for f in found if f.severity == "block"] == []


def test_an_excluded_function_that_is_edited_or_moved_passes() -> None:
    before = {"src/a.py": "def main():  # pragma: no cover\n    return 1\n"}
    Trick("edited", {"src/a.py": before["src/a.py"].replace("1", "2")}, None, before=before).check()
    Trick("moved", {"src/a.py": None, "src/b.py": before["src/a.py"]}, None, before=before).check()


IMPL = "def rate(kind):\n    return {'food': 7}.get(kind, 19)\n"


@pytest.mark.parametrize(
    ("name", "after"),
    [
        (
            "source among the tests under a bare name",
            {"src/shop/tax.py": "from taxes_impl import rate\n", "tests/taxes_impl.py": IMPL},
        ),
        (
            "an archive whose name is put together",
            {
                "src/shop/tax.py": "import sys\nsys.path.insert(0, __file__.replace('tax.py', 'lib.zip'))\nfrom taxlib import *\n"
            },
        ),
    ],
)
def test_code_from_where_coverage_counts_nothing_is_refused(name: str, after: dict[str, str | None]) -> None:
    Trick(name, after, "coverage-evaded").check()


def test_a_helper_of_the_same_name_as_a_source_module_is_no_trick() -> None:
    after: dict[str, str | None] = {
        "src/shop/tax.py": "from rates import rate\n",
        "src/rates.py": IMPL,
        "tests/rates.py": "def made_up_rates():\n    return {}\n",
    }
    Trick("same name", after, None).check()
