"""XML from a test run, parsed as untrusted input: no entities, no external files, bounded size, depth and count."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

DEPTH = 100
ELEMENTS = 2_000_000
# What is printed between the elements of a long report must not be read as a declaration: the prologue alone counts.
_DECLARED = re.compile(rb"""\A(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}


class OddXmlError(Exception):
    """XML that is not taken; the text says why."""


def parse_xml(data: bytes, *, doctype: bool = False) -> ET.Element:
    """The root element. `doctype`: a bare `<!DOCTYPE name SYSTEM "…">` passes, which nobody follows.

    Raises OddXmlError: no well-formed XML in UTF-8, a DTD, or more or deeper elements than anyone needs.
    """
    _require_utf8(data)
    try:
        _inspect(data, doctype=doctype)
        return ET.fromstring(data)  # noqa: S314 - inspected just above
    except (expat.ExpatError, ET.ParseError, ValueError, LookupError) as error:
        raise OddXmlError(f"it is no well-formed XML ({error})") from None


def local_name(element: ET.Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _require_utf8(data: bytes) -> None:
    declared = _DECLARED.match(data)
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise OddXmlError(f"it is written in {declared[1].decode()}, not in UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise OddXmlError("it is not written in UTF-8") from None
    if "\0" in text:
        raise OddXmlError("it holds NUL characters")


def _inspect(data: bytes, *, doctype: bool) -> None:
    """One pass that builds nothing, and stops at whatever could make the next pass expensive."""
    depth = count = 0

    def start(_name: str, _attributes: Any) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEPTH or count > ELEMENTS:
            raise OddXmlError(f"it nests deeper than {DEPTH} or holds more than {ELEMENTS} elements")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def declared(_name: str, _system: str | None, _public: str | None, subset: int) -> None:
        if subset or not doctype:
            raise OddXmlError("it has a document type declaration (DTD), which no report needs")

    def entity(*_: Any) -> None:
        raise OddXmlError("it declares an entity, which no report needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = declared, entity
    parser.Parse(data, True)
