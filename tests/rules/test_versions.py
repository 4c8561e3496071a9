"""Versions from git's tags, and the files that a build would have written them to."""

from __future__ import annotations

import pytest

from pytest_moa.rules.versions import version_files, version_module, version_of


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ('[tool.setuptools_scm]\nversion_file = "src/pkg/_version.py"\n', ("src/pkg/_version.py",)),
        ('[tool.setuptools_scm]\nwrite_to = "pkg/version.txt"\n', ("pkg/version.txt",)),
        ('[tool.hatch.build.hooks.vcs]\nversion-file = "pkg/_version.py"\n', ("pkg/_version.py",)),
        ('[tool.setuptools_scm]\nversion_file = "../out.py"\n', ()),
        ('[tool.setuptools_scm]\nversion_file = "/etc/out.py"\n', ()),
        ('[tool.setuptools_scm]\nversion_file = ".git/config"\n', ()),
        ("[tool.setuptools_scm]\nversion_file = 3\n", ()),
        ("[tool]\nsetuptools_scm = 3\n", ()),
        ("[broken", ()),
        ("", ()),
    ],
)
def test_generated_version_files_are_what_the_settings_name(text: str, files: tuple[str, ...]) -> None:
    assert version_files(text) == files


@pytest.mark.parametrize(
    ("described", "version"),
    [
        ("v1.2.3-0-g123456789", "1.2.3"),
        ("v1.2.3-4-g123456789", "1.2.4.dev4+g123456789"),
        ("1.0rc1-0-gabc", "1.0rc1"),
        ("pkg-2.0-7-gabc", "2.1.dev7+gabc"),
        ("release-2-gabc", "0.1.dev5"),
        ("", "0.1.dev5"),
    ],
)
def test_the_version_follows_from_the_nearest_tag(described: str, version: str) -> None:
    assert version_of(described, 5) == version


def test_the_module_has_the_usual_names() -> None:
    names: dict[str, object] = {}
    exec(version_module("_version.py", "1.3.dev2+gabc"), names)  # noqa: S102 - our own text is what is under test
    assert (names["__version__"], names["version_tuple"]) == ("1.3.dev2+gabc", (1, 3, "dev2", "gabc"))
    assert version_module("version.txt", "1.0") == "1.0\n"
