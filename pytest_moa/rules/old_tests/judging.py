"""What the runs of the old tests say: whom to run again, what failed for the branch's sake, what cannot be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_moa.model.evidence import Evidence
from pytest_moa.model.results import Finding
from pytest_moa.model.text import plural
from pytest_moa.rules.gate import Doubt, incomplete
from pytest_moa.rules.old_tests.plan import OldTests

NAME = "old-tests-fail"

SHOWN = 3
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
    """An old test that did not pass: a pytest argument (`path::Class::function`, or `path` for a whole file).

    `ids` are the ids of it that did not, empty where no single one did.
    """

    argument: str
    message: str
    ids: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        return self.argument.split("::", 1)[0]


def suspects(plan: OldTests, evidence: Evidence) -> tuple[Suspect, ...]:
    """What did not pass and has to be looked at again, each once, with all of its ids."""
    found: dict[str, Suspect] = {}
    for suspect in (*_uncollected(plan, evidence), *_failed(plan, evidence), *_ended(plan, evidence)):
        known = found.setdefault(suspect.argument, suspect)
        found[suspect.argument] = replace(known, ids=known.ids | suspect.ids)
    return tuple(found.values())


def _failed(plan: OldTests, evidence: Evidence) -> Iterator[Suspect]:
    for outcome in evidence.outcomes:
        argument = _function(plan, outcome.id)
        quiet = outcome.outcome in {"skipped", "xfailed"} and argument.split("::", 1)[0] not in plan.may_skip
        if outcome.outcome in _BAD or quiet:
            said = f"{outcome.outcome}, although nothing in the tests asks for it: " if quiet else ""
            yield Suspect(
                argument=argument, message=_short(said + outcome.message), ids=frozenset({outcome.id})
            )


def _uncollected(plan: OldTests, evidence: Evidence) -> Iterator[Suspect]:
    """Files that could not be imported, and files with tests of which none was collected."""
    broken = _broken(plan, evidence)
    yield from (Suspect(argument=path, message=_short(message)) for path, message in broken.items())
    if evidence.session_status not in {0, 1, 5}:
        return
    seen = {_path_of(plan, test.split("::", 1)[0]) for test in evidence.collected}
    tested = {name.split("::", 1)[0] for name in plan.lines if _is_test(name)}
    for path in plan.arguments:
        if path in tested and path not in seen | broken.keys():
            yield Suspect(argument=path, message="nothing of this file was collected")


def _ended(plan: OldTests, evidence: Evidence) -> Iterator[Suspect]:
    """The test that the process did not come back from."""
    if evidence.running is None or evidence.session_status is not None:
        return
    end = evidence.end
    how = "it did not end" if end.timed_out else "the test process ended in the middle of it"
    how = how if end.signal is None or end.timed_out else f"signal {end.signal} ended the test process"
    yield Suspect(argument=_function(plan, evidence.running), message=how, ids=frozenset({evidence.running}))


def _broken(plan: OldTests, evidence: Evidence) -> dict[str, str]:
    """Files with a collection error, and its message."""
    return {p: error.message for error in evidence.collection_errors for p in _paths_of(plan, error.id)}


def _is_test(name: str) -> bool:
    return name.rpartition("::")[2].lower().startswith("test")


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
        found = [_finding(plan, start)] if runs_elsewhere(baseline) else []
        return found, [] if found else _lost(baseline, due=True)
    asked = suspects(plan, evidence)
    left = left_after(asked, plan, again)
    blamed = [suspect for suspect in left if _passes(plan, suspect, baseline)]
    if blamed:
        return _told(plan, blamed), []
    lost = [
        *_lost(again, due=bool(asked)),
        *_lost(baseline, due=bool(left) or needs_baseline(evidence)),
    ]
    return [], lost[:1] or _doubts(evidence, baseline)


def _lost(run: Evidence | None, *, due: bool) -> list[Doubt]:
    """What a run that clears a suspect must not lack: its record, whole."""
    if run is None:
        remedy = "Run the gate again: the evidence is not whole."
        said = "an old test failed, and the run that would tell why is not there"
        return [Doubt(reason=said, remedy=remedy)] if due else []
    if not run.problems:
        return []
    return [Doubt(reason=f"a failed old test was run again: {run.problems[0]}", remedy="Run the gate again.")]


def left_after(asked: Sequence[Suspect], plan: OldTests, again: Evidence | None) -> tuple[Suspect, ...]:
    """The suspects, and the ids of each, without those that passed the second time: a flaky test blames nobody."""
    if again is None:
        return tuple(asked)
    good = {o.id for o in again.outcomes if o.outcome in _GOOD}
    left = []
    for suspect in asked:
        ids = suspect.ids - good
        cleared = not ids if suspect.ids & good else _passes(plan, suspect, again)
        if not cleared:
            left.append(replace(suspect, ids=ids))
    return tuple(left)


def runs_elsewhere(baseline: Evidence | None) -> bool:
    """Whether the target itself came to its tests."""
    return baseline is not None and bool(baseline.collected) and baseline.session_status in {0, 1, 5}


def _passes(plan: OldTests, suspect: Suspect, evidence: Evidence | None) -> bool:
    """Whether a run passed what the suspect stands for: one of its ids, or, where the ids are others, every test of it.

    A file passes where it was imported and any of its tests passed: some may be red on the target, too.
    """
    if evidence is None or suspect.path in _broken(plan, evidence):
        return False
    mine = [o for o in evidence.outcomes if _is_of(_function(plan, o.id), suspect.argument)]
    named = [o for o in mine if o.id in suspect.ids]
    ran = named or [o for o in mine if o.outcome not in {"skipped", "xfailed"}]
    some = bool(named) or "::" not in suspect.argument
    good = [o.outcome in _GOOD for o in ran]
    return any(good) if some else bool(good) and all(good)


def _is_of(function: str, argument: str) -> bool:
    return function == argument or function.startswith(argument + "::")


def _doubts(evidence: Evidence, baseline: Evidence | None) -> list[Doubt]:
    """What makes the first run say less than it seems to. Red tests are what it is there for, and no doubt."""
    reasons = [d for d in incomplete(evidence) if not d.whole]
    if evidence.session_status in {0, 5} and not evidence.end.timed_out and not evidence.problems:
        # Nothing collected, or everything skipped: the suspects spoke of what should not be so.
        reasons = [d for d in reasons if evidence.foreign]
    if not reasons or (_could_not_start(evidence) and not runs_elsewhere(baseline)):
        return []
    if _could_not_start(evidence):
        reason = f"the target's own tests could not be started on the branch's source (exit status {evidence.end.status})"
        remedy = "They start on the target: look at what the branch changed in settings and conftests."
        return [Doubt(reason=reason, remedy=remedy)]
    reason = f"the target's own tests on the branch's source: {reasons[0].reason}"
    return [Doubt(reason=reason, remedy=reasons[0].remedy)]


def _could_not_start(evidence: Evidence) -> bool:
    return not evidence.collected and not evidence.collection_errors and not evidence.end.timed_out


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
        ours = [s for s in ours if "::" not in s.argument] or ours  # noqa: PLW2901 - the ones that are told
        gone = [s for s in ours if _is_gone(plan, s)]
        standing = [s for s in ours if s not in gone]
        found += [_finding(plan, s) for s in standing[:SHOWN]]
        found += _rest(path, standing[SHOWN:])
        found += [_note(plan, s) for s in gone[:SHOWN]]
    return found


def _is_gone(plan: OldTests, suspect: Suspect) -> bool:
    """Whether `tests-removed` speaks of it: the function, or for a file every test in it."""
    if "::" in suspect.argument:
        return suspect.argument in plan.gone
    tests = {name for name in plan.lines if name.startswith(suspect.path + "::") and _is_test(name)}
    classes = {name.rpartition("::")[0] for name in plan.lines}
    return bool(tests - classes) and tests - classes <= plan.gone


def _finding(plan: OldTests, suspect: Suspect) -> Finding:
    return Finding(
        rule=NAME,
        severity="block",
        path=suspect.path,
        line=plan.lines.get(suspect.argument),
        message=f"{_what(suspect)} on this branch's source: {suspect.message}",
        remedy=_REMEDY.format(path=suspect.path),
    )


def _what(suspect: Suspect) -> str:
    if "::" in suspect.argument:
        return f"the target's `{suspect.argument}` passes there and fails"
    return "the target's version of this file runs there and does not"


def _rest(path: str, more: Sequence[Suspect]) -> list[Finding]:
    if not more:
        return []
    return [
        Finding(
            rule=NAME,
            severity="block",
            path=path,
            line=None,
            message=f"and {plural(len(more), 'more test')} of the target's version of this file",
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
    # The place in an installed library says less than the words.
    line = re.sub(r"^/\S+:\d+: ", "", " ".join(message.split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
