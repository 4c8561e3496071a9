"""Which lines a branch took out of what coverage counts, by exclusions of its own; reads text, runs nothing.

Follows coverage's rules (https://coverage.readthedocs.io/en/latest/excluding.html): an expression found on a line that
opens a block hides the block, on a decorator or a signature the whole function or class.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
import types
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_PRAGMA = re.compile(r"pragma|no.?cov|skip.?cov", re.IGNORECASE)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def newly_hidden(before: str | None, after: str, patterns: Sequence[str]) -> frozenset[int]:
    """The statements (by first line) of `after` that an exclusion of the branch's own hides, and `before` did not.

    An exclusion is the branch's own where a pattern is met in a comment, or a pragma anywhere, and `before` has none
    at the same statement. What other patterns hide (`if TYPE_CHECKING:`) is policy and stays out. Empty where `after`
    does not parse: coverage cannot read it either.
    """
    new = _source(after, tuple(patterns))
    if new is None or not new.written:
        return frozenset()
    old = None if before is None else _source(before, tuple(patterns))
    hidden = new.hidden_by(new.written) - new.hidden_by(new.matched - new.written)
    if old is None:
        return hidden & new.statements()
    kept = {now: then for then, now in _followed(old.lines, new.lines)}
    was_hidden = old.hidden_by(old.matched)
    by_new = new.hidden_by(_without_known(new, old))
    return new.statements() & {
        line for line in hidden if (kept[line] not in was_hidden if line in kept else line in by_new)
    }


def _without_known(new: _Source, old: _Source) -> frozenset[int]:
    """Places of exclusions that stand at no statement which already had one."""
    known = Counter(old.statement_key(line) for line in old.written)
    fresh = set()
    for line in sorted(new.written):
        key = new.statement_key(line)
        if known[key] > 0:
            known[key] -= 1
        else:
            fresh.add(line)
    return frozenset(fresh)


def _followed(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of line numbers of lines that stayed, however they are indented."""
    a, b = ([line.strip() for line in lines] for lines in (old, new))
    for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        yield from ((block.a + i + 1, block.b + i + 1) for i in range(block.size))


@dataclass(frozen=True, slots=True)
class _Statement:
    """A logical line: first and last line, how deep it is indented, and where its own colon stands (0: none)."""

    first: int
    last: int
    depth: int
    colon: int


@dataclass(frozen=True, slots=True)
class _Source:
    """A file, its logical lines, and the first lines of statements at which an exclusion is found."""

    text: str
    lines: tuple[str, ...]
    tree: ast.Module
    logical: tuple[_Statement, ...]
    matched: frozenset[int]
    written: frozenset[int]

    def hidden_by(self, places: Iterable[int]) -> frozenset[int]:
        """All lines that exclusions at these places hide."""
        hidden = set(places)
        if not hidden:
            return frozenset()
        depth: int | None = None
        for line in self.logical:
            if depth is not None and line.depth <= depth:
                depth = None
            if depth is not None:
                hidden.add(line.first)
            elif line.colon and not hidden.isdisjoint(range(line.first, line.colon + 1)):
                hidden.add(line.first)
                depth = line.depth
        return frozenset(hidden | self._whole_functions(hidden) | self._last_cases(hidden))

    def _whole_functions(self, hidden: set[int]) -> set[int]:
        """Functions and classes whose decorators or signature are hidden; outer ones before inner ones."""
        found: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, _FUNCTIONS):
                first = min([d.lineno for d in node.decorator_list], default=node.lineno)
                if not hidden.isdisjoint(range(first, node.lineno + 1)):
                    found.update(range(first, (node.end_lineno or first) + 1))
        return found

    def _last_cases(self, hidden: set[int]) -> set[int]:
        """`case _:` with a wholly hidden body, which coverage takes for an `else`."""
        return {
            node.pattern.lineno
            for node in ast.walk(self.tree)
            if isinstance(node, ast.match_case)
            and isinstance(node.pattern, ast.MatchAs)
            and node.pattern.pattern is None
            and node.guard is None
            and hidden.issuperset(s.lineno for s in node.body)
        }

    def statements(self) -> frozenset[int]:
        """First lines of what the byte code has a line for, which is what coverage counts."""
        firsts = {n: s.first for s in self.logical for n in range(s.first, s.last + 1)}
        return frozenset(firsts.get(n, n) for n in _code_lines(self.text))

    def statement_key(self, line: int) -> tuple[str, ...]:
        """What a statement is known by on both sides: a function's full name, else its function and its words."""
        names: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, _FUNCTIONS):
                first = min([d.lineno for d in node.decorator_list], default=node.lineno)
                if first <= line <= (node.end_lineno or first):
                    names.append(node.name)
                    if line <= node.lineno:
                        return tuple(names)
        code = self.lines[line - 1].partition("#")[0] if line <= len(self.lines) else ""
        return (*names, " ".join(code.split()))


@lru_cache(maxsize=64)
def _source(text: str, patterns: tuple[str, ...]) -> _Source | None:
    """None where the text does not parse, or no pattern is met."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    met = list(_met(text, patterns))
    if not met:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    logical = tuple(_logical(tokens))
    firsts = {n: s.first for s in logical for n in range(s.first, s.last + 1)}
    comments = {t.start[0]: t.start[1] for t in tokens if t.type == tokenize.COMMENT}
    matched: set[int] = set()
    written: set[int] = set()
    for start, end, is_pragma in met:
        first, last = (text.count("\n", 0, place) + 1 for place in (start, end))
        column = start - (text.rfind("\n", 0, start) + 1)
        found = {firsts.get(n, n) for n in range(first, last + 1)}
        matched |= found
        if is_pragma or column >= comments.get(first, column + 1):
            written |= found
    return _Source(text, tuple(text.split("\n")), tree, logical, frozenset(matched), frozenset(written))


def _met(text: str, patterns: tuple[str, ...]) -> Iterator[tuple[int, int, bool]]:
    """Where the patterns are found, as one expression of alternatives; and whether it is a pragma."""
    usable = [p for p in patterns if _compiled(f"(?:{p})") is not None]
    joined = _compiled("|".join(f"(?:{p})" for p in usable)) if usable else None
    pragmas = [c for p in usable if _PRAGMA.search(p) and (c := _compiled(p)) is not None]
    for match in joined.finditer(text) if joined is not None else ():
        yield match.start(), match.end(), any(p.match(text, match.start()) for p in pragmas)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError):
        return None


def _logical(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[_Statement]:
    depth = nesting = first = colon = 0
    for token in tokens:
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif token.type == tokenize.NEWLINE:
            if first:
                yield _Statement(first, token.end[0], depth, colon)
            first = colon = 0
        elif token.string.strip() and token.type != tokenize.COMMENT:
            first = first or token.start[0]
            if token.type == tokenize.OP:
                nesting += (token.string in "([{") - (token.string in ")]}")
                if token.string == ":" and nesting == 0:
                    colon = colon or token.end[0]


def _code_lines(text: str) -> frozenset[int]:
    """Lines that the byte code names, docstrings left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            codes = [compile(text, "<source>", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    lines: set[int] = set()
    while codes:
        code = codes.pop()
        lines.update(line for _, _, line in code.co_lines() if line)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(lines - _docstrings(ast.parse(text)))


def _docstrings(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (*_FUNCTIONS, ast.Module)) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.update(range(body[0].lineno, (body[0].end_lineno or body[0].lineno) + 1))
    return found
