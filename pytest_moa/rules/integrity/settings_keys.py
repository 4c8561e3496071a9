"""How grave a change of one key of pytest or coverage is: what lets tests in may grow, what keeps out may shrink.

Compares values; knows no files (that is `settings_files`) and tells nobody (that is `settings_changed`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pytest_moa.model.results import FindingSeverity
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity.settings_files import Settings

Grade = FindingSeverity | None
"""None where the change takes nothing away."""

Graded = tuple[str, FindingSeverity, str]
"""A key, how grave its change is, and the change in words."""

_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "python_files": ("test_*.py", "*_test.py"),
    "python_classes": ("Test",),
    "python_functions": ("test",),
    "norecursedirs": ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"),
}


def _words_lost(key: str, before: object, after: object) -> Grade:
    """A list of which every entry lets tests in: it may grow."""
    old = set(_words(key, before))
    return "block" if old - set(_words(key, after)) else None


def _words_gained(key: str, before: object, after: object) -> Grade:
    """A list of which every entry keeps something out: it may shrink."""
    new = set(_words(key, after))
    return "block" if new - set(_words(key, before)) else None


def _words(key: str, value: object) -> tuple[str, ...]:
    return _DEFAULTS.get(key, ()) if value is None else files.words(value)


def _testpaths(_key: str, before: object, after: object) -> Grade:
    old, new = _folders(before), _folders(after)
    if not new:
        return None
    if not old:
        # Where nothing was said, pytest looks everywhere; the usual folder is all there is in most projects.
        return "warn" if new & {".", "test", "tests"} else "block"
    return "block" if any(not _covered(path, new) for path in old) else None


def _pythonpath(_key: str, before: object, after: object) -> Grade:
    """Import roots: the usual ones may come, any other one brings modules that win over installed ones."""
    old, new = _folders(before), _folders(after)
    if new - old - {"", ".", "src", "lib"}:
        return "block"
    return "warn" if new != old else None


def _omit(key: str, before: object, after: object) -> Grade:
    """Files that are not measured; that tests and other people's code are not is what everybody has."""
    gained = set(_words(key, after)) - set(_words(key, before))
    if not gained:
        return None
    return "warn" if all(_NO_SOURCE.fullmatch(word) for word in gained) else "block"


_NO_SOURCE = re.compile(
    r"(\./|\*+/)*((tests?|testing|docs|examples|benchmarks|site-packages|dist-packages|\.?venv|\.tox|\.nox)(/.*)?"
    r"|test_\*\.py|conftest\.py|setup\.py|noxfile\.py)|/usr/.*"
)


def _folders(value: object) -> set[str]:
    return {word.removeprefix("./").rstrip("/") for word in files.words(value)}


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(folder in {"", ".", path} or path.startswith(folder + "/") for folder in folders)


def _changed(grade: Literal["block", "warn", "note"]) -> Callable[[str, object, object], Grade]:
    def graded(_key: str, before: object, after: object) -> Grade:
        return grade if Counter(files.words(before)) != Counter(files.words(after)) else None

    return graded


def _loosened(_key: str, before: object, after: object) -> Grade:
    return "block" if files.truth(before) and not files.truth(after) else None


def _loosened_by_yes(_key: str, before: object, after: object) -> Grade:
    return "block" if files.truth(after) and not files.truth(before) else None


def _loosened_from_yes(_key: str, before: object, after: object) -> Grade:
    """A switch that is on where nothing is said."""
    was = before is None or files.truth(before)
    return "block" if was and after is not None and not files.truth(after) else None


def _filters(_key: str, before: object, after: object) -> Grade:
    """Warning filters: those that make errors tighten; any other one added, or an error taken away, loosens."""
    old, new = Counter(files.lines_of(before)), Counter(files.lines_of(after))
    softer = [f for f in new - old if not f.startswith("error")] + [
        f for f in old - new if f.startswith("error")
    ]
    return "warn" if softer else None


def _markers(_key: str, before: object, after: object) -> Grade:
    names = [{line.partition(":")[0] for line in files.lines_of(value)} for value in (before, after)]
    return "note" if names[0] - names[1] else None


def _environment(_key: str, before: object, after: object) -> Grade:
    gained = Counter(files.lines_of(after)) - Counter(files.lines_of(before))
    if any(re.search(r"PYTEST_|COV(ERAGE)?_|PYTHON[A-Z]", line) for line in gained):
        return "block"
    return "warn" if gained or Counter(files.lines_of(before)) - Counter(files.lines_of(after)) else None


_PYTEST_KEYS: Mapping[str, Callable[[str, object, object], Grade]] = {
    "python_files": _words_lost,
    "python_classes": _words_lost,
    "python_functions": _words_lost,
    "required_plugins": _words_lost,
    "norecursedirs": _words_gained,
    "collect_ignore": _words_gained,
    "testpaths": _testpaths,
    "usefixtures": _changed("block"),
    "pythonpath": _pythonpath,
    "xfail_strict": _loosened,
    "strict_xfail": _loosened,
    "strict": _loosened,
    "strict_markers": _loosened,
    "strict_config": _loosened,
    "collect_imported_tests": _loosened_from_yes,
    "empty_parameter_set_mark": _changed("block"),
    "import_mode": _changed("block"),
    "confcutdir": _changed("block"),
    "filterwarnings": _filters,
    "markers": _markers,
    "env": _environment,
}
_DISPLAY = re.compile(
    r"log_|junit_|faulthandler_|tmp_path_|verbosity|console_output_style|cache_dir|truncation_|minversion"
)

_WITH_VALUE = frozenset("kmpcoWrn")
_LONG: Mapping[str, str] = {
    "-k": "-k",
    "-m": "-m",
    "-p": "-p",
    "-c": "-c",
    "-o": "--override-ini",
    "-W": "-W",
    "-x": "-x",
    "-n": "-n",
    "-r": "-r",
    "-h": "--help",
    "-V": "--version",
    "--config-file": "-c",
    "--exitfirst": "-x",
    "--pythonwarnings": "-W",
    "--numprocesses": "-n",
    "--co": "--collect-only",
    "--collectonly": "--collect-only",
    "--last-failed": "--lf",
    "--new-first": "--nf",
    "--failed-first": "--ff",
    "--stepwise": "--sw",
    "--stepwise-skip": "--sw-skip",
}
_VALUED = frozenset(
    """--deselect --ignore --ignore-glob --maxfail --override-ini --rootdir --confcutdir --basetemp --import-mode
    --cov-report --cov-config --cov-fail-under --cov-context --cov-precision --durations --durations-min --tb
    --color --junitxml --junit-xml --junit-prefix --log-level --log-cli-level --log-file --log-format --capture
    --dist --maxprocesses --tx --assert --verbosity --timeout --reruns --reruns-delay --only-rerun
    --rerun-except --doctest-glob --doctest-report --last-failed-no-failures --show-capture --pastebin --html
    --randomly-seed --asyncio-mode --junit-logging --log-date-format -k -m -p -c -W -n -r""".split()  # noqa: SIM905 - a list of words reads better so
)
_NARROWS = frozenset(
    """-k -m -p -c -x --deselect --ignore --ignore-glob --maxfail --override-ini --rootdir --confcutdir
    --noconftest --no-cov --cov-fail-under --cov-config --cov-append --cov-reset --cov-precision --import-mode
    --collect-only --setup-only --setup-plan --fixtures --fixtures-per-test --markers --help --version --lf --sw
    --sw-skip --nf --last-failed-no-failures --reruns --only-rerun --rerun-except --pyargs
    --continue-on-collection-errors --disable-plugin-autoload --suppress-no-test-exit-code
    --no-cov-on-fail --assert --pdb --trace --debug --testmon --picked --doctest-ignore-import-errors
    --doctest-continue-on-failure --exitfirst --shard-id --num-shards --splits --group --allow-no-tests""".split()  # noqa: SIM905
)
_GUARDS = frozenset(
    """--cov --cov-branch --cov-fail-under --doctest-modules --doctest-glob --strict-markers --strict-config
    --strict --runxfail --run-slow --runslow""".split()  # noqa: SIM905
)
_HARMLESS = frozenset(
    """-v -q -s -l -n -r --verbose --quiet --showlocals --cov --cov-branch --cov-report --cov-context --durations
    --durations-min --tb --color --code-highlight --junitxml --junit-xml --junit-prefix --log-level
    --log-cli-level --log-file --log-format --log-date-format --capture --dist --maxprocesses --tx --basetemp
    --verbosity --strict-markers --strict-config --strict --doctest-modules --doctest-glob --doctest-report
    --show-capture --html --self-contained-html --randomly-seed --ff --no-header --no-summary --full-trace
    --cache-clear --keep-duplicates --junit-logging --pastebin --force-sugar --random-order --xdoctest
    --cov-clean --mypy --ruff --flake8 --black --no-showlocals --showlocals""".split()  # noqa: SIM905
)


def _options(value: object) -> Counter[tuple[str, str]]:
    """Words of addopts as option and value; a bare word (a path, an `@file`) is an option named ``."""
    found: Counter[tuple[str, str]] = Counter()
    given = list(files.arguments(value))
    while given:
        word = given.pop(0)
        if word.startswith("--"):
            name, equals, rest = word.partition("=")
            name = _LONG.get(name, name)
            optional = name == "--cov" and given and not given[0].startswith("-")
            if not equals and given and (name in _VALUED or optional):
                rest = given.pop(0)
            found[name, rest] += 1
        elif word.startswith("-") and len(word) > 1:
            _short(word[1:], given, found)
        else:
            found["", word] += 1
    return found


def _short(letters: str, given: list[str], found: Counter[tuple[str, str]]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _LONG.get(f"-{letter}", f"-{letter}")
        if letter in _WITH_VALUE:
            found[name, letters or (given.pop(0) if given else "")] += 1
            return
        found[name, ""] += 1


def _addopts(before: object, after: object) -> Iterator[tuple[FindingSeverity, str]]:
    old, new = _options(before), _options(after)
    for name, value in new - old:
        grade = _added_option(name, value, old)
        if grade is not None:
            yield grade, f"`addopts` gained `{_shown(name, value)}`"
    for name, value in old - new:
        grade = _removed_option(name, value, new)
        if grade is not None:
            yield grade, f"`addopts` lost `{_shown(name, value)}`"


def _added_option(name: str, value: str, old: Counter[tuple[str, str]]) -> Grade:
    if name == "--cov-fail-under":
        was = [files.number(v) for n, v in old if n == name]
        return "block" if was and files.number(value) < max(was) else None
    if name == "-W":
        return None if value.startswith("error") else "warn"
    if name == "--import-mode" and value == "importlib":
        return "warn"
    if name == "-p" and value in {"xdist", "pytest_cov", "pytester", "no:cacheprovider"}:
        return None
    if name == "" or name in _NARROWS:
        return "block"
    return None if name in _HARMLESS else "warn"


def added_arguments(words: Sequence[str]) -> Iterator[tuple[str, str, Grade]]:
    """Words of a command line as option, value and what adding it would be graded; a bare word is an option named ``."""
    nothing: Counter[tuple[str, str]] = Counter()
    for name, value in _options(list(words)):
        yield name, value, _added_option(name, value, nothing)


def _removed_option(  # noqa: PLR0911 - one return a kind of option
    name: str, value: str, new: Counter[tuple[str, str]]
) -> Grade:
    if name == "--cov-fail-under":
        now = [files.number(v) for n, v in new if n == name]
        return None if now and min(now) >= files.number(value) else "block"
    if name == "--cov":
        return None if ("--cov", "") in new or ("--cov", ".") in new else "block"
    if name in {"--strict-markers", "--strict-config", "--strict"}:
        return None if ("--strict", "") in new else "warn"
    if name == "" and any(n == "" for n, _ in new):
        return "block"
    if name in _GUARDS:
        return "block"
    if name == "-p":
        return None if value.startswith("no:") else "block"
    if name == "-W":
        return "warn" if value.startswith("error") else None
    return None if name in _HARMLESS or name in _NARROWS or name == "" else "warn"


def _shown(name: str, value: str) -> str:
    return " ".join(part for part in (name, value) if part)[:120]


def pytest_grades(before: Settings, after: Settings) -> Iterator[Graded]:
    """Key, grade and what happened, for each key of pytest's that changed in meaning."""
    for key in sorted({*before, *after}, key=str):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if key == "addopts":
            yield from ((key, grade, told) for grade, told in _addopts(old, new))
            continue
        grade = _grade(key, old, new)
        if grade is not None:
            yield key, grade, _told(key, old, new)


def _grade(key: str, old: object, new: object) -> Grade:
    judge = _PYTEST_KEYS.get(key)
    if judge is None:
        return _changed("note" if _DISPLAY.match(key) else "warn")(key, old, new)
    return judge(key, old, new)


def _told(key: str, old: object, new: object) -> str:
    name = key.rpartition(":")[2]
    if old is None:
        return f"`{name}` was set to `{_value(new)}`"
    if new is None:
        return f"`{name} = {_value(old)}` was removed"
    return f"`{name}` changed from `{_value(old)}` to `{_value(new)}`"


def _value(value: object) -> str:
    text = ", ".join(files.lines_of(value))
    return text if len(text) <= 100 else text[:97] + "…"


# https://coverage.readthedocs.io/en/latest/config.html; coverage leaves these out where nothing is said.
_DEFAULT_EXCLUDED = frozenset(
    [
        r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)",
        r"^\s*(((async )?def .*?)?[\])]+(\s*->.*?)?:\s*)?\.\.\.\s*(#|$)",
        r"^\s*if (typing\.)?TYPE_CHECKING:",
        "pragma: no cover",
        "if TYPE_CHECKING:",
        "if typing.TYPE_CHECKING:",
    ]
)


def _patterns_gained(_key: str, before: object, after: object) -> Grade:
    gained = set(files.lines_of(after)) - set(files.lines_of(before)) - _DEFAULT_EXCLUDED
    if not gained:
        return None
    return "warn" if all(_is_usual(pattern) for pattern in gained) else "block"


# Patterns of coverage's own manual that take out what has nothing to run, without the signs that make them expressions.
_USUAL = frozenset(
    [
        "raise NotImplementedError",
        "raise NotImplemented",
        "return NotImplemented",
        "raise AssertionError",
        "if TYPE_CHECKING",
        "if typing<dot>TYPE_CHECKING",
        "if typing.TYPE_CHECKING",
        "@abstractmethod",
        "@abc<dot>abstractmethod",
        "@abc.abstractmethod",
        "@overload",
        "@typing<dot>overload",
        "@typing.overload",
        "if __name__ == .__main__.",
        "if __name__ == __main__",
        "class .*bProtocol",
        "assert_never",
        "typing<dot>assert_never",
        "if 0",
        "if False",
        "<dot><dot><dot>",
        "pragma no cover",
        "# pragma no cover",
    ]
)


def _is_usual(pattern: str) -> bool:
    plain = pattern.replace(r"\s*", " ").replace(r"\s+", " ").replace(r"\.", "<dot>").replace("['\"]", "")
    return " ".join(re.sub(r"[\\()?^$:'\"]", "", plain).split()) in _USUAL


def _source(_key: str, before: object, after: object) -> Grade:
    """What is measured: a first list narrows from everything, later ones may grow."""
    old, new = set(files.words(before)), set(files.words(after))
    if not new:
        return None
    return "block" if not old or old - new else None


def _source_lost(_key: str, before: object, after: object) -> Grade:
    """As `_source`, but losing the whole list counts, too: files that nothing imports are no longer counted."""
    old, new = set(files.words(before)), set(files.words(after))
    return "block" if old - new or (not old and new) else None


def _least(_key: str, before: object, after: object) -> Grade:
    return "block" if files.number(after) < files.number(before) else None


_COVERAGE_KEYS: Mapping[str, Callable[[str, object, object], Grade]] = {
    "run:omit": _omit,
    "report:omit": _omit,
    "run:include": _source,
    "report:include": _source,
    "run:source": _source_lost,
    "run:source_pkgs": _source_lost,
    "run:source_dirs": _source_lost,
    "report:contexts": _source,
    "report:exclude_lines": _patterns_gained,
    "report:exclude_also": _patterns_gained,
    "report:partial_branches": _patterns_gained,
    "report:partial_branches_always": _patterns_gained,
    "report:partial_also": _patterns_gained,
    "report:fail_under": _least,
    "report:precision": _changed("warn"),
    "report:ignore_errors": _loosened_by_yes,
    "report:include_namespace_packages": _loosened,
    "run:branch": _loosened,
    "run:plugins": _changed("block"),
    "run:concurrency": _changed("block"),
    "run:data_file": _changed("block"),
    "run:core": _changed("warn"),
    "run:parallel": _changed("note"),
    "run:relative_files": _changed("note"),
    "run:sigterm": _changed("note"),
    "run:cover_pylib": _changed("note"),
    "run:debug": _changed("note"),
}


def coverage_grades(before: Settings, after: Settings) -> Iterator[Graded]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        judge = _COVERAGE_KEYS.get(key)
        if judge is None:
            display = key.startswith("report:") and key.rpartition(":")[2] in {
                "show_missing",
                "skip_covered",
                "skip_empty",
                "sort",
                "format",
            }
            judge = _changed("note" if display else "warn")
        grade = judge(key, old, new)
        if grade is not None:
            yield key, grade, _told(key, old, new)
