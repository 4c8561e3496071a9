"""Whom the evidence of a failing test names: the lines that it ran, where it broke, what its message says. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_moa.rules.integrity.kit import is_test_path
from pytest_moa.rules.queue.lines import Changed

Lines = Mapping[str, frozenset[int]]
"""Path relative to the repository's root, to line numbers of the candidate's top."""

_NAMED = re.compile(r"['\"`](?:[\w.]*\.)?(\w+)['\"`]|\b(\w+)\(\)|\bimport (\w+)")
_IN_THE_WAY = re.compile(r"import file mismatch:.*?__file__ attribute:\s*(?:E\s+)?([^\n]+)", re.DOTALL)
_SETTERS = frozenset({"setattr", "delattr"})
_MUTATORS = frozenset(
    {"add", "append", "chdir", "clear", "discard", "extend", "insert", "pop", "popitem", "putenv"}
    | {"register", "remove", "setdefault", "setlocale", "update"}
)
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# What each kind of evidence weighs. Where a test broke says most; that it ran a line says that it may depend on it.
_BROKE, _NAME, _RAN, _RAN_TEST, _SHARED, _BESIDE, _AT_IMPORT = 16, 12, 8, 6, 3, 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the failing tests left when they were run again: `ran` and `places` by test id.

    `shared` are lines of fixtures that several tests use, `imported` lines that ran when modules were imported.
    """

    ran: Mapping[str, Lines] = field(default_factory=dict)
    shared: Lines = field(default_factory=dict)
    imported: Lines = field(default_factory=dict)
    places: Mapping[str, Lines] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One member's part in the candidate: its changed lines, and names that it took away or whose signature it changed."""

    changes: Mapping[str, Changed]
    names: frozenset[str] = frozenset()


def suspects_of(
    test: str, seen: Seen, parts: Mapping[str, Part], texts: Mapping[str, str]
) -> tuple[str, ...]:
    """The members that the evidence names, the most suspect first; among equals the later one, so that the earlier stays.

    `parts` is in the members' order; `texts` are the changed Python files of the top.
    """
    order = list(parts)
    weights = {member: _weight(test, seen, part, texts) for member, part in parts.items()}
    named = [member for member in order if weights[member]]
    return tuple(sorted(named, key=lambda member: (-weights[member], -order.index(member))))


def touched_by(test: str, seen: Seen, part: Part) -> dict[str, frozenset[int]]:
    """The changed lines of a member that a failing test ran, or at which it broke."""
    ran, places = seen.ran.get(test, {}), seen.places.get(test, {})
    found = {
        path: change.added
        & (ran.get(path, frozenset()) | places.get(path, frozenset()) | seen.shared.get(path, frozenset()))
        for path, change in part.changes.items()
    }
    return {path: lines for path, lines in found.items() if lines}


def author_of(test: str, seen: Seen, parts: Mapping[str, Part], texts: Mapping[str, str]) -> str | None:
    """The member that brought a test: most of its own lines, else the file; None where it is nobody's."""
    path = test.split("::", 1)[0]
    lines = _function_lines(test, texts.get(path, "")) or seen.ran.get(test, {}).get(path, frozenset())
    added = {m: p.changes[path].added for m, p in parts.items() if path in p.changes}
    ranked = sorted(added, key=lambda m: (-len(added[m] & lines), -len(added[m])))
    return ranked[0] if ranked and (added[ranked[0]] & lines or not lines) else None


def in_the_way(message: str) -> str | None:
    """The test file whose module has the name that a failing one wanted: pytest imports one module of a name a run.

    Such a file can be collected when it runs alone, and can never be beside the other: it is not flaky.
    """
    found = _IN_THE_WAY.search(message[:20_000])
    return found.group(1).strip() if found else None


def owners_of(place: str, parts: Mapping[str, Part]) -> tuple[str, ...]:
    """The members that changed the file which an absolute or relative place names."""
    return tuple(
        m for m, part in parts.items() if any(f"/{place}".endswith(f"/{path}") for path in part.changes)
    )


def leaves_state(text: str) -> bool:
    """Whether a test module seems to change what outlives its tests: attributes or items of what it imports."""
    tree = _parsed(text)
    imported = {
        (alias.asname or alias.name).split(".", 1)[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            changed: ast.expr = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SETTERS:
            changed = node.args[0] if node.args else node.func
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _MUTATORS
        ):
            changed = node.func.value
        else:
            continue
        if _root(changed) in imported:
            return True
    return False


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def stands(test: str, text: str | None) -> bool:
    """Whether a test is there in another version of its file (None: there is no such file), as far as its text tells."""
    if text is None:
        return False
    name = _function_name(test)
    return not name.isidentifier() or re.search(rf"\b(?:def|class)\s+{name}\b", text) is not None


def loose_names(before: str | None, after: str | None, changed: Changed | None) -> frozenset[str]:
    """The names that a change of a file took away, and those of the functions whose signature it changed."""
    old, new = _parsed(before), _parsed(after)
    taken = _names(old) - _names(new)
    lines = changed.replaced if changed is not None else frozenset()
    signed = {
        node.name
        for node in ast.walk(new)
        if isinstance(node, _DEFINED) and lines.intersection(range(node.lineno, node.body[0].lineno))
    }
    return frozenset(taken | signed)


def is_opaque(path: str) -> bool:
    """Whether a change of this file can break a test that ran none of its lines: no Python, and no prose."""
    return not path.endswith((".py", ".md", ".rst", ".txt.j2")) and not path.lower().startswith(
        ("docs/", "changelog")
    )


def _weight(test: str, seen: Seen, part: Part, texts: Mapping[str, str]) -> int:
    weight = _NAME if part.names.intersection(_names_in(seen.messages.get(test, ""))) else 0
    ran, places = seen.ran.get(test, {}), seen.places.get(test, {})
    for path, change in part.changes.items():
        own = change.added
        if places.get(path, frozenset()) & (own | change.beside):
            weight += _BROKE
        if own & ran.get(path, frozenset()):
            weight += _RAN_TEST if is_test_path(path) else _RAN
        elif change.beside & ran.get(path, frozenset()):
            weight += _BESIDE
        if own & seen.shared.get(path, frozenset()):
            weight += _SHARED
        if _decisive(change.replaced & seen.imported.get(path, frozenset()), texts.get(path, "")):
            weight += _AT_IMPORT
    return weight


def _decisive(lines: frozenset[int], text: str) -> bool:
    """Whether one of these lines, run at import, gives something a value: no definition's head, no import, no docstring."""
    if not lines:
        return False
    for node in ast.walk(_parsed(text)):
        if not isinstance(node, ast.stmt) or isinstance(node, (*_DEFINED, ast.Import, ast.ImportFrom)):
            continue
        prose = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not prose and lines.intersection(range(node.lineno, (node.end_lineno or node.lineno) + 1)):
            return True
    return False


def _function_name(test: str) -> str:
    """The last name of an id, without its parameters, which may hold anything; empty for a file."""
    return test.partition("::")[2].split("[", 1)[0].rsplit("::", 1)[-1]


def _function_lines(test: str, text: str) -> frozenset[int]:
    name = _function_name(test)
    return frozenset(
        line
        for node in ast.walk(_parsed(text))
        if isinstance(node, _DEFINED) and node.name == name
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


def _names(tree: ast.Module) -> set[str]:
    """What a module defines anywhere: functions, classes, variables, attributes."""
    found = {node.name for node in ast.walk(tree) if isinstance(node, _DEFINED)}
    found |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found | {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
    }


def _names_in(message: str) -> frozenset[str]:
    return frozenset(name for match in _NAMED.finditer(message[:20_000]) for name in match.groups() if name)


def _parsed(text: str | None) -> ast.Module:
    try:
        return ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])
