"""docs/configuration.md tells every key as the code knows it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from pytest_moa.config import config_files, load_from_reader
from pytest_moa.config.environment import VARIABLES
from pytest_moa.config.reference import main, renewed
from pytest_moa.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_the_made_ones() -> None:
    assert renewed(TEXT) == TEXT, (
        "renew them with: python -m pytest_moa.config.reference docs/configuration.md"
    )


def test_renewing_keeps_what_stands_around_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(re.sub(r"^\| `agents\.timeout`.*\n", "", TEXT, flags=re.MULTILINE), encoding="utf-8")
    assert page.read_text(encoding="utf-8") != TEXT
    main([str(page)])
    assert page.read_text(encoding="utf-8") == TEXT


def test_every_variable_and_file_is_told() -> None:
    for variable, (section, name) in VARIABLES.items():
        assert f"| `{variable}` | `{section}.{name}`" in TEXT
    assert all(f"`{file}`" in TEXT for file in config_files())


def blocks(language: str) -> list[str]:
    every = re.findall(r"^```(\w*)\n(.*?)^```\n", TEXT, re.DOTALL | re.MULTILINE)
    return [text for name, text in every if name == language]


def test_the_example_loads() -> None:
    example, *_ = blocks("yaml")
    found = load_from_reader({"moa.yaml": example.encode()}.get, origin="x", environ={}).policy
    assert [entry.id for entry in found.registry] == ["03", "04"]


def test_the_shown_problems_are_what_is_said() -> None:
    (shown,) = (block for block in blocks("") if "problems" in block)
    file = b"agents: {time_out: 1}\nregistry: [{id: 03, tests: 5}]"
    with pytest.raises(ConfigError) as caught:
        load_from_reader({"moa.yaml": file}.get, origin="", environ={"AGENT_TIMEOUT": "soon"})
    told = textwrap.dedent(shown).splitlines()[1:]
    assert told == [f"  - {problem}" for problem in caught.value.problems]
