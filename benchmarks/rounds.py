"""What a round of the queue costs: against one plain run of the same suite, and against mergetrain on the same branches.

Every run of tests is counted by the project's own conftest. `python benchmarks/rounds.py --help` says the rest.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.queues import Queue
from support.repos import Repo
from support.shop import with_load
from support.watched import TARGET

Tells = Callable[[Queue], object]

SCENARIOS: dict[str, Tells] = {
    "12 green": lambda q: q,
    "a culprit, its own new test": lambda q: q.culprit("05"),
    "a culprit, an old test": lambda q: q.breaks_old_test("05"),
    "a culprit, a data file": lambda q: q.data_culprit("05"),
    "two culprits": lambda q: q.culprit("03").culprit("09"),
    "a pair": lambda q: q.pair("04", "09"),
    "a pair and a culprit": lambda q: q.pair("04", "09").culprit("06"),
    "a flaky old test": lambda q: q.flake_of_the_target(),
    "a red target": lambda q: q.red_target(),
    "a missing test command": lambda q: q.missing_command(),
    "a foreign push meanwhile": lambda q: q.moves_during(1, TARGET, q.foreign_commit()),
    "a head that moved meanwhile": lambda q: q.moves_during(
        1, q.ref("05"), q.prepared(q.ref("05"), {"docs/05.md": "More.\n"})
    ),
}


@dataclass(frozen=True)
class Row:
    """What came of one scenario. `said` is whom the tool tells to be at fault, and with what word."""

    runs: int
    landed: int
    said: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of a round and a plain run (0: none)")
    parser.add_argument("--seconds", type=float, default=10, help="how long the plain suite takes, about")
    parser.add_argument(
        "--peer", default=shutil.which("mergetrain"), help="the mergetrain command (none: left out)"
    )
    parser.add_argument("--only", default="", help="scenarios whose name holds this word")
    chosen = parser.parse_args()
    if chosen.pairs:
        against_a_plain_run(chosen.pairs, chosen.seconds)
    against_the_peer(chosen.peer, chosen.only)
    return 0


def against_a_plain_run(pairs: int, seconds: float) -> None:
    found = [pair(seconds) for _ in range(pairs)]
    ours, plain = (statistics.median(row[side] for row in found) for side in (0, 1))
    allowed = 1.25 * plain + 1
    print(f"12 green, a suite of {plain:.2f} s (`pytest --cov`), median of {pairs} pairs:")
    print(f"  one round {ours:.2f} s, {ours / plain:.2f} of it; 1.25 of it and a second are {allowed:.2f} s")
    print("  " + "  ".join(f"{a:.2f}/{b:.2f}" for a, b in found))


def pair(seconds: float) -> tuple[float, float]:
    """One round over twelve green branches, and one plain run on what it landed."""
    with place() as folder:
        queue = Queue(folder)
        queue.base.update(with_load(seconds))
        queue.team(12)
        with redirect_stdout(io.StringIO()):
            said = queue.integrates("--all", env={}, within=600)
        require((len(said.landed), said.runs) == (12, 1), said.out + said.err)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--cov=src", "-p", "no:cacheprovider", "-p", "pytest_cov"],
            cwd=queue.path,
            env={**os.environ, "COVERAGE_FILE": str(folder / "coverage")},
            capture_output=True,
            text=True,
            check=False,
        )
        require(done.returncode == 0, done.stdout + done.stderr)
        return said.seconds, time.monotonic() - began


def require(holds: bool, said: str) -> None:
    """A figure of something that went wrong would say nothing."""
    if not holds:
        raise SystemExit(said)


def against_the_peer(peer: str | None, only: str) -> None:
    print(
        "\n| scenario | tool | runs | landed | blamed or kept out | seconds |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, tells in SCENARIOS.items():
        if only not in name:
            continue
        for tool, run in {"moa": ours, "mergetrain": theirs}.items():
            if tool == "mergetrain" and peer is None:
                continue
            with place() as folder:
                row = run(folder, tells, peer or "")
            print(
                f"| {name} | {tool} | {row.runs} | {row.landed} | {row.said} | {row.seconds:.1f} |",
                flush=True,
            )


def ours(folder: Path, tells: Tells, _peer: str) -> Row:
    queue = Queue(folder).team(12, remote=True)
    tells(queue)
    with redirect_stdout(io.StringIO()):
        said = queue.integrates("--all", env={})
    words = [
        f"{row['agent']} {row['class']}" + (f" with {'+'.join(row['with'])}" if row["with"] else "")
        for row in said.data.get("rejected", [])
    ]
    return Row(len(said.sessions), len(said.data.get("landed", [])), short(words), said.seconds)


def theirs(folder: Path, tells: Tells, peer: str) -> Row:
    """The peer at its best: every branch approved beforehand, one call that tests and pushes."""
    queue = Queue(folder).team(12, remote=True)
    gate_of_the_peer(queue, sys.executable)
    tells(queue)
    if not queue.built:
        gate_of_the_peer(queue, queue.config["environment"].get("python", sys.executable))
    queue.build()

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [peer, *words], cwd=queue.path, env=queue.environ(), capture_output=True, text=True, check=False
        )

    for agent in queue.branches:
        branch = queue.ref(agent).removeprefix("refs/heads/")
        tree = str(folder / "trees" / agent)
        Repo(queue.path).git("worktree", "add", "-q", tree, "-b", branch, f"origin/{branch}")
        done = call("enqueue", "--auto", "--task", agent, "--branch", branch, "--json")
        require(done.returncode == 0, done.stdout + done.stderr)
    heads = queue.heads().values()
    began = time.monotonic()
    call("daemon", "--once")
    seconds = time.monotonic() - began
    held = set(queue.truth.git("rev-list", TARGET).split())
    return Row(
        len(queue.sessions()),
        len(held.intersection(heads)),
        peers_words(call("status", "--json").stdout),
        seconds,
    )


def gate_of_the_peer(queue: Queue, python: str) -> None:
    queue.base[".mergetrain.yaml"] = (
        "version: 2\nproject:\n  name: shop\ngit:\n  remote: origin\n  integration_branch: develop\n"
        f"gates:\n  - name: tests\n    run: {python} -B -m pytest -q -p no:cacheprovider\n"
    )
    queue.base[".gitignore"] = "__pycache__/\n.pytest_cache/\n.mergetrain/\n"


def peers_words(status: str) -> str:
    told = json.loads(status)
    jobs = {job["task"]: job for key in ("recent_jobs", "attention_jobs") for job in told[key]}
    rows = sorted((task, job) for task, job in jobs.items() if job["outcome"] != "deployed")
    return short([f"{task} {job['reason_code']}" for task, job in rows])


def short(words: list[str]) -> str:
    """The words, or what is said of all twelve alike."""
    kinds = {word.partition(" ")[2] for word in words}
    return (
        f"all {len(words)}: {kinds.pop()}" if len(words) > 4 and len(kinds) == 1 else ", ".join(words) or "-"
    )


@contextmanager
def place() -> Iterator[Path]:
    """A folder with a home and caches of its own, apart from the user's git settings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
            (folder / variable).mkdir()
            os.environ[variable] = str(folder / variable)
        config = folder / "gitconfig"
        config.write_text("[user]\n\tname = Tester\n\temail = tester@example.invalid\n")
        os.environ |= {"GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}
        yield folder


if __name__ == "__main__":
    sys.exit(main())
