"""What a name in a module stands for: aliases, getattr and imports followed to one dotted name; constants folded.

Follows nothing into other files (that is `following`) and runs nothing.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda)
LONGEST = 1000
"""Folded strings and sequences are cut off here: a branch cannot make us build a large one."""

DEEPEST = 12

UNKNOWN = object()

Bound = dict[str, list[ast.expr | str]]
"""What names of a scope are bound to: expressions, or dotted names where an import bound them."""


class Names:
    """The bindings of one module. `path` gives relative imports their package."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self.tree = tree
        self.package = ".".join(PurePosixPath(path).parts[:-1])
        self.stars: list[str] = []
        self._scopes: dict[int, Bound] = {}
        self._answers: dict[tuple[int, int], tuple[ast.expr | None, frozenset[str]]] = {}
        self.module = self._bindings(tree.body)

    def dotted(self, expr: ast.expr | None, scope: ast.AST | None = None) -> frozenset[str]:
        """The dotted names that an expression may stand for: `{"pytest.mark.skip"}`; empty where it is no name."""
        key = (id(expr), id(scope))
        if key not in self._answers:
            # The expression is kept beside its answer, so that no other one can come by its id.
            self._answers[key] = (expr, frozenset(self._dotted(expr, self._local(scope), DEEPEST)))
        return self._answers[key][1]

    def constant(self, expr: ast.expr | None, scope: ast.AST | None = None) -> object:
        """The value of an expression of constants, UNKNOWN where it is not one."""
        return self._fold(expr, self._local(scope), DEEPEST)

    def values(self, name: str, scope: ast.AST | None = None) -> list[ast.expr]:
        """The expressions that the name is bound to, in the function's own scope or else in the module."""
        bound = self._lookup(name, self._local(scope))
        return [value for value in bound if isinstance(value, ast.expr)]

    def is_imported(self, name: str, scope: ast.AST | None = None) -> bool:
        """Whether an import binds the name, in the function's own scope or else in the module."""
        bound = self._lookup(name, self._local(scope))
        return any(isinstance(value, str) and not value.startswith("<") for value in bound)

    def only_value(self, expr: ast.expr, scope: ast.AST | None = None) -> ast.expr | None:
        """The one expression that a name is ever bound to; None where there are more, or it is no name."""
        bound = self._lookup(expr.id, self._local(scope)) if isinstance(expr, ast.Name) else []
        return bound[0] if len(bound) == 1 and isinstance(bound[0], ast.expr) else None

    def _local(self, scope: ast.AST | None) -> Bound:
        if scope is None or isinstance(scope, ast.Module):
            return {}
        if id(scope) not in self._scopes:
            body = getattr(scope, "body", [])
            bound = self._bindings(body if isinstance(body, list) else [], deep=True)
            for argument in _arguments(scope):
                bound[argument].insert(0, f"<argument>.{argument}")
            self._scopes[id(scope)] = bound
        return self._scopes[id(scope)]

    def _lookup(self, name: str, local: Bound) -> list[ast.expr | str]:
        return local.get(name) or self.module.get(name) or []

    def _bindings(self, body: list[ast.stmt], *, deep: bool = False) -> Bound:
        bound: Bound = defaultdict(list)
        for node in walk(body, into_scopes=deep):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    bound[name].append(alias.name if alias.asname else name)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node, bound)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    _assign(target, node.value, bound)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                _assign(node.target, node.value, bound)
            else:
                for name in _changed(node):
                    bound[name].append("<changed>")
        return bound

    def _import_from(self, node: ast.ImportFrom, bound: Bound) -> None:
        module = self.absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                bound[alias.asname or alias.name].append(f"{module}.{alias.name}")

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that a `from` import names; a relative one as seen from the repository's root."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".") if self.package else []
        parts = parts[: max(0, len(parts) - node.level + 1)]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _dotted(  # noqa: PLR0911 - one case a kind of expression, and each is a disguise
        self, expr: ast.expr | None, local: Bound, depth: int
    ) -> set[str]:
        if expr is None or depth <= 0:
            return set()
        match expr:
            case ast.Name(id=name):
                return self._named(name, local, depth)
            case ast.Attribute(value=value, attr=attr):
                if attr == "__func__":
                    return self._dotted(value, local, depth)
                return {f"{owner}.{attr}" for owner in self._dotted(value, local, depth)}
            case ast.NamedExpr(value=value) | ast.Await(value=value) | ast.Starred(value=value):
                return self._dotted(value, local, depth - 1)
            case ast.IfExp(body=a, orelse=b):
                return self._dotted(a, local, depth - 1) | self._dotted(b, local, depth - 1)
            case ast.BoolOp(values=values):
                return {name for v in values[:8] for name in self._dotted(v, local, depth - 1)}
            case ast.Subscript(value=value, slice=index):
                return self._subscript(value, index, local, depth - 1)
            case ast.Call():
                return self._call(expr, local, depth - 1)
        return set()

    def _named(self, name: str, local: Bound, depth: int) -> set[str]:
        found: set[str] = set()
        for value in self._lookup(name, local)[-4:]:
            if isinstance(value, str):
                found.add(value if value[0] != "<" or value.startswith("<argument>") else name)
            elif not (isinstance(value, ast.Name) and value.id == name):
                found |= self._dotted(value, local, depth - 1)
        if found:
            return found
        # A star import may have brought it; a name of our own stays itself.
        if self.stars and not self._lookup(name, local):
            return {name, *(f"{module}.{name}" for module in self.stars)}
        return {name}

    def _subscript(self, value: ast.expr, index: ast.expr, local: Bound, depth: int) -> set[str]:
        key = self._fold(index, local, depth)
        bound = self._lookup(value.id, local) if isinstance(value, ast.Name) else [value]
        whole = bound[0] if len(bound) == 1 else None
        if isinstance(whole, ast.Tuple | ast.List):
            if isinstance(key, int) and -len(whole.elts) <= key < len(whole.elts):
                return self._dotted(whole.elts[key], local, depth)
            return set()
        if isinstance(whole, ast.Dict):
            entries = zip(whole.keys, whole.values, strict=True)
            chosen = [v for k, v in entries if self._fold(k, local, depth) == key]
            return {name for v in chosen for name in self._dotted(v, local, depth)}
        return self._entry(value, key, local, depth)

    def _entry(  # noqa: PLR0911 - one case a dictionary
        self, value: ast.expr, key: object, local: Bound, depth: int
    ) -> set[str]:
        """A name read from a module's or an object's dictionary."""
        if not isinstance(key, str):
            return set()
        if isinstance(value, ast.Attribute) and value.attr == "__dict__":
            return {f"{owner}.{key}" for owner in self._dotted(value.value, local, depth)}
        owner = self._dotted(value, local, depth)
        if owner & {"sys.modules"}:
            return {key}
        if owner & {"__builtins__", "builtins"}:
            return {f"builtins.{key}"}
        if isinstance(value, ast.Call):
            called = self._dotted(value.func, local, depth)
            if called & {"vars"} and value.args:
                return {f"{whole}.{key}" for whole in self._dotted(value.args[0], local, depth)}
            if called & {"globals", "locals", "vars"}:
                return self._named(key, local, depth)
        return set()

    def _call(self, call: ast.Call, local: Bound, depth: int) -> set[str]:  # noqa: PLR0911 - one case a function
        called = {name.removeprefix("builtins.") for name in self._dotted(call.func, local, depth)}
        args = call.args
        if "getattr" in called and len(args) >= 2:
            attr = self._fold(args[1], local, depth)
            return (
                {f"{owner}.{attr}" for owner in self._dotted(args[0], local, depth)}
                if isinstance(attr, str)
                else set()
            )
        if called & {"__import__", "importlib.import_module", "pytest.importorskip"} and args:
            module = self._fold(args[0], local, depth)
            return {module} if isinstance(module, str) else set()
        if called & {"functools.partial", "staticmethod", "classmethod", "typing.cast"} and args:
            return self._dotted(args[-1] if "typing.cast" in called else args[0], local, depth)
        if (
            called
            & {"sys.modules.get", "sys.modules.pop", "sys.modules.__getitem__", "sys.modules.setdefault"}
            and args
        ):
            module = self._fold(args[0], local, depth)
            return {module} if isinstance(module, str) else set()
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in ("__getattr__", "__getattribute__")
            and args
        ):
            attr = self._fold(args[-1], local, depth)
            return {f"{owner}.{attr}" for owner in self._dotted(call.func.value, local, depth)}
        if isinstance(call.func, ast.Call) and args:
            return self._attrgetter(call.func, args[0], local, depth)
        return set()

    def _attrgetter(self, getter: ast.Call, owner: ast.expr, local: Bound, depth: int) -> set[str]:
        made = self._dotted(getter.func, local, depth)
        attr = self._fold(getter.args[0], local, depth) if getter.args else None
        if not made & {"operator.attrgetter", "operator.methodcaller"} or not isinstance(attr, str):
            return set()
        return {f"{name}.{attr}" for name in self._dotted(owner, local, depth)}

    def _fold(  # noqa: C901, PLR0911 - one case a kind of expression
        self, expr: ast.expr | None, local: Bound, depth: int
    ) -> object:
        if expr is None or depth <= 0:
            return UNKNOWN
        match expr:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                bound = self._lookup(name, local)
                if len(bound) == 1 and isinstance(bound[0], ast.expr):
                    return self._fold(bound[0], local, depth - 1)
                return UNKNOWN
            case ast.JoinedStr(values=values):
                parts = [self._fold(v, local, depth - 1) for v in values[:LONGEST]]
                return UNKNOWN if UNKNOWN in parts else "".join(map(str, parts))[:LONGEST]
            case ast.FormattedValue(value=value, format_spec=None):
                return self._fold(value, local, depth - 1)
            case ast.NamedExpr(value=value):
                return self._fold(value, local, depth - 1)
            case ast.UnaryOp(op=op, operand=operand):
                return _unary(op, self._fold(operand, local, depth - 1))
            case ast.BinOp(left=left, op=op, right=right):
                return _binary(self._fold(left, local, depth - 1), op, self._fold(right, local, depth - 1))
            case ast.Tuple(elts=elts) | ast.List(elts=elts) if len(elts) <= LONGEST:
                items = tuple(self._fold(e, local, depth - 1) for e in elts)
                return UNKNOWN if any(i is UNKNOWN for i in items) else items
            case ast.Subscript(value=value, slice=index):
                return self._fold_slice(value, index, local, depth - 1)
            case ast.Call():
                return self._fold_call(expr, local, depth - 1)
        return UNKNOWN

    def _fold_slice(self, value: ast.expr, index: ast.expr, local: Bound, depth: int) -> object:
        whole = self._fold(value, local, depth)
        if not isinstance(whole, str | tuple):
            return UNKNOWN
        if isinstance(index, ast.Slice):
            ends = [
                None if e is None else self._fold(e, local, depth)
                for e in (index.lower, index.upper, index.step)
            ]
            if all(e is None or (type(e) is int and e != 0) or e == 0 for e in ends) and ends[2] != 0:
                return whole[slice(*ends)]  # type: ignore[arg-type]  # integers or None, as just checked
            return UNKNOWN
        key = self._fold(index, local, depth)
        return whole[key] if type(key) is int and -len(whole) <= key < len(whole) else UNKNOWN

    def _fold_call(self, call: ast.Call, local: Bound, depth: int) -> object:  # noqa: PLR0911 - one case a function
        args = [self._fold(a, local, depth) for a in call.args[:8]]
        if UNKNOWN in args or call.keywords:
            return UNKNOWN
        if isinstance(call.func, ast.Attribute):
            return _string_method(self._fold(call.func.value, local, depth), call.func.attr, args)
        match call.func, args:
            case ast.Name(id="len"), [str() | tuple() as sized]:
                return len(sized)
            case ast.Name(id="bool"), [value]:
                return bool(value)
            case ast.Name(id="str"), [str() | int() as value]:
                return str(value)[:LONGEST] if abs_small(value) else UNKNOWN
            case ast.Name(id="chr"), [int() as code] if 0 <= code < 0x110000:
                return chr(code)
            case ((ast.Name(id="list" | "tuple" | "set" | "dict" | "frozenset")), []):
                return ()
            case ast.Name(id="range"), [int() as stop] if stop <= 0:
                return ()
        return UNKNOWN


def abs_small(value: object) -> bool:
    return not isinstance(value, int) or abs(value) < 10**15


def walk(body: Iterable[ast.AST], *, into_scopes: bool) -> Iterator[ast.AST]:
    """All nodes but contexts and operators, in order; those of functions, classes and lambdas only where asked for."""
    stack = list(body)
    stack.reverse()
    while stack:
        node = stack.pop()
        yield node
        if into_scopes or not isinstance(node, SCOPES):
            inner = children(node)
            inner.reverse()
            stack += inner


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one. As `ast.iter_child_nodes`, several times faster, without contexts and operators."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [v for v in value if isinstance(v, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each kind of node that can hold nodes worth looking at."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        fields = tuple(f for f in kind._fields if f not in ("ctx", "op", "ops", "kind", "id", "attr"))
        self[kind] = fields
        return fields


_FIELDS = _Fields()


def _changed(node: ast.AST) -> list[str]:
    """Names that a statement gives values which only a run can tell."""
    match node:
        case (
            ast.AugAssign(target=ast.expr() as target) | ast.For(target=target) | ast.AsyncFor(target=target)
        ):
            return _names_in(target)
        case ast.withitem(optional_vars=ast.expr() as target) | ast.comprehension(target=target):
            return _names_in(target)
        case ast.ExceptHandler(name=str() as name):
            return [name]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
    return []


def _names_in(target: ast.expr) -> list[str]:
    return [n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _arguments(scope: ast.AST) -> list[str]:
    args = getattr(scope, "args", None)
    if not isinstance(args, ast.arguments):
        return []
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [a.arg for a in (*named, args.vararg, args.kwarg) if a is not None]


def _assign(target: ast.expr, value: ast.expr, bound: Bound) -> None:
    if isinstance(target, ast.Name):
        bound[target.id].append(value)
    elif isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            for part, one in zip(target.elts, value.elts, strict=True):
                _assign(part, one, bound)
        else:
            for part in target.elts:
                if isinstance(part, ast.Name):
                    bound[part.id].append("<unpacked>")


def _unary(op: ast.unaryop, value: object) -> object:
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(op, ast.Not):
        return not value
    if isinstance(op, ast.USub) and isinstance(value, int | float):
        return -value
    return UNKNOWN


def _binary(left: object, op: ast.operator, right: object) -> object:  # noqa: PLR0911 - one case an operation
    match left, op, right:
        case str(), ast.Add(), str():
            return (left + right)[:LONGEST]
        case tuple(), ast.Add(), tuple():
            return (left + right)[:LONGEST]
        case (str(), ast.Mult(), int()) if right <= LONGEST:
            return (left * right)[:LONGEST]
        case (int(), ast.Add() | ast.Sub(), int()) if abs_small(left) and abs_small(right):
            return left + right if isinstance(op, ast.Add) else left - right
        case str(), ast.Mod(), str() if left.count("%") == left.count("%s") == 1:
            return left.replace("%s", right)[:LONGEST]
        case str(), ast.Mod(), tuple() if left.count("%") == left.count("%s") == len(right):
            return (left % right)[:LONGEST]
    return UNKNOWN


def _string_method(text: object, method: str, args: list[object]) -> object:
    match text, method, args:
        case str(), "lower" | "upper" | "strip" | "title" | "casefold", []:
            return getattr(text, method)()
        case str(), "replace", [str() as old, str() as new]:
            return text.replace(old, new)[:LONGEST]
        case str(), "join", [tuple() | str() as parts] if all(isinstance(p, str) for p in parts):
            return text.join(str(p) for p in parts)[:LONGEST]
        case str(), "format", _ if (
            "{" in text and "{:" not in text and text.count("{}") == text.count("{") == len(args)
        ):
            return text.format(*(str(a) for a in args))[:LONGEST]
    return UNKNOWN
