"""Comments, summaries and the report: nothing of a branch's acts in them, at any size, cut anywhere, in anybody's template."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_moa.model.report import OwnTemplates, Previous
from pytest_moa.model.results import (
    CoverageFigure,
    Failure,
    FileFigure,
    Finding,
    GateResult,
    IntegrationResult,
    Landed,
    Rejected,
    TestCounts,
)
from pytest_moa.render import markdown
from pytest_moa.render.templates import (
    COMMENT_BUDGET,
    SUMMARY_BUDGET,
    Telling,
    gate_comment,
    gate_summary,
    integration_summary,
    queue_comments,
)

_PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
_OURS = re.compile(r"</?(?:details|summary|code)>")
_HOSTILE = "`x`|</details><img src=x onerror=1>@octocat [a](http://b) www.evil.example #12 :tada: ${{ x }}\n\n# h\n```"
_OID = "a" * 40


def _gate(words: str) -> GateResult:
    figure = CoverageFigure(
        percent=Decimal("88.10"),
        threshold=Decimal(90),
        covered=37,
        statements=42,
        files=(FileFigure(path=words, percent=Decimal("88.10"), covered=37, statements=42, missing=(3, 4)),),
    )
    finding = Finding(rule="tests-removed", severity="block", path=words, line=3, message=words, remedy=words)
    return GateResult(
        agent="03",
        name=words,
        branch=words,
        verdict="failed",
        head=_OID,
        target="b" * 40,
        candidate="c" * 40,
        tests=TestCounts(collected=3, passed=2, failed=1),
        failures=(Failure(id=words, message=words),),
        coverage=figure,
        findings=(finding, replace(finding, severity="note")),
        reason=words,
        remedy=words,
        notes=(words,),
        conflicts=(words,),
    )


def _queue(words: str, agents: int = 1, failures: int = 1) -> IntegrationResult:
    return IntegrationResult(
        branch="develop",
        before="b" * 40,
        after="c" * 40,
        runs=3,
        landed=(
            Landed(
                agent="01", name=words, head=_OID, commit="d" * 40, tests=TestCounts(collected=2, passed=2)
            ),
        ),
        rejected=tuple(
            Rejected(
                agent=f"{number + 2:02}",
                name=words,
                head=_OID,
                kind="red",
                reason=words,
                remedy=words,
                with_agents=("01",),
                tests=(words,),
                failures=(Failure(id=words, message=words),) * failures,
            )
            for number in range(agents)
        ),
        notes=(words,),
    )


def _texts(words: str) -> dict[str, str]:
    gate, queue = _gate(words), _queue(words)
    return {
        "gate summary": gate_summary(gate),
        "gate comment": gate_comment(gate),
        "queue summary": integration_summary(queue),
        **{f"queue comment {agent}": text for agent, text in queue_comments(queue).items()},
    }


def _harmless(text: str) -> None:
    tokens = [inner for token in _PARSER.parse(text) for inner in (token, *(token.children or ()))]
    assert not [t for t in tokens if t.type in {"link_open", "image"}], text
    html = [t.content for t in tokens if t.type in {"html_block", "html_inline"}]
    # What stands between tags of ours in a block of HTML is escaped: no other tag is left in it.
    assert not [h for h in html if re.search(r"<[A-Za-z/!?]", _OURS.sub("", h))], html
    outside, in_code = "", False
    for token in tokens:
        in_code = token.content == "<code>" or (in_code and token.content != "</code>")
        outside += token.content if token.type == "text" and not in_code else ""
    assert not re.search(r"@\w|#\d", outside), outside


def test_nothing_of_a_branchs_acts_in_any_text() -> None:
    for text in _texts(_HOSTILE).values():
        _harmless(text)


@given(words=st.text(alphabet="ab@#1`|<>&[]()!*_~:/\\\n \r\u2028\u202e.-w$", max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_words_act_in_any_text(words: str) -> None:
    for text in _texts(words).values():
        _harmless(text)


@given(budget=st.integers(min_value=300, max_value=4000))
@settings(max_examples=60, deadline=None)
def test_a_cut_breaks_nothing_wherever_it_falls(budget: int) -> None:
    for text in (gate_summary(_gate(_HOSTILE), budget), integration_summary(_queue(_HOSTILE, 5), budget)):
        assert len(text.encode()) <= budget
        assert text.count("\n<details>") == text.count("\n</details>")
        _harmless(text)
        # The notice stands outside of every fence and table.
        assert "cut to the size" not in text or any(
            t.type == "em_open" for token in _PARSER.parse(text)[-3:] for t in token.children or ()
        )


def test_a_thousand_agents_and_a_hundred_thousand_failures_fit() -> None:
    queue = _queue("x" * 300, 1000, 100)
    assert len(integration_summary(queue).encode()) <= SUMMARY_BUDGET
    one = replace(_gate("y" * 300), failures=(Failure(id="t" * 300, message="m" * 4000),) * 100_000)
    assert len(gate_summary(one).encode()) <= SUMMARY_BUDGET
    assert len(gate_comment(one).encode()) <= COMMENT_BUDGET
    assert "FAILED" in gate_comment(one)[:300]


def test_names_of_ten_megabytes_are_shortened() -> None:
    for text in _texts("n" * 10_000_000).values():
        assert len(text.encode()) <= COMMENT_BUDGET


def test_what_was_before_is_told_beside_what_is() -> None:
    before = {"03": Previous(passed=1, percent=Decimal("90.00"))}
    text = gate_summary(_gate("core"), telling=Telling(before=before))
    assert "2 of 3 passed, 1 failed (+1)" in text
    assert "88.10 % (threshold 90 %) (-1.90)" in text


def test_a_template_of_the_teams_own_takes_the_place_of_ours_and_escapes_as_ours() -> None:
    own = OwnTemplates(folder=".moa", files={"comment_gate.md.j2": "Ours: {{ r.branch }} {{ r.verdict }}\n"})
    text = gate_comment(_gate(_HOSTILE), telling=Telling(own=own))
    assert text.startswith("Ours: ")
    assert text.rstrip().endswith("failed")
    _harmless(text)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("ok\n{% for %}\n", "comment_gate.md.j2 line 2"),
        ("ok\n\n{{ nothing.there }}\n", "line 3"),
        ("{{ ''.__class__.__mro__ }}", "cannot be used"),
        ("{{ r.findings.append(1) }}", "cannot be used"),
        ("{% include 'not_there.j2' %}", "not_there.j2"),
        ("{% for a in range(10**9) %}x{% endfor %}", "cannot be used"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_and_ours_stands_in(source: str, says: str) -> None:
    own = OwnTemplates(folder=".moa", files={"comment_gate.md.j2": source})
    text = gate_comment(_gate("core"), telling=Telling(own=own))
    assert "FAILED" in text[:300]
    told = text.partition("Your own templates")[2]
    assert says.replace("_", "\\_") in told or says in told


def test_output_of_a_template_without_end_is_bounded() -> None:
    loop = "{% for a in range(99999) %}" + "x" * 100 + "{{ a }}{% endfor %}"
    own = OwnTemplates(folder=".moa", files={"comment_gate.md.j2": loop})
    assert len(gate_comment(_gate("core"), telling=Telling(own=own)).encode()) <= COMMENT_BUDGET


def test_the_mark_of_a_mention_is_broken_and_not_only_escaped() -> None:
    assert f"@{markdown.ZERO_WIDTH_SPACE}octocat" in markdown.text("hello @octocat")
