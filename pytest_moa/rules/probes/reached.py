"""Whether any test calls own code at all, or whether it only ran while its modules were imported."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping

from pytest_moa.model.results import Finding
from pytest_moa.rules.probes.plan import Contexts, Ground

FEWEST = 2
"""So many lines of functions have to have run before their way of running says anything."""


def only_imported(
    ground: Ground, contexts: Contexts, executed: Mapping[str, frozenset[int]]
) -> Finding | None:
    """A finding where own modules call their functions themselves, and nobody else does; `executed` is by path.

    `contexts` have to be those of one process: what runs in a child of the tests carries no test's name.
    """
    ran: list[tuple[str, int]] = []
    forced = False
    for path, text in sorted(ground.texts.items()):
        own, tree = ground.lines[path], _tree(text)
        lambdas = [s.lineno for s in tree.body if _is_named_lambda(s)]
        forced = forced or _calls_itself(tree) or len(lambdas) >= FEWEST
        for line in (*lambdas, *_bodies(tree)):
            if (own is None or line in own) and line in executed.get(path, frozenset()):
                if contexts.get(path, {}).get(line):
                    return None
                ran.append((path, line))
    if not forced or len(ran) < FEWEST:
        return None
    path, line = ran[0]
    return Finding(
        rule="coverage-evaded",
        severity="block",
        path=path,
        line=line,
        message="own functions count as covered, and no test calls any of them: they ran while modules were imported",
        remedy="Call the functions in tests that assert what they return.",
    )


def _tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _is_named_lambda(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Lambda)


def _calls_itself(tree: ast.Module) -> bool:
    """Whether the module's own level calls a function of the module and throws the answer away."""
    functions = {
        s.name for s in tree.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    waiting: list[ast.stmt] = list(tree.body)
    for statement in waiting:
        if isinstance(statement, ast.For | ast.While | ast.Try | ast.With | ast.If):
            waiting += [s for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            called = statement.value.func
            if isinstance(called, ast.Name) and called.id in functions:
                return True
    return False


def _bodies(tree: ast.Module) -> Iterator[int]:
    """First lines of the statements of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (s.lineno for s in node.body if not _is_text(s))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
