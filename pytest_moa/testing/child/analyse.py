"""Raw coverage data and sources to lines, by coverage's public API only. Imports nothing of the candidate.

Run as `python -I analyse.py` by the tests' own interpreter, in the project's folder: the question is JSON on standard
input, the answer JSON on standard output.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

OPTIONS = {
    "exclude_lines": "report:exclude_lines",
    "partial_branches": "report:partial_branches",
    "partial_branches_always": "report:partial_branches_always",
}


def main() -> int:
    question = json.load(sys.stdin)
    sys.stdout.write(json.dumps(answers(question)))
    return 0


def answers(question: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer for each of the questions, over one combination of the data."""
    import coverage
    from coverage.exceptions import CoverageException

    raw = raw_files(question["data_file"])
    asked = question["questions"]
    if not raw:
        return [{"files": None} for _ in asked]
    analysis = coverage.Coverage(data_file=question["combined"], config_file=False, messages=False)
    for name, option in OPTIONS.items():
        if question["settings"][name]:
            analysis.set_option(option, list(question["settings"][name]))
    try:
        analysis.combine(raw, strict=True, keep=True)
    except CoverageException as error:
        return [{"files": None, "reason": str(error)} for _ in asked]
    return [answer(analysis, dict(question, **one)) for one in asked]


def answer(analysis: Any, question: dict[str, Any]) -> dict[str, Any]:
    """`files` is null without data; `problem` names a file and why it cannot be analysed."""
    from coverage.exceptions import CoverageException

    morfs = [path for path in question["paths"] if os.path.isfile(path)]
    if not morfs:
        return {"files": []}
    try:
        return {"files": report(analysis, morfs, question)}
    except CoverageException as error:
        return find_culprit(analysis, morfs, question) or {"files": None, "reason": str(error)}


def raw_files(data_file: str) -> list[str]:
    """The data files of all processes of the run: one name, a suffix each."""
    folder, name = os.path.split(data_file)
    paths = [
        os.path.join(folder, entry) for entry in sorted(os.listdir(folder)) if entry.startswith(name + ".")
    ]
    return [path for path in paths if os.path.isfile(path) and not path.endswith("-journal")]


def find_culprit(analysis: Any, morfs: list[str], question: dict[str, Any]) -> dict[str, Any] | None:
    from coverage.exceptions import CoverageException

    for path in morfs:
        try:
            report(analysis, [path], question)
        except CoverageException as error:
            return {"problem": {"file": path, "reason": str(error)}}
    return None


def report(analysis: Any, morfs: list[str], question: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry a file that is neither omitted nor left out by `include`; nothing at all where none is left."""
    from coverage.exceptions import NoDataError

    contexts = question["contexts"]
    # A label alone, or with the test that ran: `GROUP|TEST ID`.
    wanted = None if contexts is None else [r"\A\Z", *(r"(?s)\A%s(\|.*)?\Z" % re.escape(c) for c in contexts)]  # noqa: UP031
    try:
        analysis.json_report(
            morfs=morfs,
            outfile=question["report"],
            omit=question["settings"]["omit"] or None,
            include=question["settings"]["include"] or None,
            contexts=wanted,
            ignore_errors=False,
        )
    except NoDataError:
        return []
    with open(question["report"], encoding="utf-8") as file:
        files = json.load(file)["files"]
    return [dict(lines_of(facts), path=os.path.realpath(name)) for name, facts in files.items()]


def lines_of(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "executed": facts["executed_lines"],
        "missing": facts["missing_lines"],
        "excluded": facts["excluded_lines"],
        "executed_branches": facts.get("executed_branches", []),
        "missing_branches": facts.get("missing_branches", []),
    }


if __name__ == "__main__":
    sys.exit(main())
