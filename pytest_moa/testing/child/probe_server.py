"""Keeps a collected session that ran no test, and runs chosen tests of it under changed code, in a fork each.

Works on Python 3.8 with pytest alone. Decides nothing: what to change and what the answers mean is moa's business.
"""

from __future__ import annotations
import __future__

import ast
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import types
import warnings
from typing import Any

import pytest

# Kept from before any module of the candidate was imported; coverage's own settings may patch `os._exit`, too.
LEAVE = os._exit
FUTURE = 0
for _feature in __future__.all_feature_names:
    FUTURE |= getattr(__future__, _feature).compiler_flag
CRASHES = 5  # tests that break without a look, before the rest is taken to break as well
REQUEST_LIMIT = 64 * 1024 * 1024
GOODBYE = b"."


class Probing:
    """What the run's main process knows of its server: starts it, says when the run was green, sees it off."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.owner = os.getpid()
        self.pid: int | None = None
        self.alive: int | None = None  # reads the end of file once the server is gone
        self.distributed = False
        self.sources: dict[str, bytes] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> None:
        """Everything is collected and nothing ran yet. With xdist, the controller has collected nothing."""
        if session.config.pluginmanager.hasplugin("dsession") or session.config.getoption("collectonly"):
            return
        if self.order.get("serve"):
            Server(session, self.order).serve()
        elif session.items and not session.testsfailed:
            self.fork(session)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        self.distributed = True

    def fork(self, session: Any) -> None:
        """Twice, so that the server is no child of a process whose tests may wait for any child."""
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # threads of the candidate are not there after a fork, and need not be
            between = os.fork()
            if not between:
                server = os.fork()
                if server:
                    os.write(writing, b"%d\n" % server)
                    LEAVE(0)
                os.close(reading)
                Server(session, self.order, writing).serve()
        os.close(writing)
        os.waitpid(between, 0)
        self.pid, self.alive = int(read_line(reading)), reading

    def finish(self, green: bool) -> None:
        """After the run: lets moa ask its questions where the run was green, and returns when the server is gone."""
        if os.getpid() != self.owner or not (self.distributed or self.alive is not None):
            return
        if not green:
            self.end_server()
            return
        self.sources = {path: contents(path) for path in self.order["probes"]["own"] if os.path.isfile(path)}
        seen_off = not self.distributed and self.see_off()
        # One that a probe took along has one agent's course on its conscience: the others' go on.
        for _ in range(self.order["probes"]["courses"]):
            if seen_off:
                break
            self.put_sources_back()
            seen_off = self.start_afresh()

    def end_server(self) -> None:
        if self.alive is None or self.pid is None:
            return
        if not select.select([self.alive], [], [], 0)[0]:
            os.kill(self.pid, signal.SIGKILL)
        while os.read(self.alive, 4096):
            pass

    def see_off(self) -> bool:
        """Whether the server left when it was told to."""
        say(self.order["probes"]["answer"], {"ready": True})
        last = b""
        while self.alive is not None and (piece := os.read(self.alive, 4096)):
            last = piece
        return last == GOODBYE

    def put_sources_back(self) -> None:
        for path, data in self.sources.items():
            if not os.path.isfile(path) or contents(path) != data:
                with open(path, "wb") as file:
                    file.write(data)

    def start_afresh(self) -> bool:
        alone = ["-n0", "--dist=no"] if self.distributed else []
        process = subprocess.Popen(
            [sys.executable, self.order["bootstrap"], self.order["path"], "serve", *alone],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        say(self.order["probes"]["answer"], {"ready": True})
        return process.wait() == 0


def contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def say(path: str, what: dict[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        data = json.dumps(what).encode("ascii") + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            break
        line += piece
    return line


class Server:
    """Answers one question at a time: which of these tests fails first under this change?"""

    def __init__(self, session: Any, order: dict[str, Any], alive: int | None = None) -> None:
        self.session = session
        self.alive = alive
        self.probes = order["probes"]
        self.items = {item.nodeid: item for item in session.items}
        self.texts: dict[str, str] = {}
        self.files: list[str] = order["probes"]["own"]
        self.functions: dict[str, list[Any]] | None = None
        self.asked = 0

    def serve(self) -> None:
        """Never returns. Exits with 0 only where it was told to leave."""
        status = 1
        try:
            be_silent()
            trace_nothing()
            adopt_orphans()
            gc.freeze()
            asking = os.open(self.probes["ask"], os.O_RDONLY)
            while True:
                number = read_line(asking).strip()
                if not number or number == b"0":
                    break
                say(self.probes["answer"], self.answer(int(number)))
            status = 0
            if self.alive is not None:
                os.write(self.alive, GOODBYE)
        finally:
            LEAVE(status)

    def answer(self, number: int) -> dict[str, Any]:
        with open(os.path.join(self.probes["folder"], "ask-%d.json" % number), "rb") as file:  # noqa: UP031 - short
            request = json.loads(file.read(REQUEST_LIMIT))
        if request.get("text") is not None:
            self.texts[request["path"]] = request["text"]
        items = self.chosen(request)
        if not items:
            return {"number": number, "outcome": "void", "reason": "none of the tests is there"}
        began = time.perf_counter()
        try:
            change = Change(self, request)
        except (SyntaxError, ValueError) as error:
            return {"number": number, "outcome": "void", "reason": str(error)[:500]}
        with change:
            found = self.in_a_fork(change, items, request)
        found.update(number=number, seconds=round(time.perf_counter() - began, 6))
        return found

    def chosen(self, request: dict[str, Any]) -> list[Any]:
        """The items of the named tests and of the shared fixtures (`@NAME`), up to the last one that is wanted."""
        left_out = set(request["without"])
        found: dict[str, Any] = {}
        for name in request["tests"]:
            for item in self.users_of(name[1:]) if name.startswith("@") else [self.items.get(name)]:
                if item is not None and item.nodeid not in left_out:
                    found.setdefault(item.nodeid, item)
        if request.get("until") in found:
            names = list(found)
            return [found[name] for name in names[: names.index(request["until"]) + 1]]
        return list(found.values())

    def users_of(self, fixture: str) -> list[Any]:
        found = []
        for item in self.session.items:
            known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
            for definition in known.get(fixture.rpartition("::")[2], ()):
                if fixture_name(definition) == fixture:
                    found.append(item)
                    break
        return found

    def in_a_fork(self, change: Change, items: list[Any], request: dict[str, Any]) -> dict[str, Any]:
        reading, writing = os.pipe()
        self.asked += 1
        pid = os.fork()
        if not pid:
            try:
                os.close(reading)
                if self.alive is not None:
                    os.close(self.alive)
                Probe(self, writing).run(change, items)
            finally:
                LEAVE(0)
        os.close(writing)
        try:
            found = listen(reading, time.monotonic() + float(request["deadline"]))
        finally:
            os.close(reading)
            spent = end(pid)
        found["cpu"] = round(spent, 6)
        return found

    def functions_in(self, path: str) -> list[Any]:
        if self.functions is None:
            self.functions = {}
            gc.unfreeze()  # what is frozen is not listed
            for thing in gc.get_objects():
                if type(thing) is types.FunctionType:
                    self.functions.setdefault(thing.__code__.co_filename, []).append(thing)
            gc.freeze()
        real = os.path.realpath(path)
        return [
            function
            for name, functions in self.functions.items()
            if name == path or (os.path.isabs(name) and os.path.realpath(name) == real)
            for function in functions
        ]


def fixture_name(definition: Any) -> str:
    return "%s::%s" % (definition.baseid, definition.argname)  # noqa: UP031 - the same on every version


class Change:
    """One splice of one file: in memory for the functions that are there, on disk for whoever reads it later."""

    def __init__(self, server: Server, request: dict[str, Any]) -> None:
        self.path = request["path"]
        self.place = request["file"]
        self.number = server.asked
        self.splice = request["splice"]
        self.codes: list[tuple[Any, Any]] = []
        if self.splice is None:
            return
        start, finish, words = self.splice
        self.old = server.texts[self.path]
        self.new = self.old[:start] + words + self.old[finish:]
        functions = server.functions_in(self.place)
        if functions:
            self.codes = list(self.swaps(functions))

    def swaps(self, functions: list[Any]) -> Any:
        """Pairs of function and its new code, found by name and line; ambiguous ones are left as they are."""
        start, finish, words = self.splice
        line = self.old.count("\n", 0, start) + 1
        shift = words.count("\n") - self.old.count("\n", start, finish)
        first, last = enclosing(ast.parse(self.old), line)
        source = "\n" * (first - 1) + "\n".join(self.new.split("\n")[first - 1 : last + shift])
        tree = ast.parse(source)
        by_flags: dict[int, dict[Any, list[Any]]] = {}
        for function in functions:
            code = function.__code__
            if not first <= code.co_firstlineno <= last:
                continue
            flags = code.co_flags & FUTURE
            if flags not in by_flags:
                by_flags[flags] = by_key(
                    compile(tree, code.co_filename, "exec", flags=flags, dont_inherit=True), line, shift
                )
            found = by_flags[flags].get((code.co_name, code.co_firstlineno), [])
            if len(found) == 1 and found[0] != code:
                new = found[0]
                if new.co_freevars != code.co_freevars:
                    new = self.with_names(source, code, flags, line, shift)
                if new is not None:
                    yield function, new

    @staticmethod
    def with_names(source: str, code: Any, flags: int, line: int, shift: int) -> Any:
        """The code again with the free variables that the change took away; None where that does not help."""
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
                named = ast.parse("if 0: " + ", ".join(code.co_freevars)).body[0]
                for part in ast.walk(named):
                    ast.copy_location(part, node.body[-1])
                node.body.append(named)
        found = by_key(
            compile(tree, code.co_filename, "exec", flags=flags, dont_inherit=True), line, shift
        ).get((code.co_name, code.co_firstlineno), [])
        return found[0] if len(found) == 1 and found[0].co_freevars == code.co_freevars else None

    def apply(self) -> None:
        for function, code in self.codes:
            function.__code__ = code

    def __enter__(self) -> None:
        if self.splice is None:
            return
        status = os.stat(self.place)
        with open(self.place, "rb") as file:
            self.before = file.read()
        self.times = (status.st_atime_ns, status.st_mtime_ns)
        with open(self.place, "wb") as file:
            file.write(self.new.encode("utf-8"))
        # Byte code is taken for current by whole seconds and size: no two changes may share a second.
        later = status.st_mtime_ns + (self.number + 2) * 1_000_000_000
        os.utime(self.place, ns=(later, later))

    def __exit__(self, *_: object) -> None:
        if self.splice is None:
            return
        with open(self.place, "wb") as file:
            file.write(self.before)
        os.utime(self.place, ns=self.times)


def enclosing(tree: Any, line: int) -> tuple[int, int]:
    """First and last line of the top-level statement that holds a line."""
    for node in tree.body:
        first = min([node.lineno] + [one.lineno for one in getattr(node, "decorator_list", ())])
        if first <= line <= node.end_lineno:
            return first, node.end_lineno
    raise ValueError("no statement at line %d" % line)  # noqa: UP031 - short


def by_key(module: Any, line: int, shift: int) -> dict[Any, list[Any]]:
    """All code objects inside a module's by name and by the line that they had before the change."""
    found: dict[Any, list[Any]] = {}
    waiting = [module]
    while waiting:
        for code in waiting.pop().co_consts:
            if isinstance(code, types.CodeType):
                first = code.co_firstlineno
                found.setdefault((code.co_name, first if first <= line else first - shift), []).append(code)
                waiting.append(code)
    return found


class Probe:
    """In the fork: runs items one after the other until one looked and saw, and says so on a pipe.

    A test that breaks in any other way than by an assertion did not look: those after it may.
    """

    def __init__(self, server: Server, pipe: int) -> None:
        self.server = server
        self.pipe = pipe
        self.looked: str | None = None
        self.broke: str | None = None
        self.crashes = 0
        self.seen: Any = None

    def tell(self, what: dict[str, Any]) -> None:
        os.write(self.pipe, json.dumps(what).encode("ascii") + b"\n")

    def run(self, change: Change, items: list[Any]) -> None:
        os.setsid()
        expect_to_be_killed()
        folder = os.path.join(self.server.probes["folder"], "tmp-%d" % self.server.asked)  # noqa: UP031 - short
        os.makedirs(folder, exist_ok=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        self.server.session.config.pluginmanager.register(self, "_moa_probe")
        change.apply()
        began = time.process_time()
        protocol = self.server.session.config.hook.pytest_runtest_protocol
        current = ""
        try:
            for item, following in zip(items, [*items[1:], None]):  # noqa: B905 - Python 3.8 has no `strict`
                current = item.nodeid
                self.tell({"start": current})
                protocol(item=item, nextitem=following)
                if self.looked is not None or self.crashes >= CRASHES:
                    break
        except BaseException:  # noqa: BLE001 - whatever ends pytest's own loop is a test that did not pass
            self.broke = self.broke or current
        told = {"outcome": "passed", "tests_cpu": round(time.process_time() - began, 6)}
        if self.looked is not None:
            told.update(outcome="failed", test=self.looked)
        elif self.broke is not None:
            told.update(outcome="crashed", test=self.broke)
        self.tell(told)

    def pytest_exception_interact(self, call: Any) -> None:
        self.seen = call.excinfo

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not report.failed:
            return
        if self.is_look(report):
            self.looked = self.looked or report.nodeid
        else:
            self.broke = self.broke or report.nodeid
            self.crashes += 1
        self.seen = None

    def is_look(self, report: Any) -> bool:
        """Whether an assertion of the tests failed, and not one of the code under test, nor that code itself."""
        if self.seen is None:
            crash = getattr(report.longrepr, "reprcrash", None)
            return str(getattr(crash, "message", "")).startswith(("assert ", "AssertionError", "Failed: "))
        value, places = self.seen.value, [entry.frame.code.raw.co_filename for entry in self.seen.traceback]
        own = {os.path.realpath(path) for path in self.server.files}
        return is_assertion(value) and not (places and os.path.realpath(places[-1]) in own)


def is_assertion(error: Any) -> bool:
    inner = getattr(error, "exceptions", ())
    named = {kind.__name__ for kind in type(error).__mro__}
    return bool(named & LOOKS) or any(is_assertion(one) for one in inner)


LOOKS = {"AssertionError", "Failed", "DocTestFailure", "MultipleDoctestFailures"}


def listen(reading: int, deadline: float) -> dict[str, Any]:
    """What the fork said: its outcome, and the test that ran last. A fork that fell silent failed in that test."""
    found: dict[str, Any] = {"outcome": "crashed", "test": "", "ran": 0}
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return dict(found, outcome="late")
        piece = os.read(reading, 65536)
        if not piece:
            return found
        data += piece
        *lines, data = data.split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "start" in told:
                found.update(test=told["start"], ran=found["ran"] + 1)
            else:
                found.update(told)
                return found


def end(pid: int) -> float:
    """Kills the fork and whatever it left, and returns the processor time that all of it took."""
    before = children_time()
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            continue
    os.waitpid(pid, 0)
    for _ in range(1000):
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            break
        for orphan in children():
            try:
                os.kill(orphan, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(0.001)
    return children_time() - before


def children_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def children() -> list[int]:
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/children" % thread) as file:  # noqa: UP031 - short
            found += [int(word) for word in file.read().split()]
    return found


def be_silent() -> None:
    """Every descriptor that leads to the run's output leads nowhere: pytest's capture keeps copies of it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    outputs = {(status.st_dev, status.st_ino) for status in map(os.fstat, (1, 2))}
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for name in os.listdir(folder):
        descriptor = int(name)
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue
        if descriptor != nowhere and (descriptor in (1, 2) or (status.st_dev, status.st_ino) in outputs):
            os.dup2(nowhere, descriptor, inheritable=descriptor in (1, 2))


def trace_nothing() -> None:
    sys.settrace(None)
    threading.settrace(None)
    monitoring: Any = getattr(sys, "monitoring", None)
    for tool in range(6) if monitoring is not None else ():
        if monitoring.get_tool(tool) is not None:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        os.environ.pop(name, None)


def adopt_orphans() -> None:
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, <linux/prctl.h>


def expect_to_be_killed() -> None:
    """A fault that eats memory meets the kernel's killer before anyone else does."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        return
