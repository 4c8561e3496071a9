"""Version files that a build generates from git's tags (setuptools-scm, hatch-vcs): where they lie, what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

_TAG = re.compile(r"(?:.*?[-_/])?v?(?P<release>\d+(?:\.\d+)*)(?P<rest>[a-z0-9.+]*)", re.IGNORECASE)
_DESCRIBED = re.compile(r"(?P<tag>.+)-(?P<distance>\d+)-g(?P<commit>[0-9a-f]+)")


def version_files(pyproject: str) -> tuple[str, ...]:
    """The generated version files that a `pyproject.toml` names, relative to it; none for text that does not parse."""
    try:
        tool = tomllib.loads(pyproject).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return ()
    scm = _table(tool, "setuptools_scm") | _table(tool, "vcs-versioning")
    hook = _table(tool, "hatch", "build", "hooks", "vcs")
    named = [scm.get("version_file"), scm.get("write_to"), hook.get("version-file"), hook.get("version_file")]
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and _is_inside(name)))


def version_of(described: str, commits: int) -> str:
    """The version after PEP 440 that `git describe --tags --long` gives, guessed as setuptools-scm does by default.

    On a tag: the tag. After it: the next release's development version. `described` is empty where there is no tag;
    then `commits` is how many there are.
    """
    found = _DESCRIBED.fullmatch(described)
    tag = _TAG.fullmatch(found["tag"]) if found else None
    if found is None or tag is None:
        return f"0.1.dev{commits}"
    if found["distance"] == "0":
        return tag["release"] + tag["rest"]
    *most, last = tag["release"].split(".")
    return f"{'.'.join([*most, str(int(last) + 1)])}.dev{found['distance']}+g{found['commit']}"


def version_module(name: str, version: str) -> str:
    """The file's text: a module with the names that setuptools-scm and hatch-vcs write, else the bare version."""
    if not name.endswith((".py", ".pyi")):
        return version + "\n"
    public, _, local = version.partition("+")
    parts = [int(p) if p.isdigit() else p for p in public.split(".")] + ([local] if local else [])
    return (
        f"__version__ = version = {version!r}\n"
        f"__version_tuple__ = version_tuple = {tuple(parts)!r}\n"
        "__commit_id__ = commit_id = None\n"
    )


def _table(data: Any, *names: str) -> dict[str, Any]:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and ".git" not in path.parts
