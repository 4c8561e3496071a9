"""Deliberate faults that a source text offers, each with a placebo at the same place and a canary of its function.

A fault is a splice of the text that keeps line numbers. Only what runs whenever its line runs is changed, so that a
covered line is a fault that ran, and nothing whose change nobody could see (log calls, messages, annotations).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Strength = Literal["plain", "blunt", "fine"]
"""`plain` faults change what nearly every use of the line shows; `fine` ones (boundaries, constants) need a test at the
edge. `blunt` ones return None for want of a known type: a test that only asks for anything at all sees them.
"""


@dataclass(frozen=True, slots=True)
class Splice:
    """Characters `start` to `end` of the text become `words`."""

    start: int
    end: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`function` is the dotted name of the function, `first` the line of its `def`; `statement` that of the statement."""

    path: str
    line: int
    statement: int
    function: str
    first: int
    kind: str
    told: str
    strength: Strength
    splice: Splice
    placebo: Splice

    @property
    def id(self) -> str:
        return f"{self.path}:{self.line}:{self.splice.start}-{self.splice.end}:{self.splice.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A parsed source; `canaries` are by the line of a function's `def`, with `{mark}` for a file's name."""

    text: str
    faults: tuple[Fault, ...]
    canaries: Mapping[int, Splice]


ANOTHER = (
    "(lambda v: not v if v is True or v is False"
    " else v + 1 if v.__class__ in (0 .__class__, 0.5.__class__)"
    " else v + '_' if v.__class__ is ''.__class__ else v + b'_' if v.__class__ is b''.__class__"
    " else v[1:] if v.__class__ in ([].__class__, ().__class__) and v"
    " else {k: v[k] for k in [*v][1:]} if v.__class__ is {}.__class__ and v"
    " else v - {*[*v][:1]} if v.__class__ is {0}.__class__ and v"
    " else v.another_of_this_type_is_not_known)"
)
"""Another value of a type that only the run knows; what it does not know ends in a crash, which is no look. No builtin's
name is used: the function may have given it to something else.
"""

CANARY = "__import__('os').close(__import__('os').open({mark}, 577, 384)); raise RuntimeError('stopped here')"
"""Leaves a mark (an empty file, O_WRONLY | O_CREAT | O_TRUNC on Linux) and raises."""

_LOGS = frozenset(
    [
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "critical",
        "log",
        "print",
        "echo",
        "secho",
        "write_line",
        "trace",
    ]
)
_LOGGERS = re.compile(
    r"(?i)^_*(logger|logging|log|warnings|console|click|tracer|metrics|stats|telemetry)s?_*$"
)
_UNSEEN = frozenset(
    [
        "close",
        "flush",
        "sleep",
        "acquire",
        "release",
        "wait",
        "join",
        "collect",
        "notify",
        "notify_all",
        "set_trace",
        "cancel",
        "shutdown",
        "terminate",
        "__init__",
        "super",
        "register",
        "seed",
        "simplefilter",
        "filterwarnings",
        "setLevel",
        "addHandler",
    ]
)
_ECHOES = frozenset(
    {"__repr__", "__hash__", "__del__", "__sizeof__", "__dir__", "__getstate__", "__setstate__"}
)
_NUMBERS = frozenset({"len", "int", "sum", "round", "float", "ord", "abs", "count", "index", "find"})
_TEXTS = frozenset(
    [
        "str",
        "join",
        "format",
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "title",
        "replace",
        "decode",
        "capitalize",
        "hex",
        "repr",
        "dedent",
        "indent",
        "casefold",
        "zfill",
        "ljust",
        "rjust",
        "isoformat",
        "strftime",
        "read_text",
        "as_posix",
    ]
)
_LISTS = frozenset(["list", "sorted", "split", "splitlines", "findall", "readlines", "rsplit"])
_TRUTHS = frozenset(
    [
        "bool",
        "isinstance",
        "issubclass",
        "any",
        "all",
        "callable",
        "hasattr",
        "startswith",
        "endswith",
        "isdigit",
        "isalpha",
        "exists",
        "is_file",
        "is_dir",
        "isspace",
        "isidentifier",
        "isalnum",
        "issubset",
        "issuperset",
        "isdisjoint",
    ]
)
_TYPES = {"bool": "truth", "int": "number", "float": "number", "str": "text", "list": "list", "dict": "dict"}
_FLIPPED: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_MOVED: Mapping[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
}
_SWAPPED: Mapping[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "+"),
}


def source_of(path: str, text: str) -> Source | None:
    """All faults of a file, in the text's order; None where this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        finder = _Finder(path, text)
        for function, name in _functions(tree):
            finder.function(function, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    unique = {fault.id: fault for fault in finder.faults}
    return Source(text=text, faults=tuple(unique.values()), canaries=finder.canaries)


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.Module) -> Iterator[tuple[_Function, str]]:
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}.{child.name}" if prefix else child.name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child, name
            waiting.append((child, name))


class _Finder:
    """Collects the faults of one file, function by function."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        # ast counts columns in UTF-8 bytes, a splice in characters
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.faults: list[Fault] = []
        self.canaries: dict[int, Splice] = {}
        self.name, self.first = "", 0
        self.kinds: dict[str, str] = {}
        self.returns: str | None = None
        self.generator = False

    def at(self, line: int, column: int) -> int:
        text = self.lines[line - 1]
        return self.starts[line - 1] + (
            column if text.isascii() else len(text.encode()[:column].decode("utf-8", "replace"))
        )

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self.at(node.lineno, node.col_offset), self.at(
            node.end_lineno or node.lineno, node.end_col_offset or 0
        )

    def words(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def function(self, node: _Function, name: str) -> None:
        if node.name in _ECHOES:
            return
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if not body:
            return
        self.name, self.first = name, node.lineno
        self.kinds = _kinds_of_names(node)
        own = list(_own_nodes(node))
        self.generator = any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own)
        self.returns = _named_type(node.returns)
        self.canaries[node.lineno] = self.canary(body[0])
        for statement in _statements(body):
            self.statement(statement)

    def canary(self, first: ast.stmt) -> Splice:
        line = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
        column = first.col_offset
        place = self.at(line, column)
        indent = self.lines[line - 1][: place - self.starts[line - 1]]
        if indent.strip():  # on the line of the `def`
            return Splice(place, place, CANARY + "; ")
        return Splice(self.starts[line - 1], self.starts[line - 1], f"{indent}{CANARY}\n")

    def statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Return) and statement.value is not None:
            if not self.generator:
                self.returned(statement, statement.value)
            self.expression(statement, statement.value)
        elif isinstance(statement, ast.Expr):
            self.dropped(statement)
        elif isinstance(statement, ast.If):
            if not _only_tells(statement.body) and not _is_constant(statement.test):
                self.negated(statement, statement.test)
            self.expression(statement, statement.test)
        elif isinstance(statement, ast.AugAssign):
            self.augmented(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            self.constant(statement, statement.value)
            self.expression(statement, statement.value)
        elif isinstance(statement, ast.For | ast.AsyncFor):
            self.expression(statement, statement.iter)

    def returned(self, statement: ast.stmt, value: ast.expr) -> None:
        words = self.words(value)
        changed = self.another(value, words)
        if changed is None:
            return
        if changed == "None" and not isinstance(value, ast.Constant):
            told = f"returns another value of its type instead of {_short(words)}"
            self.add(statement, value, "return", told, f"{ANOTHER}(({words}))", "plain")
        told = f"returns {_short(changed)} instead of {_short(words)}"
        self.add(statement, value, "return", told, changed, "blunt" if changed == "None" else "plain")

    def another(self, value: ast.expr, words: str) -> str | None:  # noqa: PLR0911 - one answer a type
        """Another value of the same type, as far as the text tells the type; None where nothing is to be changed."""
        if isinstance(value, ast.Constant):
            return _another_constant(value.value)
        if isinstance(value, ast.Name) and value.id in {"self", "cls", "NotImplemented", "Ellipsis"}:
            return None
        if words in {"[]", "{}"}:
            return None
        match _kind(value, self.kinds) or self.returns:
            case "truth":
                return f"not ({words})"
            case "number":
                return f"({words}) + 1"
            case "text":
                return f'({words}) + "_"'
            case "list":
                return "[]"
            case "dict":
                return "{}"
        return "None"

    def dropped(self, statement: ast.Expr) -> None:
        whole = statement.value
        call = whole.value if isinstance(whole, ast.Await) else whole
        if isinstance(call, ast.Call) and not _tells(call) and _called(call) not in _UNSEEN:
            told = f"the call {_short(self.words(whole))} is dropped"
            self.add(statement, whole, "call", told, "None", "plain")

    def negated(self, statement: ast.stmt, test: ast.expr) -> None:
        words = self.words(test)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            changed = f"({self.words(test.operand)})"
        else:
            changed = f"not ({words})"
        self.add(statement, test, "condition", f"the condition {_short(words)} is negated", changed, "plain")

    def augmented(self, statement: ast.AugAssign) -> None:
        pair = _SWAPPED.get(type(statement.op))
        kind = _kind(statement.value, self.kinds) or _kind(statement.target, self.kinds)
        if pair is None or kind in {"text", "list", "dict"} or (pair[0] == "+" and kind != "number"):
            return
        old, new = pair
        start = self.span(statement.target)[1]
        place = self.text.find(old + "=", start, self.span(statement.value)[0])
        if place >= 0:
            told = f"{old}= is now {new}="
            splice = Splice(place, place + len(old) + 1, new + "=")
            self.put(statement, statement.value, "operator", told, splice, "plain")

    def constant(self, statement: ast.stmt, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and type(value.value) in {int, float, bool}:
            changed = _another_constant(value.value)
            if changed is not None:
                told = f"{changed} instead of {self.words(value)}"
                self.add(statement, value, "constant", told, changed, "fine")

    def expression(self, statement: ast.stmt, root: ast.expr) -> None:
        """Faults inside an expression, in the parts that are evaluated whenever it is."""
        for node in _certain(root):
            if isinstance(node, ast.Compare):
                self.compared(statement, node)
            elif isinstance(node, ast.BoolOp):
                self.joined(statement, node)
            elif isinstance(node, ast.BinOp):
                self.computed(statement, node)
            elif isinstance(node, ast.IfExp) and not _is_constant(node.test):
                self.negated(statement, node.test)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and node is not root:
                told = f"{_short(self.words(node))} lost its `not`"
                self.add(statement, node, "not", told, f"bool({self.words(node.operand)})", "plain")

    def compared(self, statement: ast.stmt, node: ast.Compare) -> None:
        operator, right = node.ops[0], node.comparators[0]
        start, end = self.span(node.left)[1], self.span(right)[0]
        between = self.text[start:end]
        flipped = _FLIPPED.get(type(operator))
        if flipped is not None:
            pattern = r"is\s+not\b|is\b|not\s+in\b|in\b|==|!="
            strength: Strength = "plain"
        elif (moved := _MOVED.get(type(operator))) is not None:
            flipped, pattern, strength = moved[1], r"<=|>=|<|>", "fine"
        else:
            return
        found = re.search(pattern, between)
        # A comment or a bracket between the operands could hold the operator's letters, too.
        if found is None or "#" in between:
            return
        told = f"{' '.join(found[0].split())} is now {flipped}, in {_short(self.words(node))}"
        splice = Splice(start + found.start(), start + found.end(), flipped)
        self.put(statement, node, "comparison", told, splice, strength)

    def joined(self, statement: ast.stmt, node: ast.BoolOp) -> None:
        start, end = self.span(node.values[0])[1], self.span(node.values[1])[0]
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        between = self.text[start:end]
        found = re.search(rf"\b{old}\b", between)
        if found is None or "#" in between or len(node.values) != 2:
            return
        told = f"{old} is now {new}, in {_short(self.words(node))}"
        self.put(
            statement, node, "logic", told, Splice(start + found.start(), start + found.end(), new), "fine"
        )

    def computed(self, statement: ast.stmt, node: ast.BinOp) -> None:
        pair = _SWAPPED.get(type(node.op))
        sides = {_kind(node.left, self.kinds), _kind(node.right, self.kinds)}
        if pair is None or sides & {"text", "list", "dict", "truth"}:
            return
        if pair[0] == "%" and "number" not in sides:
            return  # perhaps a text's format: the change would only make a crash
        start, end = self.span(node.left)[1], self.span(node.right)[0]
        place = self.text.find(pair[0], start, end)
        if place < 0 or "#" in self.text[start:end]:
            return
        told = f"{pair[0]} is now {pair[1]}, in {_short(self.words(node))}"
        self.put(statement, node, "operator", told, Splice(place, place + len(pair[0]), pair[1]), "plain")

    def add(  # noqa: PLR0917 - the parts of a fault
        self, statement: ast.stmt, node: ast.expr, kind: str, told: str, words: str, strength: Strength
    ) -> None:
        start, end = self.span(node)
        # what stood on several lines still does
        words += "\n" * (self.text.count("\n", start, end) - words.count("\n"))
        self.put(statement, node, kind, told, Splice(start, end, words), strength)

    def put(  # noqa: PLR0917 - the same
        self, statement: ast.stmt, node: ast.expr, kind: str, told: str, splice: Splice, strength: Strength
    ) -> None:
        start, end = self.span(node)
        fault = Fault(
            path=self.path,
            line=node.lineno,
            statement=statement.lineno,
            function=self.name,
            first=self.first,
            kind=kind,
            told=told,
            strength=strength,
            splice=splice,
            # an equivalent of other text, other tree and other byte code
            placebo=Splice(start, end, f"[({self.text[start:end]})][0]"),
        )
        self.faults.append(fault)


def spliced(text: str, splice: Splice) -> str | None:
    """The changed text; None where it is no Python any more (a splice knows little of what surrounds it)."""
    changed = text[: splice.start] + splice.words + text[splice.end :]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(changed)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return changed


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a function, without those of functions and classes inside it."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, ()))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _statements(part.body)


def _own_nodes(node: _Function) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(part)


def _certain(root: ast.expr) -> Iterator[ast.expr]:
    """The parts of an expression that are evaluated whenever it is, itself first."""
    waiting: list[ast.expr] = [root]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case ast.BoolOp():
                waiting.append(node.values[0])
            case ast.IfExp():
                waiting.append(node.test)
            case ast.Compare():
                waiting += [node.left, node.comparators[0]]
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                waiting.append(node.generators[0].iter)
            case ast.Lambda() | ast.JoinedStr():
                continue
            case ast.Call() if _tells(node):
                continue
            case ast.Call():
                waiting += [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
            case _:
                waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _tells(call: ast.Call) -> bool:
    """Whether a call only tells somebody something: a log, a warning, a print."""
    match call.func:
        case ast.Name(id=name):
            return name in _LOGS
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner)):
            return bool(_LOGGERS.match(owner))
        case ast.Attribute(value=ast.Call() as maker, attr=name):
            return name in _LOGS and "log" in _called(maker).lower()
    return False


def _only_tells(body: Iterable[ast.stmt]) -> bool:
    return all(
        isinstance(statement, ast.Pass)
        or (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Call)
            and _tells(statement.value)
        )
        for statement in body
    )


def _is_constant(test: ast.expr) -> bool:
    """Whether a condition asks for what does not change here: a constant, the platform, a version."""
    return isinstance(test, ast.Constant) or any(
        (isinstance(node, ast.Name) and node.id in _FIXED)
        or (isinstance(node, ast.Attribute) and node.attr in _FIXED)
        for node in ast.walk(test)
    )


_FIXED = frozenset({"TYPE_CHECKING", "__debug__", "version_info", "platform", "__name__"})


def _another_constant(value: object) -> str | None:
    match value:
        case bool():
            return str(not value)
        case int() | float():
            return repr(value + 1) if value + 1 != value else None
        case str():
            return repr(value + "_")
    return None


def _kinds_of_names(node: _Function) -> dict[str, str]:
    """What type local names have, where every assignment of the function says the same."""
    found: dict[str, set[str | None]] = {}
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        found.setdefault(argument.arg, set()).add(_named_type(argument.annotation))
    for part in _own_nodes(node):
        match part:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, set()).add(_kind(value, {}))
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                found.setdefault(name, set()).add(_named_type(annotation))
    return {name: kind for name, kinds in found.items() if len(kinds) == 1 and (kind := next(iter(kinds)))}


def _named_type(annotation: ast.expr | None) -> str | None:
    match annotation:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return _TYPES.get(name.lower())
        case ast.Constant(value=str() as text):
            return _TYPES.get(text.partition("[")[0].strip().lower())
    return None


def _kind(value: ast.expr, names: Mapping[str, str]) -> str | None:  # noqa: C901, PLR0911 - one case a form
    """The type of a value as far as the text tells it."""
    match value:
        case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return "truth"
        case ast.Constant(value=int() | float()) | ast.UnaryOp(op=ast.USub()):
            return "number"
        case ast.Constant(value=str()) | ast.JoinedStr():
            return "text"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.Name(id=name):
            return names.get(name)
        case ast.Call():
            return _kind_of_call(value)
        case ast.BoolOp(values=values):
            kinds = {_kind(part, names) for part in values}
            return kinds.pop() if len(kinds) == 1 else None
        case ast.IfExp(body=body, orelse=other):
            kind = _kind(body, names)
            return kind if kind == _kind(other, names) else None
        case ast.BinOp(left=left, right=right, op=operator):
            sides = {_kind(left, names), _kind(right, names)}
            if isinstance(operator, ast.Add | ast.Mod) and "text" in sides:
                return "text"
            return "number" if sides == {"number"} else None
    return None


def _kind_of_call(call: ast.Call) -> str | None:
    name = _called(call)
    for kind, names in (("number", _NUMBERS), ("text", _TEXTS), ("list", _LISTS), ("truth", _TRUTHS)):
        if name in names:
            return kind
    return "dict" if name == "dict" else None


def _short(words: str) -> str:
    """Code in a sentence: on one line, at most sixty characters."""
    line = " ".join(words.split())
    return f"`{line if len(line) <= 60 else line[:59] + '…'}`"
