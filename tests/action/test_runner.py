"""What the runner is told, and its files: nothing that a test prints or writes reaches it."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_moa.errors import BugError, RefusedError
from pytest_moa.github.commands import annotation, fence, neutral
from pytest_moa.github.context import Context, Run, parse_context, read_context
from pytest_moa.github.outputs import append, entry, write_outputs
from pytest_moa.github.runner_files import VARIABLES, empty_others, untouched

_OID = "a" * 40


def _commands(line: str) -> bool:
    """Whether the real runner sees a command: `::x` after white space, or `##[x]` anywhere in the line."""
    return bool(re.match(r"\s*::", line)) or "##[" in line


@given(st.text(st.sampled_from("a:#[] \t\r\u2028\u0085\x0b-\n") | st.characters(), max_size=80))
@example("x ##[add-path]/evil\n ::set-output name=a::b\n\u2003::error::x\r::warning::y")
def test_no_line_of_a_log_is_a_command(text: str) -> None:
    out = neutral(text)
    assert not any(_commands(line) for line in out.split("\n"))
    assert "\r" not in out
    assert out.count("\n") == text.count("\n")


@given(st.text(max_size=80), st.text(max_size=20))
def test_an_annotation_is_one_line_whatever_it_says(message: str, path: str) -> None:
    line = annotation("error", message, path=path, line=3, title=message)
    assert "\n" not in line
    assert "\r" not in line
    assert line.startswith("::error ")
    assert line.split("::")[1].count(",") <= 2


def test_a_fence_opens_and_closes_with_one_secret_word_even_after_half_a_line() -> None:
    stream = io.StringIO()
    with fence(stream):
        stream.write("::set-output name=x::y\nhalf a line")
    lines = stream.getvalue().split("\n")
    token = lines[0].removeprefix("::stop-commands::")
    assert re.fullmatch(r"[0-9a-f]{64}", token)
    assert lines[-2] == f"::{token}::"


@pytest.mark.parametrize("name", ["", "a\nb", "a=b", "a<<b", "1a", "ä"])
def test_an_output_of_an_odd_name_is_our_mistake(name: str) -> None:
    with pytest.raises(BugError):
        entry(name, "x")


def test_a_value_cannot_end_itself(tmp_path: Path) -> None:
    file = tmp_path / "output"
    write_outputs(file, {"one": "a\nmoa_x\nEOF\nevil=1", "two": ""})
    found = re.findall(r"^(\w+)<<(moa_\w+)\n(.*?)\n\2\n", file.read_text(), re.DOTALL | re.MULTILINE)
    assert [(n, v) for n, _, v in found] == [("one", "a\nmoa_x\nEOF\nevil=1"), ("two", "")]


def test_a_link_in_place_of_the_output_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError):
        append(tmp_path / "link", "x")
    assert not (tmp_path / "elsewhere").exists()


def _runner(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "commands"
    folder.mkdir()
    environ = {name: str(folder / f"{name.lower()}_1") for name in VARIABLES}
    for path in environ.values():
        Path(path).write_bytes(b"")
    (folder / "github_env_outer").write_bytes(b"BEFORE=1\n")
    return environ


def _attack_append(folder: Path) -> None:
    (folder / "github_env_outer").write_text("EVIL=1\n")


def _attack_add(folder: Path) -> None:
    (folder / "new").write_text("EVIL=1\n")


def _attack_remove(folder: Path) -> None:
    (folder / "github_env_outer").unlink()


def _attack_link(folder: Path) -> None:
    (folder / "github_env_1").unlink()
    (folder / "github_env_1").symlink_to("/etc/passwd")


def _attack_hard_link(folder: Path) -> None:
    (folder.parent / "kept").hardlink_to(folder / "github_env_1")


def _attack_folder(folder: Path) -> None:
    (folder / "github_env_1").unlink()
    (folder / "github_env_1").mkdir()
    (folder / "github_env_1" / "x").write_text("x")


def _attack_all(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.parent)


@pytest.mark.parametrize(
    "attack",
    [
        _attack_append,
        _attack_add,
        _attack_remove,
        _attack_link,
        _attack_hard_link,
        _attack_folder,
        _attack_all,
    ],
)
def test_the_runners_files_are_put_back_and_named(tmp_path: Path, attack: object) -> None:
    environ = _runner(tmp_path)
    folder = tmp_path / "commands"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with untouched(environ) as touched:
        attack(folder)  # type: ignore[operator]  # a table of functions
    assert not folder.is_symlink()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert all(p.is_file() and not p.is_symlink() and p.stat().st_nlink == 1 for p in folder.iterdir())
    assert touched


def test_files_that_nobody_touched_are_not_named(tmp_path: Path) -> None:
    with untouched(_runner(tmp_path)) as touched:
        pass
    assert touched == []


def _pull_request(head: object, base: str = "o/r") -> dict[str, object]:
    return {
        "pull_request": {
            "head": {"ref": "agent-03-x", "sha": _OID, "repo": head},
            "base": {"ref": "develop", "repo": {"full_name": base}},
        }
    }


@pytest.mark.parametrize(
    ("event", "ref", "payload", "expected"),
    [
        ("push", "refs/heads/agent-03-x", {}, Context(event="push", branch="agent-03-x", head=_OID)),
        ("push", "refs/tags/v1", {}, Context(event="push", head=_OID)),
        (
            "pull_request",
            "refs/pull/1/merge",
            _pull_request({"full_name": "O/R"}),
            Context(event="pull_request", branch="agent-03-x", head=_OID, base="develop"),
        ),
        (
            "pull_request_target",
            "refs/heads/develop",
            _pull_request({"full_name": "evil/r"}),
            Context(event="pull_request_target", branch="agent-03-x", head=_OID, base="develop", fork=True),
        ),
        (
            "pull_request",
            "refs/pull/1/merge",
            _pull_request(None),
            Context(event="pull_request", branch="agent-03-x", head=_OID, base="develop", fork=True),
        ),
        ("pull_request", "", {"pull_request": [1]}, Context(event="pull_request", fork=True)),
        (
            "pull_request",
            "refs/pull/7/merge",
            {"pull_request": {"number": 7, "head": {"repo": None}}},
            Context(event="pull_request", pull_request=7, fork=True),
        ),
        (
            "pull_request",
            "",
            {"pull_request": {"number": True}},
            Context(event="pull_request", fork=True),
        ),
        (
            "merge_group",
            "refs/heads/gh-readonly-queue/develop/pr-7-x",
            {
                "merge_group": {
                    "head_sha": "b" * 40,
                    "base_sha": "c" * 40,
                    "base_ref": "refs/heads/develop",
                    "head_ref": "refs/heads/gh-readonly-queue/develop/pr-7-x",
                }
            },
            Context(event="merge_group", head="b" * 40, base="develop", base_head="c" * 40),
        ),
        (
            "workflow_run",
            "refs/heads/main",
            {},
            Context(event="workflow_run", branch="main", head=_OID, fork=True),
        ),
        (
            "workflow_run",
            "refs/heads/main",
            {
                "workflow_run": {
                    "head_sha": "d" * 40,
                    "head_branch": "agent-03-x",
                    "head_repository": {"full_name": "Stranger/app"},
                },
                "repository": {"full_name": "team/app"},
            },
            Context(
                event="workflow_run",
                branch="main",
                head=_OID,
                run=Run(repository="Stranger/app", branch="agent-03-x", head="d" * 40),
                fork=True,
            ),
        ),
        (
            "issue_comment",
            "refs/heads/main",
            {"issue": {"pull_request": {}}},
            Context(event="issue_comment", branch="main", head=_OID, fork=True),
        ),
    ],
)
def test_the_context_tells_branch_head_and_fork(
    event: str, ref: str, payload: dict[str, object], expected: Context
) -> None:
    assert parse_context(event, ref, _OID, payload) == expected


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\udcff"])
def test_an_event_file_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RefusedError, match="cannot be used"):
        read_context({"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file)})


def test_the_default_branch_comes_from_the_event(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"repository": {"default_branch": "main"}}))
    environ = {"GITHUB_EVENT_NAME": "schedule", "GITHUB_EVENT_PATH": str(file)}
    assert read_context(environ).default_branch == "main"


def test_without_a_snapshot_the_files_of_other_steps_are_emptied(tmp_path: Path) -> None:
    environ = _runner(tmp_path)
    folder = tmp_path / "commands"
    Path(environ["GITHUB_OUTPUT"]).write_text("own=1\n")
    (folder / "event.json").write_text("{}")
    assert empty_others(environ) == ("github_env_outer",)
    assert (folder / "github_env_outer").read_bytes() == b""
    assert Path(environ["GITHUB_OUTPUT"]).read_text() == "own=1\n"
    assert (folder / "event.json").read_text() == "{}"
