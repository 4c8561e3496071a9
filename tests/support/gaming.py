"""Gaming scenarios as small stories: a project's files before and after a trick, and what the rules say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity import UNREAD, review
from pytest_moa.rules.integrity.kit import Ownership, Side


@dataclass(frozen=True)
class Trick:
    """A branch that games its gate: files before and after (None: removed), and the finding that it must meet.

    `rule` None says that the branch is honest although it looks suspicious. `unchanged` are further files of the
    project that rules may read.
    """

    name: str
    after: Mapping[str, str | None]
    rule: str | None
    severity: str = "block"
    before: Mapping[str, str] | None = None
    unchanged: Mapping[str, str] | None = None
    ownership: Ownership | None = None

    def findings(self) -> list[Finding]:
        before = {path: dedent(text) for path, text in (self.before or {}).items()}
        after = {path: None if text is None else dedent(text) for path, text in self.after.items()}
        return findings(before, after, self.unchanged or {}, self.ownership)

    def check(self) -> None:
        """The expected rule speaks with the expected severity; an honest branch meets no finding above a note."""
        found = self.findings()
        said = [(f.rule, f.severity) for f in found]
        if self.rule is None:
            assert [f for f in found if f.severity != "note"] == [], self.name
        else:
            assert (self.rule, self.severity) in said, f"{self.name}: {found or 'nothing seen'}"


def findings(
    before: Mapping[str, str],
    after: Mapping[str, str | None],
    unchanged: Mapping[str, str] = {},
    ownership: Ownership | None = None,
) -> list[Finding]:
    """What `review` says of a change from `before`; a path that `after` does not name stays as it was."""
    files = [
        {"path": path, "before": before.get(path), "after": text}
        for path, text in after.items()
        if before.get(path) != text
    ]
    stays = {path: dedent(text) for path, text in {**before, **unchanged}.items()}

    def read(path: str, side: Side) -> str | None:
        return stays.get(path)

    found = review(files, read, ownership=ownership)
    assert not [f for f in found if f.message.startswith(UNREAD)], "a rule broke: that is our mistake"
    return found
