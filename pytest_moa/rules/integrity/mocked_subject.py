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

**Does not look at** patches of what the module imports (its network, clock or database), of other modules, or at
tests that this branch did not touch; a patch alone is common in honest tests.

**Default:** `warn`: the probes look at these lines first.

**Legal way out:** patch what the module depends on instead, or
`integrity.allow: [{rule: mocked-subject, path: tests/test_rates.py}]`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.following import Module, Project, is_fixture
from pytest_moa.rules.integrity.kit import Change, is_test_path
from pytest_moa.rules.integrity.names import FUNCTIONS
from pytest_moa.rules.integrity.pairing import pairing

NAME = "mocked-subject"
DEFAULT: Severity = "warn"

REMEDY = "Let the test run the real code, and replace only what that code depends on (network, clock, files)."


def check(change: Change) -> Iterator[Finding]:
    project = Project.of(change, "head")
    for path, function in _touched(change):
        module = project.module(path)
        if module is not None:
            yield from _patches_in(function, module, project, change)


def _touched(change: Change) -> Iterator[tuple[str, ast.AST]]:
    """Test functions and fixtures that are new or not what they were."""
    found = pairing(change)
    for old, new in found.pairs:
        if ast.dump(old.place.node) != ast.dump(new.place.node):
            yield new.place.path, new.place.node
    for test in found.new:
        yield test.place.path, test.place.node
    for file in change.python():
        if is_test_path(file.path):
            yield from ((file.path, node) for node in _new_fixtures(change, file.path))


def _new_fixtures(change: Change, path: str) -> Iterator[ast.AST]:
    before, after = (Project.of(change, side).module(path) for side in ("base", "head"))
    had = set() if before is None else {ast.dump(n) for n in _fixtures(before)}
    return (n for n in ([] if after is None else _fixtures(after)) if ast.dump(n) not in had)


def _fixtures(module: Module) -> list[ast.AST]:
    nodes = (n for n in module.definitions.values() if isinstance(n, FUNCTIONS))
    return [n for n in nodes if any(is_fixture(d, module.names) for d in n.decorator_list)]


def _patches_in(function: ast.AST, module: Module, project: Project, change: Change) -> Iterator[Finding]:
    for node in ast.walk(function):
        for target in _targets(node, module, function):
            subject = _subject(target, module.path, project, change)
            if subject is not None:
                name = getattr(function, "name", "a test")
                yield Finding(
                    rule=NAME,
                    severity="warn",
                    path=module.path,
                    line=getattr(node, "lineno", None),
                    message=f"`{name}` replaces `{target}`, which {subject} defines and this test is there to try",
                    remedy=REMEDY,
                )


def _targets(node: ast.AST, module: Module, scope: ast.AST) -> list[str]:
    """Dotted names of what a statement or call replaces."""
    if isinstance(node, ast.Assign):
        attributes = [t for t in node.targets if isinstance(t, ast.Attribute)]
        return [n for t in attributes for n in sorted(module.names.dotted(t, scope)) if not n.startswith("<")]
    if not isinstance(node, ast.Call) or not node.args:
        return []
    called = {n.rpartition(".")[2] for n in module.names.dotted(node.func, scope)}
    shown = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
    if not (called & {"setattr"} or shown.endswith(("patch", "patch.object", "patch.multiple", ".setattr"))):
        return []
    first = module.names.constant(node.args[0], scope)
    if isinstance(first, str):
        return [first]
    second = module.names.constant(node.args[1], scope) if len(node.args) > 1 else None
    if not isinstance(second, str):
        return []
    return [f"{owner}.{second}" for owner in sorted(module.names.dotted(node.args[0], scope))]


def _subject(target: str, near: str, project: Project, change: Change) -> str | None:
    """The file under test that defines the target; None where the target is somebody else's."""
    place = project.definition(target, near)
    if place is None or is_test_path(place.path):
        return None
    # `rates.requests.get` is found in its own module: what `rates` merely imports is fair to replace.
    owner = ".".join(PurePosixPath(place.path).with_suffix("").parts)
    if not any(f"{owner}.".endswith(f"{part}.") for part in _prefixes(target)):
        return None
    stem = PurePosixPath(place.path).stem
    changed = any(f.path == place.path and f.after is not None and f.after != f.before for f in change.files)
    named = PurePosixPath(near).stem.removeprefix("test_").removesuffix("_test") == stem
    return place.path if changed or named else None


def _prefixes(target: str) -> list[str]:
    parts = target.split(".")
    return [".".join(parts[:cut]) for cut in range(1, len(parts))]
