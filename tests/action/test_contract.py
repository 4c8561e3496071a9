"""action.yml, its documentation, its lock file and the code say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import yaml
from packaging.requirements import Requirement

from pytest_moa.action import finish
from pytest_moa.action.inputs import NAMES, Command, Inputs, read_inputs, variable
from pytest_moa.action.reference import PERMISSIONS, renewed

_ROOT = Path(__file__).resolve().parents[2]
_ACTION: dict[str, Any] = yaml.safe_load((_ROOT / "action.yml").read_text(encoding="utf-8"))
_STEPS: list[dict[str, Any]] = _ACTION["runs"]["steps"]


def test_the_documented_tables_are_those_of_the_action() -> None:
    text = (_ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    assert renewed(text, _ACTION) == text, (
        "renew it: python -m pytest_moa.action.reference action.yml docs/action.md"
    )
    for name, one in {**_ACTION["inputs"], **_ACTION["outputs"]}.items():
        assert f"| `{name}` |" in text
        assert " ".join(one["description"].split()).replace("|", "\\|") in text


def test_every_command_says_what_it_needs() -> None:
    assert sorted(needs.command for needs in PERMISSIONS) == sorted(get_args(Command))


def test_no_expression_stands_in_a_script() -> None:
    for step in _STEPS:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_every_input_reaches_every_step_that_reads_inputs() -> None:
    for step in _STEPS[1:]:
        handed = {word for word in step["env"] if word.startswith("IN_")}
        assert handed == {variable(name) for name in NAMES}, step["id"]
        for name in NAMES:
            assert step["env"][variable(name)] == f"${{{{ inputs.{name} }}}}"
    assert set(_ACTION["inputs"]) == {*NAMES, "token"}


def test_the_declared_defaults_are_the_codes_own() -> None:
    declared = {variable(name): one["default"] for name, one in _ACTION["inputs"].items()}
    assert read_inputs(declared) == read_inputs({}) == Inputs(directory=Path.cwd())


def test_every_declared_output_is_set() -> None:
    assert tuple(_ACTION["outputs"]) == finish.OUTPUTS
    for name, output in _ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.finish.outputs.{name} }}}}"


def test_the_token_is_in_no_step_that_runs_agents_code() -> None:
    held = {s["id"]: [n for n, v in s["env"].items() if v == "${{ inputs.token }}"] for s in _STEPS}
    assert {step: names for step, names in held.items() if names} == _WITH_TOKEN
    assert {n for s in _STEPS for n, v in s["env"].items() if "token" in v} == {
        "MOA_TOKEN",
        "MOA_ACTION_HAS_TOKEN",
    }
    assert "${{ inputs.token != '' }}" in _STEPS[1]["env"].values()
    assert "github.token" not in str(_ACTION["runs"])


_WITH_TOKEN = {"land": ["MOA_TOKEN"], "comment": ["MOA_TOKEN"]}


def test_it_can_be_listed_and_needs_no_other_action() -> None:
    assert set(_ACTION["branding"]) == {"icon", "color"}
    assert not [step for step in _STEPS if "uses" in step]
    assert all(one["description"] for one in (*_ACTION["inputs"].values(), *_ACTION["outputs"].values()))


def test_the_lock_holds_what_the_package_needs() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (_ROOT / "action" / "requirements.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    github = project["project"]["optional-dependencies"]["github"]
    for words in [*project["project"]["dependencies"], *github]:
        needed = Requirement(words)
        assert needed.name.lower() in versions, f"add {words} to action/requirements.txt (see its first line)"
        assert versions[needed.name.lower()] in needed.specifier
    assert lock.count("--hash=sha256:") >= len(versions)
