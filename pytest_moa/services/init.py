"""`moa init`: a commented config, a workflow and a section for AGENTS.md. Asks nothing, overwrites nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_moa import config
from pytest_moa.errors import RefusedError
from pytest_moa.git import repository as git
from pytest_moa.git.history import default_branch
from pytest_moa.render.templates import render
from pytest_moa.rules.agents import propose_patterns
from pytest_moa.services.project import OpenOptions, refuse_bare

_BEGIN = "<!-- moa:begin -->"  # as the template has it
_BASES = ("develop", "main", "master", "trunk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file: `done` is `written`, `added` (a section to a file that was there) or `kept` (it was there already)."""

    path: str
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    target: str
    patterns: tuple[str, ...]
    files: tuple[Written, ...]


def init(options: OpenOptions) -> InitResult:
    """Writes what is missing into the work tree. Raises RepositoryError, or RefusedError where a file cannot be written."""
    repo = git.open_repository(options.start)
    refuse_bare(repo)
    top = repo.top or repo.common_dir
    target = _target(repo, options)
    names = [ref.name for ref in (*git.branches(repo), *git.branches(repo, "origin"))]
    patterns = propose_patterns(names)
    values = {"target": target, "patterns": patterns, "threshold": "90"}
    files = (
        _config(top, target, patterns),
        _new(top, ".github/workflows/moa.yml", lambda: render("workflow.yml.j2", **values)),
        _section(top, "AGENTS.md", lambda: render("agents_section.md.j2", **values)),
    )
    return InitResult(target=target, patterns=patterns, files=files)


def _config(top: Path, target: str, patterns: tuple[str, ...]) -> Written:
    existing = next((name for name in config.config_files() if _says_something(top / name)), None)
    if existing is not None:
        return Written(path=existing, done="kept")
    return _new(top, "moa.yaml", lambda: config.commented_example(patterns=patterns, target=target))


def _says_something(path: Path) -> bool:
    if path.name != "pyproject.toml":
        return os.path.lexists(path)
    return path.is_file() and "[tool.moa" in path.read_text(encoding="utf-8", errors="replace")


def _target(repo: git.Repository, options: OpenOptions) -> str:
    """`develop` where it is, else the default branch: a config that names no existing branch helps nobody."""
    asked = options.target or options.environ.get("GIT_DEVELOP_BRANCH")
    if asked:
        return asked
    default = default_branch(repo, "origin")
    for name in ("develop", *([default] if default else []), *_BASES):
        if git.resolve(repo, f"refs/heads/{name}") or git.resolve(repo, f"refs/remotes/origin/{name}"):
            return name
    return "develop"


def _new(top: Path, name: str, text: Callable[[], str]) -> Written:
    path = top / name
    if os.path.lexists(path):
        return Written(path=name, done="kept")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text())
    except FileExistsError:
        return Written(path=name, done="kept")
    except OSError as error:
        raise _unwritable(name, error) from error
    return Written(path=name, done="written")


def _section(top: Path, name: str, text: Callable[[], str]) -> Written:
    path = top / name
    body = text().strip() + "\n"
    if not os.path.lexists(path):
        return _new(top, name, lambda: body)
    try:
        there = path.read_bytes()
        if _BEGIN.encode() in there:
            return Written(path=name, done="kept")
        with path.open("ab") as file:
            file.write((b"" if not there or there.endswith(b"\n") else b"\n") + b"\n" + body.encode())
    except OSError as error:
        raise _unwritable(name, error) from error
    return Written(path=name, done="added")


def _unwritable(name: str, error: OSError) -> RefusedError:
    return RefusedError(
        f"{name} could not be written",
        reason=error.strerror or str(error),
        remedy="Give yourself write permission to the work tree, and run `moa init` again: it keeps what is there.",
    )


def as_json_object(result: InitResult) -> Mapping[str, object]:
    files = [{"path": w.path, "done": w.done} for w in result.files]
    return {"schema": 1, "target": result.target, "patterns": list(result.patterns), "files": files}
