"""Probes for several agents in one run: each has its own tests, its own record and its own time."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_moa.rules.probes.course import Probing
from pytest_moa.rules.probes.plan import Ground, Wish, plan_of
from pytest_moa.rules.probes.record import replayed
from pytest_moa.testing.probing import Prober, ProbeRequest, contexts_in, seconds_of
from pytest_moa.testing.raw_data import clean_data
from pytest_moa.testing.request import Group
from pytest_moa.testing.run import run_child

LOOKING = "import {name}\ndef test_{name}(): assert {name}.f(1) == 2\n"
BLIND = "import {name}\ndef test_{name}(): {name}.f(1)\n"
# Whoever changes the code kills the server: it is the parent of the process in which a probe's tests run.
DEADLY = """\
import os, time, {name}
def test_{name}():
    if {name}.f(1) != 2:
        os.kill(os.getppid(), 9)
        time.sleep(600)
"""
ENDLESS = "import time, {name}\ndef test_{name}():\n    while {name}.f(1) != 2: time.sleep(0.01)\n"


class Team:
    """Agents `a`, `b`, … with a module and tests each; `asks` runs everything once, with probes of all of them."""

    def __init__(self, project: Any, **tests: str) -> None:
        self.project = project
        self.names = list(tests)
        for name, text in tests.items():
            project.has(f"{name}.py", "def f(x):\n    return x + 1\n")
            project.has(f"tests/{name}/test_{name}.py", text.format(name=name))

    def asks(self, *words: str, seconds: float = 30.0) -> dict[str, str]:
        """How each agent's probes ended, once a judge elsewhere has followed each record again."""
        groups = tuple(Group(label=name, paths=(f"tests/{name}",)) for name in self.names)
        wish = Wish(count=4, seconds=seconds)
        wanted = {
            name: ProbeRequest(
                ground=Ground(texts={f"{name}.py": self.text(name)}, lines={f"{name}.py": None}),
                wish=wish,
                groups=frozenset({name}),
            )
            for name in self.names
        }
        prober = Prober(wanted)
        request = self.project.asks(*words, source_roots=(".",), source_dirs=(".",), groups=groups)
        self.seen = run_child(request, prober=prober)
        self.probings: dict[str, Probing] = {}
        work, clean = str(self.project.work.resolve()), request.run_dir / "again"
        assert clean_data(request.run_dir, clean, work=work, to=work) is None
        for name, record in prober.records.items():
            ground, seconds_each = wanted[name].ground, seconds_of(self.seen)
            contexts = contexts_in(clean, work, ground.texts, frozenset({name}))
            probing = replayed(plan_of(ground, contexts, seconds_each, wish, record.seed), record)
            assert probing is not None
            self.probings[name] = probing
        return {name: record.ended for name, record in prober.records.items()}

    def text(self, name: str) -> str:
        return str((self.project.work / f"{name}.py").read_text())

    def blind(self) -> dict[str, bool]:
        return {
            name: all(p.meaning != "noticed" for p in probing.results.values())
            for name, probing in self.probings.items()
        }


@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-p", "xdist", "-n2"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_each_agents_probes_are_answered_by_its_own_tests(project: Any, workers: tuple[str, ...]) -> None:
    team = Team(project, a=LOOKING, b=BLIND, c=LOOKING)
    # Another's tests would notice what b's do not.
    project.has("tests/c/test_more.py", "import b\ndef test_more(): assert b.f(1) == 2\n")
    assert team.asks(*workers) == dict.fromkeys("abc", "answered")
    assert team.blind() == {"a": False, "b": True, "c": False}
    assert (team.seen.session_status, team.seen.problems, team.seen.end.survivors) == (0, (), ())


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-p", "xdist", "-n2"), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_who_takes_the_server_along_ends_its_own_probes_alone(project: Any, workers: tuple[str, ...]) -> None:
    team = Team(project, a=DEADLY, b=LOOKING, c=DEADLY, d=LOOKING)
    sources = {name: team.text(name) for name in "abcd"}
    assert team.asks(*workers) == {"a": "broken", "b": "answered", "c": "broken", "d": "answered"}
    assert (team.blind()["b"], team.blind()["d"]) == (False, False)
    assert team.seen.session_status == 0
    assert {name: team.text(name) for name in "bd"} == {name: sources[name] for name in "bd"}


@pytest.mark.slow
def test_who_hangs_uses_up_its_own_time_alone(project: Any) -> None:
    team = Team(project, a=ENDLESS, b=LOOKING)
    ended = team.asks(seconds=2.5)
    assert (ended["a"], ended["b"], team.blind()["b"]) == ("time", "answered", False)
    assert (team.seen.end.timed_out, team.seen.session_status) == (False, 0)
