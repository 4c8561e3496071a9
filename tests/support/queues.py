"""Queues told as stories: a dozen agents of whom some break something, a call of moa, and what must hold afterwards.

Everything is looked at from outside: the project's own conftest writes down each session that runs tests, and git
says what the target ever held.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked import forked
from support.repos import Content, Repo, run
from support.shop import BASE, LIMITS, Files, with_function
from support.watched import TARGET, Watched

_EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z


@dataclass(frozen=True)
class Said:
    """What a call of `moa integrate` answered; `sessions` are the runs of tests that were seen from outside."""

    code: int
    out: str
    err: str
    seconds: float
    sessions: tuple[Mapping[str, Any], ...]

    @property
    def data(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"exit {self.code}, no JSON\n{self.out}\n{self.err}") from None

    @property
    def landed(self) -> list[str]:
        return [row["agent"] for row in self.data["landed"]]

    @property
    def rejected(self) -> dict[str, Any]:
        return {row["agent"]: row for row in self.data["rejected"]}

    @property
    def classes(self) -> dict[str, str]:
        return {agent: row["class"] for agent, row in self.rejected.items()}

    @property
    def runs(self) -> int:
        """Children that ran tests, as moa says and as was seen; the two have to agree."""
        said = int(self.data["runs"])
        assert said == len(self.sessions), f"moa says {said} runs, seen were {self.told()}"
        return said

    def told(self) -> list[tuple[Any, ...]]:
        return [(s.get("agents"), s.get("items"), s.get("status")) for s in self.sessions]


class Queue(Watched):
    """A repository with a target and a dozen agents; what is said of them is built with the first call of moa."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.base: Files = dict(BASE)
        self.branches: dict[str, Files] = {}
        self.trailers: dict[str, dict[str, str]] = {}
        self.config: dict[str, Any] = {
            "environment": {"keep": ["STORY", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"]},
            "registry": [],
        }
        self.later: Files = {}
        self.pairs = 0
        self.built = False
        self.starts = ""

    # What there is

    def team(self, size: int = 12, *, remote: bool = False) -> Queue:
        """So many agents, each with a module of its own that its own tests cover."""
        self.bare = remote
        for number in range(1, size + 1):
            self.green(f"{number:02}")
        return self

    def green(self, agent: str) -> Queue:
        name = f"feature_{agent}"
        source = f"def {name}(x):\n    if x < 0:\n        return 0\n    return x + 1\n"
        return self.adds(agent, name, source, holds=f"{name}(1) == 2 and {name}(-1) == 0")

    def adds(self, agent: str, name: str, source: str, *, holds: str) -> Queue:
        """A module with a function of its name, and a test of the agent's own that says what holds of it."""
        text = f"from shop.{name} import {name}\n\n\ndef test_{name}():\n    assert {holds}\n"
        return self.writes(agent, {f"src/shop/{name}.py": source, f"tests/agent{agent}/test_{name}.py": text})

    def writes(self, agent: str, files: Mapping[str, Content]) -> Queue:
        assert not self.built, "the repository stands already: use prepared()"
        self.branches.setdefault(agent, {}).update(files)
        return self

    # What may be wrong with an agent

    def culprit(self, agent: str) -> Queue:
        """Its own new test fails."""
        name = f"wrong_{agent}"
        return self.adds(agent, name, f"def {name}(x):\n    return x + 2\n", holds=f"{name}(1) == 2")

    def breaks_old_test(self, agent: str) -> Queue:
        """A test of the target fails, and its own code is tested all the same."""
        return self.changes(agent, "core", "double", "    return 3 * x", holds="double(1) == 3")

    def changes(self, agent: str, module: str, function: str, body: str, *, holds: str) -> Queue:
        """It changes a function of the target; `holds` is what its own test says of it."""
        path = f"src/shop/{module}.py"
        before = self.branches[agent].get(path) or self.base[path]
        assert isinstance(before, str)
        test = (
            f"from shop.{module} import {function}\n\n\n"
            f"def test_{function}_of_{agent}():\n    assert {holds}\n"
        )
        return self.writes(
            agent,
            {
                path: with_function(before, function, body),
                f"tests/agent{agent}/test_{function}_of_{agent}.py": test,
            },
        )

    def data_culprit(self, agent: str) -> Queue:
        """A data file that a test of the target reads: the lines of that test's run name nobody."""
        return self.writes(agent, {"src/shop/rates.json": '{"eur": 100, "usd": 0}\n'})

    def import_time_constant(self, agent: str) -> Queue:
        """A constant that is set while its module is imported, when no test runs."""
        return self.writes(agent, {"src/shop/constants.py": "RATE = 4\n"})

    def deletes_a_function(self, agent: str) -> Queue:
        """A test module of the target cannot be imported any more; the branch only took lines away."""
        before = self.base["src/shop/legacy.py"]
        assert isinstance(before, str)
        return self.writes(agent, {"src/shop/legacy.py": before[: before.index("\n\ndef old_way")]})

    def pair(self, one: str, other: str) -> Queue:
        """Green each by itself: the one changes what a function answers, the other relies on the old answer."""
        limit = LIMITS[self.pairs]
        self.pairs += 1
        self.changes(one, "limits", limit, "    return 20", holds=f"{limit}() == 20")
        name = f"room_{other}"
        source = f"from shop.limits import {limit}\n\n\ndef {name}(n):\n    return {limit}() - n\n"
        return self.adds(other, name, source, holds=f"{name}(3) == 7")

    def pair_by_data(self, one: str, other: str) -> Queue:
        """The same by a data file, which no executed line tells of."""
        test = 'from shop.rates import rate\n\n\ndef test_euro():\n    assert rate("eur") == {}\n'
        self.writes(one, {"src/shop/rates.json": '{"eur": 90, "usd": 108}\n'})
        self.writes(one, {f"tests/agent{one}/test_euro_{one}.py": test.format(90)})
        return self.writes(other, {f"tests/agent{other}/test_euro_{other}.py": test.format(100)})

    def flake(self, agent: str, times: int = 1) -> Queue:
        """Its own new test fails so many times, then passes."""
        return self.writes(
            agent, {f"tests/agent{agent}/test_flaky_{agent}.py": _flaky(f"flaky-{agent}")}
        )._store(f"flaky-{agent}", str(times))

    def flake_of_the_target(self, times: int = 1) -> Queue:
        return self._store("flaky-old", str(times))

    def hang(self, agent: str) -> Queue:
        text = "import time\n\n\ndef test_waits():\n    time.sleep(3600)\n"
        return self.writes(agent, {f"tests/agent{agent}/test_waits_{agent}.py": text})

    def crashes(self, agent: str) -> Queue:
        """The interpreter dies in its code, without a word."""
        name = f"crash_{agent}"
        source = (
            f"import sys\n\n\ndef {name}(x):\n    sys.setrecursionlimit(10**8)\n"
            "    deep = []\n    for _ in range(10**6):\n        deep = [deep]\n    return repr(deep) and x + 1\n"
        )
        return self.adds(agent, name, source, holds=f"{name}(1) == 2")

    def syntax_error(self, agent: str) -> Queue:
        """One of its test modules is no Python, which anybody can see without running it."""
        return self.writes(
            agent, {f"tests/agent{agent}/test_broken_{agent}.py": "def test_broken(:\n    pass\n"}
        )

    def import_error(self, agent: str) -> Queue:
        """One of its test modules cannot be imported, which ends a plain run before any test."""
        text = "from shop.not_there import anything\n\n\ndef test_anything():\n    assert anything\n"
        return self.writes(agent, {f"tests/agent{agent}/test_broken_{agent}.py": text})

    def takes_a_test_away(self, agent: str) -> Queue:
        """It games the gate where anybody can see it without running anything."""
        return self.writes(agent, {"tests/test_limits.py": None})

    def rewrites_an_old_test(self, agent: str) -> Queue:
        """It changes what a function answers, and the target's test of it likewise."""
        before = self.base["tests/test_core.py"]
        assert isinstance(before, str)
        test = before.replace("half(4) == 2", "half(4) == 1")
        self.changes(agent, "core", "half", "    return x / 4", holds="half(8) == 2")
        return self.writes(agent, {"tests/test_core.py": test})

    def low_coverage(self, agent: str) -> Queue:
        lines = "".join(f"    x = x + {n}\n" for n in range(9))
        return self.writes(
            agent, {f"src/shop/untested_{agent}.py": f"def untested(x):\n{lines}    return x\n"}
        )

    def covered_by_others_only(self, agent: str, by: str) -> Queue:
        """Code that the agent's own tests leave alone, and that another's tests run."""
        lines = "".join(f"    x = x + {n}\n" for n in range(9))
        walk = (
            "import importlib\nimport pkgutil\n\nimport shop\n\n\ndef test_everything_describes_itself():\n"
            "    for found in pkgutil.iter_modules(shop.__path__):\n"
            "        module = importlib.import_module(f'shop.{found.name}')\n"
            "        assert getattr(module, 'describe', str)(1)\n"
        )
        self.writes(by, {f"tests/agent{by}/test_walk_{by}.py": walk})
        return self.writes(
            agent,
            {
                f"src/shop/lonely_{agent}.py": f"def describe(x):\n{lines}    return x\n",
                f"tests/agent{agent}/test_lonely_{agent}.py": (
                    f"from shop import lonely_{agent}\n\n\ndef test_lonely():\n    assert lonely_{agent}\n"
                ),
            },
        )

    def conflict(self, *agents: str) -> Queue:
        """They write the same line."""
        for agent in agents:
            name = f"shop {agent}"
            test = f'from shop.settings import NAME\n\n\ndef test_name_of_{agent}():\n    assert NAME == "{name}"\n'
            self.writes(
                agent,
                {
                    "src/shop/settings.py": f'NAME = "{name}"\n',
                    f"tests/agent{agent}/test_name_of_{agent}.py": test,
                },
            )
        return self

    def conflicts_with_target(self, agent: str) -> Queue:
        self.later["src/shop/settings.py"] = 'NAME = "the target\'s"\n'
        return self.conflict(agent)

    # What may be wrong with everything

    def red_target(self) -> Queue:
        self.base["tests/test_red.py"] = "def test_red():\n    assert 1 == 2\n"
        return self

    def missing_command(self) -> Queue:
        self.config["environment"]["python"] = "python-that-is-not-there"
        return self

    # What is said of them

    def says(self, agent: str, **keys: Any) -> Queue:
        """Words of the registry: depends_on, priority, …"""
        row = next((row for row in self.config["registry"] if row["id"] == agent), None)
        if row is None:
            self.config["registry"].append(row := {"id": agent})
        row.update(keys)
        for other in keys.get("depends_on", ()):  # the registry wants to know whoever it names
            self.says(other)
        return self

    def with_config(self, section: str, **keys: Any) -> Queue:
        self.config.setdefault(section, {}).update(keys)
        return self

    def not_ready(self, agent: str) -> Queue:
        self.trailers.setdefault(agent, {})["Moa-Ready"] = "no"
        return self

    # The repositories

    def build(self) -> Queue:
        """One fast-import, and a clone where there is a remote."""
        if self.built:
            return self
        self.built = True
        self.story.mkdir(parents=True, exist_ok=True)
        repo = Repo.create(self.truth.path, bare=self.bare)
        repo.git("config", "core.logAllRefUpdates", "always")
        repo.git("fast-import", "--quiet", "--done", text=self._stream())
        if self.bare:
            run(["git", "clone", "-q", str(repo.path), str(self.path)], self.place, os.environ)
        else:
            repo.git("read-tree", "-m", "-u", "HEAD")
        self.starts = self.target()
        self.moved = self.heads()
        return self

    def _stream(self) -> bytes:
        config = json.dumps(self.config, indent=1)
        parts = [_commit(TARGET, 0, {**self.base, "moa.yaml": config})]
        for number, (agent, files) in enumerate(self.branches.items(), start=1):
            trailers = self.trailers.get(agent)
            parts.append(_commit(self.ref(agent), number, files, trailers=trailers, parent=TARGET))
        if self.later:
            parts.append(_commit(TARGET, 90, self.later))
        return b"".join([*parts, b"done\n"])

    def ref(self, agent: str) -> str:
        return f"refs/heads/agent-{agent}-work"

    def prepared(self, ref: str, files: Mapping[str, Content], *, at: str | None = None) -> str:
        """A commit on top of `at` (else of `ref`) that no branch holds yet."""
        self.build()
        name = f"refs/story/{len(self.truth.refs())}"
        parent = self.truth.head(at or ref)
        self.truth.git(
            "fast-import",
            "--quiet",
            "--done",
            text=_commit(name, 200, files, parent=parent) + b"done\n",
        )
        return self.truth.head(name)

    def foreign_commit(self, files: Mapping[str, Content] | None = None) -> str:
        """A commit that somebody else is about to push to the target."""
        commit = self.prepared(TARGET, files or {"docs/other.md": "Somebody else's.\n"})
        self.foreign.add(commit)
        return commit

    def moves(self, ref: str, commit: str) -> None:
        """Somebody else moves a branch, in any direction."""
        self.build()
        self.truth.git("update-ref", ref, commit)
        self._somebody_moved(ref, commit)

    def _somebody_moved(self, ref: str, commit: str) -> None:
        if ref == TARGET:
            self.foreign.add(commit)
        else:
            self.moved[ref] = commit

    # In the middle

    def during(self, session: int, script: str) -> Queue:
        """A script that runs while the n-th session (from 1, over all calls) is about to run its tests."""
        self.build()
        (self.story / f"during-{session}").write_text(f"set -e\n{script}\n")
        return self

    def moves_during(self, session: int, ref: str, commit: str) -> Queue:
        self._somebody_moved(ref, commit)
        return self.during(session, f"git -C '{self.truth.path}' update-ref {ref} {commit}")

    def hook(self, name: str, script: str) -> Queue:
        """A hook of the remote; pushes that are no business of the story's pass it by setting STORY_PASS."""
        self.build()
        path = self.truth.path / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return self

    def git_does(self, script: str) -> dict[str, str]:
        """Variables under which moa's own git calls go through a script: `$*` is the call, `real` runs it."""
        folder = self.place / "bin"
        folder.mkdir(exist_ok=True)
        real = shutil.which("git")
        (folder / "git").write_text(
            f'#!/bin/sh\nreal() {{ {real} "$@"; }}\n'
            "case \"$(tr '\\0' ' ' < /proc/$PPID/cmdline)\" in\n"
            f"*'pytest_moa integrate'*) ;;\n*) exec {real} \"$@\" ;;\nesac\n"
            f"STORY={self.story}\n{script}\n"
        )
        (folder / "git").chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def _store(self, name: str, text: str) -> Queue:
        self.story.mkdir(parents=True, exist_ok=True)
        (self.story / name).write_text(text)
        return self

    # Calls

    def environ(self) -> dict[str, str]:
        return {**os.environ, "STORY": str(self.story), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def integrates(self, *args: str, env: Mapping[str, str] | None = None, within: float = 120) -> Said:
        """`moa integrate --all` as a user calls it; other words replace `--all`."""
        if env is not None:  # whoever is told about a call by its command line wants to see it
            return self.ended(self.begins(*args, env=env), within)
        self._starts()
        code, out, err = forked(_words(args), self.path, self.environ(), within)
        return self._said(code, out, err)

    def begins(
        self, *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """The same, left running in a session of its own."""
        self._starts()
        return subprocess.Popen(
            [*MOA, *_words(args)],
            cwd=cwd or self.path,
            env={**self.environ(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def ended(self, process: subprocess.Popen[bytes], within: float = 120) -> Said:
        try:
            out, err = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"still at work after {within} s: {err.decode()}") from None
        return self._said(process.returncode, out.decode(), err.decode())

    def _starts(self) -> None:
        self.build()
        self.before = {path.name for path in self.story.glob("session-*.json")}
        self.since = time.monotonic()

    def _said(self, code: int, out: str, err: str) -> Said:
        seconds = time.monotonic() - self.since
        said = Said(code, out, err, seconds, self.sessions(self.before))
        print(f"exit {said.code} in {seconds:.1f} s\n{said.out}\n{said.err}")
        print(*said.told(), sep="\n")
        return said

    def moa(self, *args: str, code: int = 0) -> str:
        """Another verb of moa, in the clone; what it printed."""
        found, out, err = forked(args, self.build().path, self.environ(), 60)
        assert found == code, f"exit {found}\n{out}\n{err}"
        return out + err


MOA = (sys.executable, "-P", "-m", "pytest_moa")


def _words(args: tuple[str, ...]) -> tuple[str, ...]:
    return ("integrate", *(args or ("--all",)), "--json", "--probes", "0")


def _commit(
    ref: str,
    minute: int,
    files: Mapping[str, Content],
    *,
    message: str = "Work",
    trailers: Mapping[str, str] | None = None,
    parent: str | None = None,
) -> bytes:
    who = f"Agent <agent@example.invalid> {_EPOCH + 60 * minute} +0000\n".encode()
    text = message + "\n" + ("\n" + "".join(f"{k}: {v}\n" for k, v in trailers.items()) if trailers else "")
    stream = b"commit " + ref.encode() + b"\nauthor " + who + b"committer " + who + _data(text.encode())
    if parent is not None:
        stream += b"from " + parent.encode() + b"\n"
    for name, content in files.items():
        if content is None:
            stream += b"D " + name.encode() + b"\n"
        else:
            data = content.encode() if isinstance(content, str) else content
            stream += b"M 100644 inline " + name.encode() + b"\n" + _data(data)
    return stream + b"\n"


def _data(content: bytes) -> bytes:
    return b"data " + str(len(content)).encode() + b"\n" + content + b"\n"


def _flaky(name: str) -> str:
    return (
        "import os\nfrom pathlib import Path\n\n\ndef test_now_and_then():\n"
        f"    left = Path(os.environ['STORY']) / '{name}'\n    times = int(left.read_text())\n"
        "    left.write_text(str(max(0, times - 1)))\n    assert times == 0\n"
    )
