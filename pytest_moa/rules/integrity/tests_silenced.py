"""**Sees:** a test that is still there, and no longer runs or no longer counts: a new `skip`, a `skipif` whose
condition holds on Linux with a supported Python (or is only known in a run), `xfail`, `expectedFailure`,
`importorskip`, a skip or `SkipTest` in the body, in a helper, a fixture or a `setUp`; `pytestmark`; `__test__ = False`;
a parametrisation over nothing; an `async def` that nothing awaits; a decorator that never calls the test or swallows
its failures; `collect_ignore`, `pytest_ignore_collect` and deselection in `addopts`. Names are followed through
aliases, `getattr` and imports.

**Catches,** for example:

```python
later = getattr(pytest.mark, "sk" + "ip")

@later
def test_total(): ...
```

**Default:** `block` where the target has the test, `warn` for a new test. Where a part of a test's cases is silenced
(one `pytest.param`), `warn`.

**Does not look at** a `skipif` whose condition cannot hold here (`sys.platform == "win32"`, an old Python), at a new
reason of a mark that was there, or at marks that the target has.

**Legal way out:** `integrity.allow: [{rule: tests-silenced, path: tests/test_net.py, until: 2026-12-31}]` on the
target, or `--allow tests-silenced:tests/test_net.py --because "the service is down until May"`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.model.settings import PYTEST_FILES
from pytest_moa.rules.integrity.following import Module, Place, Project, is_autouse
from pytest_moa.rules.integrity.kit import Change, FileChange, Side, is_test_path
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN, walk
from pytest_moa.rules.integrity.pairing import pairing
from pytest_moa.rules.integrity.silencers import Silence, Silencer, added
from pytest_moa.rules.integrity.tests_model import Test, collects, patterns, pytest_settings

NAME = "tests-silenced"
DEFAULT: Severity = "block"

IGNORED = ("collect_ignore", "collect_ignore_glob")
DESELECTS = re.compile(r"(?:^|\s)(--deselect|--ignore(?:-glob)?|-k|-m)(?:[=\s]|$)")

WORDS = {
    "skip": "skipped",
    "skipif": "skipped on a condition",
    "xfail": "expected to fail",
    "importorskip": "skipped where a module is missing",
    "raise": "skipped by an exception",
    "__test__": "kept from being collected",
    "parametrize": "given no cases to run",
    "dropped": "replaced by a decorator that never calls it",
    "hushed": "wrapped in a decorator that swallows its failures",
    "async": "async, and nothing awaits it",
    "yield": "turned into a generator, and nothing iterates it",
}
REMEDY = (
    "Let the test run, and make the code pass it. Where it must not run for now, ask for `integrity.allow` on the "
    "target, or for `--allow tests-silenced:{path}` with the reason."
)


def check(change: Change) -> Iterator[Finding]:
    before, after = _silence(change, "base"), _silence(change, "head")
    found = pairing(change)
    reported: set[tuple[str, int, str]] = set()
    for old, test in (*found.pairs, *found.folded):
        fresh = added(before.of(old), after.of(test))
        yield from _told(test, fresh, "block", reported)
    for test in found.new:
        if test.off is None:
            yield from _told(test, added((), after.of(test)), "warn", reported)
    for file in change.files:
        if file.path.endswith(".py") and file.after is not None:
            yield from _in_functions(change, file, before, after, reported)
        yield from _uncollected(change, file)


def _silence(change: Change, side: Side) -> Silence:
    return Silence(Project.of(change, side), patterns(change, side).asyncio_auto)


def _told(
    test: Test, silencers: list[Silencer], severity: FindingSeverity, reported: set[tuple[str, int, str]]
) -> Iterator[Finding]:
    for silencer in silencers:
        key = (silencer.path, silencer.line, silencer.kind)
        if key not in reported:
            reported.add(key)
            yield _finding(
                silencer.path,
                silencer.line,
                f"`{test.qualname}` is {WORDS[silencer.kind]}: `{silencer.text}`",
                severity if silencer.sure else "warn",
            )


def _in_functions(
    change: Change, file: FileChange, before: Silence, after: Silence, reported: set[tuple[str, int, str]]
) -> Iterator[Finding]:
    """Skips that a conftest, a helper or the source itself gained: unchanged tests may run into them."""
    if collects(file.path, patterns(change, "head", file.path)):
        return
    module, old = after.project.module(file.path), before.project.module(file.path)
    known = {} if old is None else _functions(old)
    written = set() if old is None else {_text(file.before, p) for p in known.values()}
    for name, place in ({} if module is None else _functions(module)).items():
        if _text(file.after, place) in written:
            continue
        had = before.inside(known[name], None) if name in known else ()
        for silencer in added(had, after.inside(place, None)):
            key = (silencer.path, silencer.line, silencer.kind)
            severity = _weight(file, place, name in known)
            if severity is not None and key not in reported:
                reported.add(key)
                yield _finding(
                    silencer.path,
                    silencer.line,
                    f"`{name}` now skips whatever test comes to it: `{silencer.text}`",
                    severity,
                )


def _functions(module: Module) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for name, node in module.definitions.items():
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{name}.{n}": Place(module.path, m)
                for n, m in module.members(node).items()
                if isinstance(m, FUNCTIONS)
            }
        else:
            found[name] = Place(module.path, node)
    return found


def _text(whole: str | None, place: Place) -> str:
    decorators = getattr(place.node, "decorator_list", [])
    first = min((place.node.lineno, *(d.lineno for d in decorators)))
    return "\n".join((whole or "").split("\n")[first - 1 : place.node.end_lineno])


def _weight(file: FileChange, place: Place, existed: bool) -> FindingSeverity | None:
    """A new helper silences nothing by itself; what tests already use does, and so does what runs for all of them."""
    name = getattr(place.node, "name", "")
    in_conftest = file.path.endswith("conftest.py")
    if existed or is_autouse(place.node) or (in_conftest and name.startswith("pytest_")):
        return "block"
    return None if is_test_path(file.path) else "warn"


def _uncollected(change: Change, file: FileChange) -> Iterator[Finding]:
    if file.path.rpartition("/")[2] == "conftest.py":
        yield from _ignored(change, file.path)
    elif file.path in PYTEST_FILES and file.after is not None:
        before, after = _deselected(file.path, file.before), _deselected(file.path, file.after)
        for option in sorted(after - before):
            yield _finding(file.path, None, f"`addopts` now has `{option}`, which leaves tests out", "block")


def _deselected(name: str, text: str | None) -> frozenset[str]:
    settings = None if text is None else pytest_settings(name, text)
    given = (settings or {}).get("addopts", "")
    words = " ".join(map(str, given)) if isinstance(given, list) else str(given)
    return frozenset(words[m.start() :].split("\n")[0].strip()[:60] for m in DESELECTS.finditer(words))


def _ignored(change: Change, path: str) -> Iterator[Finding]:
    before, after = (Project.of(change, side).module(path) for side in ("base", "head"))
    if after is None:
        return
    had = set() if before is None else {text for text, _ in _ignores(before)}
    for text, line in _ignores(after):
        if text not in had:
            yield _finding(path, line, f"pytest no longer collects everything here: `{text}`", "block")


def _ignores(module: Module) -> Iterator[tuple[str, int]]:
    for node in walk(module.tree.body, into_scopes=False):
        named = isinstance(node, ast.Name) and node.id in IGNORED and isinstance(node.ctx, ast.Load)
        text = module.names.constant(node) if isinstance(node, ast.Subscript | ast.Constant) else UNKNOWN
        if named or (isinstance(text, str) and text in IGNORED):
            yield ast.unparse(node), getattr(node, "lineno", 1)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            listed = any(isinstance(t, ast.Name) and t.id in IGNORED for t in targets)
            if listed and node.value is not None and module.names.constant(node.value) != ():
                yield ast.unparse(node)[:120], node.lineno
        elif isinstance(node, FUNCTIONS) and node.name == "pytest_ignore_collect":
            yield f"def {node.name}", node.lineno


def _finding(path: str, line: int | None, message: str, severity: FindingSeverity) -> Finding:
    return Finding(
        rule=NAME, severity=severity, path=path, line=line, message=message, remedy=REMEDY.format(path=path)
    )
