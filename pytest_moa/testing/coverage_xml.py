"""Cobertura's coverage XML to lines, as untrusted input. Opens none of the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from pytest_moa.testing.reported import Lines, OddReportError, hits_of, line_of
from pytest_moa.testing.xml_input import OddXmlError, local_name, parse_xml


def read_coverage_xml(data: bytes) -> tuple[Lines, tuple[str, ...]]:
    """The lines of each named file, and the `sources` that names are relative to. Raises OddReportError."""
    try:
        root = parse_xml(data, doctype=True)
    except OddXmlError as error:
        raise OddReportError(str(error)) from None
    if local_name(root) != "coverage":
        raise OddReportError(f"its root is <{local_name(root)[:80]}>, not <coverage>")
    lines = Lines()
    for element in _all(root, "class"):
        name = (element.get("filename") or "").strip()
        if not name:
            raise OddReportError("it has a class without a file name")
        lines.begin(name)
        for line in _all(element, "line"):
            lines.add(name, line_of(line.get("number") or ""), hits_of(line.get("hits") or ""))
    if not lines.files:
        raise OddReportError("it names no file")
    return lines, tuple(text for source in _all(root, "source") if (text := (source.text or "").strip()))


def _all(element: ET.Element, name: str) -> Iterator[ET.Element]:
    return (inner for inner in element.iter() if local_name(inner) == name)
