"""Whether an old test file and its new version say the same to pytest, so that nothing has to be run for it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from pytest_moa.rules.integrity.kit import parsed
from pytest_moa.rules.integrity.names import FUNCTIONS

_HINTS = frozenset({"__future__", "typing", "typing_extensions", "collections.abc"})


def same(before: str, after: str) -> bool:
    """The same but for layout, comments, docstrings, order of imports and type hints of functions."""
    old, new = _statements(before), _statements(after)
    return old is not None and old == new


def only_adds_tests(before: str, after: str, functions: Iterable[str], fresh: Iterable[str]) -> bool:
    """The old statements are all there, unchanged and in order; what came is test functions, and imports for them.

    `functions` are the prefixes of test functions; `fresh` names modules that came with the branch among the tests:
    importing one of these could change what the old tests see. Decorators and defaults that call something, too.
    """
    old, new = parsed(before), parsed(after)
    if old is None or new is None:
        return False
    prefixes, strange = tuple(functions), frozenset(fresh)
    bound = {name for node in old.body for name in _bound(node)}
    rest = [ast.dump(node) for node in _plain(old.body) if not _is_import(node)]
    imports = {row for node in old.body if _is_import(node) for row in _rows(node)}
    kept: set[tuple[str, str, str]] = set()
    for node in _plain(new.body):
        if _is_import(node):
            rows = _rows(node)
            kept |= rows & imports
            if any(name in bound or strange & set(module.split(".")) for module, _, name in rows - imports):
                return False
        elif rest and ast.dump(node) == rest[0]:
            rest.pop(0)
        elif not _is_plain_test(node, prefixes) or bound.intersection(_bound(node)):
            return False
        else:
            bound.update(_bound(node))
    return not rest and kept == imports


def _statements(text: str) -> list[str] | None:
    tree = parsed(text)
    if tree is None:
        return None
    bare = _Bare().visit(tree)
    return [ast.dump(node) for node in bare.body]


def _plain(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module without its docstring."""
    return list(body[1:] if body and _is_docstring(body[0]) else body)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _rows(node: ast.stmt) -> set[tuple[str, str, str]]:
    """An import as (module, name in it, name that it binds), one a name."""
    if isinstance(node, ast.Import):
        return {(a.name, "", a.asname or a.name.partition(".")[0]) for a in node.names}
    assert isinstance(node, ast.ImportFrom)  # noqa: S101 - narrows what `_is_import` said
    module = "." * node.level + (node.module or "")
    return {(module, a.name, a.asname or a.name) for a in node.names}


def _bound(node: ast.stmt) -> set[str]:
    if _is_import(node):
        return {name for _, _, name in _rows(node)}
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return {node.name}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_plain_test(node: ast.stmt, prefixes: tuple[str, ...]) -> bool:
    if not isinstance(node, FUNCTIONS) or not node.name.startswith(prefixes):
        return False
    given = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    return not any(isinstance(n, ast.Call) for d in given for n in ast.walk(d)) and all(
        _is_plain_mark(decorator) for decorator in node.decorator_list
    )


def _is_plain_mark(decorator: ast.expr) -> bool:
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not ast.unparse(func).startswith("pytest.mark."):
        return False
    calls = [n for n in ast.walk(decorator) if isinstance(n, ast.Call) and n is not decorator]
    return all(ast.unparse(call.func) == "pytest.param" for call in calls)


class _Bare(ast.NodeTransformer):
    """Takes off what pytest does not see."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        arguments = node.args
        several = (arguments.vararg, arguments.kwarg)
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several):
            if argument is not None:
                argument.annotation = None
        return self._body(node)

    def _body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body = list(_sorted_imports(_plain(node.body))) or [ast.Pass()]
        return node


def _sorted_imports(body: Sequence[ast.stmt]) -> Iterable[ast.stmt]:
    """Each run of imports in one order, one name a statement; imports that only hints need are left out."""
    run: list[ast.stmt] = []
    for node in (*body, ast.Pass()):
        if _is_import(node):
            run += _single(node)
            continue
        yield from sorted(run, key=ast.dump)
        run = []
        yield node


def _single(node: ast.stmt) -> Iterable[ast.stmt]:
    if isinstance(node, ast.Import):
        return [ast.Import(names=[alias]) for alias in node.names if alias.name not in _HINTS]
    assert isinstance(node, ast.ImportFrom)  # noqa: S101 - narrows what `_is_import` said
    if not node.level and node.module in _HINTS:
        return []
    return [ast.ImportFrom(module=node.module, names=[alias], level=node.level) for alias in node.names]
