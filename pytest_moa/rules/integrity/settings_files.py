"""What pytest and coverage read from a project's settings files, in their own order of files.

Parses text; decides nothing (that is `settings_changed`). Nothing here raises on any content.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_moa.model.settings import COVERAGE_FILES, PYTEST_FILES
from pytest_moa.rules.integrity.kit import Change, Side

Settings = Mapping[str, object]
Document = Mapping[str, object]
"""Section to keys for ini files, the whole document for TOML."""

COVERAGE_SECTIONS = ("run", "report", "paths")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The settings that hold in a folder, and the file that they come from (None: there is none)."""

    path: str | None
    settings: Settings


def ini_sections(text: str) -> dict[str, dict[str, str]] | None:
    """Sections of an ini file as pytest reads them; None where a line fits no rule of its parser."""
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    key: str | None = None
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if raw[0] in " \t" and section is not None and key is not None:
            section[key] = f"{section[key]}\n{line}".strip()
        elif line.startswith("[") and "]" in line:
            section, key = sections.setdefault(line[1 : line.rindex("]")], {}), None
        else:
            key = _key_of(line)
            if section is None or key is None:
                return None
            section[key] = line[len(key) :].strip().removeprefix("=").removeprefix(":").strip()
    return sections


def _key_of(line: str) -> str | None:
    ends = [i for i in (line.find("="), line.find(":")) if i > 0]
    return line[: min(ends)].rstrip() if ends else line


def toml_document(text: str) -> Document | None:
    """A TOML document; None where it is not one."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return None


def document(path: str, text: str) -> Document | None:
    """Any of the files above as a mapping; None where it does not parse."""
    return toml_document(text) if path.endswith(".toml") else ini_sections(text)


def table(given: object, *keys: str) -> Settings | None:
    """The table under these keys, None where something else or nothing is there."""
    for key in keys:
        given = given.get(key) if isinstance(given, Mapping) else None
    return given if isinstance(given, Mapping) else None


def pytest_section(path: str, doc: Document) -> Settings | None:
    """Pytest's settings in a file; None where pytest would look further."""
    name = PurePosixPath(path).name
    if name in ("pytest.toml", ".pytest.toml"):
        return table(doc, "pytest") or {}
    if name == "pyproject.toml":
        tool = table(doc, "tool", "pytest")
        native = {k: v for k, v in (tool or {}).items() if k != "ini_options"}
        older = table(tool, "ini_options")
        # Pytest 9 refuses both, pytest 8 reads `ini_options` alone: what either reads has to be seen.
        return {**native, **(older or {})} if native else older
    if name in ("pytest.ini", ".pytest.ini"):
        return table(doc, "pytest") or {}
    return table(doc, "tool:pytest") if name == "setup.cfg" else table(doc, "pytest")


def coverage_section(path: str, doc: Document) -> Settings | None:
    """Coverage's settings in a file, keyed `run:omit`; None where coverage would look further."""
    name = PurePosixPath(path).name
    found: dict[str, object] = {}
    own_file = name in {".coveragerc", ".coveragerc.toml"}
    for section in COVERAGE_SECTIONS:
        for keys in _coverage_keys(name, section):
            inner = table(doc, *keys)
            if inner is not None:
                _add(found, section, inner)
    plugins = words(found.get("run:plugins"))
    for plugin in plugins:
        for keys in _coverage_keys(name, plugin):
            _add(found, plugin, table(doc, *keys) or {})
    return found if found or own_file else None


def _add(found: dict[str, object], section: str, inner: Settings) -> None:
    """Keys in any case, as configparser has them; two spellings of one key are both kept in sight."""
    for key, value in inner.items():
        name = f"{section}:{key.lower()}"
        found[name] = f"{found[name]}\n{value}" if name in found else value


def _coverage_keys(name: str, section: str) -> tuple[tuple[str, ...], ...]:
    if name == ".coveragerc":
        return ((section,), (f"coverage:{section}",))
    if name == ".coveragerc.toml":
        return ((section,), ("tool", "coverage", section))
    if name == "pyproject.toml":
        return (("tool", "coverage", section),)
    return ((f"coverage:{section}",),)


def pytest_settings(change: Change, folder: str, side: Side) -> Effective:
    """Pytest's settings for tests below a folder: the nearest file upwards that speaks of pytest."""
    while True:
        found = _first(change, folder, side, PYTEST_FILES, pytest_section)
        if found.path is not None or not folder:
            return found
        folder = folder.rpartition("/")[0]


def coverage_settings(change: Change, folder: str, side: Side) -> Effective:
    """Coverage's settings where it is run in a folder: it looks nowhere else."""
    return _first(change, folder, side, COVERAGE_FILES, coverage_section)


def _first(
    change: Change,
    folder: str,
    side: Side,
    names: tuple[str, ...],
    section: Callable[[str, Document], Settings | None],
) -> Effective:
    for name in names:
        path = f"{folder}/{name}" if folder else name
        doc = parsed_document(change, path, side)
        found = section(path, doc) if doc is not None else None
        if found is not None:
            return Effective(path=path, settings=found)
    return Effective(path=None, settings={})


def parsed_document(change: Change, path: str, side: Side) -> Document | None:
    """A settings file on a side, parsed once a change; None where it is not there or does not parse."""
    key = ("settings", path, side)
    if key not in change.memo:
        text = change.text(path, side)
        change.memo[key] = None if text is None else document(path, text)
    found: Document | None = change.memo[key]
    return found


def lines_of(value: object) -> tuple[str, ...]:
    """A setting of one entry a line (`filterwarnings`, `exclude_lines`), or a TOML list, as entries."""
    if isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    if isinstance(value, list):
        return tuple(str(v) for v in value)
    return () if value is None else (str(value),)


def words(value: object) -> tuple[str, ...]:
    """A setting of words (`testpaths`, `omit`), apart by blanks, commas or lines, or a TOML list."""
    if not isinstance(value, str):
        return lines_of(value)
    return tuple(word for word in value.replace(",", " ").split() if word)


def arguments(value: object) -> tuple[str, ...]:
    """Command-line words (`addopts`) as a shell would part them, which is how pytest parts them."""
    if not isinstance(value, str):
        return lines_of(value)
    try:
        return tuple(shlex.split(value, comments=False))
    except ValueError:
        return tuple(value.split())


def truth(value: object) -> bool:
    """A switch as ini files write it."""
    return str(value).strip().lower() in ("1", "true", "yes", "on")


def number(value: object) -> float:
    """A figure; 0 where it is none."""
    try:
        figure = float(str(value).strip() or "0")
    except ValueError:
        return 0.0
    return figure if figure == figure else 0.0  # noqa: PLR0124 - NaN is the one value that differs from itself


def key_line(text: str | None, key: str, value: object = None) -> int | None:
    """Where a key is written, 1-based, for the reader's eye; None where it cannot be found as a word."""
    if text is None:
        return None
    wanted = key.rpartition(":")[2]
    hint = str(value).splitlines()[0] if value else ""
    places = list(_key_places(text, wanted))
    return next((n for n, line in places if hint and hint in line), places[0][0] if places else None)


def _key_places(text: str, key: str) -> Iterator[tuple[int, str]]:
    for number_, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().strip("\"'")
        if line.lower().startswith(key) and line[len(key) :].lstrip(" \"'")[:1] in ("=", ":", "."):
            yield number_, raw
