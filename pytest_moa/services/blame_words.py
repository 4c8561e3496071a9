"""Why a branch did not land, in words: the decision of a round with what was seen beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_moa.model.results import Rejected, RejectionClass, TestCounts
from pytest_moa.model.text import plural, ranges
from pytest_moa.rules.gate import Judgement
from pytest_moa.rules.queue.steps import Because, Blame
from pytest_moa.services.carrier import Notebook
from pytest_moa.services.chain import Work
from pytest_moa.services.project import Project
from pytest_moa.services.words import conflict_words, touched_words

_AGAIN = "Nothing is wrong with the branch: the next `moa integrate --all` takes it up again."


@dataclass(frozen=True, slots=True)
class _Of:
    """Whom and what it is about."""

    project: Project
    work: Work
    blame: Blame
    book: Notebook

    @property
    def target(self) -> str:
        return self.project.target.name

    @property
    def branch(self) -> str:
        return self.work.branch.name

    @property
    def others(self) -> str:
        return ", ".join(self.blame.with_agents)

    @property
    def kind(self) -> RejectionClass:
        hung = bool(self.blame.tests) and all(test in self.book.hung for test in self.blame.tests)
        return "hang" if self.blame.kind == "red" and hung else self.blame.kind

    @property
    def judgement(self) -> Judgement | None:
        """The last thing that was said of the work: its own verdict, or that of the run it was in."""
        found = self.book.examined.get(self.work.id) if self.blame.because == "short" else None
        return found.judgement if found is not None else self.book.judgements.get(self.work.id)


def rejected_of(project: Project, work: Work, blame: Blame, book: Notebook) -> Rejected:
    """The rejection that people and scripts read."""
    about = _Of(project, work, blame, book)
    reason, remedy = _WORDS[blame.because](about)
    found = book.examined.get(work.id) if blame.because == "short" else None
    return Rejected(
        agent=work.id,
        name=work.agent.name,
        head=work.branch.head,
        kind=about.kind,
        reason=reason,
        remedy=remedy,
        with_agents=blame.with_agents,
        tests=blame.tests,
        findings=found.findings if found is not None else (),
        failures=tuple(book.failures[i] for i in blame.tests if i in book.failures),
        counts=found.tests if found is not None else book.counts.get(work.id, TestCounts()),
    )


def _itself(about: _Of) -> tuple[str, str]:
    judgement = about.judgement
    if about.kind != "red" and judgement is not None and judgement.reason:
        return judgement.reason, judgement.remedy or ""
    return (
        f"Integration tests failed: {_tests(about.blame.tests)}",
        f"Run {_command(about.blame.tests)} on your branch merged with {about.target}, and mend the code.",
    )


def _together(about: _Of) -> tuple[str, str]:
    tests = about.blame.tests
    reason = (
        f"Integration tests failed: {_tests(tests)} only together with agent {about.others}, which landed;"
        f" each passes alone{_places(about)}"
    )
    return (
        reason,
        f"Merge {about.target} into {about.branch}, run {_command(tests)}, and settle it with agent {about.others}.",
    )


def _on_top(about: _Of) -> tuple[str, str]:
    tests = about.blame.tests
    return (
        f"Integration tests failed: {_tests(tests)} on top of what landed before it",
        f"Merge {about.target} into {about.branch}, run {_command(tests)}, and mend the code.",
    )


def _leaves(about: _Of) -> tuple[str, str]:
    tests, others = _tests(about.blame.tests), about.others
    if others:
        reason = f"{tests} after the tests of agent {others}, which landed, and passes alone: they leave something changed behind"
        remedy = f"Settle with agent {others} which test puts back what it changes, or sets what it needs."
    else:
        reason = f"{tests} only after the tests of {about.branch}, and passes alone: they leave something changed behind"
        remedy = f"Let its tests put back what they change (`monkeypatch` does), and run the whole suite on {about.target} with it."
    return f"Integration tests failed: {reason}", remedy


def _short(about: _Of) -> tuple[str, str]:
    judgement = about.judgement
    reason = judgement.reason if judgement is not None else None
    return reason or "the candidate did not pass", (judgement.remedy if judgement is not None else None) or ""


def _dependency(about: _Of) -> tuple[str, str]:
    return f"agent {about.work.id} depends on {about.others}, which did not land", "Integrate these first."


def _target(about: _Of) -> tuple[str, str]:
    if about.blame.tests:
        return (
            f"{about.target} itself is red: {_tests(about.blame.tests)} there without any agent's work",
            f"Nobody is to blame: mend {about.target}, and integrate again.",
        )
    judgement = about.judgement
    why = f" ({judgement.reason})" if judgement is not None and judgement.reason else ""
    remedy = judgement.remedy if judgement is not None else None
    return (
        f"nothing can be run on {about.target} itself{why}",
        f"Nobody is to blame. {remedy or '`moa bootstrap` checks the environment.'}",
    )


def _flaky(about: _Of) -> tuple[str, str]:
    return (
        f"{_tests(about.blame.tests)}, and passed on the same tree when it was run once more",
        "Make the test pass every time; on the target `integration.known_flaky` tolerates it by its id.",
    )


def _moved(about: _Of) -> tuple[str, str]:
    return (
        f"{about.branch} moved while its candidate was tested",
        f"Nobody is to blame: `moa integrate {about.work.id}` takes its new head.",
    )


def _stopped(about: _Of) -> tuple[str, str]:
    refused = about.book.refused
    return (str(refused), refused.remedy) if refused is not None else ("the landing was refused", "")


_WORDS: Mapping[Because, Callable[[_Of], tuple[str, str]]] = {
    "itself": _itself,
    "together": _together,
    "on top": _on_top,
    "leaves": _leaves,
    "short": _short,
    "dependency": _dependency,
    "target": _target,
    "flaky": _flaky,
    "conflict": lambda a: conflict_words(
        a.project, a.branch, a.work.branch.head, a.book.conflicts.get(a.work.id, ())
    ),
    "touched": lambda a: touched_words(a.book.touched),
    "moved": _moved,
    "runs": lambda _: ("the round's test runs were used up before it was decided", _AGAIN),
    "time": lambda _: ("the time budget was used up before it was decided", _AGAIN),
    "staged": lambda _: ("others passed first, and it can be tried only on top of them", _AGAIN),
    "stopped": _stopped,
}


def _tests(tests: Sequence[str], most: int = 3) -> str:
    """`1 test fails: ID`."""
    if not tests:
        return "the run did not pass, and it cannot be told by which test"
    names = ", ".join(test if len(test) <= 200 else test[:197] + "…" for test in tests[:most])
    more = f" and {len(tests) - most} more" if len(tests) > most else ""
    return f"{plural(len(tests), 'test')} {'fails' if len(tests) == 1 else 'fail'}: {names}{more}"


def _command(tests: Sequence[str]) -> str:
    return f"`pytest {tests[0]}`" if tests else "the whole suite"


def _places(about: _Of) -> str:
    """The changed places of both that the failing tests ran."""
    said = []
    for member in (about.work.id, *about.blame.with_agents):
        found: dict[str, set[int]] = {}
        for test in about.blame.tests:
            for path, lines in about.book.places.get(test, {}).get(member, {}).items():
                found.setdefault(path, set()).update(lines)
        if found:
            where = ", ".join(f"{path}:{ranges(sorted(lines))}" for path, lines in sorted(found.items())[:3])
            said.append(f"{member} changes {where}")
    return f" ({'; '.join(said)})" if said else ""
