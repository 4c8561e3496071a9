"""Where source asks whether it is being tested: the environment, loaded modules, the command line, the call stack."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_moa.rules.integrity.following import Module
from pytest_moa.rules.integrity.live import expressions
from pytest_moa.rules.integrity.names import FUNCTIONS, Names, walk

WORTH_A_LOOK = re.compile(
    r"environ|getenv|\bmodules|argv|frame|\bstack|_stack|cmdline|find_spec|find_loader|import_module|__import__|"
    r"_called_from|getattr|__dict__|\bvars\(|pytest|import (\*|\()|Summary"
)
"""A source without any of these has no way to ask: reading the words is a hundred times cheaper than the tree."""

ENVIRONMENT = frozenset(
    {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.environ.get", "posix.environ"}
)
MODULES = frozenset({"sys.modules"})
COMMAND = frozenset({"sys.argv", "sys.orig_argv", "__main__"})
STACK = frozenset(
    {"inspect.stack", "inspect.currentframe", "inspect.getouterframes", "sys._getframe",
     "sys._current_frames", "traceback.extract_stack", "traceback.format_stack", "traceback.walk_stack",
     "traceback.StackSummary.extract", "sys._getframemodulename"}
)  # fmt: skip
FINDERS = frozenset(
    {"importlib.util.find_spec", "importlib.import_module", "pkgutil.find_loader", "builtins.__import__", "__import__"}
)  # fmt: skip

VARIABLE = re.compile(r"^(PYTEST_|COV_CORE_|COVERAGE_PROCESS|TOX_ENV_NAME|NOSE_|HYPOTHESIS_)")
TOOL = re.compile(r"^(_?pytest|unittest|conftest|coverage|nose|hypothesis|xdist)(\.|$)")
PROGRAM = re.compile(r"(?i)py\.?test|unittest|nosetests")
TESTING = re.compile(r"(?i)^\W*(tests?|test_\w*|_test)\W*(\.py)?$|pytest|unittest|conftest")
DECIDES = frozenset(
    {"startswith", "endswith", "search", "match", "fullmatch", "find", "index", "count", "intersection", "get",
     "isdisjoint", "issubset", "issuperset", "findall", "__contains__"}
)  # fmt: skip
FLAG = "_called_from_test"
WORDS = frozenset(
    {
        name.rpartition(".")[2]
        for name in ENVIRONMENT | MODULES | COMMAND | STACK | FINDERS
        if name != "os.environ.get"
    }
    | {FLAG, "cmdline"}
)
CHAIN = 3
"""How many names may stand between a source and the question."""

Bound = dict[str, list[ast.expr]]

LONGEST = 400
"""Nodes looked at for one question: enough for any that a person would write."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    line: int


def questions(module: Module, text: str) -> list[Question]:
    """Where the module asks, each statement once."""
    return list(_Asked(module).all()) if WORTH_A_LOOK.search(text) else []


class _Asked:
    def __init__(self, module: Module) -> None:
        self.names: Names = module.names
        self.tree = module.tree
        self.module = _bound(module.tree)
        self.words = _leading_there(module.tree)

    def all(self) -> Iterator[Question]:
        yield from self._scope(self.tree, {})

    def _scope(self, scope: ast.AST, outer: Bound) -> Iterator[Question]:
        own: Bound | None = outer if isinstance(scope, ast.Module | ast.ClassDef) else None
        for node in walk(getattr(scope, "body", []), into_scopes=False):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                own = {**outer, **_bound(scope)} if own is None else own
                yield from self._scope(node, own)
            elif isinstance(node, ast.stmt | ast.match_case):
                if isinstance(node, ast.Try) and isinstance(scope, FUNCTIONS) and _tries_a_tool(node):
                    yield Question("import pytest", node.lineno)
                for root in self._suspicious(node):
                    own = {**outer, **_bound(scope)} if own is None else own
                    nodes = _reach(root, {**self.module, **own})
                    if self._asks(nodes, scope, decides=_decides(node, nodes)):
                        yield Question(_shown(root), root.lineno)
                        break

    def _suspicious(self, node: ast.stmt | ast.match_case) -> list[ast.expr]:
        """The statement's own expressions that have a word in them which may lead to a source of such knowledge."""
        return [root for root in _roots(node) if not self.words.isdisjoint(_words([root]))]

    def _asks(self, nodes: list[ast.AST], scope: ast.AST, *, decides: bool) -> bool:
        if any(isinstance(n, ast.Attribute) and n.attr == FLAG for n in nodes):
            return True
        texts = self._texts(nodes, scope)
        if FLAG in texts:
            return True
        sources = self._sources(nodes, scope)
        if sources & (MODULES | FINDERS) and any(TOOL.match(t) for t in texts):
            return bool(sources & MODULES) or any(t.split(".")[0] in ("pytest", "_pytest") for t in texts)
        if sources & ENVIRONMENT and any(VARIABLE.match(t) for t in texts):
            return True
        about_program = bool(sources & COMMAND) or any("cmdline" in t for t in texts)
        if decides and about_program and any(PROGRAM.search(t) for t in texts):
            return True
        return decides and bool(sources & STACK) and any(len(t) < 40 and TESTING.search(t) for t in texts)

    def _sources(self, nodes: Iterable[ast.AST], scope: ast.AST) -> set[str]:
        found: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Attribute | ast.Name | ast.Call) and isinstance(
                getattr(node, "ctx", ast.Load()), ast.Load
            ):
                found |= self.names.dotted(node, scope)
        return found

    def _texts(self, nodes: list[ast.AST], scope: ast.AST) -> set[str]:
        written = {id(k) for n in nodes if isinstance(n, ast.Dict) for k in n.keys}
        found: set[str] = set()
        for node in nodes:
            if (
                isinstance(node, ast.Constant | ast.BinOp | ast.JoinedStr | ast.Call)
                and id(node) not in written
            ):
                value = self.names.constant(node, scope)
                if isinstance(value, bytes):
                    value = value.decode("utf-8", "replace")
                if isinstance(value, str):
                    found.add(value)
        return found


def _leading_there(tree: ast.Module) -> frozenset[str]:
    """Words that stand for a source of such knowledge in this module: its own words, and names made from them."""
    leading = set(WORDS)
    made: dict[str, set[str]] = defaultdict(set)
    for node in walk([tree], into_scopes=True):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                made[alias.asname or alias.name].add(alias.name.rpartition(".")[2])
        else:
            for target, value in _made(node):
                names = _named(target)
                said = set(_words([value])) if names else set()
                for name in names:
                    made[name] |= said
    for _ in range(CHAIN):
        leading |= {name for name, said in made.items() if not said.isdisjoint(leading)}
    return frozenset(leading)


def _words(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in walk(nodes, into_scopes=True):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str() as word):
                yield "cmdline" if "cmdline" in word else word
            case ast.Call(
                func=ast.Name(id="getattr"), args=[_, ast.BinOp() | ast.JoinedStr() | ast.Call(), *_]
            ):
                yield FLAG  # who computes a name has something to hide


def _made(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """What a node gives names to, and from what: assignments, loops, contexts."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return [(t, value) for t in targets]
        case (
            ast.NamedExpr(target=target, value=value)
            | ast.For(target=target, iter=value)
            | ast.comprehension(target=target, iter=value)
            | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
        ):
            return [(target, value)]
    return []


def _bound(scope: ast.AST) -> Bound:
    """What names of a scope were made from."""
    found: Bound = defaultdict(list)
    for node in walk(getattr(scope, "body", []), into_scopes=False):
        for target, value in _made(node):
            for name in _named(target):
                found[name].append(value)
    return found


def _named(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    return [
        n.id
        for n in walk([target], into_scopes=True)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


def _reach(root: ast.AST, bound: Bound, depth: int = CHAIN) -> list[ast.AST]:
    """The nodes of an expression, and of what its names were made from."""
    nodes: list[ast.AST] = []
    queue: list[tuple[ast.AST, int]] = [(root, depth)]
    seen: set[str] = set()
    while queue and len(nodes) < LONGEST:
        top, left = queue.pop()
        for node in walk([top], into_scopes=True):
            nodes.append(node)
            if isinstance(node, ast.Name) and left > 0 and node.id in bound and node.id not in seen:
                seen.add(node.id)
                queue += [(value, left - 1) for value in bound[node.id][:4]]
    return nodes[:LONGEST]


def _roots(node: ast.stmt | ast.match_case) -> list[ast.expr]:
    if isinstance(node, ast.match_case):
        return [] if node.guard is None else [node.guard]
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Delete | ast.Global):
        return []
    seen: set[int] = set()
    roots = []
    for expr in expressions(node):
        if id(expr) not in seen and isinstance(getattr(expr, "ctx", ast.Load()), ast.Load):
            roots.append(expr)
            seen.update(map(id, walk([expr], into_scopes=True)))
    return roots


def _decides(node: ast.stmt | ast.match_case, nodes: list[ast.AST]) -> bool:
    if isinstance(node, ast.If | ast.While | ast.Match | ast.match_case | ast.Assert):
        return True
    return any(
        isinstance(n, ast.Compare | ast.IfExp | ast.BoolOp)
        or (isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in DECIDES)
        for n in nodes
    )


def _tries_a_tool(node: ast.Try) -> bool:
    caught = {
        n.id for h in node.handlers if h.type is not None for n in ast.walk(h.type) if isinstance(n, ast.Name)
    }
    loud = bool(caught & {"ImportError", "ModuleNotFoundError", "Exception"}) or any(
        h.type is None for h in node.handlers
    )
    imported = [a.name for s in node.body if isinstance(s, ast.Import) for a in s.names]
    imported += [s.module or "" for s in node.body if isinstance(s, ast.ImportFrom)]
    return loud and any(name.split(".")[0] in ("pytest", "_pytest") for name in imported)


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 80 else text[:77] + "..."
