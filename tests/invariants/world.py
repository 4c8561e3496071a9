"""The world that the machine plays in: a target, agents' branches, people who move both, and what is known of each head."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from invariants.truth import Suites, Truth
from support.faults import GIT, Answer, Fault, Forking, Hook, Patched, Running, begins
from support.repos import Repo, run

TARGET = "refs/heads/develop"
LEDGER = "refs/heads/moa/ledger"
Work = Literal["green", "red", "breaks", "changes a knob", "relies on a knob", "low", "name", "documents"]
WORKS: tuple[Work, ...] = (
    "green",
    "green",
    "red",
    "breaks",
    "changes a knob",
    "relies on a knob",
    "low",
    "name",
    "documents",
)

CONFTEST = '''\
import os
import subprocess
from pathlib import Path

STORY = os.environ.get("STORY")


def pytest_sessionstart(session):
    """Once, whatever a story wants to happen while tests run."""
    if STORY is None or session.config.option.collectonly:
        return
    script = Path(STORY) / "during"
    try:
        script.rename(script.with_name("during-now"))
    except OSError:
        return
    subprocess.run(["sh", str(script.with_name("during-now"))], check=False)
'''

CONFIG = {
    "environment": {"keep": ["STORY", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"]},
    "agents": {"max_parallel_integrations": 2, "timeout": 100},
}

BASE: dict[str, str] = {
    "conftest.py": CONFTEST,
    "moa.yaml": json.dumps(CONFIG, indent=1),
    "app/__init__.py": "",
    "app/core.py": "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n",
    "app/knobs.py": "def left():\n    return 10\n\n\ndef middle():\n    return 10\n\n\ndef right():\n    return 10\n",
    "app/name.py": 'NAME = "app"\n',
    "tests/test_core.py": (
        "from app.core import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\n"
        "def test_half():\n    assert half(4) == 2\n"
    ),
}
KNOBS = ("left", "middle", "right")


def files_of(work: Work, agent: str, number: int, knob: str) -> dict[str, str]:  # noqa: PLR0911 - one kind of work each
    """What an agent commits. The number makes names its own, so that truth follows from what is merged alone."""
    name, tests = f"part_{agent}_{number}", f"tests/agent{agent}"
    source, test = f"app/{name}.py", f"{tests}/test_{name}.py"

    def tested(holds: str, module: str = name, imported: str = name) -> str:
        return f"from app.{module} import {imported}\n\n\ndef test_{name}():\n    assert {holds}\n"

    match work:
        case "green":
            return {
                source: f"def {name}(x):\n    return x + {number}\n",
                test: tested(f"{name}(1) == {1 + number}"),
            }
        case "red":
            return {source: f"def {name}(x):\n    return x - 1\n", test: tested(f"{name}(1) == 2")}
        case "breaks":
            broken = BASE["app/core.py"].replace("return 2 * x", "return x + x + 1")
            return {"app/core.py": broken, test: tested("double(1) == 3", "core", "double")}
        case "changes a knob":
            return {
                "app/knobs.py": _turned(knob),
                test: tested(f"{knob}() == 20", "knobs", knob),
            }
        case "relies on a knob":
            text = f"from app.knobs import {knob}\n\n\ndef {name}(x):\n    return {knob}() - x\n"
            return {source: text, test: tested(f"{name}(3) == 7")}
        case "low":
            lines = "".join(f"    x += {n}\n" for n in range(60))
            return {f"app/untested_{name}.py": f"def {name}(x):\n{lines}    return x\n"}
        case "name":
            mine = f"app of {agent}, {number}"
            return {"app/name.py": f'NAME = "{mine}"\n', test: tested(f'NAME == "{mine}"', "name", "NAME")}
        case "documents":
            return {f"docs/{name}.md": f"Words of agent {agent}.\n"}


def _turned(knob: str) -> str:
    return BASE["app/knobs.py"].replace(f"def {knob}():\n    return 10", f"def {knob}():\n    return 20")


@dataclass(frozen=True, slots=True)
class Head:
    """A head that an agent's branch has had, and whether lines of it are left untested."""

    agent: str
    commit: str
    low: bool = False


@dataclass(kw_only=True)
class Place:
    """Where somebody calls moa: a clone, with a cache and a temporary folder of a machine of its own."""

    path: Path
    home: Path

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    def environ(self, story: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "STORY": str(story),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@dataclass(kw_only=True)
class World:
    """`foreign` are commits that people put on the target. `dropped` are those that people took from it again.

    `mutant` is what every call of moa is changed by. `heads` is where each agent's branch has to be; `known` every head that there ever was.
    """

    place: Path
    moa: Forking
    suites: Suites
    local: bool = False
    heads: dict[str, Head] = field(default_factory=dict)
    known: dict[str, Head] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    frozen: bool = False
    number: int = 0
    mutant: str | None = None

    def __post_init__(self) -> None:
        self.story = self.place / "story"
        self.story.mkdir()
        path = self.place / ("a" if self.local else "remote.git")
        self.repo = Repo.create(path, bare=not self.local)
        self.repo.git("config", "core.logAllRefUpdates", "always")
        self._people()
        first = self.commits(BASE, parents=())
        self.moves_target(first)
        self.places = [self._place("a"), *([] if self.local else [self._place("b")])]
        if not self.local:
            Repo(self.places[1].path).git("checkout", "-q", "--detach")
        self.truth = Truth(self.place / "judge", path, self.suites)
        self.first = first
        self.outside = [self._outside(place) for place in self.places]

    def _people(self) -> None:
        identity = (
            "[user]\n\tname = Person\n\temail = person@example.invalid\n[init]\n\tdefaultBranch = main\n"
        )
        for name in ("a", "b"):
            home = self.place / f"home-{name}"
            (home / "tmp").mkdir(parents=True)
            (home / "gitconfig").write_text(identity)

    def _place(self, name: str) -> Place:
        place = Place(path=self.place / name, home=self.place / f"home-{name}")
        if not place.path.exists():
            run([GIT, "clone", "-q", str(self.repo.path), str(place.path)], self.place, os.environ)
        return place

    # Commits and refs

    def commits(self, files: Mapping[str, str | None], parents: tuple[str, ...]) -> str:
        """A commit that no branch holds yet, with these files on top of its first parent's."""
        self.number += 1
        ref = f"refs/story/{self.number}"
        who = f"Person <person@example.invalid> {self.repo.clock.tick()} +0000\n".encode()
        stream = b"commit " + ref.encode() + b"\ncommitter " + who + b"data 5\nWork\n\n"
        for word, parent in zip(("from", *["merge"] * len(parents)), parents, strict=False):
            stream += f"{word} {parent}\n".encode()
        for name, text in files.items():
            if text is None:
                stream += f"D {name}\n".encode()
            else:
                stream += f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n".encode()
        self.repo.git("fast-import", "--quiet", "--done", text=stream + b"\ndone\n")
        return self.repo.head(ref)

    def target(self) -> str:
        return self.repo.head(TARGET)

    def moves_target(self, commit: str) -> None:
        """People move the target, in any direction; its reflog says that it was them."""
        run(["sh", "-c", self.script_for_target(commit)], self.repo.path, self.environ())

    def script_for_target(self, commit: str) -> str:
        if self.local and self.repo.has(TARGET):
            return f"cd '{self.repo.path}' && GIT_REFLOG_ACTION=story {GIT} reset -q --hard {commit}"
        move = f"{GIT} -C '{self.repo.path}' update-ref -m story {TARGET} {commit}"
        return f"{move} && {GIT} -C '{self.repo.path}' reset -q --hard" if self.local else move

    def environ(self) -> dict[str, str]:
        return Place(path=self.repo.path, home=self.place / "home-a").environ(self.story)

    def branch(self, agent: str) -> str:
        return f"refs/heads/agent-{agent}-work"

    # What agents do

    def prepares(self, agent: str, work: Work, knob: str, *, at: str | None = None) -> Head:
        """A commit of an agent's on top of `at`, else of its branch, else of the target. No branch holds it yet."""
        before = self.heads.get(agent) if at is None else None
        parent = at or (before.commit if before else self.target())
        files = files_of(work, agent, self.number + 1, knob)
        if work in {"breaks", "changes a knob", "name"}:
            files = self._on_top(files, parent)
        commit = self.commits(files, (parent,))
        head = Head(agent, commit, low=work == "low" or (before.low if before else False))
        self.known[commit] = head
        return head

    def _on_top(self, files: dict[str, str], parent: str) -> dict[str, str]:
        """Knobs that others turned stay as they are."""
        if "app/knobs.py" in files:
            now = self.repo.shows("app/knobs.py", parent)
            for knob in KNOBS:
                if f"def {knob}():\n    return 20" in now:
                    files["app/knobs.py"] = files["app/knobs.py"].replace(
                        f"def {knob}():\n    return 10", f"def {knob}():\n    return 20"
                    )
        return files

    def pushes(self, head: Head) -> None:
        self.repo.git("update-ref", self.branch(head.agent), head.commit)
        self.heads[head.agent] = head

    def deletes(self, agent: str) -> None:
        self.repo.git("update-ref", "-d", self.branch(agent))
        del self.heads[agent]

    def script_for_branch(self, agent: str, head: Head | None) -> str:
        words = f"{self.branch(agent)} {head.commit}" if head else f"-d {self.branch(agent)}"
        return f"{GIT} -C '{self.repo.path}' update-ref {words}"

    # Calls of moa

    def begins(self, place: Place, argv: tuple[str, ...], fault: Fault | None = None) -> Running:
        if isinstance(fault, Hook):
            self._hook(fault)
        story = self.story / place.path.name
        story.mkdir(exist_ok=True)
        environ = place.environ(story)
        patch = fault.name if isinstance(fault, Patched) else self.mutant
        return begins(self.moa, argv, fault, patch=patch, cwd=place.path, environ=environ, story=story)

    def _hook(self, hook: Hook) -> None:
        folder = self.repo.path / "hooks"
        folder.mkdir(exist_ok=True)
        (folder / hook.name).write_text(f"#!/bin/sh\n{hook.script}\n")
        (folder / hook.name).chmod(0o755)

    def calms(self) -> None:
        """Hooks are gone, and whatever waited for a session of tests."""
        for hook in (self.repo.path / "hooks").glob("*"):
            hook.unlink()
        for waiting in self.story.glob("*/during"):
            waiting.unlink()

    def calls(self, *argv: str, place: int = 0, fault: Fault | None = None) -> Answer:
        answer = self.begins(self.places[place], argv, fault).answer()
        self.calms()
        return answer

    # Seen from outside

    def _outside(self, place: Place) -> dict[str, str]:
        """What moa must never touch in a clone: settings, hooks, index, and every ref that is a person's."""
        git = place.path / ".git"
        repo = Repo(place.path)
        refs = {
            name: commit
            for name, commit in repo.refs().items()
            if name.startswith(("refs/heads/", "refs/tags/")) and name not in {TARGET, LEDGER}
        }
        head = (git / "HEAD").read_text()
        return {
            "config": (git / "config").read_text(),
            "HEAD": head if head.startswith("ref:") else "detached",
            **refs,
        }

    def changed_outside(self) -> list[str]:
        """What moa changed in the clones although it is not moa's. In a local world branches are agents' to move."""
        found = []
        for place, before in zip(self.places, self.outside, strict=True):
            earlier = before
            now = self._outside(place)
            if self.local:
                now = {k: v for k, v in now.items() if not k.startswith("refs/heads/agent-")}
                earlier = {k: v for k, v in earlier.items() if not k.startswith("refs/heads/agent-")}
            found += [
                f"{place.path.name}: {k}" for k in now.keys() | earlier.keys() if now.get(k) != earlier.get(k)
            ]
        return found

    def status(self, place: Place) -> str:
        """What git says of a clone's work tree, untracked files included."""
        return Repo(place.path).git("--no-optional-locks", "status", "--porcelain", "--untracked-files=all")

    def litter(self) -> frozenset[str]:
        """Names in the temporary folders of all places."""
        return frozenset(path.name for place in self.places for path in place.temporary.iterdir())

    def alive(self) -> list[str]:
        """Processes of this world that live."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                mine = f"STORY={self.story}".encode() in (entry / "environ").read_bytes()
                if mine and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append(words.decode(errors="replace"))
            except OSError:
                continue
        return found
