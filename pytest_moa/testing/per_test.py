"""Which lines each test ran, by the raw data of a run with a coverage context for every test; read as untrusted input."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import CoverageException

from pytest_moa.testing.raw_data import PREFIX, clean_data
from pytest_moa.testing.request import ChildRequest

Lines = Mapping[str, frozenset[int]]
"""Path relative to the repository's root, to line numbers."""

_MOST = 200_000
# As Python and faulthandler write a place, as pytest begins a line with one, and as either stands in a sentence.
_PLACE = re.compile(
    r'File "([^"\n]{1,1000})", line (\d{1,7})\b'
    r"|^(\S[^:\"\n]{0,1000}\.py):(\d{1,7}):"
    r"|(?:^|[\s(])([^\s:\"()]{1,500}\.py):(\d{1,7})\b",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesByTest:
    """`tests` by test id; `shared` are lines of fixtures that several tests use; `imported` ran at import time."""

    tests: Mapping[str, Lines] = field(default_factory=dict)
    shared: Lines = field(default_factory=dict)
    imported: Lines = field(default_factory=dict)


def lines_by_test(request: ChildRequest, *, work: str) -> LinesByTest:
    """Nothing at all where the data cannot be believed: then they name nobody."""
    clean = request.run_dir / "by-test"
    clean.mkdir(parents=True, exist_ok=True)
    if clean_data(request.run_dir, clean, work=work, to=work) is not None:
        return LinesByTest()
    found: dict[str, dict[str, set[int]]] = {}
    for file in sorted(clean.glob(PREFIX + "*")):
        data = CoverageData(basename=str(file))
        try:
            data.read()
            for measured in data.measured_files():
                path = os.path.relpath(measured, work)
                for line, labels in data.contexts_by_lineno(measured).items():
                    for label in labels:
                        name = label.partition("|")[2]
                        found.setdefault(name, {}).setdefault(path, set()).add(line)
        except CoverageException:
            continue
        finally:
            data.close()
    frozen = {name: {p: frozenset(n) for p, n in lines.items()} for name, lines in found.items()}
    shared: dict[str, frozenset[int]] = {}
    for name, lines in frozen.items():
        if name.startswith("@"):
            for path, numbers in lines.items():
                shared[path] = shared.get(path, frozenset()) | numbers
    return LinesByTest(
        tests={name: lines for name, lines in frozen.items() if name and not name.startswith("@")},
        shared=shared,
        imported=frozen.get("", {}),
    )


def places_in(text: str, work: str, *, folder: str = "") -> dict[str, frozenset[int]]:
    """The files of the work tree, and the lines in them, that a message, a traceback or faulthandler's stacks name.

    A relative path is one below `folder` (the project's, relative to the root), or the root itself.
    """
    found: dict[str, set[int]] = {}
    for groups in _PLACE.findall(text[:_MOST]):
        name, line = (word for word in groups if word)
        if Path(name).is_absolute():
            path = os.path.relpath(name, work)
        else:
            path = os.path.normpath(name)
            if folder and not path.startswith(folder):
                path = os.path.join(folder, path)  # noqa: PTH118 - as git spells paths
        if not name.startswith("<") and not path.startswith(".."):
            found.setdefault(path, set()).add(int(line))
    return {path: frozenset(lines) for path, lines in found.items()}
