"""Where a policy comes from, and what is told when it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from pytest_moa.config import config_files, load_from_disk, load_from_reader
from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import Policy

RUNBOOK = """
moa:
  log_level: INFO
  report_interval: 3600
  auto_resolve: true
git:
  remote: origin
  develop_branch: develop
  main_branch: main
agents:
  timeout: 300
  test_threshold: 90
  max_parallel_integrations: 3
monitoring:
  health_check_interval: 60
  alert_email: alerts@company.com
"""


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / {"runbook": "config/moa_config.yaml", "moa": "moa.yaml", "toml": "pyproject.toml"}[name]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def named(name: str) -> str:
    return f"project: {{name: {name}}}"


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load_from_disk(tmp_path, environ={})
    assert (loaded.policy, loaded.origin, loaded.warnings) == (Policy(), None, ())


def test_the_runbooks_file_is_understood(tmp_path: Path) -> None:
    loaded = load_from_disk(write(tmp_path, runbook=RUNBOOK), environ={})
    assert loaded.policy.monitoring.alert_email == "alerts@company.com"
    assert loaded.origin == str(tmp_path / "config/moa_config.yaml")


@pytest.mark.parametrize("empty", ["", "# nothing\n", "---\n", "moa:\nregistry:\n", "null"])
def test_an_empty_file_says_the_defaults(tmp_path: Path, empty: str) -> None:
    assert load_from_disk(write(tmp_path, moa=empty), environ={}).policy == Policy()


TOML = '[project]\nname = "x"\n[tool.moa.project]\nname = "toml"\n'


@pytest.mark.parametrize(
    ("files", "taken", "passed_over"),
    [
        ({"runbook": named("a"), "moa": named("b"), "toml": TOML}, "a", ["moa.yaml", "pyproject.toml"]),
        ({"moa": named("b"), "toml": TOML}, "b", ["pyproject.toml"]),
        ({"moa": named("b"), "toml": '[project]\nname = "x"\n'}, "b", []),
        ({"toml": TOML}, "toml", []),
        ({"toml": '[project]\nname = "x"\n'}, None, []),
    ],
)
def test_the_first_file_counts_and_the_others_are_told(
    tmp_path: Path, files: dict[str, str], taken: str | None, passed_over: list[str]
) -> None:
    loaded = load_from_disk(write(tmp_path, **files), environ={})
    assert loaded.policy.project.name == taken
    assert [warning.split()[0] for warning in loaded.warnings] == passed_over


def test_a_commit_is_looked_through_in_the_same_order(tmp_path: Path) -> None:
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return b"agents: {timeout: 7}" if path == "moa.yaml" else None

    loaded = load_from_reader(read, origin="develop", environ={"MOA_CONFIG": str(tmp_path / "gone")})
    assert loaded.policy.agents.timeout == 7
    assert loaded.origin == "develop:moa.yaml"
    assert tuple(asked) == config_files()


def test_a_named_file_beats_the_variable_and_the_variable_the_usual_files(tmp_path: Path) -> None:
    write(tmp_path, moa=named("usual"))
    call, variable = tmp_path / "call.yaml", tmp_path / "variable.yaml"
    call.write_text(named("call"))
    variable.write_text(named("variable"))
    environ = {"MOA_CONFIG": str(variable)}
    assert load_from_disk(tmp_path, file=call, environ=environ).policy.project.name == "call"
    assert load_from_disk(tmp_path, environ=environ).policy.project.name == "variable"
    assert load_from_disk(tmp_path, environ={"MOA_CONFIG": ""}).policy.project.name == "usual"


@pytest.mark.parametrize("text", ["[tool.moa.project]\nname = 'x'", "[project]\nname = 'x'"])
def test_a_named_toml_file_holds_the_keys_in_its_table_or_at_its_top(tmp_path: Path, text: str) -> None:
    file = tmp_path / "moa.toml"
    file.write_text(text)
    assert load_from_disk(tmp_path, file=file, environ={}).policy.project.name == "x"


def unreadable(root: Path, kind: str) -> Path:
    path = root / "named.yaml"
    match kind:
        case "a folder":
            path.mkdir()
        case "a loop":
            path.symlink_to(path)
        case "latin":
            path.write_bytes(b"moa:\n  # gr\xfc\xdfe\n")
        case "large":
            path.write_bytes(b"#" * (2**20 + 1))
        case "endless":
            return Path("/dev/zero")
        case "no table":
            path = root / "pyproject.toml"
            path.write_text("[project]\n")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file"),
        ("a folder", "Is a directory"),
        ("a loop", "symbolic links"),
        ("latin", "line 2: byte 0xfc is not UTF-8"),
        ("large", "larger than 1048576 bytes"),
        ("endless", "larger than 1048576 bytes"),
        ("no table", "has no [tool.moa]"),
    ],
)
@pytest.mark.parametrize("by", ["call", "variable"])
def test_a_named_file_that_cannot_be_had_is_an_error(tmp_path: Path, kind: str, reason: str, by: str) -> None:
    path = unreadable(tmp_path, kind)
    with pytest.raises(ConfigError) as caught:
        load_from_disk(tmp_path, file=path if by == "call" else None, environ={"MOA_CONFIG": str(path)})
    assert str(path) in caught.value.message
    assert reason in caught.value.reason
    assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root ignores permission bits")
def test_a_file_without_permission_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, moa="").joinpath("moa.yaml").chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load_from_disk(tmp_path, environ={})


@pytest.mark.parametrize("kind", ["a folder", "a loop", "a dangling link"])
def test_a_usual_file_that_is_there_but_unreadable_is_no_reason_for_defaults(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "moa.yaml"
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "a loop" else "gone")
    with pytest.raises(ConfigError, match=r"moa\.yaml cannot be read"):
        load_from_disk(tmp_path, environ={})


def test_a_file_where_the_folder_would_be_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    assert load_from_disk(tmp_path, environ={}).origin is None


def test_problems_of_the_file_and_of_the_variables_come_together(tmp_path: Path) -> None:
    write(tmp_path, moa="agents: {timeout: 0, tiemout: 1}\nmoa: {log_level: loud}\nmoa: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_from_disk(tmp_path, environ={"GIT_REMOTE": "-x"})
    error = caught.value
    assert error.message == f"5 problems in {tmp_path / 'moa.yaml'} and the environment"
    assert error.problems == (
        "line 3: the key `moa` is there twice (first in line 2)",
        "agents.timeout: 0 is not a whole number of at least 1",
        "agents.tiemout: unknown key (did you mean `timeout`?)",
        "moa.log_level: loud is not one of `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`",
        "GIT_REMOTE: -x is not a name without blanks that does not begin with `-`",
    )
    assert all(problem in str(error) for problem in error.problems)
    assert error.exit_code == 2


def test_a_syntax_error_does_not_hide_a_bad_variable(tmp_path: Path) -> None:
    write(tmp_path, moa="moa: [\n")
    with pytest.raises(ConfigError) as caught:
        load_from_disk(tmp_path, environ={"AGENT_TIMEOUT": "soon"})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "line 2, column 1",
        "AGENT_TIMEOUT",
    ]


def test_a_flood_of_problems_is_kept_whole_and_told_in_part(tmp_path: Path) -> None:
    write(tmp_path, moa="\n".join(f"key{n}: 1" for n in range(80)))
    with pytest.raises(ConfigError) as caught:
        load_from_disk(tmp_path, environ={})
    assert len(caught.value.problems) == 80
    assert caught.value.reason.endswith("and 30 more")


def test_a_pyproject_that_is_no_toml_is_no_reason_for_defaults(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 1, column 6"):
        load_from_disk(write(tmp_path, toml="[tool\n"), environ={})


def test_the_exact_percentage_stays(tmp_path: Path) -> None:
    yaml = load_from_disk(write(tmp_path, moa="agents: {test_threshold: 89.999}"), environ={})
    assert yaml.policy.agents.test_threshold == Decimal("89.999")
    toml = load_from_reader(
        {"pyproject.toml": b"[tool.moa.agents]\ntest_threshold = 89.999\n"}.get, origin="x", environ={}
    )
    assert toml.policy == yaml.policy


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pytest_moa.config", {"yaml", "tomllib", "json", "dataclasses"}),
        (
            "import pytest_moa.config as c, pathlib; c.load_from_disk(pathlib.Path('.'), environ={})",
            {"yaml", "tomllib", "pytest", "git", "subprocess", "difflib"},
        ),
    ],
)
def test_nothing_is_imported_before_it_is_needed(tmp_path: Path, statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert not absent & set(told.stdout.split())
