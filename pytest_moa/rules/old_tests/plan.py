"""What to run: which files get the target's version, which of its tests see them, where their imports went."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pytest_moa.model.settings import PYTEST_FILES
from pytest_moa.rules.integrity.kit import Change, FileChange, Side
from pytest_moa.rules.integrity.names import FUNCTIONS
from pytest_moa.rules.integrity.pairing import pairing
from pytest_moa.rules.integrity.tests_model import pytest_settings
from pytest_moa.rules.old_tests.moves import Redirects, redirects, words_in
from pytest_moa.rules.old_tests.sameness import only_adds_tests, same
from pytest_moa.rules.old_tests.trees import Trees


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTests:
    """The plan of a run. Paths are relative to the working directory.

    `overlay`: files to be put as the target has them, or removed where it has none. `arguments`: the target's test
    modules to run; `settings`: pytest's `-o` words for keys that the branch sets otherwise; `lines`: the target's
    line of each test function, by `path::Class::function`. `gone` are functions that `tests-removed` speaks of.
    `may_skip`: modules whose text, or whose conftests', speaks of skipping or of expected failures.
    """

    overlay: tuple[str, ...]
    arguments: tuple[str, ...]
    settings: tuple[str, ...] = ()
    redirects: Redirects = field(default_factory=Redirects)
    lines: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    may_skip: frozenset[str] = frozenset()


def plan(trees: Trees) -> OldTests | None:
    """The plan; None where the branch touched nothing that the target's tests consist of."""
    touched = _material(trees)
    conftests = tuple(p for p in trees.added if PurePosixPath(p).name == "conftest.py")
    arguments = tuple(sorted(_seeing(trees, touched) | set(_below(trees, conftests))))
    if not arguments:
        return None
    texts = [trees.text(path, "base") for path in trees.base if path.endswith(".py") and trees.area(path)]
    return OldTests(
        overlay=tuple(sorted({*trees.touched, *_unwanted(trees)})),
        arguments=arguments,
        settings=settings_of_base(trees),
        redirects=redirects(trees, words_in(texts)),
        lines=dict(_lines(trees, arguments)),
        gone=_gone(trees),
        may_skip=frozenset(_may_skip(trees, arguments)),
    )


def change_of(trees: Trees, paths: Iterable[str]) -> Change:
    """These files as a change that the integrity rules' models read."""

    def text(path: str, side: Side) -> str | None:
        return trees.read(path, side) if path in (trees.base if side == "base" else trees.head) else None

    files = tuple(
        FileChange(path=path, before=text(path, "base"), after=text(path, "head")) for path in paths
    )
    return Change(files, text)


def _material(trees: Trees) -> tuple[str, ...]:
    """The touched files without those in which pytest sees nothing new."""
    fresh = {PurePosixPath(path).stem for path in trees.added} | {
        part for path in trees.added for part in PurePosixPath(path).parts[:-1]
    }
    standing = {part for path in trees.base for part in PurePosixPath(path).parts[:-1]}
    return tuple(path for path in trees.touched if not _is_harmless(trees, path, fresh - standing))


def _is_harmless(trees: Trees, path: str, fresh: set[str]) -> bool:
    if not path.endswith(".py") or path not in trees.head:
        return False
    before, after = trees.text(path, "base"), trees.text(path, "head")
    if same(before, after):
        return True
    return trees.is_module(path) and only_adds_tests(before, after, trees.patterns.functions, fresh)


def _unwanted(trees: Trees) -> Iterator[str]:
    """What came with the branch among the tests is out of the old tests' way, but for what its settings ask for."""
    settings = "\n".join(trees.text(name, "head") for name in PYTEST_FILES if name in trees.head)
    for path in trees.added:
        dotted = path.removesuffix(".py").replace("/", ".")
        if PurePosixPath(path).name == "conftest.py" or (dotted not in settings and path not in settings):
            yield path


def _seeing(trees: Trees, touched: Sequence[str]) -> set[str]:
    """The target's test modules that see a touched file: themselves, by import, or by lying below it."""
    found: set[str] = set()
    helpers: list[str] = []
    for path in touched:
        if trees.is_module(path):
            found.add(path)
        if PurePosixPath(path).name == "conftest.py":
            found.update(_below(trees, [path]))
        elif path.endswith(".py"):
            helpers.append(path)
        else:
            found.update(_suite_of(trees, path))
    return found | _importing(trees, helpers)


def _below(trees: Trees, files: Iterable[str]) -> Iterator[str]:
    for file in files:
        folder = str(PurePosixPath(file).parent)
        prefix = "" if folder == "." else folder + "/"
        yield from (module for module in trees.modules if module.startswith(prefix))


def _suite_of(trees: Trees, path: str) -> list[str]:
    """The test modules of the nearest folder upwards that has any."""
    for parent in PurePosixPath(path).parents:
        found = list(_below(trees, [(parent / "any").as_posix()]))
        if found:
            return found
    return []


def _importing(trees: Trees, helpers: Sequence[str]) -> set[str]:
    """The test modules that a helper's name leads to, through other helpers, too.

    A word of a text counts as an import: `pytest_plugins`, importlib and star imports are seen so, and what is
    found too much only costs time.
    """
    area = [path for path in trees.base if path.endswith(".py") and trees.area(path)]
    spoken = {path: words_in([trees.text(path, "base")]) for path in area} if helpers else {}
    found: set[str] = set()
    for helper in helpers:
        reached, edge, modules = {helper}, [helper], set()
        while edge:
            word = _import_word(edge.pop())
            for path in area:
                if path not in reached and word in spoken[path]:
                    reached.add(path)
                    edge += [] if trees.is_module(path) else [path]
        for path in reached - {helper}:
            if trees.is_module(path):
                modules.add(path)
            if PurePosixPath(path).name == "conftest.py":
                modules.update(_below(trees, [path]))
        found |= modules or ({helper} & set(trees.modules)) or set(_suite_of(trees, helper))
    return found


def _import_word(path: str) -> str:
    pure = PurePosixPath(path)
    return pure.parent.name if pure.name in {"__init__.py", "conftest.py"} else pure.stem


# What a run of the old tests takes where the branch's settings say something and the target's nothing.
_NEUTRAL = {
    "addopts": "",
    "filterwarnings": "",
    "usefixtures": "",
    "python_classes": "Test",
    "python_functions": "test",
    "xfail_strict": "false",
    "strict": "false",
    "strict_config": "false",
    "strict_markers": "false",
    "strict_xfail": "false",
    "strict_parametrization_ids": "false",
}
_NOT_OURS = frozenset(
    {"testpaths", "norecursedirs", "cache_dir", "minversion", "required_plugins", "pythonpath"}
)


def settings_of_base(trees: Trees) -> tuple[str, ...]:
    """`key=value` words that make the branch's settings say what the target's do, as far as tests see them."""
    base, head = _spoken_settings(trees, "base"), _spoken_settings(trees, "head")
    words = []
    for key in sorted({*base, *head} - _NOT_OURS):
        if key == "markers":
            continue
        value = _ini_text(base[key]) if key in base else _NEUTRAL.get(key)
        if base.get(key) != head.get(key) and value is not None:
            words.append(f"{key}={value}")
    if base.get("markers") != head.get("markers"):
        words.append(
            "markers=" + "\n".join(filter(None, [_ini_text(s.get("markers")) for s in (base, head)]))
        )
    return tuple(words)


def _spoken_settings(trees: Trees, side: Side) -> Mapping[str, object]:
    paths = trees.base if side == "base" else trees.head
    for name in PYTEST_FILES:
        found = pytest_settings(name, trees.text(name, side)) if name in paths else None
        if found is not None:
            return found
    return {}


def _ini_text(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _lines(trees: Trees, modules: Iterable[str]) -> Iterator[tuple[str, int]]:
    for path in modules:
        tree = trees.tree(path, "base")
        if tree is not None:
            yield from ((f"{path}::{name}", line) for name, line in _definitions(tree.body, ()))


def _definitions(body: Iterable[ast.stmt], around: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, FUNCTIONS):
            yield "::".join((*around, node.name)), node.lineno
        elif isinstance(node, ast.ClassDef):
            yield "::".join((*around, node.name)), node.lineno
            yield from _definitions(node.body, (*around, node.name))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _definitions(
                [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)], around
            )


def _gone(trees: Trees) -> frozenset[str]:
    """The test functions that the rule on removed tests names by itself."""
    paths = [p for p in (*trees.touched, *trees.added) if p.endswith(".py")]
    paths += [name for name in PYTEST_FILES if trees.base.get(name) != trees.head.get(name)]
    return frozenset(test.id for test in pairing(change_of(trees, paths)).gone)


_SKIPS = re.compile(r"(?i)skip|xfail|expectedFailure")


def _may_skip(trees: Trees, modules: Iterable[str]) -> Iterator[str]:
    area = [path for path in trees.base if path.endswith(".py") and trees.area(path)]
    helpers = [p for p in area if not trees.is_module(p) and _SKIPS.search(trees.text(p, "base"))]
    for path in modules:
        if helpers or _SKIPS.search(trees.text(path, "base")):
            yield path
