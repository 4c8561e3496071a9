"""docs/gate-rules.md tells every rule as its code does, and every page says what a reader needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_moa.model.integrity import DEFAULT_SEVERITY
from pytest_moa.rules.integrity import RULES, pages
from pytest_moa.rules.integrity.kit import Rule

DOCUMENT = Path(__file__).parents[3] / "docs" / "gate-rules.md"


def test_the_document_is_the_made_one() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == pages.document(), (
        "renew it with: python -m pytest_moa.rules.integrity.pages > docs/gate-rules.md"
    )


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert set(pages.PAGES) == set(DEFAULT_SEVERITY) == set(pages.rule_names())


@pytest.mark.parametrize("rule", pages.rule_names())
def test_a_page_says_what_it_sees_shows_a_trick_and_says_what_it_leaves_alone(rule: str) -> None:
    text = pages.page(rule) or ""
    assert text.startswith("**Sees:** ")
    assert "```" in text, "an example of what it catches"
    assert "**Does not look at**" in text
    assert "**Legal way out:**" in text or DEFAULT_SEVERITY[rule] == "off"
    assert pages.summary(rule)
    assert "|" not in pages.summary(rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.NAME)
def test_a_rules_own_default_is_the_listed_one(rule: Rule) -> None:
    assert DEFAULT_SEVERITY[rule.NAME] == rule.DEFAULT


@pytest.mark.parametrize("rule", pages.rule_names())
def test_pages_name_only_rules_that_there_are(rule: str) -> None:
    named = set(re.findall(r"(?:rule: |--allow )([a-z-]+)", pages.page(rule) or ""))
    assert named <= {*pages.rule_names(), "-"}


def test_early_exit_tells_of_its_half_at_run_time() -> None:
    assert "At run time" in (pages.page("early-exit") or "")


def test_no_page_is_made_up() -> None:
    assert pages.page("no-such-rule") is None
