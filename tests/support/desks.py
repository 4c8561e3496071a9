"""A small project with two agents for pytest to be run on, and what such a run left."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# pytester forgets what a run imported, and an extension module cannot be imported twice.
import coverage.tracer  # noqa: F401
import pytest
import pytest_cov.engine  # type: ignore[import-untyped]  # noqa: F401 - imported once here, forked with the rest

import pytest_moa.desk.begin  # noqa: F401 - the same

CONFIG = """\
registry:
  - id: "03"
    name: Core
    source: [src/shop/core.py]
  - id: "04"
    name: Cart
    source: [src/shop/cart.py]
"""

FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\ntestpaths = ["tests"]\n',
    "src/shop/__init__.py": "",
    # 6 statements; the tests of agent 03 run 5 of them
    "src/shop/core.py": (
        "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    if a > b:\n        return a - b\n    return 0\n"
    ),
    "src/shop/cart.py": (
        "from shop.core import add\n\n\ndef total(prices):\n    found = 0\n    for price in prices:\n"
        "        found = add(found, price)\n    return found\n"
    ),
    "tests/agent03/test_core.py": (
        "from shop.core import add, sub\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\n"
        "def test_sub():\n    assert sub(2, 1) == 1\n"
    ),
    "tests/agent04/test_cart.py": (
        "from shop.cart import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    ),
}


@dataclass(frozen=True)
class Ran:
    """How a run ended, what it printed, and the report that it wrote (None: it wrote none)."""

    status: int
    out: str
    err: str
    report: dict[str, Any] | None

    @property
    def gate(self) -> dict[str, Any]:
        assert self.report is not None, self.out + self.err
        return self.report


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


class Desk:
    """A project in pytester's folder; `runs` runs pytest there in a process of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root = pytester.path

    def has(self, files: Mapping[str, str]) -> Desk:
        write(self.root, files)
        return self

    def shop(self, config: str | None = CONFIG) -> Desk:
        """The small shop, with a config unless it is None."""
        return self.has({**FILES, **({"moa.yaml": config} if config is not None else {})})

    def refuses(self, *args: str) -> str:
        """What pytest says of a usage error. Fast: in this process, since no test may run."""
        found = self.pytester.runpytest_inprocess("-p", "no:hypothesispytest", *args)
        assert int(found.ret) == 4, found.stdout.str()
        assert "collected" not in found.stdout.str()
        return found.stderr.str()

    def runs(self, *args: str, report: bool = True, fresh: bool = False) -> Ran:
        """Run pytest here, unless `fresh` in a process forked from this one, which has everything imported already."""
        path = self.root.parent / f"{self.root.name}-report.json"
        path.unlink(missing_ok=True)
        # Other plugins only cost time here.
        words = ["-p", "no:hypothesispytest", *([f"--moa-report={path}"] if report else []), *args]
        status, out, err = self._fresh(words) if fresh else self._forked(words)
        text = path.read_text(encoding="utf-8") if path.exists() else None
        return Ran(status, out, err, json.loads(text) if text else None)

    def _fresh(self, words: list[str]) -> tuple[int, str, str]:
        found = self.pytester.runpytest_subprocess(*words)
        return int(found.ret), found.stdout.str(), found.stderr.str()

    def _forked(self, words: list[str]) -> tuple[int, str, str]:
        left = self.root.parent / f"{self.root.name}-ran.json"
        left.unlink(missing_ok=True)
        with warnings.catch_warnings():
            # The other threads, of rerunfailures and execnet, wait for input and hold no lock that a run wants.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                warnings.resetwarnings()  # that warnings are errors is a matter of these tests, not of that run
                found = self.pytester.runpytest_inprocess(*words)
                left.write_text(json.dumps([int(found.ret), found.stdout.str(), found.stderr.str()]))
            finally:
                os._exit(70)
        os.waitpid(child, 0)
        if not left.exists():
            return 70, "", "the process ended without a word"
        status, out, err = json.loads(left.read_text())
        print(out, err, sep="\n")
        return status, out, err
