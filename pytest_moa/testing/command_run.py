"""Runs the command of an agent in another language, keeps the reports that it wrote, and reads them. Decides nothing.

The kept files (`junit-N.xml`, `report`) are all that a judge elsewhere needs.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.evidence import Evidence, FileLines, ProcessEnd
from pytest_moa.testing.coverage_xml import read_coverage_xml
from pytest_moa.testing.environment import child_environ
from pytest_moa.testing.junit import JUnitEvidence, junit_evidence
from pytest_moa.testing.lcov import read_lcov
from pytest_moa.testing.process import supervise
from pytest_moa.testing.reported import Lines, OddReportError, path_in_tree
from pytest_moa.testing.untrusted import OddFileError, contents, entries

FILE_LIMIT = 32 * 1024 * 1024
FILE_COUNT = 1_000
KEPT = re.compile(r"junit-\d{4}\.xml|report")
_JUNIT, _REPORT = "junit-{:04}.xml", "report"
_GLOB = re.compile(r"[*?\[]")
_NEVER_LOOKED_INTO = {".git", "node_modules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """One run of a command in `project` (below `work`); `junit` is a path or glob, `coverage` a path in it, or None.

    `run_dir` is a private folder beside the work tree.
    """

    argv: tuple[str, ...]
    work: Path
    project: Path
    run_dir: Path
    junit: str
    coverage: str | None = None
    timeout: float = 300.0
    slot: int = 0
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


def run_command(request: CommandRequest) -> JUnitEvidence:
    """Runs the command; nothing that it started is alive afterwards. Reports that lay there before are removed first.

    Raises UndeterminedError where the command cannot be started.
    """
    run_dir = request.run_dir.resolve()
    (run_dir / "tmp").mkdir(parents=True, exist_ok=True)
    _remove_old(request)
    ended = supervise(
        _found(request),
        cwd=request.project.resolve(),
        environ=child_environ(
            request.environ, keep=request.keep, drop=request.drop, run_dir=run_dir, slot=request.slot
        ),
        timeout=request.timeout,
    )
    problems = (*ended.problems, *_keep(request, run_dir))
    return read_command(run_dir, ended.end, problems)


def read_command(run_dir: Path, end: ProcessEnd, problems: tuple[str, ...] = ()) -> JUnitEvidence:
    """The evidence in a folder of kept files; `end` and `problems` are what the parent saw."""
    files: list[tuple[str, bytes]] = []
    told = list(problems)
    for name in _kept(run_dir):
        try:
            files.append((name, contents(run_dir / name, FILE_LIMIT)))
        except OddFileError as error:
            told.append(f"{name} cannot be read: {error}.")
    read = junit_evidence(files, end, tuple(told))
    return replace(read, evidence=_against_its_end(read.evidence, files))


def _against_its_end(evidence: Evidence, files: Sequence[object]) -> Evidence:
    """What the reports say and how the command ended have to agree."""
    end = evidence.end
    if end.timed_out or end.signal is not None or end.status is None:
        return evidence
    more: list[str] = []
    red = any(outcome.outcome in {"failed", "error"} for outcome in evidence.outcomes)
    if not files:
        more.append(f"The command exited with {end.status} and wrote no JUnit file.")
    elif not evidence.outcomes:
        more.append("The command's JUnit files hold no test case.")
    elif red and end.status == 0:
        more.append("The command exited with 0 although tests failed.")
    elif not red and end.status != 0:
        more.append(f"The command exited with {end.status} although no test failed.")
    known = dict.fromkeys(evidence.problems)
    return replace(evidence, problems=tuple(known | dict.fromkeys(more)))


def command_lines(
    run_dir: Path, *, work: str, bases: Sequence[str], texts: Mapping[str, bytes], tree: Collection[str]
) -> tuple[FileLines, ...]:
    """Lines of the own files (`texts`: path below the root, to content) by the kept coverage report.

    A file that the report does not name counts with all its lines that are not blank missing; one that is no text has
    none. Raises UndeterminedError for a report that cannot be read, or that names lines which a file does not have.
    """
    try:
        lines, sources = _read_report(contents(run_dir / _REPORT, FILE_LIMIT))
        ran = _by_path(lines, work, _all_bases(bases, sources, work), tree)
        return tuple(_file_lines(path, text, ran.get(path)) for path, text in texts.items())
    except (OddFileError, OddReportError) as error:
        raise UndeterminedError(
            "The coverage report cannot be read",
            reason=str(error),
            remedy="Let the command write LCOV or Cobertura XML to the registry's `coverage`.",
        ) from None


def bases_of(prefix: str, coverage: str | None) -> tuple[str, ...]:
    """What names in a report may be relative to: the project, the folders above the report, the root."""
    folders = [prefix.rstrip("/") or "."]
    place = posixpath.dirname(posixpath.normpath(posixpath.join(prefix, coverage or ".")))
    while place not in {"", "."}:
        folders.append(place)
        place = posixpath.dirname(place)
    return tuple(dict.fromkeys([*folders, "."]))


def _found(request: CommandRequest) -> list[str]:
    """The command with its program's path. A path with a slash is the candidate's own; else PATH is searched."""
    name = request.argv[0]
    if "/" in name:
        return [str(request.project.resolve() / name), *request.argv[1:]]
    path = shutil.which(name, path=request.environ.get("PATH"))
    if path is None or not path.startswith("/"):
        raise UndeterminedError(
            f"The command {name!r} is not there",
            reason="no folder of PATH holds such a program",
            remedy="Install it where moa runs, or correct `registry: command` on the target.",
        )
    return [path, *request.argv[1:]]


def _remove_old(request: CommandRequest) -> None:
    """Committed or planted reports do not count: what is found after the run was written by it."""
    for path in (*_matches(request, request.junit), *_matches(request, request.coverage)):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)


def _keep(request: CommandRequest, run_dir: Path) -> list[str]:
    """Copies the reports into the run's folder; what is odd about them."""
    for name in (*_kept(run_dir), _REPORT):
        _discard(run_dir / name)
    problems: list[str] = []
    found = sorted(_matches(request, request.junit))
    if len(found) > FILE_COUNT:
        problems.append(f"The command left more than {FILE_COUNT} JUnit files.")
    for number, path in enumerate(found[:FILE_COUNT]):
        problems += _copy(path, run_dir / _JUNIT.format(number), request)
    report = next(_matches(request, request.coverage), None)
    if report is not None:
        problems += _copy(report, run_dir / _REPORT, request)
    elif request.coverage is not None:
        problems.append(f"The command left no coverage report at {request.coverage}.")
    return problems


def _copy(path: Path, to: Path, request: CommandRequest) -> list[str]:
    shown = path.relative_to(request.project).as_posix()
    try:
        to.write_bytes(contents(path, FILE_LIMIT))
    except (OddFileError, OSError) as error:
        return [f"{shown} cannot be read: {error}."]
    return []


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _kept(run_dir: Path) -> list[str]:
    try:
        return [name for name in entries(run_dir, 100_000) if KEPT.fullmatch(name) and name != _REPORT]
    except OddFileError:
        return []


def _matches(request: CommandRequest, pattern: str | None) -> Iterator[Path]:
    """The paths that a pattern names; nothing where a link on the way leads out of the work tree."""
    if pattern is None:
        return
    clean = posixpath.normpath(pattern)
    glob = _GLOB.search(clean)
    folder = (clean[: glob.start()] if glob else clean).rpartition("/")[0]
    start = request.project / folder
    if not start.resolve().is_relative_to(request.work.resolve()):
        return
    if glob is None:
        if os.path.lexists(request.project / clean):
            yield request.project / clean
        return
    wanted = _glob(clean)
    for place, folders, files in os.walk(start):  # which follows no link
        folders[:] = sorted(name for name in folders if name not in _NEVER_LOOKED_INTO)
        for name in sorted(files):
            path = Path(place, name)
            if wanted.fullmatch(path.relative_to(request.project).as_posix()):
                yield path


def _glob(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within a folder, `**/` is any number of folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(
            known.get(part) or (part if part.startswith("[") and part.endswith("]") else re.escape(part))
            for part in parts
        )
    )


def _read_report(data: bytes) -> tuple[Lines, tuple[str, ...]]:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_coverage_xml(data)
    return read_lcov(data), ()


def _all_bases(bases: Sequence[str], sources: Sequence[str], work: str) -> tuple[str, ...]:
    """The report's own `sources`, as far as they lie in the work tree, before the usual places."""
    named = []
    for source in sources:
        for place in [source] if source.startswith("/") else [posixpath.join(base, source) for base in bases]:
            inner = posixpath.relpath(posixpath.normpath(posixpath.join(work, place)), work)
            if inner != ".." and not inner.startswith("../"):
                named.append(inner)
    return tuple(dict.fromkeys([*named, *bases]))


def _by_path(
    lines: Lines, work: str, bases: Sequence[str], tree: Collection[str]
) -> dict[str, dict[int, bool]]:
    found: dict[str, dict[int, bool]] = {}
    for name, ran in lines.files.items():
        path = path_in_tree(name, work=work, bases=bases, tree=tree)
        if path is not None:
            known = found.setdefault(path, {})
            for line, hit in ran.items():
                known[line] = known.get(line, False) or hit
    return found


def _file_lines(path: str, text: bytes, ran: Mapping[int, bool] | None) -> FileLines:
    rows = [] if b"\0" in text[:8192] else text.splitlines()
    if ran is None:
        blank = {number for number, row in enumerate(rows, 1) if not row.strip()}
        return FileLines(
            path=path, executed=frozenset(), missing=frozenset(range(1, len(rows) + 1)) - frozenset(blank)
        )
    beyond = [line for line in ran if line > max(len(rows), 1)]
    if beyond:
        raise OddReportError(f"it counts line {max(beyond)} of {path}, which has {len(rows)}")
    return FileLines(
        path=path,
        executed=frozenset(line for line, hit in ran.items() if hit),
        missing=frozenset(line for line, hit in ran.items() if not hit),
    )
