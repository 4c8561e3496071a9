"""What a module or class body leaves behind, statement by statement: rebindings, `del`, `globals()`, star imports.

Nothing is run: conditions that are known before a run choose a branch, others count with both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_moa.rules.integrity.following import Definition, Module, Place, Project
from pytest_moa.rules.integrity.kit import parsed
from pytest_moa.rules.integrity.names import FUNCTIONS
from pytest_moa.rules.integrity.truth import truth

DEEPEST = 4
"""Star imports of star imports, functions that edit globals: followed this far."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a name holds in the end: a definition, with the calls that wrapped it since, or some other value."""

    line: int
    place: Place | None = None
    wraps: tuple[ast.expr, ...] = ()
    value: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A definition that a later statement took the name from: `how` in words."""

    name: str
    held: Held
    line: int
    how: str


class Namespace:
    """Runs a body in the mind. `names` is what remains, `lost` what did not, `attributes` what was set on it."""

    def __init__(self, project: Project, module: Module, depth: int = DEEPEST) -> None:
        self.project = project
        self.module = module
        self.depth = depth
        self.names: dict[str, Held] = {}
        self.lost: list[Lost] = []
        self.edits: list[int] = []
        self.attributes: dict[tuple[str, str], Held] = {}
        self._branch = 0
        self._only: frozenset[str] | None = None

    def run(self, body: Iterable[ast.stmt]) -> Namespace:
        for statement in body:
            self._statement(statement)
        return self

    def _statement(self, node: ast.stmt) -> None:  # noqa: C901, PLR0912 - one case a kind of statement
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._bind(node.name, Held(node.lineno, Place(self.module.path, node)), "defined again")
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._target(target, value, node.lineno)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._target(target, value, node.lineno)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self.attributes[(name, "+=")] = Held(node.lineno, value=value)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, node.lineno)
            case ast.Import(names=aliases):
                for alias in aliases:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self._bind(bound, Held(node.lineno), "overwritten by an import")
            case ast.ImportFrom():
                self._import(node)
            case ast.If(test=test, body=body, orelse=orelse):
                self._choose(test, body, orelse)
            case ast.While(test=test, body=body):
                if truth(test, self.module.names) is not False:
                    self.run(body)
            case ast.For(target=target, body=body) | ast.AsyncFor(target=target, body=body):
                self._target(target, None, node.lineno)
                self.run(body)
            case ast.With(body=body) | ast.AsyncWith(body=body):
                self.run(body)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.Expr(value=ast.Call() as call):
                self._call(call)

    def _choose(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        holds = truth(test, self.module.names)
        if holds is True:
            self.run(body)
        elif holds is False:
            self.run(orelse)
        else:
            self._branch += bool(orelse)
            self.run(body)
            self.run(orelse)
            self._branch -= bool(orelse)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        self.run(node.body)
        self._branch += 1
        for handler in node.handlers:
            self.run(handler.body)
        self._branch -= 1
        self.run(node.orelse)
        self.run(node.finalbody)

    def _bind(self, name: str, held: Held, how: str) -> None:
        if self._only is not None and name not in self._only:
            return
        before = self.names.get(name)
        if before is not None and before.place is not None and not self._branch and not _keeps(before, held):
            self.lost.append(Lost(name, before, held.line, how))
        self.names[name] = held

    def _unbind(self, name: str, line: int, how: str) -> None:
        if self._only is not None and name not in self._only:
            return
        before = self.names.pop(name, None)
        if before is not None and before.place is not None:
            self.lost.append(Lost(name, before, line, how))

    def _target(self, target: ast.expr, value: ast.expr | None, line: int) -> None:
        match target:
            case ast.Name(id=name):
                self._bind(name, self._held(value, line), "bound to something else")
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                parts = (
                    value.elts
                    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(elts)
                    else None
                )
                for index, part in enumerate(elts):
                    self._target(part, parts[index] if parts else None, line)
            case ast.Subscript(value=owner, slice=key) if self._is_globals(owner):
                self._edit(key, self._held(value, line), line)
            case ast.Attribute(value=owner, attr=attr):
                self._set_attribute(owner, attr, self._held(value, line))

    def _set_attribute(self, owner: ast.expr, attr: str, held: Held) -> None:
        if self._is_module(owner):
            self._bind(attr, held, "bound to something else")
        elif isinstance(owner, ast.Name):
            self.attributes[(owner.id, attr)] = held

    def _delete(self, target: ast.expr, line: int) -> None:
        match target:
            case ast.Name(id=name):
                self._unbind(name, line, "deleted")
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                for part in elts:
                    self._delete(part, line)
            case ast.Subscript(value=owner, slice=key) if self._is_globals(owner):
                self._edit(key, None, line)
            case ast.Attribute(value=owner, attr=attr):
                self._drop_attribute(owner, attr, line)

    def _drop_attribute(self, owner: ast.expr, attr: str, line: int) -> None:
        if self._is_module(owner):
            self._unbind(attr, line, "deleted")
        elif isinstance(owner, ast.Name):
            self.attributes[(owner.id, attr)] = Held(line)

    def _edit(self, key: ast.expr, held: Held | None, line: int) -> None:
        """An edit of the module's dictionary under a key; a key that only a run knows is kept as an edit."""
        name = self.module.names.constant(key)
        if not isinstance(name, str):
            self.edits.append(line)
        elif held is None:
            self._unbind(name, line, "removed from globals()")
        else:
            self._bind(name, held, "overwritten through globals()")

    def _held(self, value: ast.expr | None, line: int) -> Held:
        match value:
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Lambda():
                return Held(line, Place(self.module.path, value))
            case ast.Call(func=func, args=args):
                for arg in args:
                    if isinstance(arg, ast.Name) and self._is_definition(arg.id):
                        inner = self.names[arg.id]
                        return replace(inner, wraps=(*inner.wraps, func))
        return Held(line, value=value)

    def _is_definition(self, name: str) -> bool:
        held = self.names.get(name)
        return held is not None and held.place is not None

    def _import(self, node: ast.ImportFrom) -> None:
        source = self.module.names.absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self._star(source, node.lineno)
            else:
                place = self.project.definition(f"{source}.{alias.name}", self.module.path)
                self._bind(alias.asname or alias.name, Held(node.lineno, place), "overwritten by an import")

    def _star(self, source: str, line: int) -> None:
        path = self.project.module_file(source, self.module.path)
        module = None if path is None or path == self.module.path else self.project.module(path)
        if module is None or self.depth <= 0:
            return
        there = Namespace(self.project, module, self.depth - 1).run(module.tree.body)
        exported = _exported(there)
        for name, held in there.names.items():
            if name in exported:
                self._bind(name, replace(held, line=line), "overwritten by a star import")

    def _is_globals(self, owner: ast.expr) -> bool:
        names = self.module.names
        if isinstance(owner, ast.Call):
            called = names.dotted(owner.func)
            return bool(called & {"globals"}) or (
                bool(called & {"vars", "locals"}) and (not owner.args or self._is_module(owner.args[0]))
            )
        if isinstance(owner, ast.Name):
            return any(self._is_globals(v) for v in names.values(owner.id) if isinstance(v, ast.Call))
        return isinstance(owner, ast.Attribute) and owner.attr == "__dict__" and self._is_module(owner.value)

    def _is_module(self, owner: ast.expr) -> bool:
        if isinstance(owner, ast.Name):
            return any(
                self._is_module(v) for v in self.module.names.values(owner.id) if not isinstance(v, ast.Name)
            )
        return (
            isinstance(owner, ast.Subscript)
            and "sys.modules" in self.module.names.dotted(owner.value)
            and isinstance(owner.slice, ast.Name)
            and owner.slice.id == "__name__"
        ) or (
            isinstance(owner, ast.Call)
            and bool(self.module.names.dotted(owner.func) & {"__import__", "importlib.import_module"})
            and bool(owner.args)
            and isinstance(owner.args[0], ast.Name)
            and owner.args[0].id == "__name__"
        )

    def _call(self, call: ast.Call) -> None:
        names = self.module.names
        match call.func:
            case ast.Attribute(value=owner, attr=method) if self._is_globals(owner):
                self._dictionary(call, method)
            case ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" | "insert") if call.args:
                self.attributes[(name, "+=")] = Held(call.lineno, value=call.args[-1])
            case _:
                called = names.dotted(call.func)
                if called & {"setattr", "delattr"} and len(call.args) >= 2:
                    self._attribute_call(call)
                elif called & {"exec"} and call.args:
                    text = names.constant(call.args[0])
                    tree = parsed(text) if isinstance(text, str) else None
                    self._nested([] if tree is None else tree.body, None)
                elif isinstance(call.func, ast.Name) and isinstance(call.func.id, str):
                    self._own_function(self.module.definitions.get(call.func.id))

    def _attribute_call(self, call: ast.Call) -> None:
        attr = self.module.names.constant(call.args[1])
        if not isinstance(attr, str):
            if self._is_module(call.args[0]):
                self.edits.append(call.lineno)
        elif len(call.args) > 2:
            self._set_attribute(call.args[0], attr, self._held(call.args[2], call.lineno))
        else:
            self._drop_attribute(call.args[0], attr, call.lineno)

    def _dictionary(self, call: ast.Call, method: str) -> None:
        line = call.lineno
        match method, call.args:
            case "pop" | "__delitem__", [key, *_]:
                self._edit(key, None, line)
            case "__setitem__" | "setdefault", [key, value]:
                self._edit(key, self._held(value, line), line)
            case "update", args:
                for keyword in call.keywords:
                    if keyword.arg:
                        self._bind(
                            keyword.arg, self._held(keyword.value, line), "overwritten through globals()"
                        )
                    else:
                        self.edits.append(line)
                for arg in args:
                    self._update(arg, line)
            case "clear", _:
                for name in list(self.names):
                    self._unbind(name, line, "removed from globals()")

    def _update(self, arg: ast.expr, line: int) -> None:
        if not isinstance(arg, ast.Dict):
            self.edits.append(line)
            return
        for key, value in zip(arg.keys, arg.values, strict=True):
            if key is None:
                self.edits.append(line)
            else:
                self._edit(key, self._held(value, line), line)

    def _own_function(self, node: Definition | None) -> None:
        """A function of this module that is called while it is imported may edit the module."""
        if isinstance(node, FUNCTIONS):
            declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
            self._nested(node.body, frozenset(declared))

    def _nested(self, body: list[ast.stmt], only: frozenset[str] | None) -> None:
        if self.depth <= 0:
            return
        outer, self._only, self.depth = self._only, only, self.depth - 1
        self.run(body)
        self._only, self.depth = outer, self.depth + 1


def _keeps(before: Held, after: Held) -> bool:
    """Whether the new value still is the old definition, wrapped or not, or one that fills in for it."""
    return after.place is not None and before.place is not None and after.place.node is before.place.node


def _exported(there: Namespace) -> Iterator[str] | frozenset[str]:
    listed = there.names.get("__all__")
    if listed is not None and isinstance(listed.value, ast.List | ast.Tuple):
        return frozenset(str(e.value) for e in listed.value.elts if isinstance(e, ast.Constant))
    return frozenset(name for name in there.names if not name.startswith("_"))
