"""A board in a JSON file: read whole, written whole, never left half written."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from taskboard.board import Board
from taskboard.errors import StoreError
from taskboard.model import Priority, Status, Task

SCHEMA = 1


def load(path: Path) -> Board:
    """The board that the file holds; an empty one where there is no file.

    Raises StoreError where it cannot be read, is not ours, or was written by a later version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Board()
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or "schema" not in document:
        raise StoreError(f"{path} holds no tasks")
    if document["schema"] != SCHEMA:
        raise StoreError(
            f"{path} was written by another version (schema {document['schema']}, not {SCHEMA})"
        )
    try:
        tasks = [_decode(entry) for entry in document["tasks"]]
        return Board(tasks, next_number=document["next_number"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} holds a task that makes no sense: {error!r}") from error


def save(board: Board, path: Path) -> None:
    """Writes the board beside the file and moves it there, so that a crash leaves the old one.

    Raises StoreError where the folder cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "next_number": board.next_number,
        "tasks": [encode(task) for task in board],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        _replace(path, text)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def encode(task: Task) -> dict[str, Any]:
    """The task as JSON values; fields that say nothing are left out."""
    fields: dict[str, Any] = {
        "number": task.number,
        "title": task.title,
        "created": task.created.isoformat(),
        "status": task.status.value,
        "priority": task.priority.value,
        "due": task.due.isoformat() if task.due else None,
        "labels": sorted(task.labels),
        "repeat": task.repeat,
        "closed": task.closed.isoformat() if task.closed else None,
    }
    return {name: value for name, value in fields.items() if value not in (None, [])}


def _decode(entry: dict[str, Any]) -> Task:
    return Task(
        number=int(entry["number"]),
        title=str(entry["title"]),
        created=date.fromisoformat(entry["created"]),
        status=Status(entry["status"]),
        priority=Priority(entry["priority"]),
        due=_day(entry.get("due")),
        labels=frozenset(entry.get("labels", ())),
        repeat=entry.get("repeat"),
        closed=_day(entry.get("closed")),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
