"""Trick: a new module has the name of one that the tests import. Refused by `shadowed-module`, before anything runs."""

from __future__ import annotations

import pytest
from support.gaming import Trick

from pytest_moa.rules.integrity import FileChange, review

FAKE = "class Coverage:\n    total = 100\n"
PROJECT = {
    "pyproject.toml": """
        [project]
        name = "shop-core"
        dependencies = ["Requests>=2", "PyYAML", "django-money[x]~=3; python_version > '3'"]
        [project.optional-dependencies]
        dev = ["pytest-mock"]
        [dependency-groups]
        test = ["freezegun", {include-group = "lint"}]
        [tool.pytest.ini_options]
        pythonpath = ["backend"]
        """,
    "setup.cfg": "[options]\ninstall_requires =\n    click>=8\n    rich\n",
    "requirements-dev.txt": "-r base.txt\n# tools\nresponses==0.25\n",
    "src/shop_core/__init__.py": "",
    "src/shop_core/json.py": "",
}
HIDING = {
    "coverage at the root": "coverage/__init__.py",
    "coverage as a module": "coverage.py",
    "pytest": "pytest.py",
    "pytest's inside": "_pytest/__init__.py",
    "the plugin for coverage": "pytest_cov/__init__.py",
    "xdist": "src/xdist/__init__.py",
    "pluggy": "src/pluggy.py",
    "a standard module": "src/json.py",
    "a standard package": "unittest/__init__.py",
    "a standard module beside the tests": "tests/doctest.py",
    "a standard module beside an agent's tests": "tests/agent03/random.py",
    "a standard module beside deeper tests": "tests/unit/deep/decimal.py",
    "a test tool beside the tests": "tests/coverage.py",
    "a root of the settings": "backend/json.py",
    "a dependency": "requests/__init__.py",
    "a dependency by its module's name": "yaml/__init__.py",
    "a dependency with extras": "src/django_money/__init__.py",
    "a dependency of the developers": "pytest_mock.py",
    "a dependency of a group": "freezegun/__init__.py",
    "a dependency of setup.cfg": "src/click/__init__.py",
    "a dependency of requirements": "responses.py",
    "an extension module": "_json.cpython-311-x86_64-linux-gnu.so",
    "byte code": "json.pyc",
    "a start-up module": "src/sitecustomize.py",
    "a start-up package": "src/usercustomize/__init__.py",
    "a part of the workspace": "packages/cart/src/json.py",
    "installed metadata": "evil-1.dist-info/entry_points.txt",
    "metadata of an egg": "src/evil.egg-info/entry_points.txt",
    "a path file": "backend/evil.pth",
}
BESIDE = {"tests/unit/deep/test_a.py": "", "packages/cart/pyproject.toml": "[project]\nname = 'cart'\n"}


@pytest.mark.parametrize("path", HIDING.values(), ids=HIDING.keys())
def test_a_module_that_hides_another_is_refused(path: str) -> None:
    Trick("hides", {path: FAKE, **BESIDE}, "shadowed-module", unchanged=PROJECT).check()


@pytest.mark.parametrize(
    ("path", "mode"), [("coverage", "120000"), ("json.py", "120000"), ("src/pytest_cov", "160000")]
)
def test_a_link_or_a_submodule_of_such_a_name_is_refused(path: str, mode: str) -> None:
    found = review(
        [
            FileChange(
                path=path, before=None, after="src/x", link="src/x" if mode[0] == "1" else None, mode=mode
            )
        ]
    )
    assert ("shadowed-module", "block") in {(f.rule, f.severity) for f in found}


def test_the_name_in_a_greenfield_project_does_not_help() -> None:
    """A branch that calls its project `coverage` brings no right to that name."""
    after = {"pyproject.toml": "[project]\nname = 'coverage'\n", "coverage/__init__.py": FAKE}
    Trick("claims", after, "shadowed-module").check()


def test_a_package_that_grows_an_init_file_is_refused() -> None:
    """Without `__init__.py` the installed module wins, with it the folder does."""
    before = {"json/decoder.py": "x = 1\n"}
    Trick("grows", {"json/__init__.py": ""}, "shadowed-module", before=before).check()


HONEST = {
    "inside of a package": "src/shop_core/logging.py",
    "inside of a package's package": "src/shop_core/email/__init__.py",
    "a folder without __init__": "json/schema.json",
    "a folder of code without __init__": "platform/build.py",
    "a test of a standard name": "tests/test_json.py",
    "test data": "tests/data/json.py",
    "test fixtures": "tests/fixtures/project/random.py",
    "test packages": "tests/packages/six/setup.py",
    "stubs": "typings/requests/__init__.pyi",
    "scripts": "scripts/logging.py",
    "docs": "docs/code.py",
    "a free name": "billing.py",
    "a free package": "src/billing/__init__.py",
    "tests themselves": "tests/__init__.py",
    "the project's own name": "shop_core/__init__.py",
    "a project of its own below": "examples/cart/cart.py",
}  # fmt: skip


@pytest.mark.parametrize("path", HONEST.values(), ids=HONEST.keys())
def test_an_ordinary_new_module_passes(path: str) -> None:
    Trick("honest", {path: "x = 1\n"}, None, unchanged=PROJECT).check()


def test_a_standard_name_in_a_package_of_tests_passes() -> None:
    unchanged = {"tests/__init__.py": "", "tests/unit/__init__.py": ""}
    Trick("package", {"tests/unit/random.py": "x = 1\n"}, None, unchanged=unchanged).check()


@pytest.mark.parametrize(
    "addopts", ["--import-mode=importlib", "-ra --import-mode importlib", "--import-mode=append"]
)
def test_beside_tests_that_are_not_put_on_the_path_it_passes(addopts: str) -> None:
    unchanged = {"pytest.ini": f"[pytest]\naddopts = {addopts}\n"}
    Trick("importlib", {"tests/random.py": "x = 1\n"}, None, unchanged=unchanged).check()


def test_a_folder_that_may_hold_no_tests_is_told_and_not_refused() -> None:
    trick = Trick("helpers", {"tests/helpers/types.py": "x = 1\n"}, "shadowed-module", "warn")
    trick.check()
    assert [f.severity for f in trick.findings()] == ["warn"]


@pytest.mark.parametrize(
    ("old", "new"), [("json.py", "src/json.py"), ("src/click/__init__.py", "click/__init__.py")]
)
def test_a_module_that_the_target_has_may_move(old: str, new: str) -> None:
    Trick("move", {old: None, new: "x = 1\n"}, None, before={old: "x = 1\n"}, unchanged=PROJECT).check()


def test_a_tool_s_own_repository_may_change_and_grow() -> None:
    unchanged = {"pyproject.toml": "[project]\nname = 'pytest-cov'\n", "src/pytest_cov/__init__.py": ""}
    Trick("own", {"src/pytest_cov/compat.py": "x = 1\n"}, None, unchanged=unchanged).check()
    Trick("own", {"pytest_cov/__init__.py": "x = 1\n"}, None, unchanged=unchanged).check()
