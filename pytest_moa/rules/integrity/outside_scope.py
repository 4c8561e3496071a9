"""**Sees:** files changed that the registry gives to another agent, or to nobody although it says who owns what.

**Catches,** on a branch of agent 03, which owns `src/core` and `tests/core`:

```diff
--- a/src/billing/rates.py     (agent 04's)
--- a/setup_helpers.py         (nobody's)
```

**Does not look at** repositories without a registry, or whose registry names no files; files that several agents
share, this one among them; documentation and changelogs, which belong to everybody.

**Legal way out:** give the file to the agent in `registry` (`source`, `tests`) on the target, let the other agent
make the change, or allow it there: `integrity.allow: [{rule: outside-scope, path: src/billing/**, agent: "03"}]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity.kit import Change, Ownership
from pytest_moa.rules.integrity.policy import path_matches

NAME = "outside-scope"
DEFAULT: Severity = "warn"

EVERYBODYS = (".md", ".rst", ".txt")


def check(change: Change) -> Iterator[Finding]:
    if change.ownership is None or not any(o.paths for o in change.ownership.owners):
        return
    for file in change.files:
        trespass = _trespass(file.path, change.ownership)
        if trespass is not None:
            yield Finding(
                rule=NAME,
                severity="warn",
                path=file.path,
                line=None,
                message=f"{trespass}, and agent {change.ownership.agent} changed it",
                remedy="Leave the file as the target has it and ask its owner, or have the registry on the target "
                "give it to this agent.",
            )


def _trespass(path: str, ownership: Ownership) -> str | None:
    owners = sorted({o.agent for o in ownership.owners if any(path_matches(path, glob) for glob in o.paths)})
    if ownership.agent in owners:
        return None
    if owners:
        return f"the file belongs to agent {', '.join(owners)}"
    return None if PurePosixPath(path).suffix in EVERYBODYS else "the file belongs to no agent"
