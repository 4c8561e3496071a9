"""The tables of docs/action.md; `python -m pytest_moa.action.reference action.yml docs/action.md` renews them.

Inputs and outputs are action.yml's own words; what each command may be given stands here, since GitHub has no place for it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`job` is what the job's `permissions:` have to hold; `token` what the input `token` is used for; `runs` whose code."""

    command: str
    job: str
    credential: str
    runs: str


_COMMENT = "`pull-requests: write` for comments"

PERMISSIONS = (
    Needs(command="gate", job="`contents: read`", credential=f"none; {_COMMENT}", runs="the agent's"),
    Needs(command="plan", job="`contents: read`", credential="none", runs="nobody's"),
    Needs(
        command="integrate",
        job="`contents: read`",
        credential=f"`contents: write` for the landing's push; {_COMMENT}",
        runs="the agents', and so `trusted-agents: true`",
    ),
    Needs(
        command="land",
        job="`contents: read`",
        credential=f"`contents: write` for the landing's push; {_COMMENT}",
        runs="nobody's: it judges what the gate jobs left",
    ),
    Needs(command="report", job="`contents: read`", credential=f"none; {_COMMENT}", runs="nobody's"),
    Needs(
        command="auto",
        job="`contents: read`",
        credential="as the command that the event stands for",
        runs="as that command",
    ),
)


def renewed(page: str, action: dict[str, Any]) -> str:
    """The page with its tables made anew; what stands outside of the markers stays as it is."""
    for name, table in tables(action).items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def tables(action: dict[str, Any]) -> dict[str, str]:
    """Each table of the page by its name, in Markdown."""
    inputs = [
        (f"`{name}`", _code(str(one["default"])), one["description"])
        for name, one in action["inputs"].items()
    ]
    outputs = [(f"`{name}`", one["description"]) for name, one in action["outputs"].items()]
    permissions = [(f"`{needs.command}`", needs.job, needs.credential, needs.runs) for needs in PERMISSIONS]
    return {
        "inputs": _table(("input", "default", "what it says"), inputs),
        "outputs": _table(("output", "what it is"), outputs),
        "permissions": _table(
            ("command", "`permissions:` of the job", "what `token` needs", "whose code runs"), permissions
        ),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def main(arguments: list[str]) -> None:
    action, file = (Path(argument) for argument in arguments)
    page = renewed(file.read_text(encoding="utf-8"), yaml.safe_load(action.read_text(encoding="utf-8")))
    file.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
