"""The matrix as people and machines see it; names and paths from outside are shown and never obeyed."""

from __future__ import annotations

import json
import re

import pytest

from pytest_moa.model.conflicts import (
    FileConflict,
    Matrix,
    PairConflict,
    Place,
    Row,
    Span,
    TargetConflict,
    Uncompared,
)
from pytest_moa.render.conflicts import BUDGET, conflicts_json, conflicts_lines, conflicts_markdown, headline
from pytest_moa.render.json_contract import dumps

EVIL = 'x"];click n0 "https://evil"\n|`@me#1<script>[red]\x1b[31m\u202e\udce9'


def file(
    path: str, *places: tuple[int, int, int, int], kind: str = "contents", more: int = 0
) -> FileConflict:
    spans = tuple(Place(Span(a, b), Span(c, d)) for a, b, c, d in places)
    return FileConflict(path=path, kind=kind, places=spans, more=more)


def row(agent: str, branch: str | None = None) -> Row:
    return Row(agent=agent, name=agent, branch=branch or f"agent-{agent}-work", head=agent * 20)


@pytest.fixture
def matrix() -> Matrix:
    core = file("src/core.py", (5, 5, 5, 6), (9, 12, 9, 8))
    return Matrix(
        branch="develop",
        target="f" * 40,
        rows=tuple(row(agent) for agent in ("01", "02", "03", "04")),
        pairs=(
            PairConflict(a="01", b="02", files=(core, file("logo", kind="binary"))),
            PairConflict(a="02", b="03", files=(file("src/core.py", (1, 1, 1, 1)),)),
        ),
        with_target=(TargetConflict(agent="04", files=(file("pay.py", (7, 7, 8, 9)),)),),
        uncompared=(Uncompared(agent="06", reason="it has two branches", remedy="Delete one."),),
        merges_tried=6,
        pairs_met=2,
        seconds=0.5,
    )


TABLE = """\
🔀 4 branches: 1 conflicts with develop, 2 pairs conflict with each other.

With develop: they have to take it in and resolve there.
 Agent   Branch          File     Lines
──
 04      agent-04-work   pay.py   there: 7; target: 8-9

With each other: whoever lands second has to resolve these.
      01   02   03
──
 01   —    2    ·
 02   2    —    1
 03   ·    1    —

 Pair      File          Lines
──
 01 × 02   src/core.py   01: 5, 9-12; 02: 5-6, nothing after 8
           logo          binary
 02 × 03   src/core.py   02: 1; 03: 1

ℹ️  The branch above was not compared with the others (--with-target-conflicts does)

❔ Agent 06: it has two branches
   👉 Delete one."""  # noqa: RUF001 - the signs that people see


def test_the_table(matrix: Matrix) -> None:
    assert re.sub("─+", "──", "\n".join(conflicts_lines(matrix))) == TABLE


MARKDOWN = """\
### Conflicts on `develop`

**4 branches: 1 conflicts with develop, 2 pairs conflict with each other.**

```mermaid
graph LR
  n0["01: agent-01-work"]
  n1["02: agent-02-work"]
  n2["03: agent-03-work"]
  n3["04: agent-04-work"]
  target(["develop"])
  n0 ---|"2 files"| n1
  n1 ---|"1 file"| n2
  n3 -.-|"1 file"| target
```

<details>
<summary>With the target: 1 agent</summary>

| agent | file | lines |
| --- | --- | --- |
| `04` | `pay.py` | there: 7; target: 8-9 |

</details>

<details>
<summary>With each other: 2 pairs</summary>

| pair | file | lines |
| --- | --- | --- |
| `01` × `02` | `src/core.py` | 01: 5, 9-12; 02: 5-6, nothing after 8 |
| `01` × `02` | `logo` | binary |
| `02` × `03` | `src/core.py` | 02: 1; 03: 1 |

</details>

❔ Agent `06`: it has two branches. Delete one.
"""  # noqa: RUF001 - the sign of a pair


def test_the_markdown(matrix: Matrix) -> None:
    assert conflicts_markdown(matrix) == MARKDOWN


def test_the_contract(matrix: Matrix) -> None:
    data = json.loads(dumps(conflicts_json(matrix)))
    assert (data["schema"], data["target"], data["branches"], data["merges_tried"]) == (1, "f" * 40, 4, 6)
    assert data["pairs"][0] == {
        "a": "01",
        "b": "02",
        "files": ["src/core.py", "logo"],
        "conflicts": [
            {
                "path": "src/core.py",
                "kind": "contents",
                "lines": [{"a": [5, 5], "b": [5, 6]}, {"a": [9, 12], "b": [9, 8]}],
                "more": 0,
            },
            {"path": "logo", "kind": "binary", "lines": [], "more": 0},
        ],
    }
    (behind,) = data["with_target"]
    assert (behind["agent"], behind["files"]) == ("04", ["pay.py"])
    assert behind["conflicts"][0]["lines"] == [{"agent": [7, 7], "target": [8, 9]}]
    assert data["uncompared"][0]["agent"] == "06"


@pytest.mark.parametrize(
    ("rows", "behind", "pairs", "words"),
    [
        (0, 0, 0, "No branch to compare yet: a branch called agent-01-name makes an agent."),
        (1, 0, 0, "The one branch merges with develop."),
        (1, 1, 0, "The one branch conflicts with develop."),
        (3, 0, 0, "No conflicts: 3 branches merge with develop and with each other."),
        (3, 2, 0, "3 branches: 2 conflict with develop."),
        (3, 0, 1, "3 branches: 1 pair conflicts with each other."),
    ],
)
def test_the_answer_in_a_sentence(rows: int, behind: int, pairs: int, words: str) -> None:
    matrix = Matrix(
        branch="develop",
        target="f" * 40,
        rows=tuple(row(str(number)) for number in range(rows)),
        with_target=tuple(TargetConflict(agent=str(number), files=()) for number in range(behind)),
        pairs=(PairConflict(a="0", b="1", files=()),) * pairs,
    )
    assert headline(matrix) == words


@pytest.fixture
def hostile() -> Matrix:
    return Matrix(
        branch=EVIL,
        target="f" * 40,
        rows=(row("01", EVIL), row("02")),
        pairs=(PairConflict(a="01", b="02", files=(file(EVIL, (1, 1, 1, 1)),)),),
        with_target=(TargetConflict(agent="02", files=(file(EVIL, kind=EVIL),)),),
        uncompared=(Uncompared(agent="03", reason=EVIL, remedy=EVIL),),
        notes=(EVIL,),
    )


def test_hostile_names_are_shown_on_a_terminal_and_not_obeyed(hostile: Matrix) -> None:
    text = "\n".join(conflicts_lines(hostile))
    assert "[red]" in text
    assert not re.search(r"[\x1b\u202e\udce9]", text)
    text.encode()
    table = [line for line in conflicts_lines(hostile) if line.startswith(" 01")]
    assert "\\n" in "".join(table)


def test_hostile_names_cannot_speak_mermaid_or_markdown(hostile: Matrix) -> None:
    text = conflicts_markdown(hostile)
    text.encode()
    graph = text.partition("```mermaid\n")[2].partition("\n```")[0].split("\n")
    assert len(graph) == 6
    for line in graph[1:]:
        assert re.fullmatch(r'  (\w+\(?\["[\w #;:./-]*"\]\)?|\w+ (---|-\.-)\|"1 file"\| \w+)', line), line
    rest = text.replace("\n".join(graph), "")
    assert "<script>" not in rest
    assert not re.search(r"@me|[\x1b\u202e]", rest)


def test_hostile_names_survive_in_json(hostile: Matrix) -> None:
    text = dumps(conflicts_json(hostile))
    text.encode()
    assert json.loads(text)["pairs"][0]["files"] == [EVIL]


def test_a_huge_matrix_stays_within_what_people_and_github_take() -> None:
    agents = [f"{number:03d}" for number in range(60)]
    files = tuple(file(f"src/some/long/path/to/a/file_{number}.py", (1, 9, 1, 9)) for number in range(5))
    matrix = Matrix(
        branch="develop",
        target="f" * 40,
        rows=tuple(row(agent) for agent in agents),
        pairs=tuple(PairConflict(a=a, b=b, files=files) for a in agents for b in agents if a < b),
    )
    text = conflicts_markdown(matrix)
    assert len(text.encode()) <= BUDGET
    assert text.count("---|") == 100
    assert "1670 more are not drawn" in text
    assert "moa conflicts --json" in text
    assert text.count("<details>") == text.count("</details>")
    lines = conflicts_lines(matrix)
    assert len(lines) < 100
    assert "more rows (--json has them all)" in "\n".join(lines)
