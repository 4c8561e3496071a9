"""Which statements of a body can run, and whether a failure in them would be heard."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from pytest_moa.rules.integrity.names import FUNCTIONS, SCOPES, Names, children
from pytest_moa.rules.integrity.truth import MUTABLE, truth

LOUD = frozenset({"AssertionError", "Exception", "BaseException"})
"""Exceptions that an `except` clause must not catch if a failed assertion is to be heard."""

ENDS = frozenset(
    {
        "pytest.skip", "pytest.xfail", "pytest.fail", "pytest.exit", "sys.exit", "os._exit", "os.abort", "exit", "quit",
        "self.skipTest", "<argument>.self.skipTest", "self.fail", "<argument>.self.fail",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A statement that can run. `swallowed`: its failure is caught; `conditional`: it depends on what a run tells."""

    node: ast.stmt
    swallowed: bool = False
    conditional: bool = False


@dataclass(slots=True, kw_only=True)
class _State:
    names: Names
    scope: ast.AST | None
    hushes: Callable[[ast.expr], bool] | None
    found: list[Live] = field(default_factory=list)


def live(
    body: Iterable[ast.stmt],
    names: Names,
    scope: ast.AST | None = None,
    hushes: Callable[[ast.expr], bool] | None = None,
) -> list[Live]:
    """The statements of a body that can run, in order, compound ones before what they hold.

    `hushes` knows context managers of the project that swallow a failed assertion.
    """
    state = _State(names=names, scope=scope, hushes=hushes)
    _body(body, state, Live(node=ast.Pass()))
    return state.found


def expressions(node: ast.stmt) -> Iterator[ast.expr]:
    """All expressions of a statement itself: not those of statements inside it, nor of lambdas."""
    stack: list[ast.AST] = [
        child for child in children(node) if not isinstance(child, ast.stmt | ast.excepthandler)
    ]
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        stack = list(node.decorator_list)
    while stack:
        current = stack.pop()
        if isinstance(current, ast.expr):
            yield current
        if not isinstance(current, (*SCOPES, ast.stmt, ast.match_case)):
            stack += children(current)


def _body(body: Iterable[ast.stmt], state: _State, around: Live) -> bool:
    """Collects what can run; True where nothing after the body can."""
    for statement in body:
        state.found.append(replace(around, node=statement))
        if _ends(statement, state, around):
            return True
    return False


def _ends(node: ast.stmt, state: _State, around: Live) -> bool:  # noqa: C901, PLR0911 - one case a kind of statement
    match node:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(value=ast.Call(func=func)):
            return not ENDS.isdisjoint(state.names.dotted(func, state.scope))
        case ast.If(test=test, body=body, orelse=orelse):
            return _if(truth(test, state.names, state.scope), body, orelse, state, around)
        case ast.While(test=test, body=body, orelse=orelse):
            return _while(truth(test, state.names, state.scope), body, orelse, state, around)
        case (
            ast.For(iter=items, body=body, orelse=orelse) | ast.AsyncFor(iter=items, body=body, orelse=orelse)
        ):
            if not _is_empty(items, state):
                _body(body, state, around)
            return _body(orelse, state, around) and not _has_break(body)
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
            hushed = any(_suppresses(m, state) for m in (*(i.context_expr for i in items), *_entered(body)))
            ended = _body(body, state, replace(around, swallowed=around.swallowed or hushed))
            return ended and not _catches(items, state)
        case ast.Try() | ast.TryStar():
            return _try(node, state, around)
        case ast.Match(cases=cases):
            for case in cases:
                _body(case.body, state, replace(around, conditional=True))
    return False


def _if(
    holds: bool | None, body: list[ast.stmt], orelse: list[ast.stmt], state: _State, around: Live
) -> bool:
    if holds is not None:
        return _body(body if holds else orelse, state, around)
    inside = replace(around, conditional=True)
    ends = _body(body, state, inside)
    return _body(orelse, state, inside) and ends


def _while(
    holds: bool | None, body: list[ast.stmt], orelse: list[ast.stmt], state: _State, around: Live
) -> bool:
    if holds is not False:
        _body(body, state, around)
    if holds is True:
        return not _has_break(body)
    return _body(orelse, state, around)


def _try(node: ast.Try | ast.TryStar, state: _State, around: Live) -> bool:
    hushed = _leaves(node.finalbody) or any(_swallows(h, state) for h in node.handlers)
    ended = _body(node.body, state, replace(around, swallowed=around.swallowed or hushed))
    if not ended:
        ended = _body(node.orelse, state, around) and bool(node.orelse)
    handled = [_body(h.body, state, replace(around, conditional=True)) for h in node.handlers]
    final = _body(node.finalbody, state, around)
    return final or (ended and all(handled))


def _swallows(handler: ast.ExceptHandler, state: _State) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {n.rpartition(".")[2] for k in kinds for n in state.names.dotted(k, state.scope)}
    if handler.type is not None and LOUD.isdisjoint(caught):
        return False
    return not _is_heard(handler, state)


def _is_heard(handler: ast.ExceptHandler, state: _State) -> bool:
    """The handler raises, fails, asserts, or keeps the exception for somebody who will look at it."""
    for statement in live(handler.body, state.names, state.scope):
        if isinstance(statement.node, ast.Raise | ast.Assert):
            return True
        for expr in expressions(statement.node):
            if isinstance(expr, ast.Call):
                name = ast.unparse(expr.func) if isinstance(expr.func, ast.Attribute | ast.Name) else ""
                if name.rpartition(".")[2] in ("fail", "append", "put", "set_exception", "exit", "_exit"):
                    return True
    return any(
        isinstance(s, ast.Assign)
        and any(isinstance(n, ast.Name) and n.id == handler.name for n in ast.walk(s.value))
        for s in handler.body
    )


def _suppresses(expr: ast.expr, state: _State) -> bool:
    if not isinstance(expr, ast.Call):
        return False
    called = {n.rpartition(".")[2] for n in state.names.dotted(expr.func, state.scope)}
    caught = {n.rpartition(".")[2] for a in expr.args for n in state.names.dotted(a, state.scope)}
    if state.hushes is not None and state.hushes(expr.func):
        return True
    if "suppress" in called:
        return not LOUD.isdisjoint(caught)
    return bool(called & {"raises", "assertRaises"}) and not {"AssertionError", "BaseException"}.isdisjoint(
        caught
    )


def _entered(body: list[ast.stmt]) -> Iterator[ast.expr]:
    """Context managers that the body itself enters, on an exit stack."""
    for node in (n for statement in body for n in ast.walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(attr="enter_context" | "enter_async_context"), args=[manager]):
                yield manager


def _catches(items: list[ast.withitem], state: _State) -> bool:
    """Whether the context may end a `raise` inside it, so that what follows runs."""
    called = {
        n.rpartition(".")[2]
        for item in items
        if isinstance(item.context_expr, ast.Call)
        for n in state.names.dotted(item.context_expr.func, state.scope)
    }
    return any("raises" in n.lower() or n in ("suppress", "warns") for n in called)


def _is_empty(items: ast.expr, state: _State) -> bool:
    # A list that was empty when it was bound may have been filled since.
    filled = isinstance(state.names.only_value(items, state.scope), MUTABLE)
    return not filled and state.names.constant(items, state.scope) in ((), "")


def _has_break(body: list[ast.stmt]) -> bool:
    return any(isinstance(n, ast.Break) for s in body for n in ast.walk(s))


def _leaves(body: list[ast.stmt]) -> bool:
    return any(isinstance(s, ast.Return | ast.Break | ast.Continue) for s in body)
