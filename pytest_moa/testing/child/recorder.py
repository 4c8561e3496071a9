"""A pytest plugin that writes down what happens, one JSON line an event, and traces coverage. Judges nothing.

PYTEST_DONT_REWRITE. Imported under another name (`_moa_recorder`) by the bootstrap and by xdist's workers.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import _moa_checkouts as checkouts  # type: ignore[import-not-found]  # so the bootstrap names it, beside this file
import _moa_redirects as redirects  # type: ignore[import-not-found]  # the same
import pytest

MESSAGE = 4000
ORDER_VARIABLE = "MOA_CHILD_ORDER"
QUIET = [
    "no-data-collected",
    "module-not-imported",
    "module-not-measured",
    "module-not-python",
    "already-imported",
    "include-ignored",
    "no-sysmon",
    "couldnt-parse",
]
# A line that a failing test ran tells something, also where the project's figures leave its file out.
EVERYTHING: dict[str, list[str]] = {"run:omit": [], "run:include": []}


class Record:
    """The file of events. Only the process that opened it writes: what a test forks stays silent."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.owner = os.getpid()
        self.lock = threading.Lock()

    def mine(self) -> bool:
        return os.getpid() == self.owner

    def write(self, kind: str, **facts: Any) -> None:
        if not self.mine():
            return
        line = json.dumps(dict(facts, kind=kind), ensure_ascii=True).encode("ascii") + b"\n"
        with self.lock:
            while line:
                line = line[os.write(self.descriptor, line) :]

    def begin(self) -> None:
        self.write("begin", python=platform.python_version(), pytest=pytest.__version__)

    def end(self, status: int, problems: list[str]) -> None:
        for problem in problems:
            self.write("problem", message=problem[:MESSAGE])
        self.write("end", status=status)


def dump_stacks_on_signal(run_dir: str) -> None:
    """The supervisor sends this signal at the time limit; the stacks go to a file of the run."""
    import faulthandler
    import signal

    if hasattr(faulthandler, "register"):
        file = open(os.path.join(run_dir, "stacks.txt"), "ab")  # noqa: SIM115 - open as long as the process lives
        faulthandler.register(signal.SIGUSR1, file=file, all_threads=True, chain=False)


class SourceOnly(importlib.machinery.SourceFileLoader):
    """Compiles what it loads: importlib neither reads nor writes bytecode where a source has no stats."""

    def path_stats(self, path: str) -> Any:
        raise OSError(path)


class WorkFinder(importlib.machinery.FileFinder):
    """Finds modules of the work tree. pytest's own loader asks it, too, for the plugins that it rewrites."""

    before: Callable[[], None] = staticmethod(lambda: None)

    def find_spec(self, fullname: str, target: Any = None) -> Any:
        spec = super().find_spec(fullname, target)
        if spec is not None and spec.loader is not None:
            self.before()
        return spec


def read_sources_only(work: str, before: Callable[[], None]) -> None:
    """A stale or planted `.pyc` in the work tree is not read. (A fresh cache for everything costs a second a run.)

    `before` is called before any module of the work tree runs.
    """
    WorkFinder.before = staticmethod(before)
    inside = os.path.join(os.path.realpath(work), "")
    hook = WorkFinder.path_hook(
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (SourceOnly, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
    )

    def for_work(path: str) -> Any:
        place = os.path.join(os.path.realpath(path or os.getcwd()), "")
        if not place.startswith(inside) or os.sep + "site-packages" + os.sep in place:
            raise ImportError(path)
        return hook(path)

    sys.path_hooks.insert(0, for_work)
    for path in [path for path in sys.path_importer_cache if os.path.realpath(path).startswith(inside[:-1])]:
        del sys.path_importer_cache[path]


class Tracing:
    """Coverage of one process, with the candidate's own settings apart from what a judgement rests on.

    Starts at the first module of the candidate or the first conftest, whichever comes first: tracing pytest's
    plugins while they load costs more than everything else.
    """

    def __init__(self, order: dict[str, Any], suffix: str) -> None:
        self.order = order
        self.suffix = suffix
        self.begun = False
        self.owner = os.getpid()
        self.coverage: Any = None
        self.problems: list[str] = []

    def start(self) -> None:
        if self.begun or not self.order["source"]:
            return
        self.begun = True
        try:
            self.configure()
            self.coverage.start()
        except Exception as error:  # noqa: BLE001 - told in the record: without data nothing can be judged
            self.problems.append(self.told("coverage could not start", error))

    def configure(self) -> None:
        import coverage

        core = os.environ.get("COVERAGE_CORE")
        if switches(self.order):
            os.environ["COVERAGE_CORE"] = "ctrace"  # coverage's sysmon core cannot switch contexts
        try:
            self.coverage = coverage.Coverage(
                data_file=self.order["data_file"],
                data_suffix=self.suffix,
                branch=self.order["branch"],
                source=self.order["source"],
                config_file=True,
            )
        finally:
            restore("COVERAGE_CORE", core)
        for name, value in {
            "run:relative_files": False,
            "run:dynamic_context": None,
            "run:context": None,
            "run:source": self.order["source"],
            "run:disable_warnings": [*self.option("disable_warnings"), *QUIET],
            **(EVERYTHING if self.order["each"] else {}),
        }.items():
            self.coverage.set_option(name, value)
        if "multiprocessing" in self.option("concurrency"):
            self.follow_multiprocessing()

    def option(self, name: str) -> list[str]:
        return list(self.coverage.get_option("run:" + name) or [])

    def follow_multiprocessing(self) -> None:
        """Such processes read a settings file of their own: they get one that says what is set here."""
        from coverage.multiproc import patch_multiprocessing

        settings = {
            "branch": ["true" if self.coverage.get_option("run:branch") else "false"],
            "concurrency": self.option("concurrency"),
            "data_file": [self.order["data_file"]],
            "omit": self.option("omit"),
            "source": self.order["source"],
        }
        path = os.path.join(self.order["run_dir"], "multiprocessing.rc")
        lines = [
            name + " = " + "\n    ".join(values).replace("$", "$$")
            for name, values in settings.items()
            if values
        ]
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(["[run]", *lines, ""]))
        patch_multiprocessing(rcfile=path)  # once a process: coverage's own call then changes nothing

    def switch(self, label: str) -> None:
        if self.coverage is not None and not self.problems and os.getpid() == self.owner:
            self.coverage.switch_context(label)

    def stop(self) -> list[str]:
        """Stops and saves; the problems that there were."""
        if self.coverage is None or self.problems:
            return self.problems
        try:
            self.coverage.stop()
            self.coverage.save()
        except Exception as error:  # noqa: BLE001 - told in the record, and the data are missing then
            self.problems.append(self.told("coverage could not save its data", error))
        return self.problems

    @staticmethod
    def told(what: str, error: Exception) -> str:
        return "%s: %s: %s" % (what, type(error).__name__, error)  # noqa: UP031 - the same on every version


def restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class Recorder:
    """Registered in the process that reports: alone, or xdist's controller."""

    def __init__(self, order: dict[str, Any], record: Record, tracing: Tracing) -> None:
        self.order = order
        self.record = record
        self.tracing = tracing
        self.switch = Switch(order, tracing)
        self.open: dict[str, dict[str, Any]] = {}
        self.collected: dict[str, None] = {}

    # pytest-cov would be a second tracer, and its own threshold another judge.
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Iterator[None]:
        silence_pytest_cov(early_config)
        forget_folder(self.order)
        self.tracing.start()
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        if config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(Workers(self), "_moa_workers")

    def plain(self, message: str) -> str:
        """Without the throwaway folder's name, which says nothing to people and differs in every run."""
        return message.replace(os.path.join(self.order["work"], ""), "")

    def collect(self, ids: list[str]) -> None:
        for nodeid in ids:
            if nodeid not in self.collected:
                self.collected[nodeid] = None
                self.record.write("collected", id=nodeid)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: Any) -> Iterator[None]:
        yield
        keep_only(self.order, items)

    def pytest_collection_finish(self, session: Any) -> None:
        self.collect([item.nodeid for item in session.items])

    def pytest_deselected(self, items: Any) -> None:
        for item in items:
            self.record.write("deselected", id=item.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.record.write("collection-error", id=report.nodeid, message=self.plain(message_of(report)))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.switch.to(item)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        yield from self.switch.fixture(fixturedef)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.open[nodeid] = {}
        self.record.write("start", id=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        state = self.open.setdefault(report.nodeid, {})
        fold(state, report)
        if report.when not in {"setup", "call", "teardown"}:  # xdist's report about a worker that crashed
            self.finish(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.finish(nodeid)

    def finish(self, nodeid: str) -> None:
        state = self.open.pop(nodeid, {})
        if state.get("done"):
            self.record.write(
                "outcome",
                id=nodeid,
                outcome=state["outcome"],
                seconds=round(state["seconds"], 6),
                message=self.plain(state["message"]),
            )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: Any) -> None:
        for name, file in checkouts.foreign_modules(self.order):
            self.record.write("foreign", name=name, file=file)
        self.record.write("session", status=int(getattr(session, "exitstatus", exitstatus)))


def keep_only(order: dict[str, Any], items: list[Any]) -> None:
    """Leaves the wanted ids, and what lies below them, alone in the collection, whatever order others gave it."""
    if order["only"] is not None:
        wanted = set(order["only"])
        items[:] = [item for item in items if any(node.nodeid in wanted for node in item.listchain())]


def silence_pytest_cov(config: Any) -> None:
    for options in (config.known_args_namespace, config.option):
        if hasattr(options, "no_cov") or config.pluginmanager.hasplugin("pytest_cov"):
            options.no_cov = True


def forget_folder(order: dict[str, Any]) -> None:
    library = os.path.join(order["run_dir"], "lib")
    sys.path[:] = [entry for entry in sys.path if entry != library]


def fold(state: dict[str, Any], report: Any) -> None:
    """One more report about an item: the worst of an attempt counts, and a rerun begins a new attempt."""
    if report.outcome == "rerun":
        state.clear()
        return
    outcome = outcome_of(report)
    state["seconds"] = state.get("seconds", 0.0) + max(0.0, float(report.duration))
    if WORST.index(outcome) > WORST.index(state.get("outcome", "none")):
        state["outcome"] = outcome
        state["message"] = message_of(report) if outcome != "passed" else ""
    # pytest's subtests report while their test still runs; only the test itself ends it.
    subtest = type(report).__name__.lower() == "subtestreport"
    if report.when not in {"setup", "call"} and not subtest:
        state["done"] = state.get("outcome", "none") != "none"


WORST = ["none", "passed", "xpassed", "skipped", "xfailed", "failed", "error"]


def outcome_of(report: Any) -> str:
    expected_to_fail = hasattr(report, "wasxfail")
    if report.failed:
        return "error" if report.when in {"setup", "teardown"} else "failed"
    if report.skipped:
        return "xfailed" if expected_to_fail else "skipped"
    if report.when != "call":
        return "none"
    return "xpassed" if expected_to_fail else "passed"


def message_of(report: Any) -> str:
    """A short reason: the crash's own message and place where pytest has one."""
    longrepr = report.longrepr
    if getattr(report, "wasxfail", ""):
        return str(report.wasxfail)[:MESSAGE]
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        return str(longrepr[2])[:MESSAGE]
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return ("%s:%s: %s" % (crash.path, crash.lineno, crash.message))[:MESSAGE]  # noqa: UP031 - short
    return str(longrepr or "")[-MESSAGE:]


def switches(order: dict[str, Any]) -> bool:
    return bool(order["source"] and (order["groups"] or order["probes"] or order["each"]))


class Switch:
    """Tells coverage what runs: the group of the test, and for probes the test itself or the fixture that tests share.

    A context is `GROUP`, `GROUP|TEST ID` or `GROUP|@FIXTURE`. Switching costs time, so only when the label changes.
    """

    def __init__(self, order: dict[str, Any], tracing: Tracing) -> None:
        self.tracing = tracing if switches(order) else None
        self.each = bool(order["probes"] or order["each"])
        self.label = ""
        self.group = ""
        self.labels: dict[str, str] = {}
        self.places: list[tuple[str, str]] = sorted(
            (
                (os.path.join(order["project"], path), label)
                for label, paths in order["groups"]
                for path in paths
            ),
            key=lambda pair: -len(pair[0]),
        )

    def to(self, item: Any) -> None:
        if self.tracing is None:
            return
        self.group = self.label_of(str(getattr(item, "path", None) or item.fspath)) if self.places else ""
        self.change(self.group + "|" + item.nodeid if self.each else self.group)

    def change(self, label: str) -> None:
        if self.tracing is not None and label != self.label:
            self.tracing.switch(label)
            self.label = label

    def fixture(self, definition: Any) -> Iterator[None]:
        """What a fixture of a wider scope runs is run for all tests that use it, not for the first of them."""
        if self.tracing is None or not self.each or str(definition.scope) == "function":
            yield
            return
        before = self.label
        self.change("%s|@%s::%s" % (self.group, definition.baseid, definition.argname))  # noqa: UP031 - short
        yield
        self.change(before)

    def label_of(self, file: str) -> str:
        if file not in self.labels:  # a file's tests are many
            self.labels[file] = self.find_label(os.path.realpath(file))
        return self.labels[file]

    def find_label(self, path: str) -> str:
        for place, label in self.places:
            place = os.path.normpath(place)  # noqa: PLW2901 - the same place, spelled plainly
            if path == place or path.startswith(place + os.sep):
                return label
        return ""


class Workers:
    """In xdist's controller: lets each worker load this file before any conftest, and takes in what they saw."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Any) -> None:
        named = os.environ.get("PYTEST_PLUGINS")
        # The workers themselves may read the tools' bytecode, as this process does; what they start may not.
        os.environ.pop("PYTHONPYCACHEPREFIX", None)
        for spec in specs:
            spec.env["PYTEST_PLUGINS"] = __name__ + ("," + named if named else "")
            spec.env["PYTHONPYCACHEPREFIX"] = self.recorder.order["pycache"]
            spec.env[ORDER_VARIABLE] = self.recorder.order["path"]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.recorder.collect(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        told = getattr(node, "workeroutput", {}).get("moa", {})
        for name, file in told.get("foreign", ()):
            self.recorder.record.write("foreign", name=name, file=file)
        for nodeid in told.get("deselected", ()):
            self.recorder.record.write("deselected", id=nodeid)
        for problem in told.get("problems", ()):
            self.recorder.record.write("problem", message=problem)


class Worker:
    """In an xdist worker: traces, and hands over what only the worker can see. The controller writes the record."""

    def __init__(self, order: dict[str, Any], tracing: Tracing) -> None:
        self.order = order
        self.tracing = tracing
        self.switch = Switch(order, tracing)
        self.deselected: list[str] = []

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Iterator[None]:
        silence_pytest_cov(early_config)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: Any) -> Iterator[None]:
        yield
        keep_only(self.order, items)

    def pytest_deselected(self, items: Any) -> None:
        self.deselected += [item.nodeid for item in items]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.switch.to(item)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        yield from self.switch.fixture(fixturedef)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: Any) -> None:
        session.config.workeroutput["moa"] = {
            "foreign": checkouts.foreign_modules(self.order),
            "deselected": self.deselected,
            "problems": self.tracing.stop(),
        }


def start_in_worker() -> Worker | None:
    """The worker's plugin; None where this is not a worker. Descendants of the worker must not inherit the request."""
    path = os.environ.pop(ORDER_VARIABLE, None)
    if path is None:
        return None
    rest = [name for name in os.environ.pop("PYTEST_PLUGINS", "").split(",") if name and name != __name__]
    restore("PYTEST_PLUGINS", ",".join(rest) or None)
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    forget_folder(order)
    checkouts.turn_to_candidate(order)
    redirects.install(order)
    sys.dont_write_bytecode = True
    dump_stacks_on_signal(order["run_dir"])
    tracing = Tracing(order, "%s.%d" % (os.environ.get("PYTEST_XDIST_WORKER", "worker"), os.getpid()))  # noqa: UP031 - short
    read_sources_only(order["work"], tracing.start)
    tracing.start()
    return Worker(order, tracing)


WORKER = start_in_worker()
if WORKER is not None:
    # pytest registers this module as a plugin: its hooks are the worker's.
    pytest_load_initial_conftests = WORKER.pytest_load_initial_conftests
    pytest_collection_modifyitems = WORKER.pytest_collection_modifyitems
    pytest_deselected = WORKER.pytest_deselected
    pytest_runtest_protocol = WORKER.pytest_runtest_protocol
    pytest_fixture_setup = WORKER.pytest_fixture_setup
    pytest_sessionfinish = WORKER.pytest_sessionfinish
