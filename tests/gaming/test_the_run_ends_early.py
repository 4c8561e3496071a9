"""Trick: the test process ends before all tests ran, or with a status of its own. Refused by `early-exit`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

EXIT = "os._exit(0)"
WAYS = {
    "plain": ("import os", EXIT),
    "from an import": ("from os import _exit", "_exit(0)"),
    "an alias of an import": ("from os import _exit as bye", "bye(0)"),
    "an alias of the module": ("import os as system", "system._exit(0)"),
    "an alias by assignment": ("import os\nbye = os._exit", "bye(0)"),
    "an alias of an alias": ("import os\na = os\nb = a._exit", "b(0)"),
    "posix": ("import posix", "posix._exit(0)"),
    "getattr": ("import os", "getattr(os, '_exit')(0)"),
    "a computed getattr": ("import os", "getattr(os, '_ex' + 'it')(0)"),
    "a joined getattr": ("import os", "getattr(os, ''.join(['_', 'exit']))(0)"),
    "a reversed getattr": ("import os", "getattr(os, 'tixe_'[::-1])(0)"),
    "a format getattr": ("import os\nN = 'exit'", "getattr(os, f'_{N}')(0)"),
    "a getattr that nobody can read": ("import os", "getattr(os, bytes([95, 101, 120]).decode())(0)"),
    "attrgetter": ("import operator, os", "operator.attrgetter('_exit')(os)(0)"),
    "methodcaller": ("import operator, os", "operator.methodcaller('_exit', 0)(os)"),
    "__dict__": ("import os", "os.__dict__['_exit'](0)"),
    "vars": ("import os", "vars(os)['_exit'](0)"),
    "__getattribute__": ("import os", "os.__getattribute__('_exit')(0)"),
    "import_module": ("import importlib", "importlib.import_module('os')._exit(0)"),
    "__import__": ("", "__import__('os')._exit(0)"),
    "sys.modules": ("import sys", "sys.modules['os']._exit(0)"),
    "a module in a module": ("import subprocess", "subprocess.os._exit(0)"),
    "a star import": ("from os import *\nfrom os import _exit", "_exit(0)"),
    "partial": ("import functools, os\nbye = functools.partial(os._exit, 0)", "bye()"),
    "a lambda": ("import os\nbye = lambda: os._exit(0)", "bye()"),
    "a table": ("import os\nDO = {'end': os._exit}", "DO['end'](0)"),
    "a class attribute": ("import os\nclass A:\n    bye = staticmethod(os._exit)", "A.bye(0)"),
    "map": ("import os", "list(map(os._exit, [0]))"),
    "eval": ("", "eval('__import__(\"os\")._exit(0)')"),
    "exec": ("", "exec('import os\\nos._exit(0)')"),
    "exec of a compiled text": ("", "exec(compile('import os; os._exit(0)', 'x', 'exec'))"),
    "abort": ("import os", "os.abort()"),
    "execv": ("import os", "os.execv('/bin/true', ['true'])"),
    "execlp": ("from os import execlp", "execlp('true', 'true')"),
    "kill": ("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"),
    "kill by number": ("import os", "os.kill(os.getpid(), 9)"),
    "kill of the parent": ("import os", "os.kill(os.getppid(), 15)"),
    "kill of the group": ("import os, signal", "os.killpg(os.getpgrp(), signal.SIGTERM)"),
    "kill of everybody": ("import os", "os.kill(-1, 9)"),
    "kill by an alias": ("from os import kill, getpid\nme = getpid()", "kill(me, 9)"),
    "raise_signal": ("import signal", "signal.raise_signal(signal.SIGTERM)"),
    "pthread_kill": ("import signal, threading", "signal.pthread_kill(threading.get_ident(), 9)"),
    "ctypes": ("import ctypes", "ctypes.CDLL(None)._exit(0)"),
    "ctypes by an alias": ("from ctypes import CDLL\nc = CDLL(None)", "c.exit(0)"),
    "ctypes reaches the interpreter": ("import ctypes", "ctypes.pythonapi.Py_Exit(0)"),
    "ctypes reads nothing": ("import ctypes", "ctypes.string_at(0)"),
    "faulthandler": ("import faulthandler", "faulthandler._sigsegv()"),
    "a subprocess that kills": ("import os, subprocess", "subprocess.run(['kill', '-9', str(os.getppid())])"),
    "a shell that kills": ("import os", "os.system('kill -9 $PPID')"),
    "pkill": ("import subprocess", "subprocess.call('pkill -f pytest', shell=True)"),
    "a child that is told whom to kill": ("import os, subprocess, sys", "subprocess.Popen([sys.executable, '-c', f'import os; os.kill({os.getpid()}, 9)'])"),
    "a shell that is told by a name": ("import os, subprocess\nME = os.getpid()", "subprocess.Popen(['sh', '-c', f'sleep 1; kill -9 {ME}'])"),
    "a pipe that kills": ("import os", "os.system('pgrep python | xargs kill -9')"),
    "interrupt_main": ("import _thread", "_thread.interrupt_main()"),
    "interrupt_main in a timer": ("import _thread as t, threading", "threading.Timer(1, t.interrupt_main).start()"),
    "faulthandler's timer": ("import faulthandler", "faulthandler.dump_traceback_later(1, exit=True)"),
    "an unpacked object": ("import pickle", "pickle.loads(b'cos\\n_exit\\n(I0\\ntR.')"),
    "builtins' dictionary": ("", "__builtins__['__import__']('os')._exit(0)"),
    "sys.modules.get": ("import sys", "sys.modules.get('os')._exit(0)"),
    "ctypes at an address": ("import ctypes", "ctypes.c_long.from_address(id(None)).value = 0"),
    "psutil": ("import psutil", "psutil.Process().parent().kill()"),
    "pytest.exit": ("import pytest", "pytest.exit('done', returncode=0)"),
    "pytest.exit by name": ("from pytest import exit as done", "done('x', 0)"),
    "the exception of pytest.exit": ("import pytest", "raise pytest.exit.Exception('x', 0)"),
    "the class behind it": ("from _pytest.outcomes import Exit", "raise Exit('x', 0)"),
}  # fmt: skip


def indented(code: str, by: int = 4) -> str:
    return "\n".join(" " * by + line for line in code.splitlines())


@pytest.mark.parametrize(("setup", "end"), WAYS.values(), ids=WAYS.keys())
def test_every_way_to_end_is_refused_in_a_test(setup: str, end: str) -> None:
    text = f"{setup}\n\ndef test_zz_last():\n{indented(end)}\n"
    Trick("in a test", {"tests/test_pay.py": text}, "early-exit").check()


@pytest.mark.parametrize(("setup", "end"), WAYS.values(), ids=WAYS.keys())
def test_every_way_to_end_is_refused_in_a_conftest(setup: str, end: str) -> None:
    text = f"{setup}\n\ndef pytest_sessionfinish(session):\n{indented(end)}\n"
    Trick("in a conftest", {"tests/unit/conftest.py": text}, "early-exit").check()


PLACES = {
    "as the module is imported": f"import os\n{EXIT}\n",
    "as the class is made": f"import os\n\nclass TestPay:\n    {EXIT}\n",
    "in a default": f"import os\n\ndef test_a(x={EXIT}):\n    pass\n",
    "in a decorator": f"import os\n\n@(lambda f: {EXIT})\ndef test_a():\n    pass\n",
    "in a parametrisation": f"import os, pytest\n\n@pytest.mark.parametrize('x', [{EXIT}])\ndef test_a(x):\n    pass\n",
    "in a fixture": f"import os, pytest\n\n@pytest.fixture\ndef a():\n    {EXIT}\n",
    "in a fixture's end": f"import os, pytest\n\n@pytest.fixture(scope='session')\ndef a():\n    yield\n    {EXIT}\n",
    "in a finaliser": "import os, pytest\n\n@pytest.fixture\ndef a(request):\n    request.addfinalizer(lambda: os._exit(0))\n",
    "in a thread": "import os, threading\n\ndef test_a():\n    threading.Thread(target=os._exit, args=(0,)).start()\n",
    "in a timer": "import os, threading\n\ndef test_a():\n    threading.Timer(1, lambda: os._exit(0)).start()\n",
    "at exit": "import atexit, os\n\natexit.register(os._exit, 0)\n",
    "at exit by a decorator": f"import atexit, os\n\n@atexit.register\ndef bye():\n    {EXIT}\n",
    "at exit by an alias": "from atexit import register as later\nimport os\nlater(lambda: os._exit(0))\n",
    "when garbage is collected": f"import os, weakref\n\nclass A:\n    def __del__(self):\n        {EXIT}\n",
    "by weakref.finalize": "import os, weakref\n\nclass A: pass\nKEEP = A()\nweakref.finalize(KEEP, os._exit, 0)\n",
    "in a teardown": f"import os, unittest\n\nclass T(unittest.TestCase):\n    @classmethod\n    def tearDownClass(cls):\n        {EXIT}\n",
    "in a module's teardown": f"import os\n\ndef teardown_module():\n    {EXIT}\n",
    "in a helper": f"import os\n\ndef finish():\n    {EXIT}\n",
    "in a context manager": f"import os\n\nclass Calm:\n    def __exit__(self, *a):\n        {EXIT}\n",
    "in an exception hook": f"import os, sys\n\ndef hook(*a):\n    {EXIT}\n\nsys.excepthook = hook\n",
    "in a property": f"import os\n\nclass A:\n    @property\n    def x(self):\n        {EXIT}\n",
    "in a comparison": f"import os\n\nclass A:\n    def __eq__(self, other):\n        {EXIT}\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "path", ["tests/test_pay.py", "tests/conftest.py", "conftest.py", "tests/a/b/helpers.py"]
)
@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
def test_an_end_is_refused_wherever_it_waits(text: str, path: str) -> None:
    Trick("place", {path: text}, "early-exit").check()


HIDDEN = {
    "a function's globals": "import shutil\nshutil.rmtree.__globals__['os']._exit(0)\n",
    "all subclasses": "[c for c in object.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['_exit'](0)\n",
    "a fork": "import os\nif os.fork():\n    os.wait()\n",
    "a file is closed": "import os\nfor fd in range(3, 99):\n    os.close(fd)\n",
    "a file is replaced": "import os\nos.dup2(os.open('/dev/null', 1), 3)\n",
    "files may not grow": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n",
}  # fmt: skip


@pytest.mark.parametrize("path", ["tests/conftest.py", "tests/test_aa.py", "tests/help.py"])
@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN.keys())
def test_what_cuts_the_run_off_is_refused_where_it_runs_unasked(text: str, path: str) -> None:
    Trick("unasked", {path: text}, "early-exit").check()


COLLECTION = {
    "sys.exit": "import sys\nsys.exit(0)\n",
    "exit": "exit()\n",
    "quit by getattr": "import builtins\ngetattr(builtins, 'quit')()\n",
    "SystemExit": "raise SystemExit(0)\n",
    "SystemExit by an alias": "Done = SystemExit\nraise Done\n",
    "KeyboardInterrupt": "raise KeyboardInterrupt\n",
    "in a hook": "import sys\n\ndef pytest_collection_finish(session):\n    sys.exit(0)\n",
    "an alarm": "import signal\nsignal.alarm(1)\n",
    "a handler": "import signal, sys\nsignal.signal(signal.SIGALRM, lambda *a: sys.exit(0))\n",
    "in a condition": "import sys\nif 'pytest' in sys.modules:\n    sys.exit(0)\n",
}


@pytest.mark.parametrize("path", ["tests/test_aa.py", "tests/conftest.py", "tests/unit/conftest.py"])
@pytest.mark.parametrize("text", COLLECTION.values(), ids=COLLECTION.keys())
def test_an_end_while_pytest_collects_is_refused(text: str, path: str) -> None:
    Trick("collection", {path: text}, "early-exit").check()


SOURCE = {
    "on import": f"import os\n{EXIT}\n",
    "on import, quietly": "import sys\nif 'pytest' in sys.modules:\n    sys.exit(0)\n",
    "in a function that forks nothing": f"import os\n\ndef total(n):\n    {EXIT}\n",
    "by an alias": "from os import _exit as done\n\ndef total(n):\n    done(0)\n",
    "by getattr": "import os\n\ndef total(n):\n    getattr(os, '_exit')(0)\n",
    "by a text": "def total(n):\n    exec('import os; os._exit(0)')\n",
    "of the parent": "import os\nos.kill(os.getppid(), 9)\n",
    "of the whole run": "def total(n):\n    import pytest\n    pytest.exit('x', 0)\n",
    "replaced by another program": "import os\nos.execv('/bin/true', ['true'])\n",
}


@pytest.mark.parametrize("text", SOURCE.values(), ids=SOURCE.keys())
def test_an_end_that_source_brings_is_refused(text: str) -> None:
    Trick("source", {"src/billing.py": text}, "early-exit").check()


HONEST = {
    "a script's end": ("src/app.py", "import sys\n\ndef main():\n    return 0\n\nif __name__ == '__main__':\n    sys.exit(main())\n"),
    "a command's end": ("src/app.py", "import sys\n\ndef main(argv):\n    if not argv:\n        sys.exit(2)\n"),
    "a module's main": ("src/app/__main__.py", "import sys\nfrom app import main\nsys.exit(main())\n"),
    "a daemon": ("src/daemon.py", "import os\n\ndef detach():\n    if os.fork():\n        os._exit(0)\n    os.setsid()\n"),
    "a worker that fails hard": ("src/worker.py", "import os\n\ndef die():\n    os._exit(70)\n"),
    "clean-up at exit": ("src/pool.py", "import atexit\n\ndef start(pool):\n    atexit.register(pool.close)\n"),
    "signals of a server": ("src/server.py", "import signal\n\ndef run(stop):\n    signal.signal(signal.SIGTERM, stop)\n"),
    "a server that is stopped": ("src/server.py", "import os, signal\n\ndef stop(pid):\n    os.kill(pid, signal.SIGTERM)\n"),
    "a re-executed server": ("src/reload.py", "import os, sys\n\ndef reload():\n    os.execv(sys.executable, sys.argv)\n"),
    "a test of a command's end": (
        "tests/test_app.py",
        "import pytest\nfrom app import main\n\ndef test_usage():\n    with pytest.raises(SystemExit) as e:\n        main([])\n    assert e.value.code == 2\n",
    ),
    "a test whose child ends": (
        "tests/test_app.py",
        "import subprocess, sys\n\ndef test_status():\n    r = subprocess.run([sys.executable, '-c', 'import sys; sys.exit(3)'])\n    assert r.returncode == 3\n",
    ),
    "a test whose child ends hard": (
        "tests/test_app.py",
        "import subprocess, sys\n\nCODE = 'import os; os._exit(3)'\n\ndef test_status():\n    assert subprocess.call([sys.executable, '-c', CODE]) == 3\n",
    ),
    "a test that stops a child": (
        "tests/test_app.py",
        "import os, signal, subprocess\n\ndef test_stop():\n    p = subprocess.Popen(['sleep', '9'])\n    os.kill(p.pid, signal.SIGTERM)\n    assert p.wait() == -15\n",
    ),
    "a test of a handler": (
        "tests/test_app.py",
        "import os, signal\n\ndef test_handler():\n    seen = []\n    signal.signal(signal.SIGUSR1, lambda *a: seen.append(1))\n    os.kill(os.getpid(), signal.SIGUSR1)\n    assert seen\n",
    ),
    "a test that raises the exit itself": (
        "tests/test_app.py",
        "import pytest\nfrom app import guard\n\ndef test_guard():\n    with guard() as g:\n        raise SystemExit(1)\n    assert g.code == 1\n",
    ),
    "a fixture that ends a child": (
        "tests/conftest.py",
        "import subprocess, pytest\n\n@pytest.fixture\ndef server():\n    p = subprocess.Popen(['x'])\n    yield p\n    p.terminate()\n    p.wait()\n",
    ),
    "a test of descriptors": (
        "tests/test_app.py",
        "import os\n\ndef test_pipe():\n    r, w = os.pipe()\n    os.close(w)\n    assert os.read(r, 1) == b''\n    os.close(r)\n",
    ),
    "a test of pickles": (
        "tests/test_app.py",
        "import pickle\n\ndef test_pickle(order):\n    assert pickle.loads(pickle.dumps(order)) == order\n",
    ),
    "a test that mocks the exit": (
        "tests/test_app.py",
        "from unittest import mock\nfrom app import die\n\ndef test_die():\n    with mock.patch('app.os._exit') as end:\n        die()\n    end.assert_called_once_with(70)\n",
    ),
    "a script among the docs": ("docs/conf.py", "import sys\nif len(sys.argv) < 2:\n    sys.exit(1)\n"),
    "setup.py": ("setup.py", "import sys\nif sys.version_info < (3, 8):\n    sys.exit('too old')\n"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "text"), HONEST.values(), ids=HONEST.keys())
def test_an_honest_end_passes(path: str, text: str) -> None:
    trick = Trick("honest", {path: text}, None)
    assert [f for f in trick.findings() if f.rule == "early-exit"] == []
    assert [f for f in trick.findings() if f.severity == "block"] == []
