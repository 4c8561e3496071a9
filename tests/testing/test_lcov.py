"""LCOV is untrusted input: lines and counts, or a reason why not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_moa.testing import reported
from pytest_moa.testing.lcov import read_lcov
from pytest_moa.testing.reported import OddReportError, path_in_tree

NODE = "TN:\nSF:web/add.js\nFN:1,add\nFNDA:3,add\nFNF:1\nFNH:1\nBRDA:2,2,0,-\nBRF:1\nBRH:0\nDA:1,1\nDA:2,0\nLH:1\nLF:2\nend_of_record\n"


def test_lines_and_whether_they_ran() -> None:
    assert read_lcov(NODE.encode()).files == {"web/add.js": {1: True, 2: False}}


def test_sections_of_one_file_are_united() -> None:
    twice = NODE + "SF:web/add.js\r\nDA:2,7,checksum\r\nDA:3,0\r\nend_of_record\r\n"
    assert read_lcov(twice.encode()).files == {"web/add.js": {1: True, 2: True, 3: False}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no file"),
        ("TN:\n", "names no file"),
        ("SF:a\nDA:1,1\n", "cut off"),
        ("SF:a\nSF:b\nend_of_record\n", "before the one above ended"),
        ("end_of_record\n", "never began"),
        ("DA:1,1\n", "outside"),
        ("SF:a\nDA:1,-1\nend_of_record\n", "'-1' is no count"),
        ("SF:a\nDA:1,NaN\nend_of_record\n", "no count"),
        ("SF:a\nDA:1,1.5\nend_of_record\n", "no count"),
        ("SF:a\nDA:1,\nend_of_record\n", "no count"),
        ("SF:a\nDA:0,1\nend_of_record\n", "no line number"),
        ("SF:a\nDA:-3,1\nend_of_record\n", "no line number"),
        ("SF:a\nDA:99999999999,1\nend_of_record\n", "no line number"),
        ("SF:a\nDA:" + "9" * 5000 + ",1\nend_of_record\n", "no line number"),
        ("SF:a\nDA:²,1\nend_of_record\n", "no line number"),
        ("SF:\nend_of_record\n", "usable name"),
        ("SF:a\0b\nend_of_record\n", "NUL"),
        ("<html>", "no word of LCOV"),
    ],
)
def test_what_is_no_lcov_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OddReportError, match=reason):
        read_lcov(text.encode())


def test_another_encoding_is_refused() -> None:
    with pytest.raises(OddReportError, match="UTF-8"):
        read_lcov("SF:ä\nend_of_record\n".encode("latin-1"))


def test_a_flood_of_lines_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reported, "LINES", 10)
    with pytest.raises(OddReportError, match="more than 10 lines"):
        read_lcov(b"SF:a\n" + b"DA:1,1\n" * 11 + b"end_of_record\n")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("src/a.js", "web/src/a.js"),
        ("./src/a.js", "web/src/a.js"),
        ("web/src/a.js", "web/src/a.js"),
        ("../lib/b.js", "lib/b.js"),
        ("/tree/lib/b.js", "lib/b.js"),
        ("/tree/../tree/lib/b.js", "lib/b.js"),
        ("/other/lib/b.js", None),
        ("/treehouse/lib/b.js", None),
        ("/usr/include/stdio.h", None),
        ("node_modules/x.js", None),
    ],
)
def test_names_are_looked_up_in_the_tree(name: str, path: str | None) -> None:
    tree = {"web/src/a.js", "lib/b.js"}
    assert path_in_tree(name, work="/tree", bases=("web", "."), tree=tree) == path


def test_a_name_that_leaves_the_repository_is_refused() -> None:
    with pytest.raises(OddReportError, match="leaves the repository"):
        path_in_tree("../../etc/passwd", work="/tree", bases=("web", "."), tree=set())


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=100))
def test_no_bytes_at_all_make_the_reader_raise_anything_else(data: bytes) -> None:
    for text in (data, NODE.encode() + data):
        try:
            read_lcov(text)
        except OddReportError:
            continue
