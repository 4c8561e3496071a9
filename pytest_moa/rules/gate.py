"""The verdict: evidence and figures to PASSED, FAILED or UNDETERMINED, with the reason. Fails closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_moa.model.evidence import Evidence, TestOutcome
from pytest_moa.model.results import CoverageFigure, Failure, Finding, TestCounts, Verdict
from pytest_moa.model.text import plural, ranges

_BAD = frozenset({"failed", "error"})
_STATUS = {
    2: "pytest was interrupted (exit status 2)",
    3: "pytest itself broke (exit status 3)",
    4: "pytest refused its command line or settings (exit status 4)",
}
_REMEDY = {4: "Run `pytest` there: it names the option, setting or path that it does not take."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and why; `remedy` says what to do next. `hang` is the test that never ended."""

    verdict: Verdict
    reason: str | None = None
    remedy: str | None = None
    hang: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason why nothing can be said, and what helps. `whole`: every test ran, so the coverage counts all the same."""

    reason: str
    remedy: str
    whole: bool = False


def judge(
    evidence: Evidence | None,
    *,
    coverage: CoverageFigure | None,
    findings: Sequence[Finding] = (),
    doubts: Sequence[Doubt] = (),
) -> Judgement:
    """The verdict over a run (None: nothing was run). `doubts` are reasons found outside the run (coverage unreadable, repository touched…).

    FAILED where anything failed: a test, a blocking finding, or (only in a complete run) the coverage.
    Else UNDETERMINED where anything is missing or contradicts itself. Else PASSED.
    """
    found = (*(incomplete(evidence) if evidence else ()), *doubts)
    failed = [
        *(_red(evidence) if evidence else ()),
        *_blocked(findings),
        *(_short(coverage) if all(doubt.whole for doubt in found) else []),
    ]
    hang = evidence.running if evidence and evidence.end.timed_out else None
    if failed:
        first = failed[0]
        return Judgement(
            verdict="failed", reason=_joined(d.reason for d in failed), remedy=first.remedy, hang=hang
        )
    if found:
        return Judgement(
            verdict="undetermined", reason=_joined(d.reason for d in found), remedy=found[0].remedy, hang=hang
        )
    return Judgement(verdict="passed")


def incomplete(evidence: Evidence) -> tuple[Doubt, ...]:
    """Every reason why a run does not prove what it seems to say."""
    return (
        *_ended_badly(evidence),
        *(
            Doubt(reason=p, remedy="Run it again; if it stays, look for code that ends or patches pytest.")
            for p in evidence.problems
        ),
        *_imported_elsewhere(evidence),
        *_uncounted(evidence),
    )


def early_exit(evidence: Evidence) -> Finding | None:
    """The run-time half of the rule `early-exit`: the process ended by itself, and collected tests have no outcome.

    A signal or the time limit that ended it is no such thing: a crash and a hang are told as what they are.
    """
    end = evidence.end
    if end.timed_out or end.signal is not None or not evidence.collected:
        return None
    ended = {outcome.id for outcome in evidence.outcomes}
    lost = [test for test in evidence.collected if test not in ended]
    if not lost or (evidence.session_status in {1, 2} and failures(evidence)):
        return None
    where = evidence.running or lost[0]
    return Finding(
        rule="early-exit",
        severity="block",
        path=where.split("::", 1)[0],
        line=None,
        message=f"the run ended early: {plural(len(lost), 'collected test')} left no outcome, first {_some([where])}",
        remedy="Take out what ends the process or the session (os._exit, pytest.exit, a signal, a plugin).",
    )


def counts(evidence: Evidence, only: frozenset[str] | None = None) -> TestCounts:
    """The counts over all ids, or over those in `only`. Collection errors count as errors."""
    outcomes = [o for o in evidence.outcomes if only is None or o.id in only]
    tally = Counter(outcome.outcome for outcome in outcomes)
    return TestCounts(
        collected=len(evidence.collected if only is None else only.intersection(evidence.collected)),
        passed=tally["passed"] + tally["xpassed"],
        failed=tally["failed"],
        skipped=tally["skipped"] + tally["xfailed"],
        errors=tally["error"] + len(evidence.collection_errors),
    )


def failures(evidence: Evidence) -> tuple[Failure, ...]:
    """What went red, collection errors first."""
    red = [*evidence.collection_errors, *(o for o in evidence.outcomes if o.outcome in _BAD)]
    return tuple(Failure(id=outcome.id, message=outcome.message) for outcome in red)


def _red(evidence: Evidence) -> list[Doubt]:
    red = failures(evidence)
    if not red:
        return []
    names = _some(f.id for f in red)
    verb = "fails" if len(red) == 1 else "fail"
    return [
        Doubt(
            reason=f"{plural(len(red), 'test')} {verb}: {names}",
            remedy=f"Run {_again(evidence, red[0].id)} on your branch merged with the target, and mend the code.",
        )
    ]


def _again(evidence: Evidence, test: str) -> str:
    return f"`pytest {test}`" if evidence.tool == "pytest" else "the registry's `command`"


def _blocked(findings: Sequence[Finding]) -> list[Doubt]:
    blocks = [f for f in findings if f.severity == "block"]
    return [
        Doubt(reason=f"{f.rule}: {f.message} ({f.path}{f':{f.line}' if f.line else ''})", remedy=f.remedy)
        for f in blocks
    ]


def _short(coverage: CoverageFigure | None) -> list[Doubt]:
    if coverage is None or coverage.enough:
        return []
    worst = min(coverage.files, key=lambda f: f.percent)
    reason = f"coverage of own code is {coverage.percent}%, below {coverage.threshold}%"
    return [
        Doubt(
            reason=reason,
            remedy=f"Test the lines that nothing runs, first in {worst.path}: {ranges(worst.missing)}.",
        )
    ]


def _ended_badly(evidence: Evidence) -> list[Doubt]:
    end = evidence.end
    if end.timed_out:
        where = f"while {evidence.running} ran" if evidence.running else "while no test was running"
        return [
            Doubt(
                reason=f"the time limit ended the run after {end.seconds:.0f} s {where}",
                remedy="Mend the hang, or raise `agents.timeout` on the target.",
            )
        ]
    if end.signal is not None:
        where = f" while {evidence.running} ran" if evidence.running else ""
        return [
            Doubt(
                reason=f"signal {end.signal} ended the test process{where}",
                remedy="Look for a crash (a segfault, a kill) in the code under test.",
            )
        ]
    if end.status is None:
        return [
            Doubt(
                reason="the test process left no exit status",
                remedy="Run it again; a test that kills its parent does this.",
            )
        ]
    if evidence.session_status is None:
        return [
            Doubt(
                reason=_no_session(evidence),
                remedy="See the output; `moa bootstrap` checks the environment.",
            )
        ]
    if end.status != evidence.session_status:
        return [
            Doubt(
                reason=f"the process ended with {end.status} although pytest's own status was {evidence.session_status}",
                remedy="Look for code that calls os._exit, registers atexit functions or ends the process.",
            )
        ]
    return _status_doubt(evidence, end.status)


def _no_session(evidence: Evidence) -> str:
    if evidence.end.status == 127:
        return "the test command was not found (exit status 127)"
    if evidence.running:
        return f"the process ended with {evidence.end.status} in the middle of {evidence.running}"
    if evidence.end.status == 126:
        return "the test command could not be run (exit status 126)"
    return f"the process ended with {evidence.end.status} before {evidence.tool} had finished"


def _status_doubt(evidence: Evidence, status: int) -> list[Doubt]:
    red = bool(failures(evidence))
    of_pytest = evidence.tool == "pytest"
    if of_pytest and status in _STATUS and not red:
        return _status_of_pytest(status, red=red)
    if (status == 5 and of_pytest) or not evidence.collected:
        remedy = "Add tests, or name them under `registry: tests`."
        return [] if red else [Doubt(reason="no tests were collected", remedy=remedy)]
    # What another command's exit status means is its own; its reader compared it with the reports.
    return _status_of_pytest(status, red=red) if of_pytest else []


def _status_of_pytest(status: int, *, red: bool) -> list[Doubt]:
    if status in _STATUS:
        return [Doubt(reason=_STATUS[status], remedy=_REMEDY.get(status, "See the output."))]
    if status == 0 and red:
        return [
            Doubt(
                reason="pytest exited with 0 although tests failed",
                remedy="Look for a hook or plugin that changes the exit status.",
            )
        ]
    if status == 1 and not red:
        return [
            Doubt(
                reason="pytest exited with 1 although no test failed",
                remedy="A plugin or setting of the project fails the run, for example pytest-cov's `fail_under`; see the output.",
                whole=True,
            )
        ]
    if status > 5:
        return [Doubt(reason=f"pytest exited with the unknown status {status}", remedy="See the output.")]
    return []


def _imported_elsewhere(evidence: Evidence) -> list[Doubt]:
    if not evidence.foreign:
        return []
    first = evidence.foreign[0]
    return [
        Doubt(
            reason=f"the tests imported {first.name} from {first.file}, not from the candidate",
            remedy="The project is installed from another checkout: uninstall it there, or make an environment for the tests with `environment.setup`.",
        )
    ]


def _uncounted(evidence: Evidence) -> list[Doubt]:
    """Collected ids without an outcome; a run in which not one test passed or failed proves nothing either."""
    if evidence.session_status is None or evidence.end.timed_out or evidence.end.signal is not None:
        return []
    ended = {outcome.id for outcome in evidence.outcomes}
    lost = [test for test in evidence.collected if test not in ended]
    if lost:
        return [
            Doubt(
                reason=f"{plural(len(lost), 'collected test')} left no outcome: {_some(lost)}",
                remedy="Look for code that ends the run early (pytest.exit, os._exit, maxfail).",
            )
        ]
    if evidence.collected and not any(_ran(outcome) for outcome in evidence.outcomes):
        return [
            Doubt(
                reason=f"all {plural(len(evidence.collected), 'collected test')} were skipped",
                remedy="At least one test has to run.",
            )
        ]
    return []


def _ran(outcome: TestOutcome) -> bool:
    return outcome.outcome in {"passed", "failed", "error", "xpassed", "xfailed"}


def _some(ids: Iterable[str], most: int = 3) -> str:
    names = list(ids)
    shown = ", ".join(name if len(name) <= 200 else name[:197] + "…" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))
