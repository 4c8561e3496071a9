"""How long the conflict matrix takes, against `git merge-tree --stdin` over the raw pairs, and whether both say the same.

python benchmarks/conflicts.py                                  # a made project: 5,000 files, 200 branches
python benchmarks/conflicts.py --branches 1000 --no-raw         # peak memory of moa and of git
python benchmarks/conflicts.py --repository PATH --pattern 'pr/{id}' --target main
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

_GIT = ("git", "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0")
_AUTHOR = "Bench <bench@example.invalid>"
_START = 1_600_000_000
_WORDS = ("alpha", "beta", "gamma", "delta", "value", "result", "index", "items", "name", "config", "total")


@dataclass
class Size:
    files: int = 5_000
    commits: int = 3_000
    branches: int = 200


@dataclass
class Maker:
    """Writes a history as one stream for `git fast-import`: a trunk that changes, renames and moves, and old branches."""

    size: Size
    chance: random.Random
    tree: dict[str, list[str]] = field(default_factory=dict)
    marks: int = 0
    clock: int = _START

    def stream(self) -> Iterator[bytes]:
        for number in range(self.size.files):
            self.tree[f"src/p{number % 40:02d}/m{number % 13}/file_{number}.py"] = self._text()
        self.tree["CHANGES.md"] = [f"- entry {n}" for n in range(400)]
        yield self._commit("refs/heads/develop", None, dict(self.tree))
        trunk = self.marks
        # Most branches are rather new, some are old.
        last = self.size.commits - 1
        forks = sorted(int(last * self.chance.random() ** 0.4) for _ in range(self.size.branches))
        at = 0
        for number in range(self.size.commits):
            while at < len(forks) and forks[at] == number:
                yield from self._branch(at, trunk)
                at += 1
            yield self._commit("refs/heads/develop", trunk, self._step(number))
            trunk = self.marks
        yield b"done\n"

    def _text(self) -> list[str]:
        return [self._line() for _ in range(self.chance.randrange(40, 250))]

    def _line(self) -> str:
        return " ".join(self.chance.choices(_WORDS, k=6)) + f" {self.chance.randrange(10**6)}"

    def _step(self, number: int) -> dict[str, list[str] | None]:
        changes: dict[str, list[str] | None] = {}
        for path in self._some(self.chance.randrange(1, 6)):
            changes[path] = self.tree[path] = self._edited(self.tree[path])
        if number % 60 == 0:
            self._move(self._some(1)[0], changes, folder=number % 600 == 0)
        if number % 10 == 0:
            changes["CHANGES.md"] = self.tree["CHANGES.md"] = [f"- change {number}", *self.tree["CHANGES.md"]]
        return changes

    def _move(self, path: str, changes: dict[str, list[str] | None], *, folder: bool) -> None:
        prefix = path.rpartition("/")[0] + "/" if folder else path
        for old in [p for p in self.tree if p.startswith(prefix)]:
            new = old.replace("src/", "lib/", 1) if old.startswith("src/") else old + "x"
            self.tree[new] = self.tree.pop(old)
            changes[old], changes[new] = None, self.tree[new]

    def _branch(self, number: int, trunk: int) -> Iterator[bytes]:
        tip, kept = trunk, dict(self.tree)
        for step in range(self.chance.randrange(1, 5)):
            changes: dict[str, list[str] | None] = {}
            for path in self._some(self.chance.randrange(1, 5)):
                changes[path] = self.tree[path] = self._edited(self.tree[path])
            if self.chance.random() < 0.05:
                self._move(self._some(1)[0], changes, folder=self.chance.random() < 0.2)
            if step == 0 and self.chance.random() < 0.2:
                at = self.chance.randrange(3, 390)
                lines = self.tree["CHANGES.md"]
                changes["CHANGES.md"] = self.tree["CHANGES.md"] = [
                    *lines[:at],
                    f"- new {number}",
                    *lines[at:],
                ]
            changes[f"src/new/agent_{number}_{step}.py"] = self._text()
            yield self._commit(f"refs/heads/agent-{number:04d}-work", tip, changes)
            tip = self.marks
        self.tree = kept

    def _some(self, count: int) -> list[str]:
        """Some files are changed often, most hardly ever."""
        paths = list(self.tree)
        return [paths[int(len(paths) * self.chance.random() ** 2)] for _ in range(count)]

    def _edited(self, lines: list[str]) -> list[str]:
        at = self.chance.randrange(len(lines))
        fresh = [self._line() for _ in range(self.chance.randrange(1, 5))]
        return [*lines[:at], *fresh, *lines[at + self.chance.randrange(4) :]]

    def _commit(self, ref: str, parent: int | None, changes: dict[str, list[str] | None]) -> bytes:
        self.marks += 1
        self.clock += 3600
        lines = [f"commit {ref}\nmark :{self.marks}\ncommitter {_AUTHOR} {self.clock} +0000\ndata 4\nwork\n"]
        lines += [f"from :{parent}\n"] if parent is not None else []
        for path, content in changes.items():
            if content is None:
                lines.append(f"D {path}\n")
                continue
            text = "\n".join(content) + "\n"
            lines.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
        return "".join(lines).encode()


def make(place: Path, size: Size, seed: int) -> None:
    subprocess.run([*_GIT, "init", "-q", "-b", "develop", str(place)], check=True)
    importing = [*_GIT, "-C", str(place), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(importing, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise SystemExit("git fast-import takes no input")
        for part in Maker(size, random.Random(seed)).stream():  # noqa: S311 - a made project, no secret
            process.stdin.write(part)
    subprocess.run([*_GIT, "-C", str(place), "repack", "-adq"], check=True)
    subprocess.run([*_GIT, "-C", str(place), "read-tree", "-u", "--reset", "develop"], check=True)


@dataclass(frozen=True)
class Cost:
    seconds: float
    processor: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.processor:.2f} s of processors, {self.megabytes:.0f} MB)"


def moa(place: Path, cache: Path, target: str, config: Path | None) -> tuple[Cost, dict[str, Any]]:
    """One call of the command as a person makes it, from the start of Python to the last byte.

    The memory is that of the largest of its processes.
    """
    words = [sys.executable, "-m", "pytest_moa", "conflicts", "--json", "--no-fetch", "--target", target]
    words += ["--config", str(config)] if config else []
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    # An installed moa has its bytecode at hand.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(words, cwd=place, env=env, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"moa exited with {process.returncode}")
        spent = time.monotonic() - started
        out.seek(0)
        answer = json.load(out)
    return Cost(spent, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), answer


def raw(place: Path, heads: Sequence[str], seconds: float) -> tuple[float, dict[frozenset[str], bool], bool]:
    """All raw pairs in one batch, as git alone would do it; cut off after a time, then scaled up."""
    with tempfile.TemporaryDirectory() as folder:
        # What git writes stays out of the project; it costs the same here as there.
        alternates = Path(folder) / "info/alternates"
        alternates.parent.mkdir()
        common = subprocess.check_output(
            [*_GIT, "-C", str(place), "rev-parse", "--git-path", "objects"], text=True
        )
        alternates.write_text(f"{(place / common.strip()).resolve()}\n", encoding="utf-8")
        return _raw(place, heads, seconds, {"GIT_OBJECT_DIRECTORY": folder, "GIT_NO_REPLACE_OBJECTS": "1"})


def _raw(
    place: Path, heads: Sequence[str], seconds: float, env: dict[str, str]
) -> tuple[float, dict[frozenset[str], bool], bool]:
    pairs = list(combinations(heads, 2))
    random.Random(1).shuffle(pairs)  # noqa: S311 - a sample
    clean: dict[frozenset[str], bool] = {}
    started = time.monotonic()
    step = 200
    for at in range(0, len(pairs), step):
        part = pairs[at : at + step]
        words = "".join(f"{a} {b}\n" for a, b in part).encode()
        done = subprocess.run(
            [*_GIT, "-C", str(place), "merge-tree", "--write-tree", "--no-messages", "--stdin"],
            input=words,
            capture_output=True,
            check=True,
            env={**os.environ, **env},
        )
        said = re.findall(rb"(?:^|\0)([01])\0[0-9a-f]{40}\0", done.stdout)
        if len(said) != len(part):
            raise SystemExit(f"{len(said)} answers of git to {len(part)} pairs")
        clean |= {frozenset(pair): word == b"1" for pair, word in zip(part, said, strict=True)}
        if time.monotonic() - started > seconds:
            break
    spent = time.monotonic() - started
    whole = len(clean) == len(pairs)
    return spent * len(pairs) / max(1, len(clean)), clean, whole


def compare(matrix: dict[str, Any], heads: dict[str, str], clean: dict[frozenset[str], bool]) -> str:
    """How the two agree on the pairs of branches that merge with the target."""
    behind = {row["agent"] for row in matrix["with_target"]}
    said = {frozenset((row["a"], row["b"])) for row in matrix["pairs"]}
    of_head = {head: agent for agent, head in heads.items()}
    both = neither = only_moa = only_raw = 0
    for pair, is_clean in clean.items():
        agents = frozenset(of_head[head] for head in pair)
        if agents & behind:
            continue
        both += not is_clean and agents in said
        neither += is_clean and agents not in said
        only_moa += is_clean and agents in said
        only_raw += not is_clean and agents not in said
    return f"conflicts of both {both}, of neither {neither}, only moa {only_moa}, only raw {only_raw}"


def report(place: Path, target: str, config: Path | None, raw_seconds: float) -> None:
    with tempfile.TemporaryDirectory() as cache:
        first, matrix = moa(place, Path(cache), target, config)
        again, _ = moa(place, Path(cache), target, config)
        rows = matrix["agents"]
        heads = {row["agent"]: row["head"] for row in rows}
        print(
            f"branches {matrix['branches']}, with the target {len(matrix['with_target'])},"
            f" pairs in conflict {len(matrix['pairs'])}, merges tried {matrix['merges_tried']}"
        )
        print(f"first call {first}\nthe same again {again}")
        moved = _move_one(place, rows[len(rows) // 2])
        after, _ = moa(place, Path(cache), target, config)
        share = f"{after.seconds / first.seconds:.0%} of the first, {after.processor / first.processor:.0%} of its processors"
        print(f"after {moved} moved {after}: {share}")
    if raw_seconds:
        alone, clean, whole = raw(place, list(dict.fromkeys(heads.values())), raw_seconds)
        print(
            f"raw pairs {alone:.1f} s{'' if whole else ' (scaled up)'}: {alone / first.seconds:.1f} times as long"
        )
        print(compare(matrix, heads, clean))


def _move_one(place: Path, row: dict[str, str]) -> str:
    """One more commit on a branch, with a file of its own; put back at once where the repository is a given one."""
    git = [*_GIT, "-C", str(place)]
    ref = f"refs/heads/{row['branch']}"
    stream = (
        f"commit {ref}\ncommitter {_AUTHOR} {int(time.time())} +0000\ndata 4\nmore\nfrom {row['head']}\n"
        "M 100644 inline one_more_{time.time_ns()}.txt\ndata 4\nmore\ndone\n"
    )
    subprocess.run([*git, "fast-import", "--quiet", "--force", "--done"], input=stream.encode(), check=True)
    return row["branch"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=Size.files)
    parser.add_argument("--commits", type=int, default=Size.commits)
    parser.add_argument("--branches", type=int, default=Size.branches)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the project here, and use it again when it is there")
    parser.add_argument(
        "--repository", type=Path, help="a clone of a real project: one of its branches is moved"
    )
    parser.add_argument("--pattern", help="its branches, as `agents.branches` names them: 'pr/{id}'")
    parser.add_argument("--target", default="develop")
    parser.add_argument("--raw-seconds", type=float, default=60.0, help="how long the raw pairs are tried")
    parser.add_argument("--no-raw", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = words.repository or words.keep or Path(folder) / "project"
        config = None
        if words.pattern:
            config = Path(folder) / "moa.yaml"
            config.write_text(json.dumps({"agents": {"branches": [words.pattern]}}), encoding="utf-8")
        if not place.exists():
            make(place, Size(words.files, words.commits, words.branches), words.seed)
        report(place, words.target, config, 0.0 if words.no_raw else words.raw_seconds)


if __name__ == "__main__":
    main()
