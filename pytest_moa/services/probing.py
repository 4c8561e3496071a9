"""What is to be probed in a candidate, and what its probes mean once they were asked. Runs nothing itself."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.policy import ProbeKeys
from pytest_moa.model.policy import ProbesAsked as ProbesAsked  # noqa: PLC0414 - services ask for it here
from pytest_moa.model.results import Finding, ProbeFigure
from pytest_moa.rules.gate import Doubt, judge
from pytest_moa.rules.integrity.kit import is_test_path, parsed
from pytest_moa.rules.probes.course import Probing
from pytest_moa.rules.probes.plan import Ground, Warned, Wish, plan_of
from pytest_moa.rules.probes.reached import only_imported
from pytest_moa.rules.probes.record import ProbeRecord, replayed
from pytest_moa.rules.probes.verdict import confirmed, figure_of, findings_of
from pytest_moa.services.subject import Subject
from pytest_moa.services.traces import Traces
from pytest_moa.testing.probing import ProbeRequest, contexts_in, seconds_of
from pytest_moa.testing.raw_data import PREFIX

_LONG = 24 * 3600.0
"""Seconds that probes may take which were asked for by their number: whoever asks for all of them waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeNews:
    """What the probes of a run say. `suspected` are the findings that a probe may confirm, as they were told."""

    findings: tuple[Finding, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    figure: ProbeFigure | None = None
    probing: Probing | None = None
    suspected: Mapping[Finding, Warned] | None = None
    notes: tuple[str, ...] = ()

    def confirm(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings, those blocking whose suspicion an experiment confirmed."""
        if self.probing is None or not self.suspected:
            return tuple(findings)
        return tuple(confirmed(findings, self.suspected, self.probing))


def probe_request(
    quarantine: Quarantine,
    subject: Subject,
    findings: Sequence[Finding],
    wish: Wish,
    *,
    labels: tuple[str, ...] | None,
) -> ProbeRequest | None:
    """What the run is asked to keep ready for probes; None where there is nothing to probe, or none is wanted.

    `labels` are the contexts of the agent's own tests; None: every test counts.
    """
    if subject.foreign is not None or wish.count == 0:
        return None
    ground = _ground(quarantine, subject)
    if not ground.texts:
        return None
    suspected = _suspected(quarantine, subject, findings)
    wish = replace(wish, warned=tuple(dict.fromkeys(suspected.values())))
    return ProbeRequest(ground=ground, wish=wish, groups=None if labels is None else frozenset(labels))


def wish_of(keys: ProbeKeys, asked: ProbesAsked | None) -> Wish:
    """How much is probed: the policy's word, or that of a caller who named a number."""
    if asked is None:
        return Wish(count=keys.count, seconds=float(keys.seconds))
    return Wish(count=None if asked == "all" else asked, seconds=_LONG, thorough=True)


def probe_news(
    quarantine: Quarantine,
    subject: Subject,
    traces: Traces,
    findings: Sequence[Finding],
    wish: Wish,
    *,
    executed: Mapping[str, frozenset[int]],
) -> ProbeNews:
    """What the record in the traces means, after its course was followed again from the coverage data and the seed.

    `executed` are the lines of own files that ran at all.
    """
    if subject.foreign is not None or judge(traces.evidence, coverage=None).verdict != "passed":
        return ProbeNews()
    record = traces.probes
    wish = wish if record is None else _as_recorded(wish, record)
    request = probe_request(quarantine, subject, findings, wish, labels=traces.labels)
    if request is None:
        return ProbeNews()
    folder, root = traces.request.run_dir, str(traces.request.work.resolve())
    seconds = seconds_of(traces.evidence)
    contexts = contexts_in(folder, root, request.ground.texts, request.groups, seconds)
    seed = "" if record is None else record.seed
    plan = plan_of(request.ground, contexts, seconds, request.wish, seed)
    alone = len(list(folder.glob(PREFIX + "*"))) == 1
    imported = only_imported(request.ground, contexts, executed) if alone else None
    seen = (imported,) if imported is not None else ()
    if not plan.order:
        return ProbeNews(findings=seen)
    probing = None if record is None else replayed(plan, record)
    if record is None or probing is None:
        return ProbeNews(doubts=(_strange(record),))
    broken = record.ended == "broken" and probing.decision is None
    return ProbeNews(
        findings=(*seen, *findings_of(probing)),
        doubts=(_BROKEN,) if broken else (),
        figure=figure_of(probing),
        probing=probing,
        suspected=_suspected(quarantine, subject, findings),
        notes=(_OUT_OF_TIME,) if record.ended == "time" and probing.decision is None else (),
    )


def _as_recorded(wish: Wish, record: ProbeRecord) -> Wish:
    seconds = _LONG if record.thorough else wish.seconds
    return replace(wish, count=record.count, thorough=record.thorough, seconds=seconds)


_OUT_OF_TIME = (
    "The probes' time was used up before they could say whether the tests look: `integrity.probes.seconds` on the"
    " target gives them more, `--probes N` takes as long as it needs."
)

_BROKEN = Doubt(
    reason="the probes broke off: the tests' process gave no answer",
    remedy="Run it again; if it stays, look for code that kills processes, or gate with `--probes 0` to see the rest.",
    whole=True,
)


def _strange(record: ProbeRecord | None) -> Doubt:
    what = "left no record" if record is None else "left a record that does not follow from the run"
    return Doubt(
        reason=f"the probes {what}",
        remedy="Run it again; if it stays, look for code that reaches into pytest's process or its files.",
        whole=True,
    )


def _ground(quarantine: Quarantine, subject: Subject) -> Ground:
    texts = {
        path: text
        for path, data in git.read_blobs(quarantine.repository, subject.candidate, list(subject.own)).items()
        if (text := _text(data)) is not None
    }
    return Ground(texts=texts, lines={path: subject.own[path] for path in texts})


def _text(data: bytes) -> str | None:
    """The text with plain line ends, as the compiler takes it; None for another encoding."""
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return None


def _suspected(
    quarantine: Quarantine, subject: Subject, findings: Sequence[Finding]
) -> dict[Finding, Warned]:
    """The warnings that point at own code, or at a test by its id."""
    warnings = [f for f in findings if f.severity == "warn" and f.line is not None]
    tests = [f.path for f in warnings if is_test_path(f.path)]
    texts = git.read_blobs(quarantine.repository, subject.candidate, list(dict.fromkeys(tests)))
    trees = {path: parsed(_text(data)) for path, data in texts.items()}
    found = {}
    for finding in warnings:
        if finding.path in subject.own:
            found[finding] = Warned(rule=finding.rule, path=finding.path, line=finding.line)
        elif (tree := trees.get(finding.path)) and (name := _test_at(tree, finding.line or 0)):
            found[finding] = Warned(
                rule=finding.rule, path=finding.path, line=finding.line, test=f"{finding.path}::{name}"
            )
    return found


def _test_at(tree: ast.Module, line: int) -> str | None:
    """The test function that holds a line, as it stands in an id: `TestClass::test_name`."""
    waiting: list[tuple[ast.stmt, str]] = [(node, "") for node in tree.body]
    for node, prefix in waiting:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if first <= line <= (node.end_lineno or node.lineno):
            if not isinstance(node, ast.ClassDef):
                return prefix + node.name
            waiting += [(child, f"{prefix}{node.name}::") for child in node.body]
    return None
