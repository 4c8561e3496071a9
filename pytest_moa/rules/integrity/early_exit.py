"""**Sees:** code that ends the test process, or could: before all tests ran, or after they ran with a status of its own.

**Catches,** for example, in `tests/conftest.py`:

```python
import atexit
from os import _exit as bye

atexit.register(bye, 0)
```

also `posix._exit`, `os.abort`, `os.exec*`, `os.kill(os.getppid(), …)`, deadly signals to the own process, `signal`
handlers and alarms in a conftest or fixture, `ctypes` that reaches into the interpreter or the C library,
`pytest.exit`, `sys.exit` while pytest collects, `kill` and `pkill` in a subprocess, a fork or closed descriptors where
nobody asks for them, unpacked objects; behind aliases, `getattr`,
`importlib.import_module`, star imports and code in strings alike, in threads, finalisers and hooks alike. In source
code: what ends the process on import, `os._exit(0)` where nothing forks, and every disguise.

**Does not look at** `sys.exit` in source functions or inside what a test calls, `if __name__ == "__main__"`, signals sent
to other processes, handlers that a test installs in its own body, `os._exit` in a forked child, and clean-up that is
registered with `atexit` (`shutil.rmtree`, `.close`, `.terminate`).

**Legal way out:** let code return or raise, and let pytest end by itself; where ending the process is the subject, start
it in a subprocess. Or allow it on the target: `integrity.allow: [{rule: early-exit, path: tests/conftest.py}]`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity.kit import Change
from pytest_moa.rules.integrity.names import UNKNOWN
from pytest_moa.rules.integrity.sightings import Page, Ref, Sighting, Spot, chain, fresh

NAME = "early-exit"
DEFAULT: Severity = "block"

Told = tuple[FindingSeverity, str]

_EXITS = frozenset(
    ["os._exit", "posix._exit", "nt._exit", "os.abort", "posix.abort", "faulthandler._sigsegv"]
)
_CRASHES = frozenset(
    """faulthandler._sigabrt faulthandler._sigfpe faulthandler._read_null faulthandler._fatal_error
    faulthandler._stack_overflow signal.raise_signal signal.pthread_kill multiprocessing.parent_process os.closerange
    posix.closerange threading._register_atexit _thread.interrupt_main atexit._run_exitfuncs atexit._clear""".split()  # noqa: SIM905 - a list of words reads better so
)
_PYTEST_EXITS = frozenset(
    """pytest.exit _pytest.outcomes.exit _pytest.outcomes.Exit pytest.exit.Exception""".split()  # noqa: SIM905
)
_ALARMS = frozenset(["signal.signal", "signal.alarm", "signal.setitimer", "signal.sigwait", "signal.pause"])
_LIMITS = frozenset(
    ["os.fork", "os.forkpty", "os.close", "os.dup2", "resource.setrlimit", "resource.prlimit"]
)
_KILLS = frozenset(["os.kill", "posix.kill", "os.killpg", "posix.killpg", "nt.kill"])
_SYS_EXITS = frozenset(["sys.exit", "exit", "quit", "builtins.exit", "builtins.quit", "site.Quitter"])
_DEADLY = frozenset(
    ["SIGKILL", "SIGTERM", "SIGABRT", "SIGSEGV", "SIGSTOP", "SIGQUIT", "SIGHUP", 9, 15, 6, 11, 19, 3, 1]
)
_FORKS = ("os.fork", "os.forkpty", "pty.fork", "multiprocessing.Process", "multiprocessing")
_NATIVE = frozenset(
    [
        "_exit",
        "_Exit",
        "exit",
        "quick_exit",
        "abort",
        "kill",
        "raise_",
        "ptrace",
        "Py_Exit",
        "Py_Finalize",
        "string_at",
        "from_address",
        "memset",
        "memmove",
    ]
)
_PROCESSES = re.compile(
    r"(os\.(system|popen|spawn\w*|posix_spawnp?)|subprocess\.\w+|asyncio\.create_subprocess_\w+)"
)
_KILLERS = re.compile(
    r"(.*([;&|]|\bxargs)\s*)?\s*(exec\s+|sudo\s+)?(/usr)?(/bin/)?(kill|pkill|killall|taskkill|xkill)\b",
    re.DOTALL,
)
_GUARDED_OWNERS = frozenset(
    ["os", "posix", "signal", "sys", "ctypes", "atexit", "pytest", "_pytest.outcomes", "threading"]
)
_CLEANUPS = frozenset(
    "rmtree remove unlink rmdir cleanup close stop terminate kill shutdown disconnect quit join".split()  # noqa: SIM905
)
_REMEDY = "Remove it: a test run has to end by itself, with every collected test told."


def check(change: Change) -> Iterator[Finding]:
    """Findings over the Python files of a change."""
    return fresh(change, NAME, _see)


def _see(page: Page) -> Iterator[Sighting]:
    if page.role == "tool":
        return
    seen: set[tuple[int, str]] = set()
    for ref in page.refs:
        told = _in_tests(ref, page) if page.group == "tests" else _in_source(ref, page)
        if told is not None and (ref.spot.line, told[1]) not in seen:
            seen.add((ref.spot.line, told[1]))
            yield _sighting(told, ref.spot, page)
    for spot in page.spots:
        told = _statement(spot, page)
        if told is not None:
            yield _sighting(told, spot, page)


def _sighting(told: Told, spot: Spot, page: Page) -> Sighting:
    severity, message = told
    return Sighting(
        key=f"{message}|{page.group}|{spot.where}",
        line=spot.line,
        severity=severity,
        message=f"{message}, {_place(spot, page)}",
        remedy=_REMEDY,
    )


def _place(spot: Spot, page: Page) -> str:
    where = {
        "module": "as soon as the module is imported",
        "main": "when the module is run",
        "hook": "in a pytest hook",
        "autouse": "in a fixture that every test runs",
        "fixture": "in a fixture",
        "test": "in a test",
        "nested": "in a test",
        "function": "in a function",
    }[spot.where]
    return f"{where} of {'the source' if page.group == 'source' else 'the tests'}"


def _in_tests(ref: Ref, page: Page) -> Told | None:  # noqa: PLR0911 - one case a way to end
    names, spot = ref.names, ref.spot
    if found := _first(names, _EXITS | _CRASHES):
        in_child = spot.function is not None and _forks_here(spot)
        return "warn" if in_child else "block", f"`{found}` ends the process"
    if found := _exec(names):
        return "block", f"`{found}` replaces the process"
    if found := _first(names, _PYTEST_EXITS):
        return "block", f"`{found}` ends the whole run"
    if found := _first(names, frozenset(["atexit.register"])):
        return (
            None
            if ref.imported or _is_cleanup(spot)
            else ("block", f"`{found}` runs code after pytest is done")
        )
    if found := _first(names, _ALARMS):
        own_body = spot.where in ("test", "nested", "main") or (
            page.role == "helper" and spot.where == "function"
        )
        return (
            None if ref.imported or own_body else ("block", f"`{found}` lets a signal end or change the run")
        )
    if (
        (found := _first(names, _LIMITS))
        and not ref.imported
        and spot.where not in ("test", "nested", "function")
    ):
        return "block", f"`{found}` cuts the running process off from what it needs"
    if found := _first(names, frozenset(["os.getppid", "posix.getppid"])):
        return "block", f"`{found}` reaches for the process that judges"
    if any(n == "ctypes" or n.startswith("ctypes.") for n in names):
        return _ctypes(ref, page)
    return None


def _in_source(ref: Ref, page: Page) -> Told | None:
    names, spot = ref.names, ref.spot
    if found := _first(names, _EXITS):
        return _source_exit(ref, page, found)
    on_import = spot.where == "module" and not ref.imported
    if on_import and (found := _exec(names) or _first(names, _KILLS | _CRASHES | _PYTEST_EXITS)):
        return "block", f"`{found}` ends the process"
    if found := _first(names, _PYTEST_EXITS):
        return "block", f"`{found}` ends the whole run"
    return None


def _source_exit(ref: Ref, page: Page, found: str) -> Told | None:
    told = f"`{found}` ends the process"
    if ref.imported:
        return None if ref.plain else ("block", told)
    if not ref.plain or ref.spot.where == "module":
        # An alias that is told at its import is still an alias here.
        return "block", told
    if page.mentions(*_FORKS) or ref.spot.where == "main":
        return None
    call = ref.spot.parent
    status = (
        ref.spot.constant(call.args[0])
        if isinstance(call, ast.Call) and call.func is ref.spot.node and call.args
        else 0
    )
    if status is UNKNOWN or (status != 0 and status is not None):
        return None
    return "block", told


def _first(names: frozenset[str], wanted: frozenset[str]) -> str | None:
    return min(names & wanted, default=None)


def _exec(names: frozenset[str]) -> str | None:
    return min((n for n in names if re.fullmatch(r"(os|posix|nt)\.exec[lv]\w*", n)), default=None)


def _forks_here(spot: Spot) -> bool:
    body = spot.function
    return body is not None and any(
        isinstance(n, ast.Call) and not spot.dotted(n.func).isdisjoint(_FORKS) for n in ast.walk(body)
    )


def _is_cleanup(spot: Spot) -> bool:
    """Whether what is registered tidies up: told by the last word of its name."""
    call = spot.parent
    if not isinstance(call, ast.Call) or call.func is not spot.node or not call.args:
        return False
    callback = call.args[0]
    if isinstance(callback, ast.Lambda) and isinstance(callback.body, ast.Call):
        callback = callback.body.func
    return chain(callback)[-1] in _CLEANUPS


def _ctypes(ref: Ref, page: Page) -> Told | None:
    told = "`ctypes` reaches into the interpreter or the C library"
    if page.role == "conftest":
        return "block", told
    if any(n.rpartition(".")[2] in {"pythonapi", "PyDLL", *_NATIVE} for n in ref.names):
        return "block", told
    return None


def _statement(spot: Spot, page: Page) -> Told | None:
    node = spot.node
    if isinstance(node, ast.Call):
        return _call(node, spot, page)
    if isinstance(node, ast.Raise) and node.exc is not None:
        return _raise(node.exc, spot, page)
    if isinstance(node, ast.Attribute) and node.attr == "__dict__":
        return _searched(node, spot, page)
    if (
        isinstance(node, ast.Attribute)
        and node.attr in ("__globals__", "__subclasses__")
        and page.group == "tests"
    ):
        grade: FindingSeverity = "warn" if spot.where in ("test", "nested") else "block"
        return grade, f"`{node.attr}` fetches what is not said"
    return None


_LOADS = frozenset(["pickle.loads", "_pickle.loads", "cloudpickle.loads", "dill.loads"])


def _searched(expr: ast.expr, spot: Spot, page: Page) -> Told | None:
    owner = _whole_module(expr, spot)
    if owner is None or page.group == "source" or isinstance(spot.parent, ast.Subscript):
        return None
    return "block", f"the names of `{owner}` are searched for what is not said"


def _call(call: ast.Call, spot: Spot, page: Page) -> Told | None:  # noqa: PLR0911 - one case a way to end
    names = spot.dotted(call.func)
    if found := _first(names, _KILLS):
        return _kill(call, spot, page, found)
    if found := _first(names, _SYS_EXITS):
        return _leaves(spot, page, found, call)
    if chain(call.func)[-1] in _NATIVE and _is_native(call.func, spot):
        return "block", f"`{chain(call.func)[-1]}` of the C library ends or changes the process"
    if "faulthandler.dump_traceback_later" in names and any(k.arg == "exit" for k in call.keywords):
        return "block", "`faulthandler.dump_traceback_later` ends the process"
    if names & _LOADS and call.args and isinstance(spot.constant(call.args[0]), bytes):
        return "block", "a packed object is unpacked, and can call whatever it names"
    if names & {"getattr", "builtins.getattr"} and len(call.args) >= 2:
        return _computed(call, spot, page)
    if names & {"vars", "builtins.vars"}:
        return _searched(call, spot, page)
    if page.group == "tests" and chain(call.func)[-1] in ("parent", "parents") and page.mentions("psutil"):
        return "block", "`psutil` reaches for the process that judges"
    if page.group == "tests" and any(_PROCESSES.fullmatch(n) for n in names) and _runs_kill(call, spot):
        return "block", "a subprocess kills processes"
    return None


def _raise(exc: ast.expr, spot: Spot, page: Page) -> Told | None:
    called = exc.func if isinstance(exc, ast.Call) else exc
    names = {n.removeprefix("builtins.") for n in spot.dotted(called)}
    found = min(names & {"SystemExit", "KeyboardInterrupt"}, default=None)
    if found is None:
        return None
    return _leaves(spot, page, found, exc if isinstance(exc, ast.Call) else None)


def _leaves(spot: Spot, page: Page, found: str, call: ast.Call | None) -> Told | None:
    """`sys.exit` and its like: an ordinary exception, except where pytest lets it through."""
    told = f"`{found}` ends the run while pytest collects or reports"
    if page.group == "source":
        status = spot.constant(call.args[0]) if call is not None and call.args else None
        quiet = status is None or (isinstance(status, int) and status == 0)
        return (
            ("block", told)
            if spot.where == "module" and quiet and not page.path.endswith("__main__.py")
            else None
        )
    if spot.where in ("module", "hook", "autouse") or (spot.where == "fixture" and page.role == "conftest"):
        return "block", told
    return None


def _kill(call: ast.Call, spot: Spot, page: Page, found: str) -> Told | None:
    told = f"`{found}` at the own process, its parent or its group ends the run"
    whom = call.args[0] if call.args else None
    pid = spot.constant(whom)
    to_parent = _calls(whom, spot, "getppid") or (isinstance(pid, int) and pid <= 1)
    to_itself = _calls(whom, spot, "getpid") or _calls(whom, spot, "getpgrp") or _calls(whom, spot, "getpgid")
    if to_parent:
        return ("block" if page.group == "tests" or spot.where == "module" else "warn"), told
    if not to_itself or page.group == "source":
        return None
    signal = call.args[1] if len(call.args) > 1 else None
    number = spot.constant(signal)
    deadly = {n.rpartition(".")[2] for n in spot.dotted(signal)} | (
        {number} if isinstance(number, int) else set()
    )
    own_body = spot.where in ("test", "nested")
    return ("block", told) if deadly & _DEADLY or not own_body else None


def _calls(expr: ast.expr | None, spot: Spot, function: str) -> bool:
    """Whether an expression, or what its name is bound to, calls `os.<function>`."""
    if expr is None:
        return False
    bound = spot.names.values(expr.id, spot.function) if isinstance(expr, ast.Name) else []
    return any(
        isinstance(n, ast.Call) and any(name.endswith(f".{function}") for name in spot.dotted(n.func))
        for e in (expr, *bound[:4])
        for n in ast.walk(e)
    )


def _is_native(expr: ast.expr, spot: Spot) -> bool:
    """Whether an attribute belongs to a library that ctypes or cffi loaded, or to ctypes itself."""
    while isinstance(expr, ast.Attribute):
        expr = expr.value
    bound = spot.names.values(expr.id, spot.function) if isinstance(expr, ast.Name) else [expr]
    return any(
        name.startswith(("ctypes", "cffi"))
        for e in bound[:4]
        for n in ast.walk(e)
        if isinstance(n, ast.Attribute | ast.Name)
        for name in spot.dotted(n)
    )


def _computed(call: ast.Call, spot: Spot, page: Page) -> Told | None:
    """`getattr(os, …)` with a name that nobody can read: in tests there is no honest need for it."""
    if spot.constant(call.args[1]) is not UNKNOWN:
        return None
    owner = _first(spot.dotted(call.args[0]), _GUARDED_OWNERS)
    if owner is None or page.group == "source":
        return None
    # A test that is given names one by one asks for them by a variable; anything longer is a disguise.
    given = isinstance(call.args[1], ast.Name) and spot.where in ("test", "nested", "function")
    return "warn" if given else "block", f"`getattr({owner}, …)` with a computed name hides what is called"


def _whole_module(expr: ast.expr, spot: Spot) -> str | None:
    """The module of which all names are gone through (`vars(os)`, `os.__dict__`) to find one without saying it."""
    if isinstance(expr, ast.Attribute) and expr.attr == "__dict__":
        return _first(spot.dotted(expr.value), _GUARDED_OWNERS)
    if isinstance(expr, ast.Call) and expr.args and spot.dotted(expr.func) & {"vars", "builtins.vars"}:
        return _first(spot.dotted(expr.args[0]), _GUARDED_OWNERS)
    return None


def _runs_kill(call: ast.Call, spot: Spot) -> bool:
    for arg in (*call.args, *(k.value for k in call.keywords if k.arg in ("args", "cmd", "command"))):
        value = spot.constant(arg)
        words = value if isinstance(value, tuple) else (value,)
        if isinstance(arg, ast.List | ast.Tuple) and arg.elts:
            words = tuple(spot.constant(e) for e in arg.elts[:12])
        if isinstance(arg, ast.JoinedStr) and arg.values:
            words = (spot.constant(arg.values[0]),)
        if words and isinstance(words[0], str) and _KILLERS.match(words[0]):
            return True
        if any(isinstance(w, str) and "getppid" in w and "kill" in w for w in words):
            return True
        if _kills_us(arg, spot):
            return True
    return False


def _kills_us(arg: ast.expr, spot: Spot) -> bool:
    """Whether a command is told our own process id, and to kill."""
    texts = [n.value for n in ast.walk(arg) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    names = [n for n in ast.walk(arg) if isinstance(n, ast.Name | ast.Call)]
    return any(re.search(r"\bkill\b", t) for t in texts) and any(
        _calls(n, spot, "getpid") or _calls(n, spot, "getppid") for n in names
    )
