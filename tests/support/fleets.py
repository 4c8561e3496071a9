"""A fleet told as a story: a plan, its rows gated one by one as other machines would, and the evidence landed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.forked import forked
from support.queues import Queue, Said

QUIET = ("--probes", "0")


class Fleet:
    """`evidence` is where the gates' folders are put together, one a row."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue.build()
        self.evidence = queue.place / "evidence"

    def call(self, *words: str, within: float = 120) -> Said:
        self.queue._starts()
        code, out, err = forked(words, self.queue.path, self.queue.environ(), within)
        return self.queue._said(code, out, err)

    def plan(self, *words: str) -> list[dict[str, str]]:
        said = self.call("plan", "--json", *words)
        assert said.code == 0, said.err
        include: list[dict[str, str]] = said.data["include"]
        return include

    def planned(self, *words: str) -> list[str]:
        return [row["agent"] for row in self.plan(*words)]

    def gates(self, agent: str, *words: str, into: str | None = None) -> Said:
        folder = self.evidence / (into or agent)
        return self.call("gate", agent, "--json", *(words or QUIET), "--evidence", str(folder))

    def gated(self, *words: str) -> Fleet:
        """Every row of the plan, each pinned to the head that was planned."""
        for row in self.plan():
            self.gates(row["agent"], "--head", row["head"], *(words or QUIET))
        return self

    def lands(self, *words: str, of: Path | None = None) -> Said:
        return self.call("land", str(of or self.evidence), "--json", *(words or QUIET))

    def manifest(self, row: str, change: Callable[[dict[str, Any]], object]) -> None:
        """A change of a folder's manifest by whoever can write the whole folder."""
        changed(self.evidence / row, change)


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The same of any folder; its sums are mended."""
    value = json.loads((folder / "evidence.json").read_bytes())
    change(value)
    (folder / "evidence.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    mend_sums(folder)


def mend_sums(folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))
