"""The file of `--moa-report` and the lines of the terminal section."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_moa.errors import UsageError
from pytest_moa.model.results import GateResult
from pytest_moa.render.json_contract import SCHEMA, dumps, gate_json
from pytest_moa.render.terminal import safe


def prepare(file: str | None, here: Path) -> Path | None:
    """The report's absolute path, tried before the tests run; an older report goes away, so that none is stale."""
    if file is None:
        return None
    path = (here / file).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, trial = tempfile.mkstemp(prefix=".moa-", dir=path.parent)
        os.close(handle)
        Path(trial).unlink()
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"--moa-report {file} cannot be written",
            reason=error.strerror or str(error),
            remedy="Name a file in a folder that you may write to.",
        ) from error
    return path


def write(path: Path, value: dict[str, Any]) -> None:
    """Write the whole file or nothing of it."""
    handle, name = tempfile.mkstemp(prefix=".moa-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dumps(value) + "\n")
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def as_json(results: Sequence[GateResult], alone: str | None) -> dict[str, Any]:
    """One gate's object; under `--moa` an object that holds one for each agent."""
    if alone is not None:
        return gate_json(results[0])
    return {"schema": SCHEMA, "advisory": True, "agents": [gate_json(result) for result in results]}


def in_a_line(result: GateResult) -> str:
    """A gate in one line, for `-q`."""
    verdict = "no verdict" if result.verdict is None else result.verdict.upper()
    parts = [f"{result.tests.passed} of {result.tests.collected} tests passed"]
    if result.coverage is not None:
        parts.append(f"coverage {result.coverage.percent}% of {result.coverage.threshold}%")
    if result.reason:
        parts.append(result.reason)
    return f"moa: agent {safe(result.agent)} {verdict}: {safe('; '.join(parts))}"
