"""**Sees:** where the policy asks for it, a new test module that passes on the target, without the branch's source.

```python
def test_discount():                 # new, beside a new function …
    assert round(1.5) == 2           # … which it never calls
```

The branch's tests are put over the target's tree and the new modules run there, once. A module of which every test
passes says nothing of what the branch adds: it passed before there was anything to test.

**Does not look at** branches that change no source (tests for code that is there are welcome), test modules that only
moved or were renamed, and single tests: one that fails, or cannot be imported, clears its module.

**Costs** a run of the new modules, so it is off unless the target's policy names it:
`integrity: {severity: {no-new-failure: note}}` (or `warn`, `block`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_moa.model.evidence import Evidence
from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.model.text import plural
from pytest_moa.rules.integrity.pairing import pairing
from pytest_moa.rules.integrity.tests_model import tests_of
from pytest_moa.rules.old_tests.plan import change_of, settings_of_base
from pytest_moa.rules.old_tests.trees import Trees

NAME = "no-new-failure"
DEFAULT: Severity = "off"

_REMEDY = "Test what the branch adds: a new test should fail without it."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTests:
    """`overlay`: the candidate's tests that are put over the target's tree; `arguments`: its new modules."""

    overlay: tuple[str, ...]
    arguments: tuple[str, ...]
    settings: tuple[str, ...] = ()


def plan(trees: Trees) -> NewTests | None:
    """What to run; None where no test module is new, or no source changed that it could be about."""
    changed = {p for p in trees.source("head") if trees.head[p] != trees.base.get(p)}
    arguments = _new_modules(trees) if changed else ()
    if not arguments:
        return None
    turned = Trees(
        base=trees.head,
        head=trees.base,
        read=lambda path, side: trees.read(path, "head" if side == "base" else "base"),
    )
    return NewTests(
        overlay=tuple(sorted({*trees.touched, *trees.added})),
        arguments=arguments,
        settings=settings_of_base(turned),
    )


def _new_modules(trees: Trees) -> tuple[str, ...]:
    """Test modules that came with the branch, with a test that is no other one's new name."""
    change = change_of(trees, [p for p in (*trees.touched, *trees.added) if p.endswith(".py")])
    new = {test.id for test in pairing(change).new}
    return tuple(
        path
        for path in trees.added
        if trees.is_module(path)
        and any(test.id in new for test in tests_of(change, path, "head").tests.values())
    )


def findings(wanted: NewTests, evidence: Evidence) -> list[Finding]:
    """A note for each new module all of whose tests passed, if any ran. A run that did not end says nothing."""
    if evidence.session_status not in {0, 1}:
        return []
    found = []
    for path in wanted.arguments:
        outcomes = [o.outcome for o in evidence.outcomes if _is_in(o.id, path)]
        broken = any(_is_in(error.id, path) for error in evidence.collection_errors)
        if outcomes and not broken and set(outcomes) == {"passed"}:
            number = plural(len(outcomes), "test")
            message = f"all of the {number} of this new module pass on the target without the branch's source"
            found.append(
                Finding(rule=NAME, severity="note", path=path, line=None, message=message, remedy=_REMEDY)
            )
    return found


def _is_in(test_id: str, path: str) -> bool:
    file = test_id.split("::", 1)[0]
    return file == path or path.endswith("/" + file) or file.endswith("/" + path) or _is_package(file, path)


def _is_package(node: str, path: str) -> bool:
    """A collection error may stand at a package above the module."""
    return not node.endswith(".py") and node in {str(parent) for parent in PurePosixPath(path).parents}
