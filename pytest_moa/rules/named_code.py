"""The own code of an agent in another language: the files that its registry entry names, whole, of any extension."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def named_code(
    source: Sequence[str], tests: Sequence[str], tree: Iterable[str], prefix: str
) -> dict[str, None]:
    """Paths of the tree that `source` names (files, folders, globs), without those that `tests` names.

    Both are relative to the working directory, `prefix` is its path below the root (empty or ending in a slash). The
    value None is the whole file, as everywhere.
    """
    return {
        path: None
        for path in sorted(tree)
        if path.startswith(prefix)
        and _named(path[len(prefix) :], source)
        and not _named(path[len(prefix) :], tests)
    }


def _named(path: str, places: Sequence[str]) -> bool:
    clean = (place.removeprefix("./").rstrip("/") for place in places)
    return any(
        name in {"", "."} or path == name or path.startswith(name + "/") or fnmatchcase(path, name)
        for name in clean
    )
