"""The part of the plugin that lives in every process that runs tests: order, contexts, where modules came from."""

from __future__ import annotations

import pytest

from pytest_moa.desk.measure import foreign
from pytest_moa.desk.order import group_of, in_few_switches, label
from pytest_moa.desk.orders import Orders
from pytest_moa.model.evidence import ForeignModule

OUTPUT = "moa_foreign"


def bench_for(orders: Orders) -> Bench:
    return Switching(orders) if orders.contexts else Bench(orders)


class Bench:
    """Registered in the process that runs the tests; in an xdist worker its news travel with the worker's output."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self._labels: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.orders.contexts:
            items[:] = in_few_switches(items, self.label_of, _chain)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = [[found.name, found.file] for found in self.foreign()]

    def foreign(self) -> tuple[ForeignModule, ...]:
        return foreign(self.orders.modules, self.orders.root)

    def label_of(self, item: pytest.Item) -> str:
        path = str(item.path)
        if path not in self._labels:
            self._labels[path] = label(group_of(path, self.orders.groups))
        return self._labels[path]


class Switching(Bench):
    """The same where groups have contexts of their own. Apart, since a hook around each test is not free."""

    _label: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        if getattr(item.config.option, "cov_context", None):
            return
        wanted = self.label_of(item)
        controller = getattr(item.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        # pytest-cov 5 has no `started`; there a controller that exists has begun
        if wanted != self._label and controller is not None and getattr(controller, "started", True):
            controller.cov.switch_context(wanted)
            self._label = wanted


def _chain(item: pytest.Item) -> list[str]:
    """The packages around an item, outermost first, and its module: what fixtures may be scoped to."""
    nodes = [
        node.nodeid
        for node in item.listchain()
        if isinstance(node, (pytest.Package, pytest.Module, pytest.File))
    ]
    return nodes or [item.nodeid]
