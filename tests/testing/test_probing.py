"""Probes of real suites in a run of their own: what the tests notice, and what a hostile process gets from it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.processes import dies

from pytest_moa.model.evidence import Evidence
from pytest_moa.rules.probes.course import Probing
from pytest_moa.rules.probes.plan import Ground, Wish, plan_of
from pytest_moa.rules.probes.record import from_json, replayed, to_json
from pytest_moa.testing.probing import Prober, ProbeRequest, contexts_in, seconds_of
from pytest_moa.testing.raw_data import clean_data
from pytest_moa.testing.request import Group
from pytest_moa.testing.run import run_child

pytestmark = pytest.mark.slow  # forty seconds of real probing

SOURCE = """
    import functools

    def total(prices, discount):
        if len(prices) > 2:
            return sum(prices) - discount
        return sum(prices)

    class Box:
        made = 0

        def __init__(self):
            self.items = []

        def put(self, item):
            self.items.append(item)
            return len(self.items)

        @property
        def full(self):
            return len(self.items) == 2

        @classmethod
        def make(cls):
            box = cls()
            box.put(1)
            return box

        def text(self):
            return f"{self.items}"

    @functools.lru_cache
    def squared(x):
        return x * x + 1

    def adder(n):
        def add(m):
            return n - m
        return add

    ready = adder(1)

    def first(xs):
        for x in xs:
            if x > 1:
                return f"{x}"

    async def later(x):
        if not x:
            return "none"
        return "some"

    def count(n):
        for i in range(n):
            if i != 1:
                yield i
"""
ASSERTING = """
    import asyncio, os, subprocess, sys
    import pytest
    from shop import Box, adder, count, first, later, ready, squared, total

    @pytest.fixture(scope="session")
    def box():
        return Box.make()

    @pytest.mark.parametrize("prices, expected", [([1, 2, 4], 6), ([1], 1)])
    def test_total(prices, expected, tmp_path, capsys):
        assert total(prices, 1) == expected

    def test_nothing(box): pass

    def test_box(box):
        assert box.items == [1]
        assert not box.full
        assert box.put(2) == 2
        assert box.full
        assert box.text() == "[1, 2]"

    def test_functions():
        assert (squared(3), adder(3)(1), ready(1), first([1, 2])) == (10, 2, 0, "2")
        assert [asyncio.run(later(x)) for x in (0, 1)] == ["none", "some"]
        assert list(count(3)) == [0, 2]
"""
HOLLOW = """
    import asyncio
    from shop import Box, adder, count, first, later, ready, squared, total

    def test_all():
        total([1, 2, 4], 1), total([1], 1)
        box = Box.make()
        box.full, box.put(2), box.text()
        squared(3), adder(3)(1), ready(1), first([1, 2])
        [asyncio.run(later(x)) for x in (0, 1)]
        assert list(count(3)) is not None
"""


class Probed:
    """A run of a project's tests with probes, and what they mean when they are followed again."""

    def __init__(self, project: Any, *words: str, wish: Wish | None = None, **facts: Any) -> None:
        text = (project.work / "shop.py").read_text()
        wish = wish or Wish(count=20, seconds=60)
        groups = frozenset({facts["groups"][0].label}) if facts.get("groups") else None
        ground = Ground(texts={"shop.py": text}, lines={"shop.py": None})
        self.prober = Prober({"03": ProbeRequest(ground=ground, wish=wish, groups=groups)})
        request = project.asks(*words, source_dirs=(".",), **facts)
        self.seen: Evidence = run_child(request, prober=self.prober)
        self.record = self.prober.records.get("03")
        self.probing: Probing | None = None
        if self.record is None or self.record.ended != "broken":
            assert (project.work / "shop.py").read_text() == text, "the source is as it was"
        if self.record is not None:
            work, clean = str(project.work.resolve()), request.run_dir / "again"
            assert clean_data(request.run_dir, clean, work=work, to=work) is None
            contexts = contexts_in(clean, work, ground.texts, groups)
            plan = plan_of(ground, contexts, seconds_of(self.seen), wish, self.record.seed)
            travelled = from_json(json.loads(json.dumps(to_json(self.record))))
            assert travelled == self.record
            self.probing = replayed(plan, self.record)
            assert self.probing is not None, "a judge elsewhere follows the same course"

    def meanings(self) -> dict[str, str]:
        assert self.probing is not None
        return {p.fault.told: p.meaning for p in self.probing.results.values()}


@pytest.fixture
def shop(project: Any) -> Any:
    return project.has("shop.py", SOURCE).has("test_shop.py", ASSERTING)


ALL = Wish(count=None, seconds=120, thorough=True)


def test_each_kind_of_function_runs_changed_and_its_tests_notice(shop: Any) -> None:
    probed = Probed(shop, wish=ALL)
    assert (probed.seen.session_status, probed.seen.end.status, probed.seen.problems) == (0, 0, ())
    assert probed.seen.end.survivors == ()
    missed = {told: what for told, what in probed.meanings().items() if what != "noticed"}
    # no test has exactly two prices: the boundary is the one fault that an honest suite may miss
    assert missed == {"> is now >=, in `len(prices) > 2`": "unnoticed"}
    assert len(probed.meanings()) >= 20
    functions = {p.fault.function for p in probed.probing.results.values()} if probed.probing else set()
    assert {"total", "Box.put", "Box.full", "Box.make", "squared", "adder.add", "later", "count"} <= functions


def test_a_suite_that_looks_at_nothing_is_blind_after_few_probes(shop: Any) -> None:
    probed = Probed(shop.has("test_shop.py", HOLLOW))
    assert probed.probing is not None
    assert probed.probing.decision == "blind"
    assert len(probed.probing.results) <= 8
    assert probed.prober.spent


def test_with_xdist_the_tests_are_collected_again_without_it(shop: Any) -> None:
    probed = Probed(shop, "-p", "xdist", "-n2")
    assert (probed.seen.session_status, probed.seen.problems, probed.seen.end.survivors) == (0, (), ())
    assert probed.probing is not None
    assert probed.probing.decision == "fine"


def test_only_the_tests_of_the_group_that_counts_may_notice(shop: Any) -> None:
    shop.has("others/test_theirs.py", ASSERTING).has("test_shop.py", HOLLOW)
    groups = (Group(label="03", paths=("test_shop.py",)), Group(label="others", paths=("others",)))
    probed = Probed(shop, groups=groups)
    assert probed.probing is not None
    assert probed.probing.decision == "blind"
    assert shop.lines("shop.py", contexts=["03"])["shop.py"].missing == {34}, (
        "the label with a test's id behind it is the label"
    )


HASHING = """
    import hashlib, pathlib, pytest, shop
    KNOWN = hashlib.sha256(pathlib.Path(shop.__file__).read_bytes()).digest()

    @pytest.fixture(autouse=True)
    def unchanged():
        yield
        assert hashlib.sha256(pathlib.Path(shop.__file__).read_bytes()).digest() == KNOWN
"""


def test_a_suite_that_only_hashes_the_source_is_blind_all_the_same(shop: Any) -> None:
    shop.has("test_shop.py", textwrap.dedent(HASHING) + textwrap.dedent(HOLLOW))
    probed = Probed(shop)
    assert probed.probing is not None
    assert probed.probing.decision == "blind"
    purposes = {entry.purpose for entry in probed.record.entries} if probed.record else set()
    assert {"placebo", "unchanged"} <= purposes


def test_what_subprocesses_and_late_imports_see_is_changed_too(project: Any) -> None:
    project.has("shop.py", "def price(n):\n    return n - 1\n\ndef main():\n    print(price(int('3')))\n")
    project.has(
        "test_shop.py",
        """
        import subprocess, sys
        def test_shop():
            import shop
            shop.main()
            code = "import shop; shop.main()"
            for _ in range(2):
                done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=".")
                assert done.stdout == "2\\n"
        """,
    )
    assert set(Probed(project, wish=ALL).meanings().values()) == {"noticed"}


def test_a_red_run_is_asked_nothing_and_leaves_nobody_behind(shop: Any) -> None:
    shop.has("test_red.py", "def test_red(): assert 0\n")
    probed = Probed(shop)
    assert (probed.seen.session_status, probed.record) == (1, None)
    assert (probed.seen.problems, probed.seen.end.survivors) == ((), ())


KILLER = """
    import os, signal, pytest

    @pytest.fixture(autouse=True)
    def hostile():
        yield
        if os.environ.get("PYTEST_DEBUG_TEMPROOT"):  # a fork
            os.kill(os.getppid(), signal.SIGKILL)
"""


def test_a_server_that_is_killed_ends_the_probes_and_is_told(shop: Any) -> None:
    probed = Probed(shop.has("test_shop.py", textwrap.dedent(KILLER) + textwrap.dedent(HOLLOW)))
    assert (probed.seen.session_status, probed.seen.end.status) == (0, 0)
    assert probed.record is not None
    assert (probed.record.ended, probed.record.entries) == ("broken", ())


def test_a_fault_that_never_ends_counts_as_noticed_and_its_children_die(project: Any, tmp_path: Path) -> None:
    project.has(
        "shop.py",
        "def wait(n):\n    while True:\n        n -= 1\n        if n == 0:\n            return 3\n",
    )
    note = tmp_path / "pid"
    project.has(
        "test_shop.py",
        f"""
        import pathlib, subprocess, shop
        def test_shop():
            child = subprocess.Popen(["sleep", "100"], start_new_session=True)
            pathlib.Path({str(note)!r}).write_text(str(child.pid))
            shop.wait(3)
            child.kill()
            child.wait()
        """,
    )
    probed = Probed(project, wish=Wish(count=3, seconds=60, thorough=True))
    assert "late" in {entry.answer.outcome for entry in probed.record.entries} if probed.record else False
    assert "noticed" in probed.meanings().values()
    assert dies(int(note.read_text()))


def test_time_that_is_used_up_decides_nothing(shop: Any) -> None:
    shop.has("test_shop.py", "import time\n" + textwrap.dedent(HOLLOW) + "    time.sleep(0.4)\n")
    probed = Probed(shop, wish=Wish(count=None, seconds=1.5, thorough=True))
    assert probed.record is not None
    assert probed.record.ended == "time"
    assert probed.probing is not None
    assert probed.probing.decision is None
