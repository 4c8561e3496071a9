"""action.yml, its documentation, its lock file and the code say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from pytest_moa.action import finish
from pytest_moa.action.inputs import NAMES, Inputs, read_inputs

_ROOT = Path(__file__).resolve().parents[2]
_ACTION: dict[str, Any] = yaml.safe_load((_ROOT / "action.yml").read_text(encoding="utf-8"))
_STEPS: list[dict[str, Any]] = _ACTION["runs"]["steps"]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def inputs_table() -> str:
    rows = [
        f"| `{name}` | {_code(i['default'])} | {_one_line(i['description'])} |"
        for name, i in _ACTION["inputs"].items()
    ]
    return "\n".join(["| input | default | |", "| --- | --- | --- |", *rows])


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def outputs_table() -> str:
    rows = [f"| `{name}` | {_one_line(o['description'])} |" for name, o in _ACTION["outputs"].items()]
    return "\n".join(["| output | |", "| --- | --- |", *rows])


@pytest.mark.parametrize(("name", "table"), [("inputs", inputs_table()), ("outputs", outputs_table())])
def test_the_documented_tables_are_those_of_the_action(name: str, table: str) -> None:
    text = (_ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name}:begin -->\n(.*?)\n?<!-- {name}:end -->", text, re.DOTALL)
    assert found
    assert found[1] == table


def test_no_expression_stands_in_a_script() -> None:
    for step in _STEPS:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_every_input_is_read_and_every_read_one_declared() -> None:
    handed = {word for step in _STEPS for word in step["env"] if word.startswith("IN_")}
    assert handed == {f"IN_{name.upper().replace('-', '_')}" for name in NAMES}
    assert set(_ACTION["inputs"]) == {*NAMES, "token"}


def test_the_declared_defaults_are_the_codes_own() -> None:
    declared = {f"IN_{n.upper().replace('-', '_')}": i["default"] for n, i in _ACTION["inputs"].items()}
    assert read_inputs(declared) == read_inputs({}) == Inputs()


def test_every_declared_output_is_set() -> None:
    assert tuple(_ACTION["outputs"]) == finish.OUTPUTS
    for name, output in _ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.finish.outputs.{name} }}}}"


def test_the_token_is_in_the_landing_step_alone() -> None:
    assert [s["id"] for s in _STEPS if "inputs.token" in str(s)] == ["land"]
    assert "github.token" not in str(_ACTION)


def test_the_lock_holds_what_the_package_needs() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (_ROOT / "action" / "requirements.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    for words in [*project["project"]["dependencies"], *project["build-system"]["requires"]]:
        needed = Requirement(words)
        assert needed.name.lower() in versions, f"add {words} to action/requirements.txt (see its first line)"
        assert versions[needed.name.lower()] in needed.specifier
    assert lock.count("--hash=sha256:") >= len(versions)
