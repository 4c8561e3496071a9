"""Where moa keeps what can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def cache_root(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/moa`, by default `~/.cache/moa` (XDG Base Directory Specification)."""
    named = environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "moa"
