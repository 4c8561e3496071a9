"""Untrusted text made harmless for GitHub-flavoured Markdown, and long Markdown cut at a safe place.

Knows nothing of what the text says. Sources: the GFM specification (github.github.com/gfm) and what GitHub
does after it: mentions and issue references are matched on the rendered text, outside of code.
"""

from __future__ import annotations

import re
import unicodedata

ZERO_WIDTH_SPACE = "\u200b"
CUT_MARK = "…"

# Zero-width and bidirectional characters (Cf), controls, line and paragraph separators, lone surrogates.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "`": "&#96;"}
# `_` between two word characters cannot open or close emphasis, and ids are full of it.
_MARKUP = re.compile(r"[*\[\]~!${}&<>|\\`]|(?<![^\W_])_|_(?![^\W_])")
# People, issues, links, and codes of emoji (`:tada:`): each is broken after its mark.
_PINGS = re.compile(
    r"@|#(?=\d)|(?<=[Gg][Hh])-(?=\d)|(?<=[A-Za-z]):(?=//)|(?<=[Ww]{3})\.|:(?=[A-Za-z0-9_+-]+:)"
)
# `#`, `-`, `+`, `=` and `1. ` mean something only where a line starts.
_LINE_START = re.compile(r"^(\s*)([#+=-])|^(\s*\d+)([.)])(?=\s|$)")
_NEEDS_ENTITIES = re.compile(r"[|`\\]")


class Safe(str):
    """Text that already is Markdown of ours; everything else is escaped when a template prints it."""

    __slots__ = ()


def shorten(value: str, limit: int) -> str:
    """At most `limit` characters, the middle left out: both ends of a long path or id tell the most."""
    if len(value) <= limit:
        return value
    head = (limit - 1) * 2 // 3
    tail = limit - 1 - head
    return value[:head] + CUT_MARK + (value[-tail:] if tail else "")


def visible(value: str, *, keep: str = "") -> str:
    """The text with each character that cannot be seen (save those in `keep`) written out as its code."""
    if value.isprintable():
        return value
    return "".join(
        c if c in keep or unicodedata.category(c) not in _UNSEEN else _written_out(c) for c in value
    )


def _written_out(char: str) -> str:
    if char in "\n\t\r":
        return " "
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def text(value: object, limit: int = 300) -> Safe:
    """Plain words inside a paragraph or a table cell: no markup, no link, no mention, one line."""
    line = visible(shorten(str(value).strip(), limit))
    out = _PINGS.sub(lambda m: m[0] + ZERO_WIDTH_SPACE, line)
    out = _MARKUP.sub(lambda m: _ENTITIES.get(m[0], "\\" + m[0]), out)
    return Safe(_LINE_START.sub(lambda m: f"{m[1] or m[3] or ''}\\{m[2] or m[4]}", out))


def code(value: object, limit: int = 300) -> Safe:
    """An id, path or branch name as code; safe in table cells, where pipes split even inside of code."""
    line = visible(shorten(str(value), limit)).strip()
    if not line:
        return Safe("` `")
    if _NEEDS_ENTITIES.search(line):
        # Character references cannot form Markdown (GFM 2.5), so each punctuation mark becomes one.
        inside = "".join(c if c.isalnum() or c in " /._-" or ord(c) > 127 else f"&#{ord(c)};" for c in line)
        return Safe(
            f"<code>{inside.replace('_', '&#95;').replace('&#64;', '&#64;' + ZERO_WIDTH_SPACE)}</code>"
        )
    return Safe(f"`{line}`")


def block(value: object, limit: int = 4000) -> Safe:
    """Many lines as a fenced block whose fence the text cannot close."""
    body = visible(shorten(str(value).replace("\r\n", "\n"), limit), keep="\n\t").strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return Safe(f"{fence}text\n{body}\n{fence}")


def cut(markdown: str, budget: int, notice: str) -> str:
    """The text within `budget` bytes of UTF-8: cut between two lines, `notice` added where it was cut.

    Characters are never more than bytes, so the text keeps a limit of characters, too. What is open at the cut is closed
    or left out: fences are never opened in part, a table keeps its two first lines together, `<details>` are closed.
    """
    if len(markdown) <= budget and len(markdown.encode("utf-8", "replace")) <= budget:
        return markdown
    room = budget - len(notice.encode()) - 3
    lines, depth = _lines_within(markdown, room)
    return "\n".join([*lines, *([""] if depth else []), *[_CLOSING] * depth, "", notice, ""])


_CLOSING = "</details>"


def _lines_within(markdown: str, room: int) -> tuple[list[str], int]:
    """The most lines that fit with all that has to be closed, and how many `<details>` are open after them.

    Only a tag that begins a line is ours: elsewhere it is somebody's text in code.
    """
    kept: list[str] = []
    used, fence, depth = 0, "", 0
    best = (0, 0)
    lines = markdown[: max(room, 0) + 1].split("\n")
    if len(markdown) > room:
        lines.pop()  # what stands after the last line end may be cut within
    for at, line in enumerate(lines):
        used += len(line.encode("utf-8", "replace")) + 1
        kept.append(line)
        fence = _fence_after(line, fence)
        if not fence:
            depth = max(0, depth + line.startswith("<details>") - (line == _CLOSING))
            heads_table = at + 1 < len(lines) and lines[at + 1].startswith("| ---")
            if not heads_table and used + depth * (len(_CLOSING) + 1) + 1 <= room:
                best = (len(kept), depth)
        if used > room:
            break
    return kept[: best[0]], best[1]


def _fence_after(line: str, fence: str) -> str:
    opened = re.match(r"`{3,}", line)
    if fence:
        return "" if line == fence else fence
    return opened[0] if opened else ""
