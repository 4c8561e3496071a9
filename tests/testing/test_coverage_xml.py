"""Cobertura XML is untrusted input: lines and counts, or a reason why not."""

from __future__ import annotations

import pytest

from pytest_moa.testing.coverage_xml import read_coverage_xml
from pytest_moa.testing.reported import OddReportError

ISTANBUL = """<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage lines-valid="3" lines-covered="2" line-rate="0.66" version="0.1">
  <sources><source>/tree/web</source></sources>
  <packages><package name="main"><classes>
    <class name="a.js" filename="src/a.js"><methods>
      <method name="f" hits="1"><lines><line number="1" hits="1"/></lines></method></methods>
      <lines><line number="1" hits="1" branch="false"/><line number="2" hits="0"/></lines></class>
    <class name="a2" filename="src/a.js"><lines><line number="2" hits="4"/><line number="5" hits="0"/></lines></class>
  </classes></package></packages>
</coverage>"""


def test_classes_of_one_file_are_united_and_sources_are_told() -> None:
    lines, sources = read_coverage_xml(ISTANBUL.encode())
    assert (lines.files, sources) == ({"src/a.js": {1: True, 2: True, 5: False}}, ("/tree/web",))


def cobertura(line: str, name: str = "a") -> str:
    return f'<coverage><class filename="{name}"><lines>{line}</lines></class></coverage>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "well-formed"),
        ("<report/>", "its root is <report>"),
        ("<coverage/>", "names no file"),
        (cobertura("", name=""), "without a file name"),
        (cobertura('<line number="1" hits="-1"/>'), "no count"),
        (cobertura('<line number="1" hits="NaN"/>'), "no count"),
        (cobertura('<line number="1"/>'), "no count"),
        (cobertura('<line number="0" hits="1"/>'), "no line number"),
        (cobertura('<line hits="1"/>'), "no line number"),
        ('<!DOCTYPE coverage [<!ENTITY a "b">]><coverage/>', "DTD"),
        ('<!DOCTYPE coverage [<!ENTITY a SYSTEM "file:///etc/passwd">]><coverage>&a;</coverage>', "DTD"),
        ('<!DOCTYPE coverage SYSTEM "x.dtd"><coverage>&a;</coverage>', "well-formed|names no file"),
    ],
)
def test_what_is_no_report_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OddReportError, match=reason):
        read_coverage_xml(text.encode())
