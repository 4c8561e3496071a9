"""Whether a condition holds where the tests run: constants, the platform and Python's version are known."""

from __future__ import annotations

import ast

from pytest_moa.rules.integrity.names import UNKNOWN, Names

Truth = bool | None
"""None: it depends on something that only a run can tell."""

# What moa runs tests on: Linux or macOS, CPython 3.11 to 3.13 and what follows.
KNOWN: dict[str, object] = {
    "sys.platform": "linux",
    "os.name": "posix",
    "platform.system()": "Linux",
    "platform.python_implementation()": "CPython",
    "sys.implementation.name": "cpython",
    "os.sep": "/",
    "typing.TYPE_CHECKING": False,
    "TYPE_CHECKING": False,
    "__debug__": True,
    "__name__": "tests",
    "sys.maxsize": 2**63 - 1,
    "sys.flags.optimize": 0,
}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)
OLDEST, NEWEST = (3, 11), (3, 13, 99)


def truth(expr: ast.expr | None, names: Names, scope: ast.AST | None = None, depth: int = 12) -> Truth:  # noqa: C901, PLR0911 - one case a kind of condition
    """Whether the expression is true, false, or unknown before a run."""
    if expr is None or depth <= 0:
        return None
    match expr:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = truth(operand, names, scope, depth - 1)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            found = [truth(v, names, scope, depth - 1) for v in values]
            ends = isinstance(op, ast.Or)
            return ends if ends in found else None if None in found else not ends
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compare(left, op, right, names, scope)
        case ast.Call(func=ast.Attribute(value=text, attr="startswith"), args=[prefix]):
            whole, start = known(text, names, scope), known(prefix, names, scope)
            return whole.startswith(start) if isinstance(whole, str) and isinstance(start, str) else None
        case ast.Call(func=ast.Name(id="bool"), args=[inner_expr]):
            return truth(inner_expr, names, scope, depth - 1)
        case ast.Name() if (bound := names.only_value(expr, scope)) is not None:
            # A container may have been filled since.
            return None if isinstance(bound, MUTABLE) else truth(bound, names, scope, depth - 1)
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
            return bool(elts)
        case ast.Dict(keys=keys):
            return bool(keys)
    value = known(expr, names, scope)
    return None if value is UNKNOWN else bool(value)


def known(expr: ast.expr, names: Names, scope: ast.AST | None = None) -> object:
    """The value of an expression, where it is constant or a fact of the platform; else UNKNOWN."""
    folded = names.constant(expr, scope)
    if folded is not UNKNOWN and not isinstance(names.only_value(expr, scope), MUTABLE):
        return folded
    called = isinstance(expr, ast.Call) and not expr.args
    suffix = "()" if called else ""
    for name in names.dotted(expr.func if isinstance(expr, ast.Call) and called else expr, scope):
        if name + suffix in KNOWN:
            return KNOWN[name + suffix]
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "lower":
        inner = known(expr.func.value, names, scope)
        return inner.lower() if isinstance(inner, str) else UNKNOWN
    return UNKNOWN


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, names: Names, scope: ast.AST | None) -> Truth:
    if isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.id == right.id:
        return _holds(0, op, 0) if isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot) else None
    version = _version(left, op, right, names, scope)
    if version is not UNKNOWN:
        return version  # type: ignore[return-value]  # a Truth by construction of _version
    a, b = known(left, names, scope), known(right, names, scope)
    if a is UNKNOWN or b is UNKNOWN:
        return None
    return _holds(a, op, b)


def _version(left: ast.expr, op: ast.cmpop, right: ast.expr, names: Names, scope: ast.AST | None) -> object:
    """A comparison with `sys.version_info`, true or false on every Python that moa supports, None where they differ."""
    subject = left.value if isinstance(left, ast.Subscript) else left
    if "sys.version_info" not in names.dotted(subject, scope):
        return UNKNOWN
    bound = known(right, names, scope)
    if isinstance(bound, int):
        bound = (bound,)
    if not isinstance(bound, tuple) or not all(isinstance(b, int) for b in bound):
        return None
    first, last = _holds(OLDEST, op, bound), _holds(NEWEST, op, bound)
    return first if first == last else None


def _holds(a: object, op: ast.cmpop, b: object) -> Truth:  # noqa: C901, PLR0911 - one case an operator
    try:
        match op:
            case ast.Eq():
                return a == b
            case ast.NotEq():
                return a != b
            case ast.Is():
                return a is b if a is None or b is None or isinstance(a, bool) else a == b
            case ast.IsNot():
                return a is not b if a is None or b is None or isinstance(a, bool) else a != b
            case ast.Lt():
                return bool(a < b)  # type: ignore[operator]  # a TypeError is caught below
            case ast.LtE():
                return bool(a <= b)  # type: ignore[operator]  # the same
            case ast.Gt():
                return bool(a > b)  # type: ignore[operator]  # the same
            case ast.GtE():
                return bool(a >= b)  # type: ignore[operator]  # the same
            case ast.In():
                return a in b  # type: ignore[operator]  # the same
            case ast.NotIn():
                return a not in b  # type: ignore[operator]  # the same
    except (TypeError, BytesWarning):
        return None
    return None
