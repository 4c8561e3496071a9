"""What a decorator or a context manager does to the test inside it: runs it, drops it, or swallows its failures."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pytest_moa.rules.integrity.following import Definition, Function, Module, local_functions
from pytest_moa.rules.integrity.live import expressions, live
from pytest_moa.rules.integrity.names import FUNCTIONS, Names
from pytest_moa.rules.integrity.truth import truth

Treatment = Literal["kept", "dropped", "hushed"]


@dataclass(frozen=True, slots=True)
class _Use:
    """A place that reads the decorated function: whether it calls it, and whether the failure would be swallowed."""

    called: bool
    swallowed: bool


def treatment(node: Function | ast.Lambda, names: Names, *, called: bool) -> Treatment:
    """What a decorator makes of the function that it is given; `called` where it is a factory of decorators."""
    target = _decorator(node, called=called)
    given = [] if target is None else [*target.args.posonlyargs, *target.args.args]
    if target is None or len(given) != 1:
        return "kept"
    uses = list(_uses(target, given[0].arg, names, hushed=False))
    if not uses:
        return "dropped"
    calls = [use for use in uses if use.called]
    return "hushed" if calls and all(use.swallowed for use in uses) else "kept"


def _decorator(node: Function | ast.Lambda, *, called: bool) -> Function | ast.Lambda | None:
    if not called:
        return node
    inner = [n for n in local_functions(node).values() if not isinstance(n, ast.ClassDef)]
    return inner[0] if len(inner) == 1 else None


def _uses(scope: Function | ast.Lambda, name: str, names: Names, *, hushed: bool) -> Iterator[_Use]:
    """Where statements that can run read the name, in the function itself and in those inside it."""
    if isinstance(scope, ast.Lambda):
        yield from _reads([scope.body], name, hushed)
        return
    for statement in live(scope.body, names, scope):
        node, quiet = statement.node, hushed or statement.swallowed
        if isinstance(node, FUNCTIONS):
            # `@wraps(f)` copies a name, which runs nothing.
            yield from _uses(node, name, names, hushed=quiet)
        elif isinstance(node, ast.ClassDef):
            yield from _reads(node.body, name, quiet)
        else:
            yield from _reads(expressions(node), name, quiet)


def _reads(nodes: Iterable[ast.AST], name: str, hushed: bool) -> Iterator[_Use]:
    seen: set[int] = set()
    for node in (n for root in nodes for n in ast.walk(root)):
        if isinstance(node, ast.Call) and _is(node.func, name):
            seen.add(id(node.func))
            yield _Use(called=True, swallowed=hushed)
        elif _is(node, name) and id(node) not in seen:
            seen.add(id(node))
            yield _Use(called=False, swallowed=hushed)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def hushes(definition: Definition, module: Module) -> bool:
    """Whether a context manager of the project swallows a failed assertion inside it."""
    if isinstance(definition, ast.ClassDef):
        leave = next(
            (n for n, m in module.members(definition).items() if n in ("__exit__", "__aexit__")), None
        )
        function = None if leave is None else module.members(definition)[leave]
        return isinstance(function, FUNCTIONS) and _always_true(function, module.names)
    if isinstance(definition, ast.Lambda) or not _is_context_manager(definition, module.names):
        return False
    yields = [
        s.swallowed
        for s in live(definition.body, module.names, definition)
        if any(isinstance(e, ast.Yield) for e in expressions(s.node))
    ]
    return bool(yields) and all(yields)


def _always_true(function: Function, names: Names) -> bool:
    returned = [s.node.value for s in live(function.body, names, function) if isinstance(s.node, ast.Return)]
    return bool(returned) and all(truth(value, names, function) is True for value in returned)


def _is_context_manager(function: Function, names: Names) -> bool:
    return any("contextmanager" in n for d in function.decorator_list for n in names.dotted(d))
