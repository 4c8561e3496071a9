"""`moa explain [RULE]`."""

from __future__ import annotations

import click

from pytest_moa.cli.output import say
from pytest_moa.errors import UsageError
from pytest_moa.render.json_contract import SCHEMA, dumps
from pytest_moa.rules.integrity.pages import default_severity, page, rule_names, summary


@click.command()
@click.argument("rule", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of words.")
def explain(*, rule: str | None, as_json: bool) -> int:
    """Print a rule's page: what it sees, an example, what it leaves alone, and the legal way out.

    Without RULE all rules are listed, with their default severities.
    """
    names = rule_names()
    if rule is None:
        rows = [{"rule": name, "severity": default_severity(name), "sees": summary(name)} for name in names]
        if as_json:
            say(dumps({"schema": SCHEMA, "rules": rows}))
            return 0
        width = max(len(name) for name in names)
        for row in rows:
            say(f"{row['rule']:<{width}}  {row['severity']:<5}  {row['sees']}")
        return 0
    text = page(rule)
    if text is None:
        raise UsageError(
            f"There is no rule {rule!r}",
            reason=f"there are {', '.join(names)}",
            remedy="`moa explain` lists them.",
        )
    if as_json:
        say(dumps({"schema": SCHEMA, "rule": rule, "severity": default_severity(rule), "page": text}))
    else:
        say(f"# {rule}  (default: {default_severity(rule)})\n\n{text.rstrip()}")
    return 0
