"""Trick: the settings let fewer tests run, or let coverage count less. Refused by `settings-changed`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

PYTEST_FILES = {
    "pytest.toml": "[pytest]\n{toml}\n",
    ".pytest.toml": "[pytest]\n{toml}\n",
    "pytest.ini": "[pytest]\n{ini}\n",
    ".pytest.ini": "[pytest]\n{ini}\n",
    "pyproject.toml": "[tool.pytest.ini_options]\n{toml}\n",
    "tox.ini": "[pytest]\n{ini}\n",
    "setup.cfg": "[tool:pytest]\n{ini}\n",
}
COVERAGE_FILES = {
    ".coveragerc": "[{section}]\n{ini}\n",
    ".coveragerc.toml": "[{section}]\n{toml}\n",
    "pyproject.toml": "[tool.coverage.{section}]\n{toml}\n",
    "tox.ini": "[coverage:{section}]\n{ini}\n",
    "setup.cfg": "[coverage:{section}]\n{ini}\n",
}
LOOSER_PYTEST = {
    "python_files": ("test_pay.py", '["test_pay.py"]'),
    "python_classes": ("Suite", '["Suite"]'),
    "python_functions": ("check_*", '["check_*"]'),
    "testpaths": ("tests/unit", '["tests/unit"]'),
    "norecursedirs": ("unit", '["unit"]'),
    "usefixtures": ("calm", '["calm"]'),
    "pythonpath": ("shadow", '["shadow"]'),
    "addopts": ("-p no:cov", '"-p no:cov"'),
    "collect_imported_tests": ("false", "false"),
    "empty_parameter_set_mark": ("xfail", '"xfail"'),
}
LOOSER_COVERAGE = {
    ("run", "omit"): ("src/pay.py", '["src/pay.py"]'),
    ("run", "include"): ("src/a.py", '["src/a.py"]'),
    ("run", "plugins"): ("tests.plugin", '["tests.plugin"]'),
    ("run", "data_file"): ("forged", '"forged"'),
    ("report", "omit"): ("src/pay.py", '["src/pay.py"]'),
    ("report", "include"): ("src/a.py", '["src/a.py"]'),
    ("report", "exclude_lines"): ("def ", '["def "]'),
    ("report", "exclude_also"): ("if ", '["if "]'),
    ("report", "partial_branches"): ("if ", '["if "]'),
    ("report", "ignore_errors"): ("true", "true"),
}


def text(form: str, key: str, ini: str, toml: str, section: str = "") -> str:
    return form.format(ini=f"{key} = {ini}", toml=f"{key} = {toml}", section=section)


@pytest.mark.parametrize("key", LOOSER_PYTEST)
@pytest.mark.parametrize("name", PYTEST_FILES)
def test_a_looser_pytest_setting_is_refused_in_every_file(name: str, key: str) -> None:
    before = {name: text(PYTEST_FILES[name], "minversion", "8", '"8"')}
    Trick(
        key, {name: text(PYTEST_FILES[name], key, *LOOSER_PYTEST[key])}, "settings-changed", before=before
    ).check()


@pytest.mark.parametrize(("section", "key"), LOOSER_COVERAGE)
@pytest.mark.parametrize("name", COVERAGE_FILES)
def test_a_looser_coverage_setting_is_refused_in_every_file(name: str, section: str, key: str) -> None:
    after = text(COVERAGE_FILES[name], key, *LOOSER_COVERAGE[section, key], section=section)
    Trick(key, {name: after}, "settings-changed", before={name: "\n"}).check()


@pytest.mark.parametrize("name", PYTEST_FILES)
def test_a_new_file_that_takes_over_is_refused(name: str) -> None:
    """The strict settings stay in `setup.cfg`, unread."""
    if name == "setup.cfg":
        name = "tox.ini"
    before = {"setup.cfg": "[tool:pytest]\nxfail_strict = true\naddopts = --doctest-modules\n"}
    after = {name: text(PYTEST_FILES[name], "minversion", "8", '"8"')}
    Trick("takes over", after, "settings-changed", before=before).check()


def test_an_empty_file_that_takes_over_is_refused() -> None:
    before = {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--strict-markers --doctest-modules"\n'}
    Trick("empty", {"pytest.ini": ""}, "settings-changed", before=before).check()


def test_a_coverage_file_that_takes_over_is_refused() -> None:
    before = {"pyproject.toml": '[tool.coverage.run]\nbranch = true\nsource = ["src"]\n'}
    Trick("takes over", {".coveragerc": "[run]\n"}, "settings-changed", before=before).check()


def test_settings_in_a_folder_of_tests_are_refused() -> None:
    before = {"pytest.ini": "[pytest]\naddopts = --doctest-modules\n"}
    Trick("nearer", {"tests/pytest.ini": "[pytest]\n"}, "settings-changed", before=before).check()


GUARDS = {
    "fail_under goes down": ("[coverage:report]\nfail_under = 90\n", "[coverage:report]\nfail_under = 20\n"),
    "fail_under goes": ("[coverage:report]\nfail_under = 90\n", "[coverage:report]\n"),
    "branches are not counted": ("[coverage:run]\nbranch = true\n", "[coverage:run]\nbranch = false\n"),
    "sources are fewer": ("[coverage:run]\nsource = a, b\n", "[coverage:run]\nsource = a\n"),
    "xfail_strict goes": ("[tool:pytest]\nxfail_strict = true\n", "[tool:pytest]\n"),
    "an option goes": ("[tool:pytest]\naddopts = --cov=a\n", "[tool:pytest]\n"),
    "a pattern goes": (
        "[tool:pytest]\npython_files = test_*.py check_*.py\n",
        "[tool:pytest]\npython_files = test_*.py\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), GUARDS.values(), ids=GUARDS.keys())
def test_a_guard_that_goes_is_refused(before: str, after: str) -> None:
    Trick("guard", {"setup.cfg": after}, "settings-changed", before={"setup.cfg": before}).check()


OPTIONS = [
    "--deselect tests/test_pay.py",
    "--ignore=tests/unit",
    "--ignore-glob='*pay*'",
    "-k 'not pay'",
    "-knot_pay",
    "-m 'not slow'",
    "-x",
    "--maxfail=1",
    "-p tests.plugin",
    "-ptests.plugin",
    "-p no:moa",
    "--no-cov",
    "--cov-config=other.ini",
    "--cov-fail-under=0",
    "-c other.ini",
    "--rootdir=tests",
    "--confcutdir=tests",
    "-o python_files=x.py",
    "--override-ini=xfail_strict=false",
    "--co",
    "--collect-only",
    "--lf",
    "--last-failed",
    "--sw",
    "--reruns 5",
    "--import-mode=append",
    "--noconftest",
    "--setup-only",
    "--continue-on-collection-errors",
    "tests/test_easy.py",
    "@options.txt",
    "-vk 'not pay'",
]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("as_list", [False, True], ids=["words", "list"])
def test_an_option_that_narrows_is_refused(option: str, as_list: bool) -> None:
    words = ", ".join(f'"{w}"' for w in ["--cov-fail-under=80", *option.replace("'", "").split(" ", 1)])
    value = f"[{words}]" if as_list else f'"--cov-fail-under=80 {option}"'
    before = {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--cov-fail-under=80"\n'}
    after = {"pyproject.toml": f"[tool.pytest.ini_options]\naddopts = {value}\n"}
    Trick(option, after, "settings-changed", before=before).check()


BY_NAME = {
    "sitecustomize": "sitecustomize.py",
    "usercustomize": "src/usercustomize.py",
    "a package sitecustomize": "sitecustomize/__init__.py",
    "a path file": "x.pth",
    "installed metadata": "evil-1.0.dist-info/entry_points.txt",
    "metadata of an egg": "src/evil.egg-info/entry_points.txt",
    "byte code": "src/shop/pay.pyc",
    "cached byte code": "src/shop/__pycache__/pay.cpython-311.pyc",
    "an extension module": "src/shop/pay.cpython-311-x86_64-linux-gnu.so",
    "coverage data": ".coverage",
    "coverage data of a process": ".coverage.host.123.456",
    "pytest's cache": ".pytest_cache/v/cache/lastfailed",
}


@pytest.mark.parametrize("path", BY_NAME.values(), ids=BY_NAME.keys())
def test_a_file_that_acts_by_its_name_is_refused(path: str) -> None:
    Trick("by name", {path: "x"}, "settings-changed").check()


OTHERS = {
    "moa's thresholds": ("config/moa_config.yaml", "agents:\n  coverage_threshold: 90\n", "agents:\n  coverage_threshold: 10\n"),
    "moa's thresholds at the root": ("moa.yaml", "integrity: {}\n", "integrity:\n  severity: {early-exit: off}\n"),
    "moa's table": ("pyproject.toml", "[tool.moa]\nx = 1\n", "[tool.moa]\nx = 2\n"),
    "the workflow that runs moa": (
        ".github/workflows/moa.yml",
        "jobs:\n  gate:\n    steps:\n      - run: moa gate 03\n",
        "jobs:\n  gate:\n    steps:\n      - run: moa gate 03 || true\n",
    ),
    "attributes that rewrite": (".gitattributes", "", "*.py filter=evil\n"),
    "attributes that merge": (".gitattributes", "", "* merge=ours\n"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "before", "after"), OTHERS.values(), ids=OTHERS.keys())
def test_settings_of_moa_and_git_are_refused(path: str, before: str, after: str) -> None:
    Trick("others", {path: after}, "settings-changed", before={path: before}).check()


CODE = {
    "an option": "def pytest_configure(config):\n    config.option.keyword = 'not pay'\n",
    "an option by setattr": "def pytest_configure(config):\n    setattr(config.option, 'maxfail', 1)\n",
    "an option of a deeper alias": "def pytest_configure(config):\n    o = config.option\n    o.markexpr = 'not slow'\n",
    "an option by its dict": "def pytest_configure(config):\n    config.option.__dict__['ignore'] = ['tests/x']\n",
    "a setting": "def pytest_configure(config):\n    config.addinivalue_line('usefixtures', 'calm')\n",
    "the ini's cache": "def pytest_configure(config):\n    config._inicache['xfail_strict'] = False\n",
    "the ini itself": "def pytest_configure(config):\n    config.inicfg['addopts'] = '-x'\n",
    "the arguments": "def pytest_load_initial_conftests(early_config, args):\n    early_config.known_args_namespace.ignore = ['x']\n",
    "the paths": "def pytest_configure(config):\n    config.args[:] = ['tests/test_easy.py']\n",
    "defaults": "def pytest_addoption(parser):\n    parser.set_defaults(ignore=['tests/x'])\n",
    "by a helper": "def calm(config):\n    config.option.deselect = ['x']\n\ndef pytest_configure(config):\n    calm(config)\n",
}  # fmt: skip


@pytest.mark.parametrize("conftest", CODE.values(), ids=CODE.keys())
@pytest.mark.parametrize("folder", ["", "tests/", "tests/unit/deep/"])
def test_settings_set_from_a_conftest_are_refused(folder: str, conftest: str) -> None:
    Trick("from code", {f"{folder}conftest.py": conftest}, "settings-changed").check()


HONEST = {
    "a marker": ("pytest.ini", "[pytest]\nmarkers =\n  slow: x\n", "[pytest]\nmarkers =\n  slow: x\n  fast: y\n"),
    "strict markers": ("pytest.ini", "[pytest]\naddopts = -ra\n", "[pytest]\naddopts = -ra --strict-markers\n"),
    "more output": ("pytest.ini", "[pytest]\naddopts = -ra\n", "[pytest]\naddopts = -ra -q --tb=short --durations=5\n"),
    "a further test path": ("pytest.ini", "[pytest]\ntestpaths = tests\n", "[pytest]\ntestpaths = tests docs\n"),
    "a further pattern": ("pytest.ini", "[pytest]\npython_files = test_*.py\n", "[pytest]\npython_files = test_*.py check_*.py\n"),
    "a higher threshold": (".coveragerc", "[report]\nfail_under = 80\n", "[report]\nfail_under = 90\n"),
    "branches are counted": (".coveragerc", "[run]\n", "[run]\nbranch = true\n"),
    "fewer omissions": (".coveragerc", "[run]\nomit = a.py, b.py\n", "[run]\nomit = a.py\n"),
    "a further source": (".coveragerc", "[run]\nsource = a\n", "[run]\nsource = a, b\n"),
    "stricter warnings": ("pytest.ini", "[pytest]\n", "[pytest]\nfilterwarnings =\n  error\n"),
    "comments and order": (".coveragerc", "[run]\nbranch = 1\nsource = a\n", "[run]\n# sources\nsource = a\nbranch = true\n"),
    "another tool": ("pyproject.toml", "[tool.ruff]\nline-length = 80\n", "[tool.ruff]\nline-length = 100\n"),
    "a dependency": ("pyproject.toml", '[project]\nname = "x"\n', '[project]\nname = "x"\ndependencies = ["y"]\n'),
    "a development dependency": (
        "pyproject.toml",
        "[dependency-groups]\ntest = ['pytest']\n",
        "[dependency-groups]\ntest = ['pytest', 'pytest-mock']\n",
    ),
    "reports": (".coveragerc", "[run]\n", "[run]\n[report]\nshow_missing = true\nskip_covered = true\n[html]\ndirectory = x\n"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "before", "after"), HONEST.values(), ids=HONEST.keys())
def test_a_setting_that_takes_nothing_away_passes(path: str, before: str, after: str) -> None:
    Trick("honest", {path: after}, None, before={path: before}).check()


FIRST = {
    "settings": "[tool.pytest.ini_options]\naddopts = '-ra --strict-markers --import-mode=importlib'\ntestpaths = ['tests']\npythonpath = ['src']\nxfail_strict = true\n",
    "native settings": "[tool.pytest]\naddopts = ['-ra', '--cov=shop']\ntestpaths = ['tests']\n",
    "a source": "[tool.coverage.run]\nbranch = true\nsource = ['shop']\n",
    "a source folder": "[tool.coverage.run]\nsource = ['src']\n",
    "usual exclusions": "[tool.coverage.report]\nexclude_also = ['raise NotImplementedError', 'if TYPE_CHECKING:', '@(abc\\.)?abstractmethod', '@overload', 'if __name__ == .__main__.:', 'class .*\\bProtocol\\):']\n",
    "tests are not measured": "[tool.coverage.run]\nomit = ['tests/*', '*/tests/*', '*/conftest.py']\n",
}  # fmt: skip


@pytest.mark.parametrize("after", FIRST.values(), ids=FIRST.keys())
def test_first_settings_of_the_usual_kind_are_told_and_not_refused(after: str) -> None:
    base = "[project]\nname = 'shop'\n"
    trick = Trick(
        "first",
        {"pyproject.toml": base + after},
        None,
        before={"pyproject.toml": base, "src/shop/__init__.py": ""},
    )
    assert [f for f in trick.findings() if f.severity == "block"] == []


def test_the_settings_of_a_project_that_begins_are_not_refused() -> None:
    after = {
        "pyproject.toml": "[project]\nname = 'shop'\n[tool.coverage.run]\nsource = ['shop']\nbranch = true\n",
        "src/shop/__init__.py": "",
    }
    assert [f for f in Trick("begins", after, None).findings() if f.severity == "block"] == []


BAD_FIRST = {
    "a source beside the project": "[tool.coverage.run]\nsource = ['tests']\n",
    "a source that is a part": "[tool.coverage.run]\nsource = ['shop.easy']\n",
    "an omitted module among the tests": "[tool.coverage.run]\nomit = ['tests/*', 'src/shop/pay.py']\n",
    "everything is excluded": "[tool.coverage.report]\nexclude_also = ['raise NotImplementedError', '.']\n",
    "a pattern that only looks usual": "[tool.coverage.report]\nexclude_also = ['raise NotImplementedError|def ']\n",
    "any three characters": "[tool.coverage.report]\nexclude_also = ['...']\n",
    "every branch for itself": "[tool.coverage.report]\nexclude_also = ['if __name__ == .__main__.:|x']\n",
    "a test path that leaves most out": "[tool.pytest.ini_options]\ntestpaths = ['tests/easy']\n",
    "a path that brings modules": "[tool.pytest.ini_options]\npythonpath = ['tests/shadow']\n",
}


@pytest.mark.parametrize("after", BAD_FIRST.values(), ids=BAD_FIRST.keys())
def test_first_settings_that_decide_less_are_refused(after: str) -> None:
    base = "[project]\nname = 'shop'\n"
    before = {"pyproject.toml": base, "src/shop/__init__.py": ""}
    Trick("first", {"pyproject.toml": base + after}, "settings-changed", before=before).check()


def test_a_migration_of_settings_passes() -> None:
    before = {
        "setup.cfg": "[tool:pytest]\naddopts = -ra --strict-markers\ntestpaths = tests\n[coverage:run]\nbranch = True\nsource =\n  shop\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n',
    }
    after = {
        "setup.cfg": None,
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n[tool.pytest.ini_options]\naddopts = ["-ra", "--strict-markers"]\ntestpaths = ["tests"]\n[tool.coverage.run]\nbranch = true\nsource = ["shop"]\n',
    }
    Trick("migration", after, None, before=before).check()


def test_a_conftest_that_only_adds_markers_passes() -> None:
    conftest = 'def pytest_configure(config):\n    config.addinivalue_line("markers", "slow: takes long")\n'
    Trick("markers", {"tests/conftest.py": conftest}, None).check()
