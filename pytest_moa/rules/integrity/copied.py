"""Whether source gives, for constants, the very constants that tests expect of it. Decides nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_moa.rules.integrity.following import Function, Module, Project
from pytest_moa.rules.integrity.kit import Change, Side
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN, Names, walk
from pytest_moa.rules.integrity.tests_model import is_test_file, tests_of


@dataclass(frozen=True, slots=True)
class Answer:
    """A constant that the source gives for a constant: `given` is None where it gives it for anything."""

    function: str
    given: object
    answer: object
    line: int

    @property
    def key(self) -> tuple[str, object, object]:
        return self.function, self.given, self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """`pairs` are constants that stand together in a test, `calls` answers that it expects of a function."""

    pairs: set[tuple[object, object]]
    calls: set[tuple[str, object]]

    def names(self, answer: Answer) -> bool:
        if answer.given is None:
            return (answer.function, answer.answer) in self.calls
        return (answer.given, answer.answer) in self.pairs


LARGEST = 200
"""Tables with more entries are data."""
LONGEST = 6
"""Longer sequences in tests are no cases of a table."""


def expectations(change: Change, side: Side = "head") -> Expectations:
    """What the tests of a side expect; by default the candidate's."""
    found = Expectations(pairs=set(), calls=set())
    project = Project.of(change, side)
    for path in _test_files(change):
        module = project.module(path)
        if module is None or not tests_of(change, path, side).tests:
            continue
        for node in walk([module.tree], into_scopes=True):
            if isinstance(node, ast.Compare) and len(node.comparators) == 1:
                left, right = node.left, node.comparators[0]
                _note_call(left, right, module.names, found)
                _note_call(right, left, module.names, found)
            elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) <= LONGEST:
                plain = [_plain(module.names.constant(e)) for e in node.elts]
                values = [v for v in plain if v is not UNKNOWN]
                found.pairs.update((a, b) for a in values for b in values if a != b)
                if len(values) > 2:  # a case: arguments, and what is expected of them
                    found.pairs.add((tuple(values[:-1]), values[-1]))
    return found


def _test_files(change: Change) -> Iterator[str]:
    """The change's own test modules, and the unchanged ones that are named after a source that it changes."""
    changed = [f.path for f in change.python()]
    nearby = [test for path in changed if not is_test_file(change, path) for test in _named_after(path)]
    yield from dict.fromkeys((*(p for p in changed if is_test_file(change, p)), *nearby))


def _named_after(path: str) -> Iterator[str]:
    pure = PurePosixPath(path)
    names = (f"test_{pure.stem}.py", f"{pure.stem}_test.py")
    inner = pure.parent.parts[1:]
    for folder in ("tests", "test", "tests/unit", str(pure.parent), str(pure.parent / "tests")):
        yield from (str(PurePosixPath(folder, name)) for name in names)
    for name in names:
        yield str(PurePosixPath("tests", *inner, name))
        yield str(PurePosixPath("tests", *inner[1:], name))


def _note_call(call: ast.expr, expected: ast.expr, names: Names, found: Expectations) -> None:
    answer = _plain(names.constant(expected))
    if not isinstance(call, ast.Call) or answer is UNKNOWN:
        return
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    found.calls.add((name, answer))
    given = [_plain(names.constant(a)) for a in (*call.args, *(k.value for k in call.keywords))]
    found.pairs.update((g, answer) for g in given if g is not UNKNOWN)
    if len(given) > 1 and UNKNOWN not in given:
        found.pairs.add((tuple(given), answer))


def _plain(value: object) -> object:
    """Values that can be kept in a set, a list as a tuple; an object has no constant of its own."""
    if isinstance(value, list):
        value = tuple(value)
    return value if isinstance(value, str | int | float | bytes | tuple) and _hashable(value) else UNKNOWN


def _hashable(value: object) -> bool:
    return (
        all(map(_hashable, value))
        if isinstance(value, tuple)
        else isinstance(value, str | int | float | bytes | None)
    )


def _telling(value: object) -> bool:
    """Whether a constant is more than chance: no 0, 1, True, empty or one-letter text."""
    if isinstance(value, bool) or value is None or value is UNKNOWN:
        return False
    return (
        abs(value) > 2
        if isinstance(value, int | float)
        else len(value) > 2
        if isinstance(value, str | bytes | tuple)
        else False
    )


def copied(change: Change, path: str, expected: Expectations) -> Iterator[tuple[str, list[Answer]]]:
    """Functions and tables of the candidate's file with new answers that tests expect, word for word."""
    before, after = (Project.of(change, side).module(path) for side in ("base", "head"))
    if after is None or not (expected.pairs or expected.calls):
        return
    had = set() if before is None else {a.key for a in _known(before)}
    hits = [a for a in _answers(after) if a.key not in had and _telling(a.answer) and expected.names(a)]
    for _, table in _tables(after):
        fresh = [a for a in table if a.key not in had]
        # A table of which tests check a sample is ordinary work; one that holds nothing else is not.
        if fresh and all(_telling(a.answer) and expected.names(a) for a in table):
            hits += fresh
    for function in sorted({h.function for h in hits}):
        yield function, [h for h in hits if h.function == function]


def _known(module: Module) -> Iterator[Answer]:
    yield from _answers(module)
    for _, table in _tables(module):
        yield from table


def _answers(module: Module) -> Iterator[Answer]:
    for node in walk([module.tree], into_scopes=True):
        if isinstance(node, FUNCTIONS) and _takes_something(node):
            yield from _answers_of(node, module.names)


def _tables(module: Module) -> Iterator[tuple[str, list[Answer]]]:
    """Tables of constants that stand outside of functions, by the name that they are bound to."""
    for node in walk(module.tree.body, into_scopes=False):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Dict):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        table = node.value
        if isinstance(target, ast.Name) and len(table.keys) <= LARGEST:
            entries = zip(table.keys, table.values, strict=True)
            found = [a for k, v in entries for a in _answer(target, k, v, module.names)]
            if len(found) == len(table.keys) > 1:
                yield target.id, found


def _takes_something(node: Function) -> bool:
    named = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return bool([n for n in named if n not in ("self", "cls")]) or node.args.vararg is not None


def _answers_of(node: Function, names: Names) -> Iterator[Answer]:
    statements = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if len(statements) == 1 and isinstance(statements[0], ast.Return):
        answer = _plain(names.constant(statements[0].value, node))
        if answer is not UNKNOWN:
            yield Answer(node.name, None, answer, statements[0].lineno)
    for inner in walk(node.body, into_scopes=True):
        yield from _answers_in(inner, node, names)
        if isinstance(inner, ast.stmt):
            for body in (getattr(inner, "body", None), getattr(inner, "orelse", None)):
                if isinstance(body, list):
                    yield from _branches(body, node, names)
    yield from _branches(node.body, node, names)


def _answers_in(inner: ast.AST, node: Function, names: Names) -> Iterator[Answer]:
    match inner:
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            yield from _if_answers(test, [then], [otherwise], node, names)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                yield from _answer(node, key, value, names)
        case ast.match_case(pattern=ast.MatchValue(value=given), body=body):
            for returned in _direct_returns(body):
                yield from _answer(node, given, returned, names)


def _branches(body: list[ast.stmt], node: Function, names: Names) -> Iterator[Answer]:
    for index, statement in enumerate(body):
        if isinstance(statement, ast.If):
            otherwise = _direct_returns(statement.orelse or body[index + 1 :])
            yield from _if_answers(statement.test, _direct_returns(statement.body), otherwise, node, names)


def _if_answers(
    test: ast.expr, then: list[ast.expr], otherwise: list[ast.expr], node: Function, names: Names
) -> Iterator[Answer]:
    for compare in (n for n in ast.walk(test) if isinstance(n, ast.Compare)):
        differs = isinstance(compare.ops[0], ast.NotEq | ast.NotIn | ast.IsNot)
        for given in _compared(compare):
            for value in otherwise if differs else then:
                yield from _answer(node, given, value, names)


def _compared(compare: ast.Compare) -> Iterator[ast.expr]:
    for given in (compare.left, *compare.comparators):
        if isinstance(given, ast.Tuple | ast.List | ast.Set) and isinstance(
            compare.ops[0], ast.In | ast.NotIn
        ):
            yield from given.elts
        else:
            yield given


def _direct_returns(body: Iterable[ast.stmt]) -> list[ast.expr]:
    return [s.value for s in body if isinstance(s, ast.Return) and s.value is not None]


def _answer(
    of: Function | ast.Name, given: ast.expr | None, value: ast.expr, names: Names
) -> Iterator[Answer]:
    key, answer = _plain(names.constant(given, of)), _plain(names.constant(value, of))
    if key is not UNKNOWN and answer is not UNKNOWN:
        name = of.id if isinstance(of, ast.Name) else of.name
        yield Answer(name, key, answer, value.lineno)
