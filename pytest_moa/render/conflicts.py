"""The conflict matrix for people (terminal, Markdown with a graph) and for machines (JSON). Decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

from pytest_moa.model.conflicts import FileConflict, Matrix, PairConflict, Place, Row, Span
from pytest_moa.model.text import plural
from pytest_moa.render import markdown
from pytest_moa.render.json_contract import SCHEMA
from pytest_moa.render.terminal import safe

WIDTH = 110
BUDGET = 65_536
"""GitHub's limit of a comment, in characters; bytes are never fewer."""
GRID = 16
"""Agents that a grid is drawn for: of more it would be wider than a terminal."""
ROWS = 60
EDGES = 100
_SPANS = 6


def conflicts_json(matrix: Matrix) -> dict[str, Any]:
    """The object of `moa conflicts --json`. A range is [first, last]; [8, 7] is no line, between lines 7 and 8."""
    return {
        "schema": SCHEMA,
        "target": matrix.target,
        "branch": matrix.branch,
        "branches": len(matrix.rows),
        "agents": [
            {"agent": row.agent, "name": row.name, "branch": row.branch, "head": row.head}
            for row in matrix.rows
        ],
        "pairs": [
            {"a": p.a, "b": p.b, "files": list(p.paths), "conflicts": _files_json(p.files, ("a", "b"))}
            for p in matrix.pairs
        ],
        "with_target": [
            {
                "agent": one.agent,
                "files": list(one.paths),
                "conflicts": _files_json(one.files, ("agent", "target")),
            }
            for one in matrix.with_target
        ],
        "uncompared": [{"agent": u.agent, "reason": u.reason, "remedy": u.remedy} for u in matrix.uncompared],
        "with_target_paired": matrix.paired_all,
        "merges_tried": matrix.merges_tried,
        "pairs_met": matrix.pairs_met,
        "notes": list(matrix.notes),
        "seconds": round(matrix.seconds, 3),
    }


def _files_json(files: Iterable[FileConflict], sides: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "path": file.path,
            "kind": file.kind,
            "lines": [{sides[0]: [p.a.start, p.a.end], sides[1]: [p.b.start, p.b.end]} for p in file.places],
            "more": file.more,
        }
        for file in files
    ]


def conflicts_lines(matrix: Matrix, width: int = WIDTH) -> list[str]:
    """`moa conflicts` for people: how many, the grid, what is in conflict with the target, then the pairs."""
    lines = [f"🔀 {safe(headline(matrix))}"]
    if matrix.with_target:
        lines += ["", f"With {safe(matrix.branch)}: they have to take it in and resolve there."]
        lines += _target_table(matrix, width)
    if matrix.pairs:
        lines += ["", "With each other: whoever lands second has to resolve these."]
        lines += _grid(matrix, width)
        lines += _pair_table(matrix, width)
    unpaired = len(matrix.with_target)
    if unpaired and len(matrix.rows) > 1 and not matrix.paired_all:
        lines += ["", f"ℹ️  {_unpaired(unpaired)} (--with-target-conflicts does)"]  # noqa: RUF001 - the sign of the runbook
    for one in matrix.uncompared:
        lines += ["", f"❔ Agent {safe(one.agent)}: {safe(one.reason)}", f"   👉 {safe(one.remedy)}"]
    return [*lines, *(f"ℹ️  {safe(note)}" for note in matrix.notes)]  # noqa: RUF001 - the sign of the runbook


def headline(matrix: Matrix) -> str:
    """The answer in one sentence, its names as they are."""
    if not matrix.rows:
        return "No branch to compare yet: a branch called agent-01-name makes an agent."
    behind, pairs = len(matrix.with_target), len(matrix.pairs)
    if len(matrix.rows) == 1:
        return f"The one branch {'conflicts' if behind else 'merges'} with {matrix.branch}."
    if not behind and not pairs:
        return f"No conflicts: {len(matrix.rows)} branches merge with {matrix.branch} and with each other."
    said = [f"{_conflict(behind)} with {matrix.branch}"] if behind else []
    said += [f"{_pairs(pairs)} with each other"] if pairs else []
    return f"{len(matrix.rows)} branches: {', '.join(said)}."


def _conflict(number: int) -> str:
    return f"{number} conflicts" if number == 1 else f"{number} conflict"


def _pairs(number: int) -> str:
    return "1 pair conflicts" if number == 1 else f"{number} pairs conflict"


def _unpaired(number: int) -> str:
    return f"{'The branch' if number == 1 else f'These {number} branches'} above {'was' if number == 1 else 'were'} not compared with the others"


def _target_table(matrix: Matrix, width: int) -> list[str]:
    branches = {row.agent: row.branch for row in matrix.rows}
    rows = [
        (one.agent, branches[one.agent], file.path, _where(file, first="there", second="target"))
        for one in matrix.with_target
        for file in one.files
    ]
    return _table(("Agent", "Branch", "File", "Lines"), _once(rows, 2), width)


def _pair_table(matrix: Matrix, width: int) -> list[str]:
    rows = [
        (_pair(pair), file.path, _where(file, first=pair.a, second=pair.b))
        for pair in matrix.pairs
        for file in pair.files
    ]
    return _table(("Pair", "File", "Lines"), _once(rows, 1), width)


def _pair(pair: PairConflict) -> str:
    return f"{pair.a} × {pair.b}"  # noqa: RUF001 - the sign of a pair


def _once(rows: Sequence[tuple[str, ...]], lead: int) -> list[tuple[str, ...]]:
    """What leads several rows is said in the first of them."""
    shown: list[tuple[str, ...]] = []
    before: tuple[str, ...] = ()
    for row in rows:
        shown.append(("",) * lead + row[lead:] if row[:lead] == before else row)
        before = row[:lead]
    return shown


def _grid(matrix: Matrix, width: int) -> list[str]:
    """How many files each two have in conflict; only those that have any."""
    files = {frozenset((pair.a, pair.b)): len(pair.files) for pair in matrix.pairs}
    involved = {agent for pair in files for agent in pair}
    agents = [row.agent for row in matrix.rows if row.agent in involved]
    if not 3 <= len(agents) <= GRID or sum(len(agent) + 3 for agent in agents) > width - 20:
        return []
    rows = [(a, *("—" if a == b else str(files.get(frozenset((a, b)), "·")) for b in agents)) for a in agents]
    return [*_table(("", *agents), rows, width), ""]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    from rich import box  # noqa: PLC0415 - only a table needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=True)
    for head in heads:
        table.add_column(Text(safe(head)), overflow="fold", no_wrap=head in {"Agent", "Pair"})
    for row in rows[:ROWS]:
        # Text, so that a name in brackets is no markup of rich's.
        table.add_row(*(Text(_one_line(cell)) for cell in row))
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(table)
    more = [f"   and {len(rows) - ROWS} more rows (--json has them all)"] if len(rows) > ROWS else []
    return [*(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")), *more]


def _one_line(text: str) -> str:
    """A path may hold line ends: in a table it would look like several."""
    return safe(text).replace("\n", "\\n").replace("\t", "\\t")


def _where(file: FileConflict, *, first: str, second: str) -> str:
    """The kind where no lines tell of it, else the lines of either side."""
    if not file.places:
        return file.kind
    word = "" if file.kind in {"contents", "add/add"} else f"{file.kind}; "
    return f"{word}{first}: {_spans(file, 0)}; {second}: {_spans(file, 1)}"


def _spans(file: FileConflict, side: int) -> str:
    spans = [_span(_side(place, side)) for place in file.places[:_SPANS]]
    rest = len(file.places) + file.more - len(spans)
    return ", ".join(spans) + (f" and {rest} more" if rest else "")


def _side(place: Place, side: int) -> Span:
    return place.b if side else place.a


def _span(span: Span) -> str:
    if span.empty:
        return f"nothing after {span.end}" if span.end else "nothing at the top"
    return str(span.start) if span.start == span.end else f"{span.start}-{span.end}"


def conflicts_markdown(matrix: Matrix, budget: int = BUDGET) -> str:
    """The matrix as Markdown: the answer first, then a mermaid graph, the lines folded; within `budget` bytes."""
    said = markdown.text(headline(matrix)) if matrix.rows else "No branch to compare yet."
    blocks = [f"### Conflicts on {markdown.code(matrix.branch)}", f"**{said}**"]
    if matrix.pairs or matrix.with_target:
        blocks += [_graph(matrix), *_folded(matrix)]
    blocks += [
        f"❔ Agent {markdown.code(u.agent)}: {markdown.text(u.reason)}. {markdown.text(u.remedy)}"
        for u in matrix.uncompared
    ]
    blocks += [f"_{markdown.text(note)}_" for note in matrix.notes]
    notice = "_This was cut to the size that GitHub takes. The whole matrix: `moa conflicts --json`._"
    return markdown.cut("\n\n".join(blocks) + "\n", budget, notice)


def _graph(matrix: Matrix) -> str:
    """A mermaid graph: agents in conflict, a line for each pair, a dotted one to the target."""
    number = {row.agent: at for at, row in enumerate(matrix.rows)}
    weight = Counter[str]()
    for pair in matrix.pairs:
        weight.update((pair.a, pair.b))
    # Where not all lines fit, those of the agents with the most conflicts tell the most.
    pairs = sorted(matrix.pairs, key=lambda p: -max(weight[p.a], weight[p.b]))[:EDGES]
    behind = matrix.with_target[: EDGES - len(pairs)] if matrix.pairs else matrix.with_target[:EDGES]
    shown = {agent for pair in pairs for agent in (pair.a, pair.b)} | {one.agent for one in behind}
    lines = ["```mermaid", "graph LR"]
    lines += [f'  n{number[row.agent]}["{_label(_name(row))}"]' for row in matrix.rows if row.agent in shown]
    lines += [f'  target(["{_label(matrix.branch)}"])'] if behind else []
    lines += [f"  n{number[p.a]} ---|{_files(p.files)}| n{number[p.b]}" for p in pairs]
    lines += [f"  n{number[one.agent]} -.-|{_files(one.files)}| target" for one in behind]
    left = len(matrix.pairs) + len(matrix.with_target) - len(pairs) - len(behind)
    rest = f"\n\n_{left} more are not drawn._" if left else ""
    return "\n".join(lines) + "\n```" + rest


def _name(row: Row) -> str:
    return f"{row.agent}: {row.branch}"


def _label(text: str) -> str:
    """Foreign text inside a quoted label: whatever could mean something to mermaid becomes its character code."""
    shown = markdown.visible(markdown.shorten(text, 60))
    return "".join(c if c.isalnum() or c in " -_./:" else f"#{ord(c)};" for c in shown)


def _files(files: Sequence[FileConflict]) -> str:
    return f'"{plural(len(files), "file")}"'


def _folded(matrix: Matrix) -> list[str]:
    blocks = []
    if matrix.with_target:
        rows = [
            f"| {markdown.code(one.agent)} | {markdown.code(file.path)} | {markdown.text(_where(file, first='there', second='target'))} |"
            for one in matrix.with_target
            for file in one.files
        ]
        title = f"With the target: {plural(len(matrix.with_target), 'agent')}"
        blocks.append(_details(title, "| agent | file | lines |", rows))
    if matrix.pairs:
        rows = [row for pair in matrix.pairs for row in _pair_rows(pair)]
        title = f"With each other: {plural(len(matrix.pairs), 'pair')}"
        blocks.append(_details(title, "| pair | file | lines |", rows))
    return blocks


def _pair_rows(pair: PairConflict) -> list[str]:
    names = f"{markdown.code(pair.a)} × {markdown.code(pair.b)}"  # noqa: RUF001 - the sign of a pair
    return [
        f"| {names} | {markdown.code(file.path)} | {markdown.text(_where(file, first=pair.a, second=pair.b))} |"
        for file in pair.files
    ]


def _details(title: str, head: str, rows: Sequence[str]) -> str:
    return "\n".join(
        ["<details>", f"<summary>{title}</summary>", "", head, "| --- | --- | --- |", *rows, "", "</details>"]
    )
