"""Which lines are an agent's own code: what its branch adds, and the whole of what the registry gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath

_TEST_FOLDERS = {"tests", "test"}
_TOOLING = {"setup.py", "noxfile.py", "conftest.py", "tasks.py", "fabfile.py"}
_TOOLING_FOLDERS = {"docs", "doc"}

OwnCode = Mapping[str, frozenset[int] | None]
"""Path relative to the repository's root, to line numbers (1-based); None is the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """What counts as source in this project, from the target's settings.

    `working_directory` is relative to the repository's root; `tests`, `testpaths`, `source`, `include` and `omit`
    are relative to it. `source`, `include`, `omit` are coverage's own settings (globs as coverage reads them).
    """

    working_directory: str = "."
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")
    testpaths: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()

    def inside(self, path: str) -> str | None:
        """The path relative to the working directory; None where it lies outside."""
        base = self.working_directory.strip("/")
        if base in {"", "."}:
            return path
        return path[len(base) + 1 :] if path.startswith(base + "/") else None


def is_test(path: str, rules: SourceRules) -> bool:
    """Whether a file is a test or a helper of tests: by pytest's file patterns, by folder, by the registry."""
    pure = PurePosixPath(path)
    if pure.name == "conftest.py" or any(fnmatchcase(pure.name, pattern) for pattern in rules.python_files):
        return True
    if _TEST_FOLDERS.intersection(pure.parts[:-1]):
        return True
    # A settings file may point `testpaths` at the source itself (doctests, inline tests): that makes no test of it.
    folders = [p for p in rules.testpaths if p.strip("./") and not _overlaps_source(p, rules)]
    return any(_below(path, folder) for folder in (*folders, *rules.tests))


def is_source(path: str, rules: SourceRules) -> bool:
    """Whether changed lines of this file are measured: Python, no test, no tooling, not left out by coverage's settings."""
    inner = rules.inside(path)
    if inner is None or not path.endswith(".py") or is_test(inner, rules):
        return False
    pure = PurePosixPath(inner)
    if (len(pure.parts) == 1 and pure.name in _TOOLING) or pure.parts[0] in _TOOLING_FOLDERS:
        return False
    return not is_omitted(inner, rules)


def is_omitted(inner: str, rules: SourceRules) -> bool:
    """Whether the target's coverage settings leave a file out (`path` relative to the working directory)."""
    if any(_glob(pattern).fullmatch(inner) for pattern in rules.omit):
        return True
    return bool(rules.include) and not any(_glob(pattern).fullmatch(inner) for pattern in rules.include)


def own_code(
    *,
    added: Mapping[str, frozenset[int]],
    registered: Sequence[str],
    tree: Iterable[str],
    rules: SourceRules,
) -> dict[str, frozenset[int] | None]:
    """The agent's own code in a tree.

    `added`: path to the lines that the branch added or changed; `registered`: the registry's `source` (relative to
    the working directory); `tree`: all paths of the tree. Files named by the registry count whole, other changed
    source by its changed lines, so that code moved out of the registered place is not out of sight.
    """
    own: dict[str, frozenset[int] | None] = {
        path: lines for path, lines in added.items() if lines and is_source(path, rules)
    }
    if registered:
        own.update({path: None for path in tree if _is_registered(path, registered, rules)})
    return dict(sorted(own.items()))


def without_others(
    own: OwnCode, others: Mapping[str, frozenset[int]], texts: Mapping[str, str]
) -> dict[str, frozenset[int] | None]:
    """Own code without the lines that others brought to the same candidate; `texts` are the files that these changed."""
    found: dict[str, frozenset[int] | None] = {}
    for path, lines in own.items():
        theirs = others.get(path, frozenset())
        if not theirs:
            found[path] = lines
            continue
        mine = frozenset(range(1, texts.get(path, "").count("\n") + 2)) if lines is None else lines
        if mine - theirs:
            found[path] = mine - theirs
    return found


def folders_of(own: Iterable[str]) -> tuple[str, ...]:
    """The smallest set of folders (relative to the root) that holds all own files: what a tracer has to watch."""
    folders = sorted({str(PurePosixPath(path).parent) for path in own}, key=lambda f: (f.count("/"), f))
    kept: list[str] = []
    for folder in folders:
        if not any(place in {".", folder} or folder.startswith(place + "/") for place in kept):
            kept.append(folder)
    return tuple(kept)


def source_root(path: str, tree: frozenset[str]) -> str:
    """The folder from which a module is imported: the first one upwards without `__init__.py`."""
    folder = PurePosixPath(path).parent
    while str(folder) != "." and f"{folder}/__init__.py" in tree:
        folder = folder.parent
    return str(folder)


def module_name(path: str, tree: frozenset[str]) -> str:
    """The dotted name that a file is imported by, seen from its source root."""
    root = source_root(path, tree)
    inner = path if root == "." else path[len(root) + 1 :]
    dotted = inner.removesuffix(".py").replace("/", ".")
    return dotted.removesuffix(".__init__")


def statement_lines(text: str, lines: frozenset[int]) -> frozenset[int]:
    """The lines, and for a line inside a statement of several lines the one that the statement starts on.

    Coverage reports a statement by its first line: without this, a change of its second line would not count.
    Text that this Python cannot parse is left as it is.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return lines
    starts = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt) and _touches(node, lines)}
    return lines | starts


def _touches(node: ast.stmt, lines: frozenset[int]) -> bool:
    return any(line in lines for line in range(node.lineno + 1, _header_end(node) + 1))


def _header_end(node: ast.stmt) -> int:
    """The last line of a statement itself, without the body of a compound one."""
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return node.end_lineno or node.lineno
    first = body[0]
    start: int = first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno
    decorated: list[int] = [d.lineno for d in getattr(first, "decorator_list", [])]
    return max(node.lineno, min([start, *decorated]) - 1)


def _is_registered(path: str, registered: Sequence[str], rules: SourceRules) -> bool:
    inner = rules.inside(path)
    if inner is None or not path.endswith(".py"):
        return False
    for place in registered:
        name = place.removeprefix("./").rstrip("/")
        if inner == name:
            return True
        if _below(inner, name) or fnmatchcase(inner, name):
            return not is_omitted(inner, rules)
    return False


def _overlaps_source(folder: str, rules: SourceRules) -> bool:
    clean = folder.strip("/").removeprefix("./")
    return clean in {"src", "lib"} or any(_below(place, clean) or place == clean for place in rules.source)


def _below(path: str, folder: str) -> bool:
    clean = folder.removeprefix("./").rstrip("/")
    return clean in {"", "."} or path == clean or path.startswith(clean + "/")


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """A coverage file pattern as coverage.py documents it: `*` stays in a folder, `**` does not, a folder is all of it."""
    text = pattern.removeprefix("./")
    if text.endswith("/"):
        text += "*"
    anywhere = text.startswith(("*/", "**/"))
    text = re.sub(r"^\*{1,2}/", "", text)
    parts = re.split(r"(\*\*/?|\*|\?|\[[^]]*\])", text)
    body = ("(?:.*/)?" if anywhere else "") + "".join(_glob_part(part) for part in parts)
    # A trailing `/*` means everything below, as coverage has it.
    return re.compile(re.sub(r"/\[\^/\]\*$", "/.*", body))


def _glob_part(part: str) -> str:
    if part.startswith("**"):
        return "(?:.*/)?" if part.endswith("/") else ".*"
    if part in {"*", "?"}:
        return "[^/]*" if part == "*" else "[^/]"
    if part.startswith("[") and part.endswith("]"):
        return part
    return re.escape(part)
