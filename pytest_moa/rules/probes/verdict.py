"""What the probes found: figures, findings, and warnings that they confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_moa.model.results import Finding, ProbeFigure, UnnoticedProbe
from pytest_moa.model.text import plural
from pytest_moa.rules.probes.course import Probed, Probing, meanings
from pytest_moa.rules.probes.plan import Warned

UNNOTICED, BLIND = "probe-unnoticed", "probe-blind"
_NAMED = 3


def figure_of(probing: Probing) -> ProbeFigure | None:
    """The figure; None where there was nothing to probe."""
    if not probing.plan.order:
        return None
    results = list(probing.results.values())
    unnoticed = meanings(results, "unnoticed")
    noticed = len(meanings(results, "noticed"))
    return ProbeFigure(
        tried=noticed + len(unnoticed),
        noticed=noticed,
        unnoticed=tuple(
            UnnoticedProbe(
                path=p.fault.path,
                line=p.fault.line,
                fault=p.fault.told,
                function=p.fault.function,
                tests=probing.plan.tests[p.fault.id],
            )
            for p in sorted(unnoticed, key=lambda p: (p.fault.path, p.fault.line, p.fault.splice.start))
        ),
        seed=probing.plan.seed,
        voids=len(meanings(results, "void")),
    )


def findings_of(probing: Probing) -> list[Finding]:
    """A note for each fault that nobody noticed, and a block where the tests look away altogether."""
    results = list(probing.results.values())
    unnoticed = meanings(results, "unnoticed")
    found = [_unnoticed(probed, probing.plan.tests[probed.fault.id]) for probed in unnoticed]
    if probing.decision == "blind":
        # One a file: a person's word for one of them says nothing about the others.
        paths = sorted({probed.fault.path for probed in unnoticed})
        found += [_blind(results, unnoticed, path) for path in paths]
    return found


def confirmed(
    findings: Iterable[Finding], warned: Mapping[Finding, Warned], probing: Probing
) -> list[Finding]:
    """The findings, those blocking whose suspicion the probes confirmed."""
    return [
        _confirmed(finding, probing.confirmed.get(warned[finding], 0)) if finding in warned else finding
        for finding in findings
    ]


def _confirmed(finding: Finding, probes: int) -> Finding:
    if not probes or finding.severity != "warn":
        return finding
    told = f"{finding.message}; confirmed by {plural(probes, 'probe')}: of as many deliberate faults there the tests noticed none"
    return replace(finding, severity="block", message=told)


def _unnoticed(probed: Probed, tests: Sequence[str]) -> Finding:
    fault = probed.fault
    looked = f"{plural(len(tests), 'test')} ran it and looked away: {_some(tests)}"
    return Finding(
        rule=UNNOTICED,
        severity="note",
        path=fault.path,
        line=fault.line,
        message=f"no test notices it when, in {fault.function}, {fault.told} ({looked})",
        remedy="Assert what this line decides: the value it returns, or what the call changes.",
    )


def _blind(results: Sequence[Probed], unnoticed: Sequence[Probed], path: str) -> Finding:
    first = min((p for p in unnoticed if p.fault.path == path), key=lambda p: p.fault.line)
    tried = len(results) - len(meanings(results, "void"))
    return Finding(
        rule=BLIND,
        severity="block",
        path=first.fault.path,
        line=first.fault.line,
        message=(
            f"the tests run this code and do not look at what it does: of {tried} deliberate faults in covered lines "
            f"they noticed {tried - len(unnoticed)}"
        ),
        remedy="Assert results in the tests that run these lines; the probe-unnoticed notes name faults and tests.",
    )


def _some(tests: Sequence[str]) -> str:
    names = [name.removeprefix("@") if name.startswith("@") else name for name in tests[:_NAMED]]
    rest = len(tests) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
