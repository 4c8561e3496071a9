"""Builds the example team's repository: `python3 build.py DIR`.

Standard library and git only. The same files give the same object ids everywhere: identity and dates are fixed and
nobody's git settings are read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "project"
BRANCHES = HERE / "branches"
NAME, EMAIL = "Taskboard Team", "team@taskboard.invalid"
STARTED = "2026-11-02T09:00:00+00:00"


def environment() -> dict[str, str]:
    """This process's variables without git's own and with fixed identity, dates and no settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return inherited | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": NAME,
        "GIT_AUTHOR_EMAIL": EMAIL,
        "GIT_AUTHOR_DATE": STARTED,
        "GIT_COMMITTER_NAME": NAME,
        "GIT_COMMITTER_EMAIL": EMAIL,
        "GIT_COMMITTER_DATE": STARTED,
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def git(folder: Path, *words: str) -> str:
    """What git printed. Raises CalledProcessError, with git's own words on standard error."""
    run = subprocess.run(
        ["git", *words], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return run.stdout.strip()


def build(folder: Path) -> dict[str, str]:
    """Makes the repository in `folder`, which must be missing or empty, and returns branches and their heads."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main", "--object-format=sha1", "--template=")
    git(folder, "config", "user.name", NAME)
    git(folder, "config", "user.email", EMAIL)
    _copy(folder)
    _commit(folder, "taskboard 0.4: tasks in a JSON file, with a query language", but="moa.yaml")
    git(folder, "switch", "--quiet", "--create", "develop")
    _commit(folder, "Eight agents start: who they are, and what their work has to show")
    for patch in sorted(BRANCHES.glob("*.patch")):
        git(folder, "switch", "--quiet", "--create", patch.stem, "develop")
        apply(folder, patch)
    git(folder, "switch", "--quiet", "develop")
    return heads(folder)


def apply(folder: Path, patch: Path) -> None:
    """Commits a patch file's commits on the checked-out branch, with the dates that they carry."""
    git(folder, "am", "--quiet", "--committer-date-is-author-date", str(patch))


def heads(folder: Path) -> dict[str, str]:
    lines = git(folder, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").splitlines()
    return {name: head for name, _, head in (line.partition(" ") for line in lines)}


def _copy(folder: Path) -> None:
    for source in sorted(PROJECT.rglob("*")):
        place = folder / source.relative_to(PROJECT)
        if source.is_file() and "__pycache__" not in source.parts:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            place.chmod(0o644)


def _commit(folder: Path, message: str, but: str = "") -> None:
    left_out = [f":(exclude){but}"] if but else []
    git(folder, "add", "--", ".", *left_out)
    git(folder, "commit", "--quiet", "--message", message)


def main(words: list[str]) -> int:
    if len(words) != 1 or words[0].startswith("-"):
        print("usage: build.py DIR", file=sys.stderr)
        return 2
    folder = Path(words[0])
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        print(f"build.py: {folder} is not empty; name a folder that does not exist yet", file=sys.stderr)
        return 2
    for name, head in build(folder).items():
        print(f"{head[:12]}  {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
