"""Which lines are whose: source against tests, registered files, statements of several lines."""

from __future__ import annotations

import textwrap

import pytest

from pytest_moa.rules.own_code import (
    SourceRules,
    folders_of,
    is_source,
    is_test,
    module_name,
    own_code,
    source_root,
    statement_lines,
)

PLAIN = SourceRules()


@pytest.mark.parametrize(
    ("path", "rules", "source"),
    [
        ("src/pkg/core.py", PLAIN, True),
        ("core.py", PLAIN, True),
        ("scripts/release.py", PLAIN, True),
        ("tests/test_core.py", PLAIN, False),
        ("tests/helpers.py", PLAIN, False),
        ("src/pkg/tests/helpers.py", PLAIN, False),
        ("src/pkg/testing.py", PLAIN, True),
        ("src/pkg/core_test.py", PLAIN, False),
        ("src/pkg/conftest.py", PLAIN, False),
        ("setup.py", PLAIN, False),
        ("pkg/setup.py", PLAIN, True),
        ("docs/conf.py", PLAIN, False),
        ("README.md", PLAIN, False),
        ("pkg/core.pyi", PLAIN, False),
        ("checks/unit.py", SourceRules(testpaths=("checks",)), False),
        ("src/pkg/a.py", SourceRules(testpaths=("src", "tests")), True),
        ("pkg/a.py", SourceRules(testpaths=(".",)), True),
        ("pkg/migrations/a.py", SourceRules(omit=("*/migrations/*",)), False),
        ("pkg/a.py", SourceRules(omit=("pkg/b*.py",)), True),
        ("pkg/b1.py", SourceRules(omit=("pkg/b*.py",)), False),
        ("pkg/sub/b1.py", SourceRules(omit=("pkg/b*.py",)), True),
        ("pkg/sub/x.py", SourceRules(omit=("pkg/**",)), False),
        ("pkg/sub/x.py", SourceRules(omit=("pkg/",)), False),
        ("other/x.py", SourceRules(include=("pkg/*",)), False),
        ("pkg/deep/x.py", SourceRules(include=("pkg/*",)), True),
        ("backend/app/x.py", SourceRules(working_directory="backend"), True),
        ("frontend/x.py", SourceRules(working_directory="backend"), False),
        ("backend/tests/x.py", SourceRules(working_directory="backend"), False),
        ("spec/core_spec.py", SourceRules(python_files=("*_spec.py",)), False),
    ],
)
def test_source_is_python_that_is_no_test_and_that_coverage_measures(
    path: str, rules: SourceRules, source: bool
) -> None:
    assert is_source(path, rules) is source


def test_an_agents_registered_tests_are_tests_wherever_they_lie() -> None:
    assert is_test("checks/core/a.py", SourceRules(tests=("checks/core",)))


def test_changed_source_counts_by_line_and_registered_files_whole() -> None:
    own = own_code(
        added={
            "pkg/a.py": frozenset({3}),
            "pkg/core/b.py": frozenset({1}),
            "tests/test_a.py": frozenset({1}),
        },
        registered=("pkg/core",),
        tree=["pkg/a.py", "pkg/core/b.py", "pkg/core/c.py", "pkg/core/data.json", "pkg/corex.py"],
        rules=PLAIN,
    )
    assert own == {"pkg/a.py": frozenset({3}), "pkg/core/b.py": None, "pkg/core/c.py": None}


def test_what_the_target_omits_is_not_own_code_even_when_registered() -> None:
    rules = SourceRules(omit=("pkg/vendored/*",))
    own = own_code(added={}, registered=("pkg",), tree=["pkg/a.py", "pkg/vendored/b.py"], rules=rules)
    assert own == {"pkg/a.py": None}


def test_a_registered_file_that_is_gone_is_no_own_code() -> None:
    assert own_code(added={}, registered=("pkg/a.py",), tree=["pkg/b.py"], rules=PLAIN) == {}


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        (["a.py"], (".",)),
        (["pkg/a.py", "pkg/sub/b.py"], ("pkg",)),
        (["pkg/sub/b.py", "lib/c.py"], ("lib", "pkg/sub")),
        (["a.py", "pkg/b.py"], (".",)),
        ([], ()),
    ],
)
def test_a_tracer_watches_the_fewest_folders(paths: list[str], folders: tuple[str, ...]) -> None:
    assert folders_of(paths) == folders


TREE = frozenset(
    {"src/pkg/__init__.py", "src/pkg/sub/__init__.py", "src/pkg/sub/a.py", "flat/__init__.py", "one.py"}
)


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("src/pkg/sub/a.py", "src", "pkg.sub.a"),
        ("src/pkg/__init__.py", "src", "pkg"),
        ("flat/__init__.py", ".", "flat"),
        ("one.py", ".", "one"),
    ],
)
def test_a_module_is_imported_from_above_its_topmost_package(path: str, root: str, name: str) -> None:
    assert (source_root(path, TREE), module_name(path, TREE)) == (root, name)


TEXT = textwrap.dedent(
    """\
    total = (
        1 +
        2
    )

    def f(
        a,
        b,
    ):
        return a

    match total:
        case 1:
            pass
    """
)


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({2}, {1, 2}),
        ({3, 4}, {1, 3, 4}),
        ({7}, {6, 7}),
        ({10}, {10}),
        ({5}, {5}),
        ({14}, {14}),
    ],
)
def test_a_change_inside_a_statement_counts_as_its_first_line(changed: set[int], counted: set[int]) -> None:
    assert statement_lines(TEXT, frozenset(changed)) == frozenset(counted)


def test_text_that_this_python_cannot_parse_keeps_its_lines() -> None:
    assert statement_lines("def (:", frozenset({1})) == frozenset({1})
