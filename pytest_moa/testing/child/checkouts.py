"""Other checkouts of the same project, as editable installs put them on the path: turned to the candidate's own code.

Works on Python 3.8 with the standard library alone.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from typing import Any

_NOT_TELLING = frozenset(
    {"setup", "conftest", "tests", "test", "docs", "noxfile", "tasks", "examples", "__init__"}
)


def turn_to_candidate(order: dict[str, Any]) -> None:
    """Replace or drop what editable installs of other checkouts added to `sys.path` and to their import hooks."""
    kept = []
    for entry in sys.path:
        turned = _turned(order, entry)
        if turned is not None and turned not in kept:
            kept.append(turned)
    sys.path[:] = kept
    for finder in list(sys.meta_path):
        _turn_mapping(order, sys.modules.get(getattr(finder, "__module__", "") or ""))


def foreign_modules(order: dict[str, Any]) -> list[tuple[str, str]]:
    """Modules of the project that were imported from outside the candidate: (name, file), own ones first."""
    own = dict.fromkeys(name for name, _ in order["own_modules"])
    found = {}
    for name in [*own, *(name for name in list(sys.modules) if name not in own)]:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and _is_foreign(order, file, own=name in own):
            found[name] = file
    return list(found.items())


def _turned(order: dict[str, Any], entry: str) -> str | None:
    """An entry as it should be: itself, the same place in the candidate, or None where it must go."""
    place = os.path.realpath(entry) if entry else ""
    if not place or not os.path.isdir(place) or _is_ours(order, place):
        return entry
    inner = _inside(place, order["elsewhere"])
    if inner is not None:
        counterpart = os.path.normpath(os.path.join(order["work"], inner))
        return counterpart if os.path.isdir(counterpart) else None
    return None if _same_project(order, place) else entry


def _same_project(order: dict[str, Any], place: str) -> bool:
    """Whether a folder offers a top-level module that the candidate offers, too: another checkout of it."""
    candidate = set()
    for root in [order["project"], *order["source_roots"]]:
        candidate |= _top_level(root)
    return bool(candidate & _top_level(place))


def _top_level(folder: str) -> set[str]:
    names = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, ending = os.path.splitext(entry.name)
                if ending == ".py":
                    names.add(stem)
                elif entry.is_dir() and os.path.isfile(os.path.join(entry.path, "__init__.py")):
                    names.add(entry.name)
    except OSError:
        return set()
    return names - _NOT_TELLING


def _turn_mapping(order: dict[str, Any], module: Any) -> None:
    # setuptools writes an import hook with a table from package to folder for layouts that no path can express.
    mapping = getattr(module, "MAPPING", None)
    if not isinstance(mapping, dict) or not getattr(module, "__name__", "").startswith("__editable__"):
        return
    for name, place in list(mapping.items()):
        if isinstance(place, str) and not _is_ours(order, os.path.realpath(place)):
            counterpart = _counterpart(order, os.path.realpath(place), least=1)
            if counterpart is not None:
                mapping[name] = counterpart


def _counterpart(order: dict[str, Any], place: str, least: int) -> str | None:
    """The path in the candidate that a path of another checkout stands for: the longest end that is there."""
    inner = _inside(place, order["elsewhere"])
    if inner is not None:
        there = os.path.normpath(os.path.join(order["work"], inner))
        return there if os.path.exists(there) else None
    parts = place.strip(os.sep).split(os.sep)
    for first in range(1, len(parts) - least + 1):
        there = os.path.join(order["work"], *parts[first:])
        if os.path.exists(there):
            return there
    return None


def _is_foreign(order: dict[str, Any], file: str, own: bool) -> bool:
    place = os.path.realpath(file)
    if own:
        return _inside(place, [order["work"]]) is None
    if _is_ours(order, place):
        return False
    # A file's bare name says little; with its folder it names a place of the project.
    return _inside(place, order["elsewhere"]) is not None or _counterpart(order, place, least=2) is not None


def _is_ours(order: dict[str, Any], place: str) -> bool:
    """Whether a path belongs to the candidate, to this run, or to the interpreter and what is installed in it."""
    return _inside(place, [order["work"], order["run_dir"], *_installed()]) is not None


def _installed() -> list[str]:
    if not _PLACES:
        found = {sys.prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
        found |= {sysconfig.get_path("stdlib"), os.path.dirname(os.__file__)}
        found |= set(getattr(site, "getsitepackages", list)())
        user = getattr(site, "USER_SITE", None)
        found |= {user} if user else set()
        base = os.path.realpath(sys.base_prefix)
        # `/usr` is a whole system: only its library folders are the interpreter's.
        found |= set() if base in {"/", "/usr", "/usr/local"} else {base}
        _PLACES.extend(
            sorted({os.path.realpath(place) for place in found if place} - {"/", "/usr", "/usr/local"})
        )
    return _PLACES


_PLACES: list[str] = []


def _inside(place: str, roots: list[str]) -> str | None:
    """The path relative to the first of the roots that holds it, None where none does."""
    for root in roots:
        if place == root or place.startswith(root.rstrip(os.sep) + os.sep):
            return os.path.relpath(place, root)
    return None
