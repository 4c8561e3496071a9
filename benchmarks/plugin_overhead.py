"""What the plugin costs: `python benchmarks/plugin_overhead.py PROJECT --source DIR [--tests PATH…]`; see README.md.

Runs are interleaved in pairs, so that a busy moment of the machine hits both sides. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

ONE_TEST = "def test_one():\n    pass\n"


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of processor time with all children: on a busy machine the steadier one."""

    wall: float
    cpu: float

    def on(self, kind: str) -> float:
        return self.wall if kind == "wall" else self.cpu


@dataclass(frozen=True)
class Pairs:
    """What the two sides spent, pair by pair."""

    plain: tuple[Spent, ...]
    moa: tuple[Spent, ...]

    def median(self, side: str, kind: str) -> float:
        sides = {"plain": self.plain, "moa": self.moa}
        return statistics.median(spent.on(kind) for spent in sides[side])

    def ratio(self, kind: str) -> float:
        return statistics.median(b.on(kind) / a.on(kind) for a, b in self._pairs())

    def difference(self, kind: str) -> float:
        return statistics.median(b.on(kind) - a.on(kind) for a, b in self._pairs())

    def _pairs(self) -> zip[tuple[Spent, Spent]]:
        return zip(self.plain, self.moa, strict=True)


def main() -> None:
    options = _options()
    if options.project is None:
        print(json.dumps(inert(options.python, options.pairs), indent=2))
        return
    print(json.dumps(gate(options), indent=2))


def inert(python: str, pairs: int) -> dict[str, object]:
    """The cost of a plugin that nobody asked for, on a project of one test: with it, and with `-p no:moa`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_one.py").write_text(ONE_TEST)
        common = [python, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider"]
        found = _pairs([*common, "-p", "no:moa"], common, Path(folder), pairs)
    return {
        "what": "inert, pytest --co -q on one test",
        "pairs": pairs,
        "without_ms": round(found.median("plain", "wall") * 1000, 1),
        "with_ms": round(found.median("moa", "wall") * 1000, 1),
        "difference_ms": round(found.difference("wall") * 1000, 1),
        "difference_cpu_ms": round(found.difference("cpu") * 1000, 1),
    }


def gate(options: argparse.Namespace) -> dict[str, object]:
    """`pytest --moa-agent` against `pytest --cov` over the same tests and source, and whether both figures agree."""
    project = options.project.resolve()
    with tempfile.TemporaryDirectory() as folder:
        config, report = Path(folder, "moa.json"), Path(folder, "report.json")
        entry = {"id": "bench", "source": options.source, "tests": options.tests}
        config.write_text(json.dumps({"agents": {"test_threshold": 0}, "registry": [entry]}))
        common = [options.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options.pytest]
        plain = [
            *common,
            "-p",
            "no:moa",
            *(f"--cov={place}" for place in options.source),
            *options.tests,
        ]
        moa = [*common, "--moa-agent=bench", f"--moa-config={config}", f"--moa-report={report}"]
        found = _pairs(plain, moa, project, options.pairs)
        ours = json.loads(report.read_text())
        theirs = _coverage_json(plain, options, project, Path(folder))
    return {
        "what": f"{project.name}: --moa-agent against --cov",
        "pairs": options.pairs,
        "cov_s": round(found.median("plain", "wall"), 2),
        "moa_s": round(found.median("moa", "wall"), 2),
        "ratio": round(found.ratio("wall"), 3),
        "ratio_cpu": round(found.ratio("cpu"), 3),
        "difference_cpu_s": round(found.difference("cpu"), 3),
        "tests": ours["tests"]["collected"],
        "verdict": ours["verdict"],
        "percent": (ours["coverage"] or {}).get("percent"),
        "coverage_json": theirs,
    }


def _coverage_json(plain: Sequence[str], options: argparse.Namespace, project: Path, folder: Path) -> str:
    _run(plain, project)
    out = folder / "coverage.json"
    command = [options.python, "-m", "coverage", "json", "-q", "-i", "-o", str(out)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    totals = json.loads(out.read_text())["totals"]
    covered = totals["covered_lines"] + totals.get("covered_branches", 0)
    whole = totals["num_statements"] + totals.get("num_branches", 0)
    return str((Decimal(covered) * 100 / whole).quantize(Decimal("0.01"), rounding=ROUND_DOWN))


def _pairs(plain: Sequence[str], moa: Sequence[str], folder: Path, pairs: int) -> Pairs:
    for command in (plain, moa):  # both once before, so that no side pays for byte code and cold files
        _run(command, folder)
    first: list[Spent] = []
    second: list[Spent] = []
    for number in range(pairs):
        sides = [(plain, first), (moa, second)]
        for command, times in sides if number % 2 == 0 else reversed(sides):
            times.append(_run(command, folder))
    return Pairs(tuple(first), tuple(second))


def _run(command: Sequence[str], folder: Path) -> Spent:
    environ = {name: value for name, value in os.environ.items() if name not in {"AGENT_ID", "MOA_CONFIG"}}
    before, started = os.times(), time.perf_counter()
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    if ran.returncode not in {0, 1}:
        sys.exit(f"{' '.join(command)} exited {ran.returncode}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return Spent(wall=wall, cpu=user + system)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", nargs="?", type=Path, help="without it, the inert cost is measured")
    parser.add_argument(
        "--source", action="append", default=[], help="folder of the project's code (repeatable)"
    )
    parser.add_argument("--tests", action="append", default=[], help="its tests (repeatable)")
    parser.add_argument("--pytest", action="append", default=[], help="a further word for both sides")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--python", default=sys.executable, help="an interpreter with pytest, pytest-cov and moa"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
