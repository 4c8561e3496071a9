"""The plugin's hooks in the process that judges: listens, and at the end measures, judges, writes and tells."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_moa.desk.bench import OUTPUT, Bench
from pytest_moa.desk.judge import Measuring, results
from pytest_moa.desk.orders import Orders, withdraw
from pytest_moa.desk.plan import Plan, can_measure
from pytest_moa.desk.report import as_json, in_a_line, write
from pytest_moa.desk.review import Review, Seen
from pytest_moa.desk.witness import Witness
from pytest_moa.model.evidence import ForeignModule
from pytest_moa.model.results import GateResult
from pytest_moa.render.terminal import gate_lines


class Desk:
    """Registered once, in the process that the user started; `bench` runs tests there unless workers do."""

    def __init__(self, plan: Plan, orders: Orders, bench: Bench, *, environment: Mapping[str, str]) -> None:
        self.plan = plan
        self.orders = orders
        self.bench = bench
        self.witness = Witness()
        self.results: tuple[GateResult, ...] = ()
        self.letter: Path | None = None
        self.review: Review | None = None
        self._lastfailed = False
        self._started = time.monotonic()
        self._before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)

    def pytest_report_header(self) -> str:
        who = f"agent {self.plan.alone}" if self.plan.alone is not None else f"{len(self.plan.agents)} agents"
        origin = self.plan.place.loaded.origin or "defaults"
        return f"moa: {who}, policy: {origin}, {len(self.plan.own_files)} files of own code"

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        # Read before the run: afterwards the cache tells of this one.
        cache = getattr(session.config, "cache", None)
        self._lastfailed = bool(cache and cache.get("cache/lastfailed", {}))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.witness.saw_collected(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.witness.saw_collected(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        news = getattr(node, "workeroutput", None) or {}
        self.witness.foreign += [ForeignModule(name=name, file=file) for name, file in news.get(OUTPUT, ())]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.witness.deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.witness.saw_collection(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.witness.saw(report)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest calls its own early ends interrupts, too: broken collection, pytest.exit, -x under xdist.
        self.witness.interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge. pytest-cov has combined its data in its own wrapper around the test loop by now."""
        if session.config.option.collectonly:
            return
        self.witness.foreign += self.bench.foreign()
        evidence = self.witness.evidence(int(exitstatus), platform.python_version())
        self.results = results(
            self.plan,
            self.orders,
            evidence,
            self._measuring(session.config),
            partial=self._partial(session.config),
            seen=self._seen(),
            seconds=time.monotonic() - self._started,
        )
        if self.plan.report is not None:
            write(self.plan.report, as_json(self.results, self.plan.alone))
        if int(exitstatus) == 0 and not _may_pass(self.results):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.results:
            return
        if terminalreporter.verbosity < 0:
            for result in self.results:
                terminalreporter.write_line(in_a_line(result), **_colour([result]))
            return
        for result in self.results:
            terminalreporter.write_sep("=", f"moa: agent {result.agent}", **_colour([result]))
            for line in gate_lines(result):
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        if self.letter is not None:
            withdraw(self.letter)
        if self.review is not None:
            self.review.stop()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _seen(self) -> Mapping[str, Seen]:
        """What the rules see, by agent; nobody's changes but those of the checked-out branch are looked at."""
        return {} if self.review is None else {self.review.agent: self.review.seen()}

    def _measuring(self, config: pytest.Config) -> Measuring:
        plugin = config.pluginmanager.getplugin("_cov")
        controller = getattr(plugin, "cov_controller", None)
        if controller is None or not can_measure(config.option):
            return Measuring(cov=None)
        # Only `finish` makes the combined data the controller's: before it, this process' own would be judged.
        done = controller.cov is not None and controller.cov is controller.combining_cov
        return Measuring(cov=controller.cov if done else None, sources=config.option.cov_source)

    def _partial(self, config: pytest.Config) -> str | None:
        """Why the run is only a part of the agent's tests, in words; None where it is all of them."""
        option, plan = config.option, self.plan
        reasons = {
            "the run was interrupted": self.witness.interrupted,
            f"{', '.join(plan.typed.selections)} left tests out": bool(plan.typed.selections),
            "the paths leave out tests of the agent": bool(plan.left_out),
            "--lf ran what failed last": getattr(option, "lf", False)
            and (self._lastfailed or option.last_failed_no_failures == "none"),
            "--sw ran a step": getattr(option, "stepwise", False)
            and (bool(self.witness.deselected) or self.witness.stopped()),
            "it stopped at the first failures (-x or --maxfail)": option.maxfail and self.witness.stopped(),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


def _may_pass(found: Sequence[GateResult]) -> bool:
    """Whether the exit status is left to the tests: nobody failed, nobody is in doubt, and somebody was judged."""
    if any(result.partial for result in found):
        return True
    return {result.verdict for result in found} in ({"passed"}, {"passed", None})


def _colour(found: Sequence[GateResult]) -> dict[str, bool]:
    verdicts = {result.verdict for result in found}
    if verdicts == {"passed"}:
        return {"green": True}
    return {"red": True} if "failed" in verdicts else {"yellow": True}
