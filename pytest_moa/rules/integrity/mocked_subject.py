"""**Sees:** a new or changed test that patches a function, method or class which the module under test itself defines: the
test then runs the stand-in, and the code that it is named for could be anything. The module under test is a source
file that this branch changes, or the one that the test module is named after.

**Catches,** in `tests/test_rates.py`, on a branch that wrote `rate`:

```python
def test_rate():
    with patch("billing.rates.rate", return_value=3):
        assert rates.rate("EUR") == 3
```

also `patch.object`, `mocker.patch`, `monkeypatch.setattr`, `setattr`, plain assignment to the module's attribute, and
the same in a fixture.

**Does not look at** patches of what the module imports (its network, clock or database), of other modules, patches that
the target's test of that name has, stand-ins that run the real thing (`wraps=`, `mocker.spy`), or tests that this branch
did not touch; a patch alone is common in honest tests.

**Default:** `warn`: the probes look at these lines first.

**Legal way out:** patch what the module depends on instead, or
`integrity.allow: [{rule: mocked-subject, path: tests/test_rates.py}]`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.following import Module, Project
from pytest_moa.rules.integrity.kit import Change, Side, is_test_path
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN, Names, walk
from pytest_moa.rules.integrity.tests_model import is_test_file

NAME = "mocked-subject"
DEFAULT: Severity = "warn"

REMEDY = "Let the test run the real code, and replace only what that code depends on (network, clock, files)."
PATCHES = ("patch", "patch.object", "patch.multiple", "patch.dict", "setattr", "setitem", "builtins.setattr")
REPLACED = (".__code__", ".__wrapped__", ".__func__", ".return_value", ".side_effect", ".__call__")


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a test module that may replace something: a function, a class's decorator, a statement at import."""

    name: str
    nodes: tuple[ast.AST, ...]
    scope: ast.AST | None

    @property
    def body(self) -> str:
        return "\n".join(map(ast.dump, self.nodes))


def check(change: Change) -> Iterator[Finding]:
    project = Project.of(change, "head")
    files = _test_files(change)
    base = {path: _parts_of(change, path, "base") for path in files}
    had = {part.body for parts in base.values() for part in parts}
    for path in files:
        module = project.module(path)
        fresh = [part for part in _parts_of(change, path, "head") if part.body not in had]
        if module is not None and fresh:
            names = {part.name for part in fresh}
            known = _known(change, {p: [b for b in parts if b.name in names] for p, parts in base.items()})
            for part in fresh:
                yield from _patches_in(part, module, project, change, known)


def _known(change: Change, base: dict[str, list[_Part]]) -> set[tuple[str, str]]:
    """What the target's tests of these names replace already."""
    modules = ((Project.of(change, "base").module(path), parts) for path, parts in base.items())
    return {
        (part.name, target)
        for module, parts in modules
        if module is not None
        for part in parts
        for node in walk(part.nodes, into_scopes=True)
        for target in _targets(node, module.names, part.scope)
    }


def _test_files(change: Change) -> list[str]:
    return [f.path for f in change.python() if is_test_file(change, f.path)]


def _parts_of(change: Change, path: str, side: Side) -> list[_Part]:
    module = Project.of(change, side).module(path)
    return [] if module is None else list(_parts(module.tree.body))


def _parts(body: Iterable[ast.stmt], owner: str = "") -> Iterator[_Part]:
    """Each function and method, the decorators of classes, and the statements between them. A name is no part."""
    for node in body:
        if isinstance(node, FUNCTIONS):
            arguments = node.args.defaults
            yield _Part(f"{owner}{node.name}", (*node.decorator_list, *arguments, *node.body), node)
        elif isinstance(node, ast.ClassDef):
            yield _Part(node.name, tuple(node.decorator_list), None)
            yield from _parts(node.body, f"{owner}{node.name}.")
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            yield _Part(owner.rstrip(".") or "the module", (node,), None)


def _patches_in(
    part: _Part, module: Module, project: Project, change: Change, known: set[tuple[str, str]]
) -> Iterator[Finding]:
    for node in walk(part.nodes, into_scopes=True):
        for target in _targets(node, module.names, part.scope):
            subject = _subject(target, module.path, project, change)
            if subject is not None and (part.name, target) not in known:
                yield Finding(
                    rule=NAME,
                    severity="warn",
                    path=module.path,
                    line=getattr(node, "lineno", None),
                    message=f"`{part.name}` replaces `{target}`, which {subject} defines and this test is there to try",
                    remedy=REMEDY,
                )


def _targets(node: ast.AST, names: Names, scope: ast.AST | None) -> list[str]:
    """Dotted names of what a statement or call replaces."""
    if isinstance(node, ast.Assign):
        replaced = [t for t in node.targets if isinstance(t, ast.Attribute | ast.Subscript)]
        found = [n for t in replaced for n in sorted(names.dotted(t, scope)) if not n.startswith("<")]
    elif isinstance(node, ast.Call) and _is_patch(node, names, scope):
        found = _patched(node, names, scope)
    else:
        return []
    return [_without_suffix(name) for name in found]


def _is_patch(call: ast.Call, names: Names, scope: ast.AST | None) -> bool:
    if not call.args or any(k.arg == "wraps" for k in call.keywords):
        return False  # what wraps the real thing runs it
    called = set(names.dotted(call.func, scope))
    if isinstance(call.func, ast.Name | ast.Attribute):
        called.add(ast.unparse(call.func))
    return any(name == p or name.endswith(f".{p}") for name in called for p in PATCHES)


def _patched(call: ast.Call, names: Names, scope: ast.AST | None) -> list[str]:
    first = names.constant(call.args[0], scope)
    second = names.constant(call.args[1], scope) if len(call.args) > 1 else UNKNOWN
    keywords = [k.arg for k in call.keywords if k.arg]
    if isinstance(first, str):
        return [first, *(f"{first}.{k}" for k in keywords)]
    owners = [n.removesuffix(".__dict__") for n in sorted(names.dotted(call.args[0], scope))]
    members = [second] if isinstance(second, str) else keywords
    return [f"{owner}.{member}" for owner in owners for member in members]


def _without_suffix(name: str) -> str:
    for suffix in REPLACED:
        name = name.removesuffix(suffix)
    return name


def _subject(target: str, near: str, project: Project, change: Change) -> str | None:
    """The file under test that defines the target; None where the target is somebody else's."""
    place = project.definition(target, near)
    if place is None:
        whole = project.module_file(target, near)
        return (
            whole if whole is not None and _is_named_after(near, whole) and not is_test_path(whole) else None
        )
    if is_test_path(place.path):
        return None
    # `rates.requests.get` is found in its own module: what `rates` merely imports is fair to replace.
    owner = ".".join(PurePosixPath(place.path).with_suffix("").parts)
    if not any(f"{owner}.".endswith(f"{part}.") for part in _prefixes(target)):
        return None
    changed = any(f.path == place.path and f.after is not None and f.after != f.before for f in change.files)
    return place.path if changed or _is_named_after(near, place.path) else None


def _is_named_after(test: str, source: str) -> bool:
    return PurePosixPath(test).stem.removeprefix("test_").removesuffix("_test") == PurePosixPath(source).stem


def _prefixes(target: str) -> list[str]:
    parts = target.split(".")
    return [".".join(parts[:cut]) for cut in range(1, len(parts))]
