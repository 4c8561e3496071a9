"""Untrusted text in Markdown: judged by what a CommonMark renderer makes of it."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_moa.render import markdown

_RENDERER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
_ATTACKS = st.text(
    st.sampled_from("a1 @#|`\\*_[]()<>!~&:/.-+=$\n\t\u2028\u202e\u200b{}'\"") | st.characters(), max_size=60
)


def _tags(rendered: str) -> set[str]:
    return set(re.findall(r"<(/?\w+)", rendered))


def _seen(rendered: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", rendered)).replace(markdown.ZERO_WIDTH_SPACE, "")


@given(_ATTACKS)
@example("<img src=x> a|b `c|d` \\| [x](http://y) **z** &lt; ~~q~~")
def test_words_stay_words_in_a_table_cell(value: str) -> None:
    rendered = _RENDERER.render(f"| a | b |\n| --- | --- |\n| x {markdown.text(value)} | end |\n")
    assert _tags(rendered) <= {t for n in ("table", "thead", "tbody", "tr", "th", "td") for t in (n, f"/{n}")}
    assert rendered.count("<td>") == 2
    assert " ".join(markdown.visible(value.strip()).split()) in " ".join(_seen(rendered).split())


@given(_ATTACKS)
def test_words_that_start_a_line_stay_a_paragraph(value: str) -> None:
    rendered = _RENDERER.render(markdown.text(value) + "\n")
    assert _tags(rendered) <= {"p", "/p"}


@given(_ATTACKS)
@example("a|b\\|c`d``e <b> @x")
def test_code_is_one_piece_of_code_in_a_table_cell(value: str) -> None:
    rendered = _RENDERER.render(f"| a | b |\n| --- | --- |\n| {markdown.code(value)} | end |\n")
    assert rendered.count("<code>") == rendered.count("</code>") == 1
    assert rendered.count("<td>") == 2
    assert "<a" not in rendered
    assert "<em>" not in rendered


@given(_ATTACKS)
@example("a\n```\n<img src=x>\n````\n@x")
def test_a_block_is_never_closed_from_within(value: str) -> None:
    rendered = _RENDERER.render(f"{markdown.block(value)}\n\nafter\n")
    assert rendered.count("<pre>") == 1
    assert rendered.endswith("<p>after</p>\n")


@pytest.mark.parametrize(
    ("value", "pings"),
    [
        ("@octocat", r"@\w"),
        ("a@b.example", r"@\w"),
        ("see #12", r"#\d"),
        ("GH-12", r"GH-\d"),
        ("https://evil.example", r"https://"),
        ("www.evil.example", r"www\."),
    ],
)
def test_nobody_is_pinged_and_nothing_is_linked(value: str, pings: str) -> None:
    shown = html.unescape(re.sub(r"<[^>]*>", "", _RENDERER.render(markdown.text(value))))
    if pings == r"www\.":
        assert "www." + markdown.ZERO_WIDTH_SPACE in shown
    else:
        assert not re.search(pings, shown)


@pytest.mark.parametrize("name", ["\u202eevil", "a\u200bb", "a\x1b[31m", "a\u2028b", "a\x00b", "\ud800"])
def test_what_cannot_be_seen_is_written_out(name: str) -> None:
    for shown in (markdown.text(name), markdown.code(name), markdown.block(name)):
        bare = shown.replace(markdown.ZERO_WIDTH_SPACE, "")
        assert not any(c in bare for c in "\u202e\x1b\u2028\x00\ud800")
        shown.encode()


def test_a_huge_name_is_shortened_at_its_middle() -> None:
    shown = markdown.code("a" * 10_000_000 + "END", 60)
    assert len(shown) < 100
    assert shown.endswith("END`")


@pytest.mark.parametrize("budget", [300, 1000, 5000, 20_000])
def test_a_cut_leaves_whole_blocks_and_says_so(budget: int) -> None:
    details = "<details><summary>x</summary>\n\n```text\n" + "line ä\n" * 40 + "```\n\n</details>\n\n"
    cut = markdown.cut("# Verdict\n\n" + details * 200, budget, "_It was cut._")
    assert len(cut.encode()) <= budget
    assert cut.startswith("# Verdict")
    assert cut.rstrip().endswith("_It was cut._")
    assert cut.count("<details>") == cut.count("</details>")
    assert sum(1 for line in cut.splitlines() if line.startswith("```")) % 2 == 0


def test_what_fits_is_not_cut() -> None:
    assert markdown.cut("short\n", 100, "cut") == "short\n"
