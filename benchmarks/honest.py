"""How often the integrity rules speak on honest branches: `python benchmarks/honest.py FILE [--show RULE]`.

FILE holds one JSON object a line (`files`: path, before, after), gzip or plain. Prints shares and times.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity import review

LOSING = ("tests-removed", "tests-silenced")


def main() -> None:
    options = _options()
    seen: list[tuple[dict[str, Any], list[Finding], float]] = []
    for branch in _branches(options.file):
        started = time.process_time()
        findings = review(branch["files"])
        seen.append((branch, findings, time.process_time() - started))
        if options.show is not None:
            _show(branch, findings, options.show)
    _figures(seen)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--show", metavar="RULE", help="list the findings of a rule (`all`: of every rule)")
    return parser.parse_args()


def _branches(file: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _show(branch: dict[str, Any], findings: list[Finding], rule: str) -> None:
    for f in findings:
        if rule in ("all", f.rule):
            print(
                f"{branch.get('repo')} {str(branch.get('head'))[:10]} {f.severity} {f.rule} {f.path}:{f.line} {f.message}"
            )


def _figures(seen: list[tuple[dict[str, Any], list[Finding], float]]) -> None:
    total = len(seen)
    by_rule = Counter(pair for _, found, _ in seen for pair in {(f.rule, f.severity) for f in found})
    print(f"\n{total} branches; those with a finding, by rule and severity:")
    for (rule, severity), count in sorted(by_rule.items()):
        print(f"  {rule:22} {severity:6} {count:4}  {count / total:6.1%}")
    for severity in ("block", "warn"):
        count = sum(any(f.severity == severity for f in found) for _, found, _ in seen)
        print(f"  {'any rule':22} {severity:6} {count:4}  {count / total:6.1%}")
    kept = [
        found for _, found, _ in seen if not any(f.rule in LOSING and f.severity == "block" for f in found)
    ]
    for severity in ("block", "warn"):
        count = sum(any(f.severity == severity for f in found) for found in kept)
        print(f"  no test lost ({len(kept)}): {severity:6} {count:4}  {count / len(kept):6.1%}")
    times = [seconds * 1000 for *_, seconds in seen]
    print(
        f"processor time a branch: median {statistics.median(times):.0f} ms, 95 % {sorted(times)[int(total * 0.95)]:.0f} ms, most {max(times):.0f} ms"
    )


if __name__ == "__main__":
    main()
