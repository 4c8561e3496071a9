"""Whether an old test file and its new version say the same to pytest, so that nothing has to be run for it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from pytest_moa.rules.integrity.kit import parsed
from pytest_moa.rules.integrity.names import FUNCTIONS

_HINTS = frozenset({"__future__", "typing", "typing_extensions", "collections.abc"})


_LASTING = frozenset(
    {
        "setattr",
        "delattr",
        "exec",
        "eval",
        "globals",
        "vars",
        "__import__",
        "__dict__",
        "modules",
        "start",
        "update",
    }
)


def same(before: str, after: str) -> bool:
    """The same but for layout, comments, docstrings, order of imports and type hints of functions."""
    old, new = parsed(before), parsed(after)
    if old is None or new is None:
        return False
    # An import for hints that takes the name of something else is none.
    taken = frozenset(name for tree in (old, new) for name in _taken(tree))
    return _statements(old, taken) == _statements(new, taken)


def only_adds_tests(before: str, after: str, functions: Iterable[str], fresh: Iterable[str]) -> bool:
    """The old statements are all there, unchanged and in order; what came is test functions, and imports for them.

    `functions` are the prefixes of test functions; `fresh` names modules that came with the branch among the tests:
    importing one of these could change what the old tests see. So could decorators and defaults that call something,
    and a test that leaves something behind in what the module imports.
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
            came = rows - imports
            if any(name in bound | {"*"} or strange & set(module.split(".")) for module, _, name in came):
                return False
        elif rest and ast.dump(node) == rest[0]:
            rest.pop(0)
        elif not _is_plain_test(node, prefixes, bound) or bound.intersection(_bound(node)):
            return False
        else:
            bound.update(_bound(node))
    return not rest and kept == imports


def _statements(tree: ast.Module, taken: frozenset[str]) -> list[str]:
    bare = _Bare(taken).visit(tree)
    return [ast.dump(node) for node in bare.body]


def _taken(tree: ast.Module) -> Iterable[str]:
    """Names that something else than an import for hints binds, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not (_is_import(node) and not list(_single(node, frozenset()))):
            yield from _bound(node)


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


def _is_plain_test(node: ast.stmt, prefixes: tuple[str, ...], bound: set[str]) -> bool:
    if (
        not isinstance(node, FUNCTIONS)
        or not node.name.startswith(prefixes)
        or _leaves_something(node, bound)
    ):
        return False
    given = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    return not any(isinstance(n, ast.Call) for d in given for n in ast.walk(d)) and all(
        _is_plain_mark(decorator) for decorator in node.decorator_list
    )


def _leaves_something(function: ast.AST, bound: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            return True
        if isinstance(node, ast.Name | ast.Attribute) and _last(node) in _LASTING:
            return True
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if not isinstance(root, ast.Name) or root.id in bound:
                return True
    return False


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _is_plain_mark(decorator: ast.expr) -> bool:
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not ast.unparse(func).startswith("pytest.mark."):
        return False
    calls = [n for n in ast.walk(decorator) if isinstance(n, ast.Call) and n is not decorator]
    return all(ast.unparse(call.func) == "pytest.param" for call in calls)


class _Bare(ast.NodeTransformer):
    """Takes off what pytest does not see; imports for hints stay where their names are `taken` by something else."""

    def __init__(self, taken: frozenset[str]) -> None:
        self.taken = taken

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
        node.body = list(_sorted_imports(_plain(node.body), self.taken)) or [ast.Pass()]
        return node


def _sorted_imports(body: Sequence[ast.stmt], taken: frozenset[str]) -> Iterable[ast.stmt]:
    """Each run of imports in one order, one name a statement, but where two of them bind the same name."""
    run: list[ast.stmt] = []
    for node in (*body, ast.Pass()):
        if _is_import(node):
            run += _single(node, taken)
            continue
        names = [name for single in run for name in _bound(single)]
        yield from sorted(run, key=ast.dump) if len(names) == len(set(names)) else run
        run = []
        yield node


def _single(node: ast.stmt, taken: frozenset[str]) -> Iterable[ast.stmt]:
    """An import as one a name, without what only hints need."""
    if isinstance(node, ast.Import):
        return [ast.Import(names=[alias]) for alias in node.names]
    assert isinstance(node, ast.ImportFrom)  # noqa: S101 - narrows what `_is_import` said
    hints = not node.level and node.module in _HINTS
    return [
        ast.ImportFrom(module=node.module, names=[alias], level=node.level)
        for alias in node.names
        if not hints or alias.asname or alias.name in taken | {"*"}
    ]
