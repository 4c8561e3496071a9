"""Coverage's own data to lines of own files, through its public reports; and modules that came from elsewhere."""

from __future__ import annotations

import ast
import gc
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_moa.desk.order import PREFIX, Groups, group_of
from pytest_moa.errors import ConfigError, UndeterminedError
from pytest_moa.model.evidence import FileLines, ForeignModule
from pytest_moa.rules.gate import Doubt

if TYPE_CHECKING:
    from coverage import Coverage

_FILE_SETTINGS = ("run:source", "run:include", "run:omit", "report:include", "report:omit")
# Own code is already what the settings leave in: filtering it again, or passing over a file, could only hide some.
_FOR_OWN_CODE: dict[str, list[str] | bool] = {
    "report:include": [],
    "report:omit": [],
    "report:ignore_errors": False,
}
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def lines_of(
    cov: Coverage, own: Sequence[str], *, root: Path, here: Path, contexts: Iterable[str] | None = None
) -> tuple[FileLines, ...]:
    """What ran of own files (relative to `root`), as `coverage json` has it; a file that never ran is all missing.

    `here` is the folder that coverage was started in, `contexts` those whose lines count (None: all).
    Raises UndeterminedError where coverage cannot read its data or a file.
    """
    if not own:
        return ()
    chosen = None if contexts is None else ["|".join(f"^{re.escape(c)}$" for c in contexts) or "^(?!)"]
    places = {str((root / path).resolve()): path for path in own}
    found = {}
    for name, lines in _reported(cov, list(places), chosen):
        path = places.get(str((here / name).resolve()))
        if path is not None:
            found[path] = replace(lines, path=path)
    lost = [path for path in own if path not in found]
    if lost:
        raise UndeterminedError(
            f"coverage reports nothing about {lost[0]}", remedy="Look at coverage's settings in this project."
        )
    return tuple(found[path] for path in own)


def _reported(cov: Coverage, files: list[str], contexts: list[str] | None) -> list[tuple[str, FileLines]]:
    """Each file's name and lines. Raises UndeterminedError where coverage cannot read its data or a file."""
    from coverage.exceptions import CoverageException  # noqa: PLC0415 - only where pytest-cov already has it

    kept = {name: cov.get_option(name) for name in _FOR_OWN_CODE}
    # Trees by the hundred thousand are made and dropped here; collecting in between costs a fifth of it all.
    collects = gc.isenabled()
    gc.disable()
    try:
        for name, value in _FOR_OWN_CODE.items():
            cov.set_option(name, value)
        analysed = _analysed(cov, files, contexts)
        return _json_report(cov, files, contexts) if analysed is None else analysed
    except CoverageException as error:
        raise UndeterminedError(
            "the coverage of own code cannot be read",
            reason=str(error),
            remedy="Run it again without the cause.",
        ) from error
    finally:
        for name, before in kept.items():
            cov.set_option(name, before)
        if collects:
            gc.enable()


def _analysed(
    cov: Coverage, files: list[str], contexts: list[str] | None
) -> list[tuple[str, FileLines]] | None:
    """The analysis that all of coverage's reports are written from; None where this version has no such thing.

    Not a documented interface, hence the way out: the JSON report says the same (a test compares them), but adds
    up every function and class as well, which costs as much again as a third of the analysis.
    """
    data = cov.get_data()
    try:
        from coverage.report_core import get_analysis_to_report  # noqa: PLC0415

        data.set_query_contexts(contexts)
        return [(fr.filename, _lines(analysis)) for fr, analysis in get_analysis_to_report(cov, files)]
    except (ImportError, AttributeError, TypeError):
        return None
    finally:
        data.set_query_contexts(None)


def _lines(analysis: Any) -> FileLines:
    def pairs(arcs: Mapping[int, Iterable[int]]) -> frozenset[tuple[int, int]]:
        return frozenset((start, end) for start, ends in arcs.items() for end in ends)

    statements, missing = frozenset(analysis.statements), frozenset(analysis.missing)
    branches = analysis.has_arcs
    return FileLines(
        path="",
        # coverage before 7.10 tells of a line 0 in an empty file, and does not count it
        executed=statements - missing - {0},
        missing=missing,
        excluded=frozenset(analysis.excluded),
        executed_branches=pairs(analysis.executed_branch_arcs()) if branches else frozenset(),
        missing_branches=pairs(analysis.missing_branch_arcs()) if branches else frozenset(),
    )


def _json_report(cov: Coverage, files: list[str], contexts: list[str] | None) -> list[tuple[str, FileLines]]:
    with tempfile.TemporaryDirectory(prefix="moa-") as folder:
        out = Path(folder, "coverage.json")
        cov.json_report(morfs=files, outfile=str(out), contexts=contexts)
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return [(name, _file_lines(name, entry)) for name, entry in report["files"].items()]


def _file_lines(path: str, entry: Mapping[str, Any]) -> FileLines:
    def pairs(key: str) -> frozenset[tuple[int, int]]:
        return frozenset((start, end) for start, end in entry.get(key, ()))

    return FileLines(
        path=path,
        # coverage before 7.10 tells of a line 0 in an empty file, and does not count it
        executed=frozenset(entry["executed_lines"]) - {0},
        missing=frozenset(entry["missing_lines"]),
        excluded=frozenset(entry["excluded_lines"]),
        executed_branches=pairs("executed_branches"),
        missing_branches=pairs("missing_branches"),
    )


def coverage_settings(file: str | None) -> dict[str, tuple[str, ...]]:
    """Coverage's settings that say which files count, as pytest-cov will read them from `file` (`--cov-config`).

    All empty where pytest-cov is not there (`file` None): then nothing is measured. Raises ConfigError.
    """
    if file is None:
        return dict.fromkeys(_FILE_SETTINGS, ())
    from coverage import Coverage  # noqa: PLC0415 - pytest-cov is about to import it anyway
    from coverage.exceptions import CoverageException  # noqa: PLC0415

    try:
        cov = Coverage(data_file=None, config_file=file)
        return {name: tuple(_listed(cov, name)) for name in _FILE_SETTINGS}
    except CoverageException as error:
        raise ConfigError(
            "coverage's settings cannot be read",
            reason=str(error),
            remedy="Correct them in the file it names.",
        ) from error


def unwatched(
    cov: Coverage, sources: Sequence[object], own: Iterable[str], *, root: Path, here: Path
) -> list[str]:
    """Own files that the tracer was told not to look at: neither in the data nor below a measured place.

    `sources` are pytest-cov's: True for a bare `--cov`, which leaves it to coverage's own `source` setting.
    """
    places = _places(cov, sources)
    if places is None:
        return []
    measured = {str(Path(name).resolve()) for name in cov.get_data().measured_files()}
    return [
        path
        for path in own
        if str((root / path).resolve()) not in measured and not watched(root / path, places, here)
    ]


def _places(cov: Coverage, sources: Sequence[object]) -> list[str] | None:
    """The measured places; None for everything."""
    if sources and True not in sources:
        # An empty one is documented as "everything"; coverage then looks for a module without a name, and at nothing.
        return [str(source) for source in sources if source]
    settings = [
        *_listed(cov, "run:source"),
        *_listed(cov, "run:source_pkgs"),
        *_listed(cov, "run:source_dirs"),
    ]
    return settings or None


def _listed(cov: Coverage, option: str) -> list[str]:
    try:
        value: Any = cov.get_option(option)
    except Exception as error:
        if (
            type(error).__name__ == "ConfigError"
        ):  # `source_dirs` is younger than the oldest coverage we allow
            return []
        raise
    return [str(item) for item in value or ()]


def watched(file: Path, sources: Sequence[object], here: Path) -> bool:
    """Whether a file lies below one of pytest-cov's sources, each a folder or the dotted name of a package."""
    parts = list(file.resolve().with_suffix("").parts)
    for source in filter(None, map(str, sources)):
        folder = (here / source).resolve()
        if folder.is_dir():
            if file.resolve().is_relative_to(folder):
                return True
            continue
        names = source.split(".")
        if any(parts[i : i + len(names)] == names for i in range(len(parts) - len(names) + 1)):
            return True
    return False


def contexts_for(
    agent: str, measured: Iterable[str], *, groups: Groups, root: Path, static: str
) -> tuple[list[str], Doubt | None]:
    """The contexts whose lines are the agent's: its groups, and import time, which has none and counts for everyone."""
    mine, unknown = [], []
    for context in measured:
        inner = context.removeprefix(static).removeprefix("|") if static else context
        if not inner:
            mine.append(context)
        elif inner.startswith(PREFIX):
            mine += [context] if agent in inner.removeprefix(PREFIX).split(",") else []
        elif inner.endswith(("|setup", "|run", "|teardown")):
            file = inner.rsplit("|", 1)[0].split("::", 1)[0]
            mine += [context] if agent in group_of(str(root / file), groups) else []
        else:
            unknown.append(context)
    if not unknown:
        return mine, None
    return mine, Doubt(
        reason=f"coverage switches contexts on its own ({unknown[0]!r}), so lines cannot be told apart by agent",
        remedy="Leave `dynamic_context` out of coverage's settings; pytest's own is --cov-context=test.",
    )


def with_import_time(mine: FileLines, everyone: FileLines, text: str) -> FileLines:
    """An agent's lines, and of what ran at all those outside of functions.

    A module is executed once, for whoever imports it first, be it inside of another agent's test.
    """
    outside = _outside_functions(text)
    executed = mine.executed | {line for line in everyone.executed if line in outside}
    branches = mine.executed_branches | {b for b in everyone.executed_branches if b[0] in outside}
    return replace(
        mine,
        executed=executed,
        missing=mine.missing - executed,
        executed_branches=branches,
        missing_branches=mine.missing_branches - branches,
    )


def _outside_functions(text: str) -> frozenset[int]:
    lines = set(range(1, text.count("\n") + 2))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # A body on the line of its `def` cannot be told from it by line.
            start = max(node.body[0].lineno, node.lineno + 1)
            lines.difference_update(range(start, (node.end_lineno or start) + 1))
    return frozenset(lines)


def foreign(modules: Mapping[str, str], root: str) -> tuple[ForeignModule, ...]:
    """Own modules that this process has imported from somewhere else than the work tree."""
    found = []
    for name, path in modules.items():
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or name.split(".", 1)[0] in sys.stdlib_module_names:
            continue
        real = Path(file).resolve()
        if str(real) != path and (not real.is_relative_to(root) or _INSTALLED.intersection(real.parts)):
            found.append(ForeignModule(name=name, file=str(real)))
    return tuple(found)


def core_that_switches(environ: Mapping[str, str]) -> str | None:
    """The tracer core to ask for where contexts are switched; None where the environment names one that does it.

    sys.monitoring tells each line once and for all, so a second context would not see it again; a settings file
    may choose it on any Python that has it, and the variable beats the file.
    """
    if environ.get("COVERAGE_CORE") in {"ctrace", "pytrace"}:
        return None
    try:
        import coverage.tracer  # noqa: F401, PLC0415 - the C tracer is there, or it is not
    except ImportError:
        return "pytrace"
    return "ctrace"
