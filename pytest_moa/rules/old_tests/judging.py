"""What the runs of the old tests say: whom to run again, what failed for the branch's sake, what cannot be told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_moa.model.evidence import Evidence, TestOutcome
from pytest_moa.model.results import Finding
from pytest_moa.model.text import plural
from pytest_moa.rules.gate import Doubt, incomplete
from pytest_moa.rules.old_tests.plan import OldTests

NAME = "old-tests-fail"

SHOWN = 5
"""Findings a file; the rest is counted in one more."""

_LONGEST = 300
_BAD = frozenset({"failed", "error"})
_GOOD = frozenset({"passed", "xpassed"})
_CONFTEST = re.compile(r"ImportError while loading conftest '([^']+)'")
_REMEDY = (
    "Keep what the target's test asks for. Where the behaviour is meant to change, a person allows it: `integrity.allow` "
    'on the target, or `--allow old-tests-fail:{path} --because "…"`.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An old test that did not pass: a pytest argument (`path::Class::function`, or `path` for a whole file)."""

    argument: str
    message: str

    @property
    def path(self) -> str:
        return self.argument.split("::", 1)[0]


def suspects(plan: OldTests, evidence: Evidence) -> tuple[Suspect, ...]:
    """What did not pass and has to be looked at again, each once."""
    found: dict[str, Suspect] = {}
    for suspect in _suspected(plan, evidence):
        found.setdefault(suspect.argument, suspect)
    return tuple(found.values())


def _suspected(plan: OldTests, evidence: Evidence) -> Iterator[Suspect]:
    for error in evidence.collection_errors:
        for path in _paths_of(plan, error.id):
            yield Suspect(argument=path, message=_short(error.message))
    seen: set[str] = set()
    for outcome in evidence.outcomes:
        argument = _function(plan, outcome.id)
        path = argument.split("::", 1)[0]
        seen.add(path)
        if outcome.outcome in _BAD:
            yield Suspect(argument=argument, message=_short(outcome.message))
        elif outcome.outcome in {"skipped", "xfailed"} and path not in plan.may_skip:
            yield Suspect(
                argument=argument, message=f"{outcome.outcome}, although nothing in the tests asks for it"
            )
    if evidence.running is not None and (evidence.end.timed_out or evidence.end.signal is not None):
        how = "did not end" if evidence.end.timed_out else f"was ended by signal {evidence.end.signal}"
        yield Suspect(argument=_function(plan, evidence.running), message=how)
        return
    broken = {path for error in evidence.collection_errors for path in _paths_of(plan, error.id)}
    if evidence.session_status in {0, 1, 5}:
        tested = {name.split("::", 1)[0] for name in plan.lines}
        for path in plan.arguments:
            if path in tested and path not in seen | broken:
                yield Suspect(argument=path, message="nothing of this file was collected")


def broken_start(plan: OldTests, evidence: Evidence) -> Suspect | None:
    """A conftest of the target's that cannot be imported: pytest ends before it collects anything."""
    found = _CONFTEST.search(evidence.end.output)
    if evidence.session_status != 4 or found is None:
        return None
    tail = evidence.end.output[found.end() :]
    said = [line[1:].strip() for line in tail.splitlines() if line.startswith("E ")]
    place = next((p for p in plan.overlay if found[1].endswith("/" + p)), None)
    return Suspect(argument=place or found[1].rpartition("/")[2], message=_short(said[-1] if said else ""))


def findings(
    plan: OldTests, evidence: Evidence, again: Evidence | None, baseline: Evidence | None
) -> tuple[list[Finding], list[Doubt]]:
    """The old tests that fail on the branch's source, twice, and pass on the target; and what cannot be told.

    `again` ran the suspects on the same tree, `baseline` those that were left on the target's own; None: there was no need.
    """
    start = broken_start(plan, evidence)
    if start is not None:
        works = baseline is not None and bool(baseline.collected) and baseline.session_status != 4
        return ([_finding(plan, start)] if works else []), []
    blamed = [s for s in left_after(suspects(plan, evidence), plan, again) if _passes(plan, s, baseline)]
    return _told(plan, blamed), _doubts(evidence, blamed, baseline)


def left_after(asked: Sequence[Suspect], plan: OldTests, again: Evidence | None) -> tuple[Suspect, ...]:
    """The suspects without those that passed the second time: a flaky test blames nobody."""
    return tuple(suspect for suspect in asked if again is None or not _passes(plan, suspect, again))


def runs_elsewhere(baseline: Evidence | None) -> bool:
    """Whether the target itself could be run at all."""
    return baseline is not None and baseline.session_status in {0, 1}


def _passes(plan: OldTests, suspect: Suspect, evidence: Evidence | None) -> bool:
    """Whether every outcome of the suspect is a pass, and there is one."""
    if evidence is None:
        return False
    mine = [o for o in evidence.outcomes if _is_of(_function(plan, o.id), suspect.argument)]
    ran = [o for o in mine if o.outcome not in {"skipped", "xfailed"}]
    broken = {path for error in evidence.collection_errors for path in _paths_of(plan, error.id)}
    if suspect.path in broken:
        return False
    if "::" not in suspect.argument:
        # A file counts as running where any of its tests does: some may be red on the target, too.
        return any(o.outcome in _GOOD for o in ran)
    return bool(ran) and all(o.outcome in _GOOD for o in ran)


def _is_of(function: str, argument: str) -> bool:
    return function == argument or function.startswith(argument + "::")


def _doubts(evidence: Evidence, blamed: Sequence[Suspect], baseline: Evidence | None) -> list[Doubt]:
    """What makes the first run say less than it seems to. Red tests are what it is there for, and no doubt."""
    reasons = [d for d in incomplete(evidence) if not d.whole]
    if evidence.session_status in {0, 5} and not evidence.end.timed_out and not evidence.problems:
        # Nothing collected, or everything skipped: the suspects spoke of what should not be so.
        reasons = [d for d in reasons if evidence.foreign]
    if not reasons or blamed or (_could_not_start(evidence) and not runs_elsewhere(baseline)):
        return []
    first = reasons[0]
    return [
        Doubt(reason=f"the target's own tests on the branch's source: {first.reason}", remedy=first.remedy)
    ]


def _could_not_start(evidence: Evidence) -> bool:
    return not evidence.collected and not evidence.end.timed_out


def needs_baseline(evidence: Evidence) -> bool:
    """A run that did not come to its tests: only the target can tell whose fault that is."""
    return _could_not_start(evidence) and evidence.session_status != 5


def _told(plan: OldTests, blamed: Sequence[Suspect]) -> list[Finding]:
    by_path: dict[str, list[Suspect]] = {}
    for suspect in blamed:
        by_path.setdefault(suspect.path, []).append(suspect)
    found: list[Finding] = []
    for path, ours in sorted(by_path.items()):
        # A file that cannot be imported says it all.
        whole = [s for s in ours if "::" not in s.argument]
        standing = whole or [s for s in ours if s.argument not in plan.gone]
        gone = [] if whole else [s for s in ours if s.argument in plan.gone]
        found += [_finding(plan, s) for s in standing[:SHOWN]]
        found += _rest(path, standing[SHOWN:])
        found += [_note(plan, s) for s in gone[:SHOWN]]
    return found


def _finding(plan: OldTests, suspect: Suspect) -> Finding:
    what = _what(suspect)
    return Finding(
        rule=NAME,
        severity="block",
        path=suspect.path,
        line=plan.lines.get(suspect.argument),
        message=f"{what} passes on the target and fails on this branch's source: {suspect.message}",
        remedy=_REMEDY.format(path=suspect.path),
    )


def _what(suspect: Suspect) -> str:
    if "::" in suspect.argument:
        return f"the target's `{suspect.argument}`"
    return "the target's version of this file"


def _rest(path: str, more: Sequence[Suspect]) -> list[Finding]:
    if not more:
        return []
    return [
        Finding(
            rule=NAME,
            severity="block",
            path=path,
            line=None,
            message=f"{plural(len(more), 'more test')} of the target's version of this file fail on this branch's source",
            remedy=_REMEDY.format(path=path),
        )
    ]


def _note(plan: OldTests, suspect: Suspect) -> Finding:
    """A removed test is the matter of `tests-removed`, and one allowance is enough: here it is only news."""
    return Finding(
        rule=NAME,
        severity="note",
        path=suspect.path,
        line=plan.lines.get(suspect.argument),
        message=f"`{suspect.argument}`, which this branch removes, would fail on its source: {suspect.message}",
        remedy="Whoever allows the removal (`tests-removed`) should know that the behaviour changed, too.",
    )


def _function(plan: OldTests, test_id: str) -> str:
    """A test's id without its parameters, its file as the plan names it."""
    file, colons, rest = test_id.partition("::")
    return f"{_path_of(plan, file)}{colons}{rest.split('[', 1)[0]}"


def _path_of(plan: OldTests, file: str) -> str:
    """Pytest's ids begin at its root folder, which a settings file may have set elsewhere."""
    if file in plan.arguments:
        return file
    ends = [a for a in plan.arguments if a.endswith("/" + file) or file.endswith("/" + a)]
    return ends[0] if len(ends) == 1 else file


def _paths_of(plan: OldTests, node: str) -> list[str]:
    """The files that a collection error stands for: the file, or all below the package whose `__init__` failed."""
    path = _path_of(plan, node.split("::", 1)[0])
    if path in plan.arguments:
        return [path]
    folder = path.removesuffix("/__init__.py").rstrip("/")
    below = [a for a in plan.arguments if folder in {"", "."} or a.startswith(folder + "/")]
    return below or [path]


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def outcomes_of(plan: OldTests, path: str, outcomes: Iterable[TestOutcome]) -> list[TestOutcome]:
    """The outcomes of one file's tests."""
    return [o for o in outcomes if _function(plan, o.id).split("::", 1)[0] == path]
