"""Results as the job's summary: verdict first, within GitHub's size, with nothing of a branch's that acts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from markdown_it import MarkdownIt

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
    Verdict,
)
from pytest_moa.render.templates import SUMMARY_BUDGET, gate_summary, integration_summary, render

_HOSTILE = "agent-03-`x`|</details><img src=x onerror=1>@octocat [a](http://b) ${{ x }} {{ 7*7 }}"


def _gate(verdict: Verdict | None = "failed", name: str = "core", **changes: object) -> GateResult:
    figure = CoverageFigure(
        percent=Decimal("88.10"),
        threshold=Decimal(90),
        covered=37,
        statements=42,
        files=(FileFigure(path=name, percent=Decimal("88.10"), covered=37, statements=42, missing=(3, 4)),),
    )
    finding = Finding(rule="tests-removed", severity="block", path=name, line=3, message=name, remedy=name)
    facts: dict[str, object] = {
        "agent": "03",
        "name": name,
        "branch": name,
        "verdict": verdict,
        "head": "a" * 40,
        "target": "b" * 40,
        "candidate": "c" * 40,
        "tests": TestCounts(collected=3, passed=2, failed=1),
        "failures": (Failure(id=name, message=name),),
        "coverage": figure,
        "findings": (finding,),
        "reason": name,
        "remedy": name,
    }
    return GateResult(**{**facts, **changes})  # type: ignore[arg-type]  # a builder: facts by name


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("passed", "PASSED"), ("failed", "FAILED"), ("undetermined", "UNDETERMINED"), (None, "NO VERDICT")],
)
def test_the_verdict_stands_within_the_first_300_characters(verdict: Verdict | None, words: str) -> None:
    assert words in gate_summary(_gate(verdict, "n" * 100_000))[:300]


def test_the_table_names_agent_tests_and_coverage() -> None:
    assert (
        "| `03` | ❌ failed | 2 of 3 passed, 1 failed | 88.10 % (threshold 90 %) | 1 blocking, 0 others |"
        in (gate_summary(_gate()))
    )


def test_what_a_branch_wrote_acts_nowhere() -> None:
    rejected = Rejected(
        agent="03",
        name=_HOSTILE,
        head="a" * 40,
        kind="red",
        reason=_HOSTILE,
        failures=_gate(name=_HOSTILE).failures,
    )
    results = (
        gate_summary(_gate(name=_HOSTILE, notes=(_HOSTILE,), conflicts=(_HOSTILE,))),
        integration_summary(
            IntegrationResult(branch=_HOSTILE, before="a" * 40, after="b" * 40, runs=1, rejected=(rejected,))
        ),
    )
    for text in results:
        rendered = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
        assert "<img" not in rendered
        assert "<a " not in rendered
        assert rendered.count("<details>") == rendered.count("</details>") > 0
        assert "49" not in rendered


def test_a_huge_result_fits_and_says_that_it_was_cut() -> None:
    failures = tuple(Failure(id=f"tests/test_{i}.py::{'t' * 300}", message="m" * 4000) for i in range(3000))
    text = gate_summary(_gate(failures=failures))
    assert len(text.encode()) <= SUMMARY_BUDGET
    assert "cut to the size" in text
    tiny = gate_summary(_gate(failures=failures), 3000)
    assert len(tiny.encode()) <= 3000
    assert "FAILED" in tiny[:300]


def test_an_integration_tells_each_agent_in_a_line() -> None:
    counts = TestCounts(collected=9, passed=9)
    text = integration_summary(
        IntegrationResult(
            branch="develop",
            before="a" * 40,
            after="b" * 40,
            runs=2,
            landed=(Landed(agent="01", name="infra", head="c" * 40, commit="d" * 40, tests=counts),),
            rejected=(Rejected(agent="03", name="core", head="e" * 40, kind="red", reason="a test fails"),),
            staged=(Landed(agent="05", name="api", head="c" * 40, commit="f" * 40, tests=counts),),
        )
    )
    assert text.startswith("## 🟡 Landed in part: 1 of 3 branches on `develop`")
    assert "| `01` infra | ✅ landed as `dddddddddd` | 9 of 9 passed |" in text
    assert "| `03` core | ❌ red | not run | a test fails" in text
    assert "| `05` api | ⏳ passed, waits for its landing as `ffffffffff` |" in text


def test_the_workflow_that_init_writes_quotes_what_it_is_given() -> None:
    text = render("workflow.yml.j2", target="x'\"] #: {{ 1 }}", patterns=(), threshold="90")
    assert 'branches: ["x\'\\"] #: {{ 1 }}"]' in text


def test_the_section_for_agents_lies_between_its_markers() -> None:
    text = render("agents_section.md.j2", target="develop", patterns=("copilot/{id}",), threshold="90")
    assert text.startswith("<!-- moa:begin -->\n")
    assert text.endswith("<!-- moa:end -->\n")
    assert "`copilot/{id}`" in text
