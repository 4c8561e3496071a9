"""Copies the rows of raw coverage data into a fresh file, and trusts none of them. Runs nothing of the candidate.

Run as `python -I -S raw_data.py` by moa's own interpreter: the question is JSON on standard input, the answer JSON on
standard output. Tables as coverage documents them: https://coverage.readthedocs.io/en/latest/dbschema.html (version 7).
"""

from __future__ import annotations

import json
import posixpath
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

SCHEMA = 7
TABLES = {
    "coverage_schema": "version integer",
    "meta": "key text, value text, unique (key)",
    "file": "id integer primary key, path text, unique (path)",
    "context": "id integer primary key, context text, unique (context)",
    "line_bits": "file_id integer, context_id integer, numbits blob, unique (file_id, context_id)",
    "arc": "file_id integer, context_id integer, fromno integer, tono integer,"
    " unique (file_id, context_id, fromno, tono)",
    "tracer": "file_id integer primary key, tracer text",
}
LONGEST_TEXT, LONGEST_BITS = 32 * 1024, 2 * 1024 * 1024
HIGHEST = 8 * LONGEST_BITS
BATCH = 5000


class OddDataError(Exception):
    """What is wrong with the data, as the end of a sentence."""


def main() -> int:
    question = json.load(sys.stdin)
    try:
        for source, target in question["files"]:
            copy(source, target, question)
    except (OddDataError, sqlite3.Error, OSError, ValueError) as error:
        sys.stdout.write(json.dumps({"reason": f"{error}"}))
        return 0
    sys.stdout.write(json.dumps({"reason": None}))
    return 0


def copy(source: str, target: str, question: dict[str, Any]) -> None:
    """One file's rows; a name below `work` is put below `to`. `lengths`: path below the root to its lines in git."""
    with open(source, "rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise OddDataError("a file is no SQLite database")
    # Nothing is written, no journal of another process is followed.
    reading = sqlite3.connect(f"file:{quote(source)}?mode=ro&immutable=1", uri=True)
    writing = sqlite3.connect(target, isolation_level=None)
    try:
        reading.text_factory = lambda raw: raw.decode("utf-8")  # a UnicodeDecodeError is a ValueError
        require_tables(reading)
        writing.execute("pragma page_size = 1024")  # most data are few
        writing.execute("pragma journal_mode = off")
        writing.execute("pragma synchronous = off")
        writing.execute("begin")
        for name, columns in TABLES.items():
            writing.execute(f"create table {name} ({columns})")
        fill(reading, writing, question)
        writing.execute("commit")
    finally:
        reading.close()
        writing.close()


def require_tables(reading: sqlite3.Connection) -> None:
    """Real tables only: a view or a trigger of the same name would be a program."""
    kinds = dict(reading.execute("select name, type from sqlite_master where name not like 'sqlite_%'"))
    odd = [name for name, kind in kinds.items() if kind not in {"table", "index"}]
    if odd or any(kinds.get(name) != "table" for name in TABLES):
        raise OddDataError("a file has not the tables that coverage makes")
    versions = [row[0] for row in reading.execute("select version from coverage_schema limit 2")]
    if versions != [SCHEMA]:
        raise OddDataError(f"a file has another schema than coverage's version {SCHEMA}")


def fill(reading: sqlite3.Connection, writing: sqlite3.Connection, question: dict[str, Any]) -> None:
    arcs = list(reading.execute("select value from meta where key = 'has_arcs'"))
    writing.execute("insert into coverage_schema values (?)", (SCHEMA,))
    # The command line and the hour are nobody's business elsewhere.
    writing.executemany("insert into meta values (?, ?)", [("has_arcs", str(int(arcs == [("1",)])))])
    highest = dict(files(reading, writing, question))
    contexts = set(texts(reading, writing, question["tests"]))
    move(
        reading,
        writing,
        "line_bits",
        "file_id, context_id, numbits",
        lambda row: bits(row, highest, contexts),
    )
    move(
        reading, writing, "arc", "file_id, context_id, fromno, tono", lambda row: arc(row, highest, contexts)
    )
    rows = reading.execute("select file_id, path, tracer from tracer join file on file.id = file_id")
    for number, path, tracer in rows:
        if tracer and (path.endswith(".py") or not isinstance(tracer, str) or len(tracer) > LONGEST_TEXT):
            raise OddDataError(f"{posixpath.basename(path)} was traced by a plugin of coverage")
        writing.execute("insert into tracer values (?, ?)", (number, tracer))


def files(
    reading: sqlite3.Connection, writing: sqlite3.Connection, question: dict[str, Any]
) -> Iterator[tuple[int, int]]:
    """Pairs of a file's id and the highest line that it may have."""
    for number, path in reading.execute("select id, path from file"):
        if type(number) is not int or not isinstance(path, str) or len(path) > LONGEST_TEXT:
            raise OddDataError("a row of the table `file` is odd")
        inner = below(path, question["work"])
        if inner is None:
            raise OddDataError(f"they name {path[:300]}, which is not the candidate's")
        place = posixpath.join(question["to"], inner)
        writing.execute("insert into file values (?, ?)", (number, place))
        lines = question["lengths"].get(inner)
        yield number, HIGHEST if lines is None else max(lines, 1)


def below(path: str, work: str) -> str | None:
    """The part below `work`; None for a path that is elsewhere or not written plainly."""
    plain = path == posixpath.normpath(path) and "\0" not in path and path.startswith(work + "/")
    return path[len(work) + 1 :] if plain else None


def texts(reading: sqlite3.Connection, writing: sqlite3.Connection, tests: list[str] | None) -> Iterator[int]:
    """The contexts' ids. A label is `GROUP`, `GROUP|TEST ID` or `GROUP|@FIXTURE`: only collected tests run lines."""
    collected = None if tests is None else {"", *tests}
    for number, label in reading.execute("select id, context from context"):
        if type(number) is not int or not isinstance(label, str) or len(label) > LONGEST_TEXT:
            raise OddDataError("a row of the table `context` is odd")
        test = label.partition("|")[2]
        if collected is not None and test not in collected and not test.startswith("@"):
            raise OddDataError(f"they hold lines that {test[:300]} ran, which the record does not know")
        writing.execute("insert into context values (?, ?)", (number, label))
        yield number


def move(
    reading: sqlite3.Connection, writing: sqlite3.Connection, table: str, columns: str, check: Any
) -> None:
    marks = ", ".join("?" for _ in columns.split(","))
    rows = reading.execute(f"select {columns} from {table}")  # noqa: S608 - both are words of this file
    while batch := rows.fetchmany(BATCH):
        for row in batch:
            check(row)
        writing.executemany(f"insert into {table} values ({marks})", batch)  # noqa: S608 - the same


def known(row: tuple[Any, ...], highest: dict[int, int], contexts: set[int]) -> int:
    """The highest line that the row's file may have."""
    number, context = row[:2]
    if type(number) is not int or type(context) is not int or context not in contexts:
        raise OddDataError("they hold lines of an unknown context")
    if number not in highest:
        raise OddDataError("they hold lines of an unknown file")
    return highest[number]


def bits(row: tuple[Any, ...], highest: dict[int, int], contexts: set[int]) -> None:
    most, blob = known(row, highest, contexts), row[2]
    if not isinstance(blob, bytes) or len(blob) > LONGEST_BITS:
        raise OddDataError("a row of the table `line_bits` is odd")
    packed = blob.rstrip(b"\0")
    if packed and 8 * (len(packed) - 1) + packed[-1].bit_length() - 1 > most:
        raise OddDataError(f"they hold lines that a file of {most} lines does not have")


def arc(row: tuple[Any, ...], highest: dict[int, int], contexts: set[int]) -> None:
    most = known(row, highest, contexts)
    if any(type(line) is not int for line in row[2:]):
        raise OddDataError("a row of the table `arc` is odd")
    if any(abs(line) > most for line in row[2:]):
        raise OddDataError(f"they hold lines that a file of {most} lines does not have")


if __name__ == "__main__":
    sys.exit(main())
