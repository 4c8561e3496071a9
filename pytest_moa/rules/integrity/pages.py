"""The rules' names, default severities and pages: what `moa explain` prints and what a policy may name.

`python -m pytest_moa.rules.integrity.pages > docs/gate-rules.md` renews the page of all of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from pytest_moa.model.integrity import DEFAULT_SEVERITY, Severity
from pytest_moa.rules import no_new_failure, old_tests
from pytest_moa.rules.integrity import RULES
from pytest_moa.rules.probes import pages as probes
from pytest_moa.rules.probes.verdict import BLIND, UNNOTICED

_ENDED = """
**At run time** the same rule speaks where the process ended by itself while collected tests had no outcome yet, whatever
its exit status says. A signal, a crash of the interpreter and the time limit are told as what they are.
"""


def _written(docstring: str | None) -> str:
    return (docstring or "").strip() + "\n"


PAGES: Mapping[str, str] = {
    **{rule.NAME: _written(rule.__doc__) for rule in RULES},
    old_tests.NAME: _written(old_tests.__doc__),
    no_new_failure.NAME: _written(no_new_failure.__doc__),
    UNNOTICED: probes.UNNOTICED,
    BLIND: probes.BLIND,
}
"""Each rule's page as Markdown, those included whose news only a run can bring."""

_ALSO_AT_RUN_TIME = {"early-exit": _ENDED}

INTRODUCTION = """\
# The gate's rules

What moa looks for in a branch besides red tests and missing coverage: the ways to make a gate green without doing the
work. `moa explain RULE` prints a section of this page; `moa explain` lists the rules.

The static rules compare the candidate with the target, by syntax tree and parsed settings, as git has them. Nothing of
the branch is imported. `old-tests-fail`, `no-new-failure`, the probes and half of `early-exit` need a run.

## How a finding counts

A finding names rule, file, line, what was seen and what to do instead. Its severity is one of

| severity | what follows |
| --- | --- |
| `block` | the gate fails, and nothing is integrated |
| `warn` | told, and probed first: a warning directs the probes, and a probe that confirms it blocks |
| `note` | told |
| `off` | not told |

Suspicion alone accuses nobody; an experiment does. What a `warn` points at gets deliberate faults first; where the tests
notice none of these, the finding becomes `block`.

Each rule has a default severity, and may give some of its findings a milder one. The policy, which is always read from the
*target's* commit, can change it for the whole rule:

```yaml
integrity:
  severity:
    agent-instructions: note
    assertions-weakened: block
```

## The legal way out

Honest work removes tests, too. A person who has looked at the finding lets it through, in one of two places; a branch can
say nothing for itself, neither by a comment nor by an event in the ledger.

On the target, reviewed as any other change:

```yaml
integrity:
  allow:
  - rule: tests-removed          # a rule's name, or "*"
    path: tests/test_total.py    # a glob: `*` stays inside a folder, `**` crosses folders, a folder means all of it
    agent: "03"                  # by default any
    until: 2026-12-31            # the last day on which it holds
    content: 1f7a7a472abf3dd9    # the blob that it was given for: another change needs another word
    because: total() is gone
```

Or by whoever runs the command, for this once:

```sh
moa gate 03 --allow tests-removed:tests/test_total.py --because "total() is gone"
moa integrate 03 --allow tests-removed:tests/test_total.py --because "total() is gone"
```

The word is written into the merge commit (`Moa-Allow`) and the ledger.

"""


def rule_names() -> tuple[str, ...]:
    """Every rule's name, also of those that need a run."""
    return tuple(DEFAULT_SEVERITY)


def default_severity(rule: str) -> Severity:
    """A rule's severity where the policy says nothing. Raises KeyError for a name that no rule has."""
    return DEFAULT_SEVERITY[rule]


def page(rule: str) -> str | None:
    """A rule's page as Markdown; None where no rule has that name."""
    written = PAGES.get(rule)
    return None if written is None else written + _ALSO_AT_RUN_TIME.get(rule, "")


def summary(rule: str) -> str:
    """What the rule sees, in one line of plain text."""
    first = (page(rule) or "").split("\n\n", 1)[0]
    said = re.sub(r"\s+", " ", first.removeprefix("**Sees:**")).strip()
    return re.split(r"(?<=[.;])\s", said, maxsplit=1)[0].rstrip(".;")


def document() -> str:
    """docs/gate-rules.md: the introduction, a table of the rules, and a section each."""
    rows = [
        f"| [`{name}`](#{name}) | `{default_severity(name)}` | {summary(name)} |" for name in rule_names()
    ]
    table = "\n".join(["## The rules", "", "| rule | default | sees |", "| --- | --- | --- |", *rows])
    sections = [
        f"## {name}\n\nDefault severity: `{default_severity(name)}`\n\n{_without_default(page(name) or '')}"
        for name in rule_names()
    ]
    return f"{INTRODUCTION}{table}\n\n" + "\n".join(sections)


def _without_default(text: str) -> str:
    """A page that repeats its plain default says nothing by it."""
    return re.sub(r"^\*\*Default:\*\* `\w+`\.\n\n", "", text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.stdout.write(document())
