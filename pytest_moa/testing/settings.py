"""The target's coverage and pytest settings, as the tools themselves would read them. Runs none of the target's code."""

from __future__ import annotations

import configparser
import json
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.settings import COVERAGE_FILES, PYTEST_FILES

Read = Callable[[str], bytes | None]
"""The bytes of a file beside the project's settings, by its name; None where there is none."""

_NOTHING = ("(?!)",)  # settings that empty a list mean it: an expression that never matches
_READER = Path(__file__).parent / "child" / "coverage_settings.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageSettings:
    """What decides which lines count. Expressions are complete: defaults and the `…_also` settings included.

    `omit` and `include` are patterns relative to the project, from both the run and the report section. Without
    expressions coverage's own defaults hold.
    """

    branch: bool = False
    source: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude_lines: tuple[str, ...] = ()
    exclude_also: tuple[str, ...] = ()
    partial_branches: tuple[str, ...] = ()
    partial_branches_always: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestSettings:
    """`origin` is the file that pytest would take, None where it would find none. Defaults are pytest's own."""

    origin: str | None = None
    testpaths: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")
    python_classes: tuple[str, ...] = ("Test",)
    python_functions: tuple[str, ...] = ("test",)
    norecursedirs: tuple[str, ...] = (
        "*.egg",
        ".*",
        "_darcs",
        "build",
        "CVS",
        "dist",
        "node_modules",
        "venv",
        "{arch}",
    )
    pythonpath: tuple[str, ...] = ()
    addopts: tuple[str, ...] = ()


_known: dict[frozenset[tuple[str, bytes]], CoverageSettings] = {}
"""What was answered for which files: in a round of the queue all agents share them, and an interpreter is slow to start."""


def read_coverage_settings(read: Read, scratch: Path | None = None) -> CoverageSettings:
    """The settings that moa's own coverage finds in these files. Raises UndeterminedError where they cannot be read.

    The files are laid out below `scratch` (default: the temporary folder) for as long as they are read; a folder
    that is swept when its owner was killed is the better place. The same files are read once in a process.
    """
    files = {name: data for name in COVERAGE_FILES if (data := read(name)) is not None}
    key = frozenset(files.items())
    if key not in _known:
        _known[key] = _read_laid_out(files, scratch)
    return _known[key]


def _read_laid_out(files: Mapping[str, bytes], scratch: Path | None) -> CoverageSettings:
    with tempfile.TemporaryDirectory(prefix="moa-", dir=scratch) as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        facts, problem = _asked(folder)
    if problem is not None:
        raise UndeterminedError(
            "The coverage settings cannot be read.",
            reason=str(problem).replace(folder + "/", ""),
            remedy="Correct the coverage section on the target branch.",
        )
    return _coverage_settings(facts)


def _asked(folder: str) -> tuple[dict[str, Any], str | None]:
    """The reader's answer about the files in a folder, or what is wrong."""
    command = [sys.executable, "-I", str(_READER)]
    try:
        answer = subprocess.run(command, cwd=folder, env={}, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UndeterminedError(
            "moa's own interpreter cannot be started again.",
            reason=str(error),
            remedy="Install moa where this user may run it, for example in an environment of its own.",
        ) from error
    try:
        facts = json.loads(answer.stdout)
        return facts, facts.get("problem")
    except ValueError:
        return {}, answer.stderr.decode("utf-8", "replace").strip()[-500:] or "no answer"


def _coverage_settings(facts: dict[str, Any]) -> CoverageSettings:
    def words(name: str) -> tuple[str, ...]:
        return tuple(facts[name] or ())

    # coverage ignores the run section's `include` where a source is named
    run_include = () if facts["source"] else words("run_include")
    return CoverageSettings(
        branch=bool(facts["branch"]),
        source=words("source"),
        omit=tuple(dict.fromkeys(words("run_omit") + words("report_omit"))),
        include=words("report_include") or run_include,
        exclude_lines=words("exclude_lines") or _NOTHING,
        exclude_also=words("exclude_also"),
        partial_branches=words("partial_branches") or _NOTHING,
        partial_branches_always=words("partial_branches_always") or _NOTHING,
        plugins=words("plugins"),
    )


def read_pytest_settings(read: Read) -> PytestSettings:
    """The settings of the first file that pytest would take. Raises UndeterminedError for one that does not parse."""
    for name in PYTEST_FILES:
        data = read(name)
        if data is None:
            continue
        try:
            found = _PARSERS[name](data.decode("utf-8"))
        except (ValueError, configparser.Error) as error:  # TOML and Unicode errors are ValueErrors
            raise UndeterminedError(
                f"{name} cannot be read.", reason=str(error), remedy=f"Correct {name} on the target branch."
            ) from error
        if found is not None:
            return _pytest_settings(name, found)
    # An empty pyproject.toml still marks the root, and sets nothing.
    return PytestSettings(origin="pyproject.toml" if read("pyproject.toml") is not None else None)


def _own_toml(text: str) -> dict[str, Any] | None:
    return dict(tomllib.loads(text).get("pytest", {}))


def _own_ini(text: str) -> dict[str, Any] | None:
    return _ini(text, "pytest") or {}


def _pyproject(text: str) -> dict[str, Any] | None:
    """`[tool.pytest]` is pytest 9's native table, `[tool.pytest.ini_options]` the older one."""
    tool = tomllib.loads(text).get("tool", {}).get("pytest", {})
    native = {key: value for key, value in tool.items() if key != "ini_options"}
    return native or tool.get("ini_options")


def _tox(text: str) -> dict[str, Any] | None:
    return _ini(text, "pytest")


def _setup_cfg(text: str) -> dict[str, Any] | None:
    return _ini(text, "tool:pytest")


def _ini(text: str, section: str) -> dict[str, Any] | None:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # documented way to keep the keys' case
    parser.read_string(text)
    return dict(parser[section]) if parser.has_section(section) else None


# The order of pytest 9; older versions know fewer of these names.
_PARSERS: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "pytest.toml": _own_toml,
    ".pytest.toml": _own_toml,
    "pytest.ini": _own_ini,
    ".pytest.ini": _own_ini,
    "pyproject.toml": _pyproject,
    "tox.ini": _tox,
    "setup.cfg": _setup_cfg,
}

SETTINGS_FILES = tuple(dict.fromkeys((*COVERAGE_FILES, *PYTEST_FILES)))
"""All files that either reader may ask for, so that a caller can fetch them at once."""


def _pytest_settings(origin: str, found: dict[str, Any]) -> PytestSettings:
    default = PytestSettings()

    def words(name: str, fallback: tuple[str, ...]) -> tuple[str, ...]:
        value = found.get(name)
        if value is None:
            return fallback
        try:
            return tuple(shlex.split(value)) if isinstance(value, str) else tuple(str(word) for word in value)
        except (TypeError, ValueError) as error:
            raise UndeterminedError(
                f"{origin}: `{name}` cannot be read.",
                reason=str(error),
                remedy=f"Correct {origin} on the target branch.",
            ) from error

    return PytestSettings(
        origin=origin,
        testpaths=words("testpaths", default.testpaths),
        python_files=words("python_files", default.python_files),
        python_classes=words("python_classes", default.python_classes),
        python_functions=words("python_functions", default.python_functions),
        norecursedirs=words("norecursedirs", default.norecursedirs),
        pythonpath=words("pythonpath", default.pythonpath),
        addopts=words("addopts", default.addopts),
    )
