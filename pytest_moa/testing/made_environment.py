"""Environments made by the policy's setup commands: cached by what they were made from, checked before each use.

Holds dependencies, never the project itself: an installed project would be some other checkout's code.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_moa.errors import UndeterminedError
from pytest_moa.testing.environment import setup_environ
from pytest_moa.testing.process import supervise

CACHE_ON = (
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile.lock",
    "requirements*.txt",
    "requirements*.in",
    "requirements/**/*.txt",
    "constraints*.txt",
    "setup.py",
    "setup.cfg",
    ".python-version",
)
LEAST_PYTEST, LEAST_COVERAGE = (7, 0), (7, 0)
_UNUSED = 30 * 24 * 3600
_TRACES = frozenset({".git", ".venv", "__pycache__", "uv.lock", "poetry.lock", "pdm.lock"})
_COMPLETE = "moa-complete.json"
_NO_PROJECT = "Install the dependencies only, for example `uv sync --no-install-project`; moa puts the sources on the path."


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeEnvironment:
    """`key` is None for an environment that lies in the quarantine and dies with it."""

    python: Path
    key: str | None
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterFacts:
    """Versions as text, for example `3.13.0`, `9.2.0` and `7.17.3`."""

    python: str
    pytest: str
    coverage: str


def make_environment(
    *,
    setup: Sequence[Sequence[str]],
    cache_on: Sequence[str] = (),
    work: Path,
    project: Path,
    cache_root: Path,
    timeout: float,
    environ: Mapping[str, str],
    python: Path | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> MadeEnvironment:
    """The environment that `setup` makes for this tree, from the cache where it lies there unharmed.

    `{environment}` in the commands stands for its folder, which they also find in `UV_PROJECT_ENVIRONMENT` and
    `MOA_ENVIRONMENT`. Of `environ` they see what `setup_environ` lets through. `timeout` holds for all commands together.
    Raises UndeterminedError where a command fails, no interpreter comes out, or the project itself got installed.
    """
    interpreter = python or Path(sys.executable)
    key = environment_key(setup, cache_on or CACHE_ON, project, interpreter)
    folder = cache_root.resolve() / "environments" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = MadeEnvironment(python=_python_of(folder), key=key, folder=folder)
    with _locked(folder.with_suffix(".lock"), timeout):
        if verify(made):
            os.utime(_marker(made))  # in use: not swept
            return made
        discard(made)
        seen = setup_environ(environ, keep=keep, drop=drop)
        before = _files_of(project)
        _run_setup(setup, folder, project, timeout, seen, python=interpreter)
        with _discarded_on_refusal(made):
            _refuse_traces(before, _files_of(project))
        local = project / ".venv"
        if not _python_of(folder).exists() and _python_of(local).exists():
            _refuse_project(local, work)
            return MadeEnvironment(python=_python_of(local), key=None, folder=local)
        _finish(made, work, timeout)
    _sweep(folder.parent)
    return made


def prepare_tree(
    commands: Sequence[Sequence[str]],
    *,
    project: Path,
    timeout: float,
    environ: Mapping[str, str],
    python: Path,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> None:
    """Runs `environment.prepare` in a candidate's tree; `{python}` stands for the tests' interpreter.

    Raises UndeterminedError where a command fails.
    """
    seen = setup_environ(environ, keep=keep, drop=drop)
    _run_setup(commands, python.parent.parent, project, timeout, seen, python=python, name="prepare")


def environment_key(
    setup: Sequence[Sequence[str]], cache_on: Sequence[str], project: Path, python: Path
) -> str:
    """A hash of everything that the environment is made from."""
    digest = hashlib.sha256()
    files = sorted({path for glob in cache_on for path in project.glob(glob) if path.is_file()})
    facts: list[Any] = [
        [list(command) for command in setup],
        str(python),
        _identity(python),
        platform.platform(),
        [
            [path.relative_to(project).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
            for path in files
        ],
    ]
    digest.update(json.dumps(facts).encode())
    return digest.hexdigest()[:32]


def _identity(python: Path) -> list[int | str]:
    """An interpreter that is replaced in place is another one."""
    try:
        found = python.resolve(strict=True)
    except OSError:
        return []
    facts = found.stat()
    return [str(found), facts.st_size, facts.st_mtime_ns]


def verify(made: MadeEnvironment) -> bool:
    """Whether a cached environment is still exactly what was made: every file's size, times and inode."""
    try:
        marker = json.loads((_marker(made)).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("manifest") == _manifest(made.folder)


def discard(made: MadeEnvironment) -> None:
    """Removes a cached environment; one inside a quarantine is left to the quarantine."""
    if made.key is None:
        return
    _marker(made).unlink(missing_ok=True)
    if made.folder.is_symlink():
        made.folder.unlink()
    elif made.folder.exists():
        _set_writable(made.folder, writable=True)
        shutil.rmtree(made.folder)


def _sweep(environments: Path) -> None:
    """Removes what makers that died left half done, and what nobody used for a month."""
    oldest = time.time() - _UNUSED
    for folder in environments.iterdir():
        if not folder.is_dir():
            continue
        made = MadeEnvironment(python=_python_of(folder), key=folder.name, folder=folder)
        with contextlib.suppress(UndeterminedError), _locked(folder.with_suffix(".lock"), 0):
            marker = _marker(made)
            if not marker.exists() or marker.stat().st_mtime < oldest:
                discard(made)


def check_interpreter(python: Path, environ: Mapping[str, str]) -> InterpreterFacts:
    """What the tests' interpreter holds. Raises UndeterminedError that names what is missing and how to get it."""
    question = (
        "import json, platform\n"
        "facts = {'python': platform.python_version()}\n"
        "for name in ('pytest', 'coverage'):\n"
        "    try:\n"
        "        facts[name] = __import__(name).__version__\n"
        "    except ImportError:\n"
        "        facts[name] = None\n"
        "print(json.dumps(facts))\n"
    )
    try:
        # Not `-I`: the tests will see user site-packages, too. The current folder must not count, so it is `/`.
        done = subprocess.run(
            [str(python), "-c", question],
            env=setup_environ(environ, keep=(), drop=()),
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )
        facts = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UndeterminedError(
            f"The tests' interpreter {python} does not work.",
            reason=error.strerror or str(error) if isinstance(error, OSError) else "it gave no answer",
            remedy="Name one that exists in `environment.python`, or make one in `environment.setup`.",
        ) from error
    _require(python, "pytest", facts["pytest"], LEAST_PYTEST)
    _require(python, "coverage", facts["coverage"], LEAST_COVERAGE)
    return InterpreterFacts(python=facts["python"], pytest=facts["pytest"], coverage=facts["coverage"])


def _require(python: Path, name: str, version: str | None, least: tuple[int, int]) -> None:
    wanted = ".".join(map(str, least))
    if version is None:
        raise UndeterminedError(
            f"The tests' interpreter {python} has no {name}.",
            reason=f"`import {name}` fails there",
            remedy=f"Add {name} to what `environment.setup` installs, or install it there.",
        )
    numbers = tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])
    if numbers < least:
        raise UndeterminedError(
            f"The tests' interpreter {python} has {name} {version}.",
            reason=f"moa needs {name} {wanted} or newer",
            remedy=f"Let `environment.setup` install {name}>={wanted}.",
        )


def _python_of(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def _marker(made: MadeEnvironment) -> Path:
    # Beside the folder, so that the folder's own manifest can be complete.
    return made.folder.parent / f"{made.folder.name}.{_COMPLETE}"


@contextlib.contextmanager
def _locked(path: Path, timeout: float) -> Iterator[None]:
    """One maker at a time; the kernel frees the lock of one that died, whose half-made folder has no marker."""
    deadline = time.monotonic() + timeout
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UndeterminedError(
                        "Another run is still making the same environment.",
                        reason=f"{path} stayed locked for {timeout:.0f} seconds",
                        remedy="Wait for the other run, or raise `environment.timeout`.",
                    ) from None
                time.sleep(0.1)
        yield


def _run_setup(
    setup: Sequence[Sequence[str]],
    folder: Path,
    project: Path,
    timeout: float,
    environ: Mapping[str, str],
    *,
    python: Path,
    name: str = "setup",
) -> None:
    deadline = time.monotonic() + timeout
    variables = dict(environ) | {
        "UV_PROJECT_ENVIRONMENT": str(folder),
        "MOA_ENVIRONMENT": str(folder),
        # A hard link into uv's cache would be changed for everybody, and changes when somebody else links it.
        "UV_LINK_MODE": "copy",
        # uv prefers this interpreter over whatever it finds; a command's own `--python` beats it
        "UV_PYTHON": environ.get("UV_PYTHON", str(python)),
    }
    for command in setup:
        words = [
            word.replace("{environment}", str(folder)).replace("{python}", str(python)) for word in command
        ]
        if not words:
            raise _failed(name, words, "it is empty")
        ended = supervise(
            words, cwd=project, environ=variables, timeout=max(0.0, deadline - time.monotonic())
        )
        end = ended.end
        if end.status == 0 and not ended.problems:
            continue
        tail = "\n".join(end.output.strip().splitlines()[-15:])
        if end.timed_out:
            raise _failed(name, words, f"the time limit of {timeout:.0f} seconds was reached\n{tail}")
        how = f"exit status {end.status}" if end.status is not None else f"signal {end.signal}"
        raise _failed(name, words, f"{how}\n{tail}" if tail else how)


def _failed(name: str, words: list[str], reason: str) -> UndeterminedError:
    return UndeterminedError(
        f"The {name} command `{' '.join(words)}` failed.",
        reason=reason,
        remedy=f"Run it by hand in a fresh clone; it is `environment.{name}` of the target's configuration.",
    )


@contextlib.contextmanager
def _discarded_on_refusal(made: MadeEnvironment) -> Iterator[None]:
    try:
        yield
    except UndeterminedError:
        discard(made)
        raise


def _files_of(project: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file of the tree, without what making an environment leaves anyway."""
    found = {}
    for place, folders, names in os.walk(project):
        folders[:] = [f for f in folders if f not in _TRACES and not f.endswith(".egg-info")]
        for path in (Path(place, name) for name in names if name not in _TRACES):
            facts = path.lstat()
            found[path.relative_to(project).as_posix()] = (facts.st_size, facts.st_mtime_ns)
    return found


def _refuse_traces(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> None:
    """An environment from the cache comes without what its making wrote into the tree: the verdict would change."""
    changed = sorted(path for path, facts in after.items() if before.get(path) != facts)
    if changed:
        raise UndeterminedError(
            "The setup commands wrote into the project's tree",
            reason=", ".join(changed[:5]),
            remedy="Move what generates files there to `environment.prepare`, which runs for every candidate.",
        )


def _finish(made: MadeEnvironment, work: Path, timeout: float) -> None:
    """Checks a new environment, takes the write permissions away, and only then marks it as complete.

    Bytecode is made first: no run may add it later, and without it every run would compile the tools again.
    """
    with _discarded_on_refusal(made):
        if not made.python.exists():
            raise UndeterminedError(
                "The setup commands made no environment.",
                reason=f"there is no interpreter at {made.python}",
                remedy="Let them make one in `{environment}`, for example `uv venv {environment}`.",
            )
        _refuse_project(made.folder, work)
    compiling = [str(made.python), "-I", "-m", "compileall", "-q", "-q", str(made.folder)]
    # Exit status 1 only says that some file is no Python of this version: harmless, packages ship such files.
    subprocess.run(compiling, env={}, cwd="/", capture_output=True, timeout=timeout, check=False)
    _set_writable(made.folder, writable=False)
    marker = {"manifest": _manifest(made.folder), "pid": os.getpid()}
    temporary = _marker(made).with_suffix(".new")
    temporary.write_text(json.dumps(marker), encoding="utf-8")
    temporary.replace(_marker(made))


def _refuse_project(folder: Path, work: Path) -> None:
    """Raises where something in the environment points into the quarantine, or is the project's editable install."""
    places = {str(work), str(work.resolve())}
    for path in _site_files(folder):
        text = path.read_bytes()[: 1024 * 1024].decode("utf-8", "replace")
        if any(place in text for place in places):
            raise UndeterminedError(
                "The setup commands installed the project itself.",
                reason=f"{path.name} points into the throwaway copy of the repository",
                remedy=_NO_PROJECT,
            )


def _site_files(folder: Path) -> Iterator[Path]:
    """What makes an interpreter look elsewhere for code: path files, editable finders, records of direct installs."""
    for site in sorted(folder.glob("lib*/python*/site-packages")) + sorted(folder.glob("Lib/site-packages")):
        for pattern in ("*.pth", "*.egg-link", "__editable__*", "*.dist-info/direct_url.json"):
            yield from (path for path in sorted(site.glob(pattern)) if path.is_file())


def _manifest(folder: Path) -> list[list[int | str]]:
    """Every file, link and folder with what changes when somebody touches it. Bytecode is kept out by the pycache prefix."""
    rows: list[list[int | str]] = []
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in [".", *sorted(files), *(name for name in folders if (Path(root) / name).is_symlink())]:
            path = Path(root) / name
            facts = path.lstat()
            row: list[int | str] = [
                path.relative_to(folder).as_posix(),
                facts.st_mode,
                facts.st_size,
                facts.st_ino,
            ]
            rows.append([*row, facts.st_mtime_ns, facts.st_ctime_ns])
    return rows


def _set_writable(folder: Path, *, writable: bool) -> None:
    for root, folders, files in os.walk(folder):
        for name in [".", *files, *folders]:
            path = Path(root) / name
            if path.is_symlink():
                continue  # its target lies elsewhere, and links have no permissions
            mode = path.lstat().st_mode
            wanted = mode | stat.S_IWUSR if writable else mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
            path.chmod(wanted)
