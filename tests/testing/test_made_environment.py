"""Environments made by setup commands: once, never with the project in them, never changed by a run."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pytest_moa.errors import UndeterminedError
from pytest_moa.testing.made_environment import (
    MadeEnvironment,
    check_interpreter,
    environment_key,
    make_environment,
    verify,
)

VENV = (sys.executable, "-m", "venv", "--without-pip", "{environment}")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    work = tmp_path / "tree"
    work.mkdir()
    (work / "pyproject.toml").write_text("[project]\nname = 'demo'\nversion = '1'\n")
    return work


def make(work: Path, *setup: tuple[str, ...], **facts: Any) -> MadeEnvironment:
    defaults: dict[str, Any] = {
        "work": work,
        "project": work,
        "cache_root": work.parent / "cache",
        "timeout": 120.0,
        "environ": os.environ,
    }
    return make_environment(setup=setup or (VENV,), **(defaults | facts))


def counting(place: Path) -> tuple[str, ...]:
    """A setup command that leaves a mark each time it runs."""
    return (sys.executable, "-c", f"open({str(place)!r}, 'a').write('x')")


def test_an_environment_is_made_once_and_then_taken_from_the_cache(tree: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    first, second = (make(tree, VENV, counting(mark)) for _ in range(2))
    assert first == second
    assert mark.read_text() == "x"
    assert subprocess.run([first.python, "-c", "1"], check=True, cwd="/").returncode == 0


def test_another_requirement_makes_another_environment(tree: Path) -> None:
    key = make(tree).key
    (tree / "requirements-dev.txt").write_text("pytest\n")
    assert make(tree).key != key


def test_other_files_do_not_matter(tree: Path) -> None:
    before = environment_key([VENV], ("pyproject.toml",), tree, Path(sys.executable))
    (tree / "code.py").write_text("x = 1\n")
    assert environment_key([VENV], ("pyproject.toml",), tree, Path(sys.executable)) == before
    assert environment_key([(*VENV, "x")], ("pyproject.toml",), tree, Path(sys.executable)) != before
    assert environment_key([VENV], ("pyproject.toml",), tree, Path("/usr/bin/python3")) != before


def changes_a_file(folder: Path) -> None:
    file = folder / "pyvenv.cfg"
    before = file.stat()
    text = file.read_bytes()
    folder.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(text[:-1] + b"#")
    file.chmod(0o444)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # size, mode and mtime as they were


def adds_a_file(folder: Path) -> None:
    site = next(folder.glob("lib/python*/site-packages"))
    site.chmod(0o755)
    (site / "evil.pth").write_text("import os\n")


def removes_a_file(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "pyvenv.cfg").unlink()


@pytest.mark.parametrize("harm", [changes_a_file, adds_a_file, removes_a_file])
def test_an_environment_that_somebody_changed_is_made_again(tree: Path, tmp_path: Path, harm: Any) -> None:
    mark = tmp_path / "mark"
    made = make(tree, VENV, counting(mark))
    assert verify(made)
    harm(made.folder)
    assert not verify(made)
    again = make(tree, VENV, counting(mark))
    assert verify(again)
    assert mark.read_text() == "xx"
    assert not list(again.folder.rglob("evil.pth"))


def test_what_a_dead_maker_left_is_removed(tree: Path) -> None:
    key = environment_key([VENV], (), tree, Path(sys.executable))
    made = make(tree)
    (made.folder.parent / f"{made.key}.moa-complete.json").unlink()
    made.folder.chmod(0o755)
    (made.folder / "half").write_text("made")
    again = make(tree)
    assert not (again.folder / "half").exists()
    assert key != ""


def test_making_one_removes_what_is_half_made_or_was_not_used_for_a_month(tree: Path) -> None:
    old, used = make(tree), make(tree, VENV, counting(tree.parent / "mark"))
    (old.folder.parent / "half").mkdir()
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old.folder.parent / f"{old.key}.moa-complete.json", (month_ago, month_ago))
    (tree / "setup.cfg").write_text("")
    new = make(tree)
    there = {path.name for path in old.folder.parent.iterdir() if path.is_dir()}
    assert there == {used.key, new.key}


def test_two_makers_at_once_make_one(tree: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    made: list[MadeEnvironment] = []
    threads = [
        threading.Thread(target=lambda: made.append(make(tree, VENV, counting(mark)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert len(made) == 3
    assert mark.read_text() == "x"


def test_a_failed_command_is_told_with_its_status_and_last_words(tree: Path) -> None:
    command = (sys.executable, "-c", "print('no such package'); raise SystemExit(7)")
    with pytest.raises(UndeterminedError, match=r"setup command .* failed") as told:
        make(tree, VENV, command)
    assert "exit status 7" in told.value.reason
    assert "no such package" in told.value.reason


def test_a_command_that_hangs_is_ended(tree: Path) -> None:
    with pytest.raises(UndeterminedError, match="failed") as told:
        make(tree, (sys.executable, "-c", "import time; time.sleep(600)"), timeout=1.0)
    assert "time limit of 1 seconds" in told.value.reason


@pytest.mark.parametrize("setup", [("no-such-command-at-all",), ()])
def test_a_command_that_cannot_start_is_told(tree: Path, setup: tuple[str, ...]) -> None:
    with pytest.raises(UndeterminedError) as told:
        make(tree, VENV, setup)
    assert told.value.remedy


def test_commands_that_make_nothing_are_told(tree: Path) -> None:
    with pytest.raises(UndeterminedError, match="made no environment"):
        make(tree, (sys.executable, "-c", "pass"))


def test_commands_see_no_token(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    show = (sys.executable, "-c", "import os; print(sorted(os.environ.items())); raise SystemExit(1)")
    with pytest.raises(UndeterminedError) as told:
        make(tree, show)
    assert "UV_PROJECT_ENVIRONMENT" in told.value.reason
    assert "t0ken" not in told.value.reason


@pytest.mark.parametrize("name", ["__editable__.demo.pth", "demo-1.dist-info/direct_url.json", "x.pth"])
def test_the_project_itself_is_refused(tree: Path, name: str) -> None:
    code = (
        "import sys, pathlib, os\n"
        "site = next(pathlib.Path(os.environ['MOA_ENVIRONMENT']).glob('lib/python*/site-packages'))\n"
        "file = site / sys.argv[1]\nfile.parent.mkdir(exist_ok=True)\nfile.write_text(os.getcwd())\n"
    )
    with pytest.raises(UndeterminedError, match="installed the project itself") as told:
        make(tree, VENV, (sys.executable, "-c", code, name))
    assert "--no-install-project" in told.value.remedy
    with pytest.raises(UndeterminedError):  # nor is it found in the cache the next time
        make(tree, VENV, (sys.executable, "-c", code, name))


def test_an_environment_inside_the_tree_is_used_and_not_cached(tree: Path) -> None:
    made = make(tree, (sys.executable, "-m", "venv", "--without-pip", ".venv"))
    assert made == MadeEnvironment(python=tree / ".venv" / "bin" / "python", key=None, folder=tree / ".venv")


def wheel(place: Path, name: str, text: str) -> Path:
    """A wheel zipped by hand, so that nothing has to be fetched (the format: PEP 427)."""
    info = f"{name}-1.0.dist-info"
    contents = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(body)},{len(body.encode())}" for path, body in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    file = place / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, body in contents.items():
            archive.writestr(path, body)
    return file


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_uv_installs_a_branchs_new_dependency_into_an_environment_that_its_tests_then_use(
    tree: Path, tmp_path: Path, project: Any, outcomes: Any
) -> None:
    uv = [sys.executable, "-m", "uv"]
    found = wheel(tmp_path, "newdep", "answer = 42\n")
    made = make(
        tree,
        (*uv, "venv", "--offline", "--system-site-packages", "{environment}"),
        (*uv, "pip", "install", "--offline", "--no-deps", "--python", "{environment}", str(found)),
    )
    # pytest and coverage come from the outer environment, which a test's own cannot fetch
    outer = next(entry for entry in sys.path if entry.endswith("site-packages"))
    project.has("test_n.py", "import newdep\ndef test_n(): assert newdep.answer == 42\n")
    seen = project.runs(
        python=made.python,
        environ={"PATH": os.environ["PATH"], "PYTHONPATH": outer, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        keep=("PYTHONPATH", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"),
    )
    assert outcomes(seen) == {"test_n": "passed"}, seen.end.output
    assert verify(made)


def test_the_interpreters_tools_are_told() -> None:
    facts = check_interpreter(Path(sys.executable), {})
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.pytest == pytest.__version__


def test_a_missing_interpreter_and_a_missing_pytest_are_named(tree: Path) -> None:
    with pytest.raises(UndeterminedError, match="does not work"):
        check_interpreter(Path("/nowhere/python"), {})
    with pytest.raises(UndeterminedError, match="has no pytest") as told:
        check_interpreter(make(tree).python, {})
    assert "environment.setup" in told.value.remedy
