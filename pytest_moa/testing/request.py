"""What a test run is asked to do. Plain data; running it is `run.py`'s work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_moa.rules.selection import Group

__all__ = ["ChildRequest", "Group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRequest:
    """One run of pytest in a process of its own.

    `work` is the root of the quarantine's repository, `project` the Python project in it, `run_dir` a private
    folder beside the work tree. `tests` are pytest arguments relative to `project`; empty: what the settings
    collect. `source_dirs` (relative to `work`) are what coverage traces; empty: no coverage. An item carries
    the label of the group with the longest path that holds it. `source_roots` (relative to `work`) go on
    `sys.path`. `own_modules` are pairs of dotted name and path: those imported from outside `work` are reported.
    `elsewhere` are checkouts of the same project (the real repository's work trees): what an editable install of them
    puts on `sys.path` is turned to the same place in `work`, and a module that still comes from there is reported.
    `only` are node ids: whatever else would be collected is left out without a word. `each` gives every test a coverage
    context of its own, `GROUP|TEST ID` (`GROUP|@FIXTURE` for a fixture that several tests share). `keep_going` lets neither
    a file that cannot be collected nor the first failure hide the others' news.
    `redirects` leads imports of moved modules and names to where they are now (`child/redirects.py`).
    """

    python: Path
    work: Path
    project: Path
    run_dir: Path
    tests: tuple[str, ...] = ()
    source_dirs: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    source_roots: tuple[str, ...] = ()
    own_modules: tuple[tuple[str, str], ...] = ()
    elsewhere: tuple[Path, ...] = ()
    timeout: float = 300.0
    slot: int = 0
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    branch_coverage: bool | None = None
    extra_args: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    each: bool = False
    keep_going: bool = False
    redirects: Mapping[str, Any] = field(default_factory=dict)
