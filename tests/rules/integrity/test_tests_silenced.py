"""Conditions, parts and places of silence, and what is none. The tricks are in tests/gaming/."""

from __future__ import annotations

import pytest
from support.gaming import findings

FILE = "tests/test_x.py"
HEAD = "import os, platform, sys\nimport pytest, unittest\nfrom shop import total\n\n"
TEST = "def test_n():\n    assert total([1]) == 1\n"
BEFORE = {
    FILE: HEAD + TEST,
    "tests/helpers.py": "def ready():\n    return 1\n",
    "shop.py": "def total(n):\n    return sum(n)\n",
}


def said(after: dict[str, str | None], before: dict[str, str] = BEFORE) -> list[str]:
    return sorted({f.severity for f in findings(before, after) if f.rule == "tests-silenced"})


@pytest.mark.parametrize(
    ("condition", "severities"),
    [
        ("sys.platform == 'win32'", []),
        ("sys.platform.startswith('win')", []),
        ("sys.platform != 'linux'", []),
        ("os.name == 'nt'", []),
        ("platform.system() == 'Windows'", []),
        ("sys.version_info < (3, 9)", []),
        ("sys.version_info[0] == 2", []),
        ("platform.python_implementation() == 'PyPy'", []),
        ("sys.platform == 'win32' and total", []),
        ("False", []),
        ("sys.platform == 'linux'", ["block"]),
        ("sys.platform != 'win32'", ["block"]),
        ("sys.version_info >= (3, 9)", ["block"]),
        ("sys.version_info >= (3, 12)", ["block"]),
        ("sys.platform == 'win32' or True", ["block"]),
        ("not False", ["block"]),
        ("'CI' in os.environ", ["block"]),
        ("os.environ.get('SLOW')", ["block"]),
        ("total([]) == 0", ["block"]),
        ("'sys.platform == \"win32\"'", []),
        ("'sys.platform == \"linux\"'", ["block"]),
    ],
)
def test_a_condition_counts_where_it_may_hold_here(condition: str, severities: list[str]) -> None:
    mark = f"@pytest.mark.skipif({condition}, reason='x')\n"
    assert said({FILE: HEAD + mark + TEST}) == severities
    xfail = f"@pytest.mark.xfail({condition}, reason='x')\n"
    assert said({FILE: HEAD + xfail + TEST}) == severities


@pytest.mark.parametrize(
    "old",
    [
        "@pytest.mark.skip(reason='a')\n",
        "@pytest.mark.xfail(reason='a')\n",
        "@pytest.mark.skipif('CI' in os.environ, reason='a')\n",
    ],
)
def test_a_silence_that_was_there_is_no_news(old: str) -> None:
    before = {FILE: HEAD + old + TEST}
    assert said({FILE: HEAD + old.replace("'a'", "'another reason'") + TEST}, before) == []
    assert said({FILE: HEAD + TEST}, before) == []
    assert said({FILE: None, "tests/unit/test_y.py": HEAD + old + TEST}, before) == []


def test_a_part_of_the_cases_is_a_warning_and_all_of_them_block() -> None:
    def cases(*marked: bool) -> str:
        params = ", ".join(
            f"pytest.param({n}{', marks=pytest.mark.skip' if m else ''})" for n, m in enumerate(marked)
        )
        return (
            HEAD + f"@pytest.mark.parametrize('n', [{params}])\ndef test_n(n):\n    assert total([n]) == n\n"
        )

    before = {FILE: cases(False, False)}
    assert said({FILE: cases(False, True)}, before) == ["warn"]
    assert said({FILE: cases(True, True)}, before) == ["block"]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({FILE: HEAD + "@pytest.mark.slow\n" + TEST}, id="another mark"),
        pytest.param({FILE: HEAD + "@pytest.mark.usefixtures('tmp_path')\n" + TEST}, id="a fixture that runs"),
        pytest.param({FILE: HEAD + "def skip():\n    pytest.skip('x')\n\n" + TEST}, id="a helper that nobody calls"),
        pytest.param({"tests/helpers.py": "import pytest\n\ndef ready():\n    return 1\n\ndef windows():\n    pytest.skip('x')\n"}, id="a new helper elsewhere"),
        pytest.param({FILE: HEAD + TEST + "\n\ndef test_skips(pytester):\n    result = pytester.runpytest()\n    result.assert_outcomes(skipped=1)\n"}, id="a test about skipping"),
        pytest.param({FILE: HEAD + "import functools\n\ndef twice(f):\n    @functools.wraps(f)\n    def inner():\n        f()\n        f()\n    return inner\n\n@twice\n" + TEST}, id="a decorator that runs it"),
        pytest.param({FILE: HEAD + "def again(f):\n    def inner():\n        try:\n            f()\n        except AssertionError:\n            f()\n    return inner\n\n@again\n" + TEST}, id="a decorator that tries again"),
        pytest.param({FILE: HEAD + "@pytest.mark.parametrize('n', [1])\ndef test_n(n):\n    assert total([1]) == 1\n"}, id="cases"),
    ],
)  # fmt: skip
def test_what_silences_nothing_passes(after: dict[str, str | None]) -> None:
    assert said(after) == []


def test_a_helper_that_existing_tests_use_and_that_now_skips_blocks() -> None:
    before = {
        **BEFORE,
        FILE: HEAD
        + "from tests.helpers import ready\n\n"
        + TEST.replace("    assert", "    ready()\n    assert"),
    }
    after: dict[str, str | None] = {
        "tests/helpers.py": "import pytest\n\ndef ready():\n    pytest.skip('x')\n"
    }
    assert said(after, before) == ["block"]


def test_a_mixin_that_gains_a_skip_silences_its_users() -> None:
    cases = "class Cases:\n    def test_n(self):\n        assert total([1]) == 1\n\nclass TestA(Cases): ...\n"
    before = {FILE: HEAD + cases}
    assert said(
        {FILE: HEAD + cases.replace("    def test_n", "    @pytest.mark.skip\n    def test_n")}, before
    ) == ["block"]
    assert said(
        {FILE: HEAD + cases.replace("class Cases:\n", "class Cases:\n    pytestmark = pytest.mark.skip\n")},
        before,
    ) == ["block"]


def test_the_finding_says_where_and_what_to_do() -> None:
    (found,) = findings(BEFORE, {FILE: HEAD + "@pytest.mark.skip(reason='x')\n" + TEST})
    assert (found.rule, found.path, found.line) == ("tests-silenced", FILE, 5)
    assert "`test_n` is skipped: `pytest.mark.skip(reason='x')`" in found.message
    assert f"--allow tests-silenced:{FILE}" in found.remedy
