"""A repository that a queue works on, looked at from outside: by plain git, by /proc, and by what the project wrote down."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from support.repos import Repo

TARGET = "refs/heads/develop"
LEDGER = "refs/heads/moa/ledger"


class Watched:
    """`story` is where the project's sessions write, `foreign` what somebody else put on the target.

    `moved` says where each agent's branch has to be.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.story = place / "story"
        self.path = place / "repo"
        self.bare = False
        self.foreign: set[str] = set()
        self.moved: dict[str, str] = {}

    @property
    def truth(self) -> Repo:
        """Where the target is the truth: the bare remote, or the repository itself."""
        return Repo(self.place / "remote.git") if self.bare else Repo(self.path)

    def target(self) -> str:
        return self.truth.head(TARGET)

    def heads(self) -> dict[str, str]:
        """Where each agent's branch points to, as the truth has it."""
        return {name: oid for name, oid in self.truth.refs().items() if name.startswith("refs/heads/agent-")}

    def sessions(self, before: Iterable[str] = ()) -> tuple[Mapping[str, Any], ...]:
        """The sessions that ran tests, in the order in which they began."""
        paths = [path for path in self.story.glob("session-*.json") if path.name not in set(before)]
        return tuple(json.loads(path.read_text() or "{}") for path in sorted(paths, key=_number))

    def holds(self, *, ledger: bool = True, red: bool = False) -> None:
        """The invariant. `red`: a candidate with tolerated flaky tests may have landed after a red run."""
        assert self.heads() == self.moved, "a branch was lost or moved by moa"
        self._target_only_held_what_passed(red=red)
        if ledger:
            self.ledger_tells_each_landing_once()
        left = [path.name for path in Path(os.environ["TMPDIR"]).iterdir()]
        assert left == [], "something is left in the temporary folder"
        assert self.alive() == [], "processes were left"

    def _target_only_held_what_passed(self, *, red: bool) -> None:
        green: dict[str, int] = {}
        for session in self.sessions():
            if session.get("status") == 0 or (red and "status" in session):
                green[session["tree"]] = max(session["items"], green.get(session["tree"], 0))
        repo = self.truth
        held = repo.git("reflog", "show", "--format=%H", TARGET).split()[::-1]
        for old, new in pairwise(held):
            if new in self.foreign or old == new:
                continue
            line = self.line(f"{old}..{new}")
            assert line, f"{new} took something back"
            assert repo.head(f"{list(line)[-1]}~") == old, f"{new} was not built on {old}"
            for commit, head in line.items():
                assert head, f"{commit} landed and is nobody's"
            tested = green.get(self.digest(new))
            assert tested is not None, f"{new} landed and no green run of that tree was seen"
            assert tested == self.count(new), f"{new} landed after a run of a part of its tests"

    def landings(self) -> dict[str, str]:
        """Landing commits on the target's first-parent line, and the head that each says it brought."""
        return {commit: head for commit, head in self.line(TARGET).items() if head}

    def line(self, what: str) -> dict[str, str]:
        """The commits on a first-parent line, the newest first, each with the `Moa-Head` that it tells."""
        told = "--format=%H %(trailers:key=Moa-Head,valueonly,separator=%x2C)"
        rows = self.truth.git("log", "--first-parent", told, what, "--").splitlines()
        return {commit: head for commit, _, head in (row.partition(" ") for row in rows)}

    def digest(self, commit: str) -> str:
        rows = self.truth.git("ls-tree", "-r", "--format=%(objectname) %(path)", commit).splitlines()
        return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()

    def count(self, commit: str) -> int:
        """How many tests a commit holds, counted in its text."""
        text = self.truth.git("grep", "-hE", "^def test_", commit, "--", "tests")
        return len(text.splitlines())

    def events(self, kind: str = "landed") -> list[dict[str, Any]]:
        repo = self.truth
        if not repo.has(LEDGER):
            return []
        rows = repo.git("ls-tree", "-r", "--format=%(objectname)", LEDGER)
        texts = repo.git("cat-file", "--batch=--", text=rows)
        events = [json.loads(text) for text in texts.split("--\n") if text.strip()]
        return [event for event in events if event["kind"] == kind]

    def ledger_tells_each_landing_once(self) -> None:
        told = Counter(event["data"]["commit"] for event in self.events())
        landed = self.landings()
        assert {commit: told[commit] for commit in landed} == dict.fromkeys(landed, 1)
        assert Counter(landed.values()) == Counter(set(landed.values())), "a head landed twice"

    def alive(self, within: float = 5.0) -> list[str]:
        """Processes of this story that live on; dying takes a moment."""
        deadline = time.monotonic() + within
        while (found := _belonging(str(self.story))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


def _number(path: Path) -> int:
    found = re.search(r"\d+", path.name)
    assert found is not None
    return int(found.group())


def _belonging(story: str) -> list[str]:
    """Command lines of living processes whose environment names this story."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            mine = f"STORY={story}".encode() in (entry / "environ").read_bytes().split(b"\0")
            if mine and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
