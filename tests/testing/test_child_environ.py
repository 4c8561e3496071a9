"""Which variables the tests see."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_moa.testing.environment import child_environ, setup_environ


def seen(environ: dict[str, str], keep: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> set[str]:
    ours = {"TMPDIR", "MOA_SLOT", "MOA_CHILD"}
    return set(child_environ(environ, keep=keep, drop=drop, run_dir=Path("/r"), slot=2)) - ours


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LC_ALL", "TZ", "CI", "XDG_CACHE_HOME", "SSL_CERT_FILE", "CC"]
)
def test_what_tools_need_is_passed(name: str) -> None:
    assert seen({name: "1"}) == {name}


SECRETS = [
    "GITHUB_TOKEN",
    "GITHUB_ENV",
    "ACTIONS_RUNTIME_TOKEN",
    "RUNNER_TEMP",
    "INPUT_X",
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASSWORD",
    "NPM_TOKEN",
    "STRIPE_KEY",
    "HTTPS_PROXY",
    "https_proxy",
    "SSH_AUTH_SOCK",
    "PIP_INDEX_URL",
    "AGENT_ID",
    "XDG_TOKEN",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_passed_only_by_its_whole_name(name: str) -> None:
    assert seen({name: "1"}) == set()
    assert seen({name: "1"}, keep=("*", name[:-1] + "?", name[:3] + "*")) == set()
    assert seen({name: "1"}, keep=(name,)) == {name}
    assert seen({name: "1"}, keep=(name,), drop=("*",)) == set()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "PYTEST_CURRENT_TEST"])
def test_what_belongs_to_the_caller_alone_is_never_passed(name: str) -> None:
    assert seen({name: "1"}, keep=(name, "*")) == set()


def test_keep_adds_and_drop_takes_away() -> None:
    environ = {"DJANGO_SETTINGS_MODULE": "x", "DJANGO_DEBUG": "1", "PATH": "/bin", "OTHER": "1"}
    assert seen(environ, keep=("DJANGO_*",), drop=("DJANGO_DEBUG", "PATH")) == {"DJANGO_SETTINGS_MODULE"}


def test_every_parallel_child_gets_its_slot_and_a_folder_for_temporary_files() -> None:
    environ = {"TMPDIR": "/mine", "MOA_SLOT": "9"}
    made = child_environ(environ, keep=("*", "MOA_SLOT"), drop=(), run_dir=Path("/r"), slot=2)
    assert made == {"TMPDIR": "/r/tmp", "MOA_SLOT": "2", "MOA_CHILD": "1"}


def test_setup_commands_also_see_what_pip_and_uv_are_told_but_no_index_with_a_password() -> None:
    environ = {
        "PIP_FIND_LINKS": "/w",
        "UV_OFFLINE": "1",
        "UV_INDEX_URL": "https://u:p@host",
        "GITHUB_TOKEN": "t",
    }
    assert set(setup_environ(environ, keep=(), drop=())) == {"PIP_FIND_LINKS", "UV_OFFLINE", "MOA_CHILD"}
