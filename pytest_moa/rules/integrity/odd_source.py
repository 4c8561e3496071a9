r"""**Sees:** source that is not what a reader, a reviewer or another rule takes it for.

**Catches,** for example, in `src/shop/pay.py`:

```python
# -*- coding: utf-7 -*-
total = 0  # +AAo-import os+AAo-os._exit(0)
```

also a file that does not parse although its base did, and a new one that does not; bytes that are not UTF-8; NUL; any
bidirectional control character, also in comments and strings; zero-width characters in strings and names; identifiers
of look-alike letters (a Cyrillic `o` in `total`) or of styled letters that Python reads as plain ones (a bold `exec`);
a lone carriage return, which starts a line that viewers do not show; a form feed inside an indentation; code behind a
hundred blanks; a link that leaves the repository or points into `.git`; an added submodule.

**Does not look at** escapes (`"\u202e"`), joiners within emoji and within scripts that need them, a byte order mark at
a file's beginning, `coding: utf-8`, form feeds on lines of their own, templates (`{{…}}` in the path). A file in test
data that does not parse is a `note`, one that only Python 2 or a newer Python reads a `warn` (a conftest of newer syntax
blocks, since no rule could read it), zero-width characters in comments too.
Of 14,239 files of the standard library and of installed packages none holds a bidirectional control character, three a
zero-width one, all of them between letters that need it.

**Legal way out:** write the character as an escape, save the file as UTF-8, copy what a link points at; or allow the file
on the target: `integrity.allow: [{rule: odd-source, path: tests/locale/test_rtl.py, content: <blob id>}]`.
"""

from __future__ import annotations

import ast
import io
import posixpath
import re
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity.kit import Change, FileChange, is_test_path

NAME = "odd-source"
DEFAULT: Severity = "block"

Told = tuple[FindingSeverity, int | None, str]

_TEXTS = (".py", ".pyi", ".pyw", ".pyx", ".toml", ".ini", ".cfg", ".sh")
_LINK, _SUBMODULE = "120000", "160000"
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")  # https://peps.python.org/pep-0263/
_BLANK = re.compile(r"[ \t\f]*(?:[#\r\n]|$)")
_PLAIN_CODINGS = re.compile(r"utf-?8(-?sig|-?(unix|dos|mac))?|u8|(us-?)?ascii", re.IGNORECASE)
_DATA = re.compile(
    r"(^|/)[\w.-]*(data|fixtures?|resources?|samples?|cases|snapshots|examples?|inputs?|functional|roots|corpus)[\w.-]*/"
)

# https://trojansource.codes: what turns the order of text around; and what shows nothing at all.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(
    "[\u200b\u2060-\u2064\ufeff\u180e\u00ad\u3164\u115f\u1160\uffa0\U000e0000-\U000e0fff]"
)
_JOINERS = re.compile("[\u200c\u200d]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_FAR = re.compile(r"\S([ \t]{100,})\S|^([ \t]{200,})\S", re.MULTILINE)
_STYLED = re.compile("[\U0001d400-\U0001d7ff\uff21-\uff5a]")
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
    "aeopcyxijshdqwABEKMHOPCTYXIJSABEZHIKMNOPTYXo",
)
# What Pythons after 3.11 brought, by the words of their grammar; a line of this kind is no sign of a broken file.
_NEWER = re.compile(
    r"^\s*type\s+\w+(\[.*\])?\s*=|^\s*(async\s+)?def\s+\w+\[.*\]\s*\(|^\s*class\s+\w+\[.*\]\s*[:(]"
    r"|^\s*except\*?\s+[\w.]+\s*,\s*[\w., ]+:|(?<![\w\"'])[tT][rR]?[\"']|(?<!\w)[rR]?[fF][rR]?[\"'].*\{"
    r"|^\s*lazy\s+(import|from)\b"
)
# What Python 2 could read and no later one does, by the words of the error.
_OLDER = re.compile(
    r"Missing parentheses in call to|multiple exception types must be parenthesized|leading zeros in"
)
_REMEDY = "Write it as plain UTF-8 source that reads as it runs; write special characters as escapes."


def check(change: Change) -> Iterator[Finding]:
    """Findings over changed source and settings files, links and submodules."""
    known = _Known(change)
    for file in change.files:
        for severity, line, message in _seen(file, change, known):
            yield Finding(
                rule=NAME, severity=severity, path=file.path, line=line, message=message, remedy=_REMEDY
            )


class _Known:
    """Odd lines and files that the target has, wherever they stand: a move brings nothing new."""

    def __init__(self, change: Change) -> None:
        self._befores = [f.before for f in change.files if f.before is not None and f.path.endswith(_TEXTS)]
        self._lines: frozenset[str] | None = None

    def line(self, line: str) -> bool:
        if self._lines is None:
            self._lines = frozenset(
                row.strip() for text in self._befores for row in re.split(r"[\r\n]", text)
            )
        return line.strip() in self._lines

    def text(self, text: str) -> bool:
        return text in self._befores


def _seen(file: FileChange, change: Change, known: _Known) -> Iterator[Told]:
    if file.mode == _SUBMODULE:
        if file.before is None:
            yield "block", None, "a submodule brings code of another repository, which no rule reads"
        return
    if file.link is not None or file.mode == _LINK:
        yield from _link(file.path, file.link if file.link is not None else file.after or "")
        return
    text = file.after
    if text is None or text == file.before or not file.path.endswith(_TEXTS) or known.text(text):
        return
    yield from _characters(text, known)
    if file.path.endswith((".py", ".pyi", ".pyw")):
        yield from _coding(text, file, known)
        yield from _layout(text, known)
        if not text.isascii():
            yield from _identifiers(text, known)
    if file.path.endswith((".py", ".pyw")):
        yield from _grammar(file, change)


def _link(path: str, goal: str) -> Iterator[Told]:
    where = posixpath.normpath(posixpath.join(posixpath.dirname(path), goal))
    if goal.startswith("/") or where == ".." or where.startswith("../"):
        yield "block", None, f"a link leaves the repository: it points at `{goal[:100]}`"
    elif ".git" in where.split("/"):
        yield "block", None, f"a link points into git's own folder: `{goal[:100]}`"
    elif re.search(r"[^./][^/]*/\.\.(/|$)", goal):
        yield (
            "warn",
            None,
            f"a link goes up again on its way, through what may be another link: `{goal[:100]}`",
        )


def _characters(text: str, known: _Known) -> Iterator[Told]:
    if "\0" in text:
        yield (
            "block",
            _line_of(text, text.index("\0")),
            "a NUL character: tools end reading at different places",
        )
    if text.isascii():
        return
    for match in _BIDI.finditer(text):
        if not known.line(_line_at(text, match.start())):
            told = f"the control character {_named(match.group())} makes code read otherwise than it runs"
            yield "block", _line_of(text, match.start()), told
    yield from _invisible(text, known)


def _invisible(text: str, known: _Known) -> Iterator[Told]:
    places = [m.start() for m in _INVISIBLE.finditer(text) if m.start() > 0 or m.group() != "\ufeff"]
    places += [m.start() for m in _JOINERS.finditer(text) if not _joins(text, m.start())]
    places = [p for p in places if not known.line(_line_at(text, p))]
    comments = _spans(text, _COMMENTS) if places else ()
    for place in sorted(places):
        severity: FindingSeverity = "warn" if _within(text, place, comments) else "block"
        yield severity, _line_of(text, place), f"{_named(text[place])} shows nothing and is part of the text"


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands between characters that it is made for: emoji, and letters of scripts that join."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    return bool(before) and not before.isascii() and (not after.isascii() or not after.isalnum())


def _named(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'unnamed').lower()})"


def _coding(text: str, file: FileChange, known: _Known) -> Iterator[Told]:
    cookie = _cookie(text)
    plain = cookie is None or _PLAIN_CODINGS.fullmatch(cookie)
    if not plain and (file.before is None or _cookie(file.before) != cookie):
        grade: FindingSeverity = "warn" if _is_data(file.path) else "block"
        yield (
            grade,
            1,
            f"the file says that its coding is `{cookie}`: Python reads other text than reviewers do",
        )
    odd = [m for m in _NOT_UTF8.finditer(text) if not known.line(_line_at(text, m.start()))]
    if odd:
        yield (
            ("warn" if _is_data(file.path) else "block"),
            _line_of(text, odd[0].start()),
            "bytes that are not UTF-8",
        )


def _cookie(text: str) -> str | None:
    """The coding that a file's first two lines name, as Python looks for it."""
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")[:2000])[:2]
    for i, line in enumerate(lines):
        if found := _COOKIE.match(line):
            return found.group(1)
        if i == 0 and not _BLANK.match(line):
            return None
    return None


def _layout(text: str, known: _Known) -> Iterator[Told]:
    """Code where a reader does not see it: behind a lone carriage return, a form feed, or very many blanks."""
    for match in re.finditer(r"\r(?!\n)[^\r\n]*\S", text):
        if not known.line(match.group()) and "\n" in text:
            yield (
                "block",
                _line_of(text, match.start()) + 1,
                "a lone carriage return starts a line that viewers show as part of another",
            )
            break
    for match in re.finditer(r"^[ \t]+\f[ \t\f]*[^\s#].*", text, re.MULTILINE):
        if not known.line(match.group()):
            yield (
                "block",
                _line_of(text, match.start()),
                "a form feed in the indentation: Python forgets the blanks before it",
            )
    far = [m for m in _FAR.finditer(text) if not known.line(_line_at(text, m.end() - 1))]
    quoted = _spans(text, _QUOTED) if far else ()
    for match in far:
        if not _within(text, match.end() - 2, quoted):
            line = _line_of(text, match.end() - 1)
            yield "block", line, "code stands behind a hundred blanks or more, where no reader looks"


_Span = tuple[tuple[int, int], tuple[int, int]]
_COMMENTS = frozenset([tokenize.COMMENT])
_QUOTED = frozenset([tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)])


def _spans(text: str, kinds: frozenset[int]) -> tuple[_Span, ...]:
    return tuple((t.start, t.end) for t in _tokens(text) if t.type in kinds)


def _within(text: str, place: int, spans: tuple[_Span, ...]) -> bool:
    where = (_line_of(text, place), place - _start_of_line(text, place))
    return any(start <= where < end for start, end in spans)


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    plain = re.sub(r"\r(?!\n)", "\n", text)
    try:
        yield from tokenize.generate_tokens(io.StringIO(plain).readline)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _identifiers(text: str, known: _Known) -> Iterator[Told]:
    names = [t for t in _tokens(text) if t.type == tokenize.NAME and not t.string.isascii()]
    if not names:
        return
    plain = frozenset(re.findall(r"[A-Za-z_]\w*", text, re.ASCII))
    for token in names:
        if (told := _disguise(token.string, plain)) is not None and not known.line(token.line):
            yield "block", token.start[0], told


def _disguise(name: str, plain: frozenset[str]) -> str | None:
    """What is wrong with a name; honest ones mix scripts, too (`Δx`), but not with letters that look alike."""
    normal = unicodedata.normalize("NFKC", name)
    if normal.isascii() and len(normal) > 2 and len(_STYLED.findall(name)) > 1:
        return f"`{name}` is written in styled letters: Python reads `{normal}`"
    looks = name.translate(_LOOKALIKES)
    mixed = any(re.search("[A-Za-z]", part) and not part.isascii() for part in re.split(r"[_\d]+", name))
    if looks.isascii() and (mixed or (len(looks) > 2 and looks in plain)):
        return f"`{name}` mixes letters of two scripts and looks like `{looks}`"
    return None


def _grammar(file: FileChange, change: Change) -> Iterator[Told]:
    if file.after is None or change.tree(file.path, "head") is not None or "{{" in file.path:
        return
    line, why, source = _syntax_error(file.after)
    if file.before is not None and change.tree(file.path, "base") is None:
        yield "note", line, f"this file does not parse, as before: {why}; no rule reads it"
    elif _NEWER.search(source):
        yield (
            "block" if PurePosixPath(file.path).name == "conftest.py" else "warn",
            line,
            f"only a newer Python than the one that moa runs under reads this file, so no rule reads it: {why}",
        )
    elif _OLDER.search(why):
        yield "warn", line, f"only Python 2 reads this file, so no rule reads it: {why}"
    elif _is_data(file.path) and PurePosixPath(file.path).name != "conftest.py":
        yield "note", line, f"this file of test data does not parse: {why}"
    else:
        yield "block", line, f"this file does not parse: {why}"


def _is_data(path: str) -> bool:
    return (
        is_test_path(path) and bool(_DATA.search(path)) and not PurePosixPath(path).name.startswith("test_")
    )


def _syntax_error(text: str) -> tuple[int | None, str, str]:
    """Line, message and the line's text of what keeps a file from being parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text.removeprefix("\ufeff"))
    except SyntaxError as error:
        number = error.lineno
        lines = re.split(r"\r\n|\r|\n", text)
        source = lines[number - 1] if number is not None and 0 < number <= len(lines) else ""
        return number, error.msg[:200], source
    except (ValueError, RecursionError, MemoryError) as error:
        return None, (str(error) or type(error).__name__)[:200], ""
    return None, "it cannot be read", ""


def _start_of_line(text: str, place: int) -> int:
    return max(text.rfind("\n", 0, place), text.rfind("\r", 0, place)) + 1


def _line_at(text: str, place: int) -> str:
    ends = [e for e in (text.find("\n", place), text.find("\r", place)) if e >= 0]
    return text[_start_of_line(text, place) : min(ends, default=len(text))]


def _line_of(text: str, place: int) -> int:
    """The 1-based number of the line, as Python counts: a lone carriage return ends one, too."""
    return len(re.findall(r"\r\n|\r|\n", text[:place])) + 1
