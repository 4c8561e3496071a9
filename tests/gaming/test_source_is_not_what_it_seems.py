"""Trick: source that reads otherwise than it runs, or that no rule can read. Refused by `odd-source`, before anything runs."""

from __future__ import annotations

import sys

import pytest
from support.gaming import Trick

from pytest_moa.model.results import Finding
from pytest_moa.rules.integrity import FileChange, review

FAR = " " * 150
ODD = {
    "another coding": "# coding: latin-1\nx = 1\n",
    "another coding on line 2": "#!/usr/bin/python\n# -*- coding: utf-7 -*-\nx = 1\n",
    "another coding as vim writes it": "# vim: set fileencoding=rot13 :\nx = 1\n",
    "another coding after blanks": "\n  # coding=unicode_escape\nx = 1\n",
    "bytes that are not UTF-8": "x = '\udce4'\n",
    "bytes that are not UTF-8 in a comment": "x = 1  # \udcff\n",
    "text turned around in a comment": "x = 1  # \u202e admin \u2066\n",
    "text turned around in a string": "if level != 'user\u202e \u2066# only admins\u2069 \u2066':\n    x = 1\n",
    "text turned around in a docstring": '"""Adds.\u2067 return"""\nx = 1\n',
    "a zero-width space in a name": "to\u200btal = 1\n",
    "a zero-width space in a string": "assert kind == 'skip\u200b'\n",
    "a zero-width joiner in a string": "assert kind == 'sk\u200dip'\n",
    "a byte order mark within": "x = 'a\ufeffb'\n",
    "an invisible name": "\u3164 = 1\n",
    "an invisible part of a name": "def test\u115f():\n    pass\n",
    "a soft hyphen": "x = 'to\u00adtal'\n",
    "tags": "x = 'ok\U000e0041\U000e0042'\n",
    "a Cyrillic letter": "def test_t\u043etal():\n    pass\n",
    "a Greek letter": "\u0391dmin = 1\nAdmin = 2\n",
    "a word of Cyrillic letters that is used in Latin ones": "\u0441\u043e\u0440\u0443 = 1\nprint(copy)\n",
    "styled letters": "\U0001d41e\U0001d42f\U0001d41a\U0001d425('1')\n",
    "wide letters": "\uff45\uff58\uff45\uff43('1')\n",
    "NUL": "x = 1\0\n",
    "a lone carriage return": "x = 1  # fine\rimport os\ny = 2\n",
    "a form feed in the indentation": "if x:\n    y = 1\n  \fos = 2\n",
    "code far to the right": f"x = 1;{FAR}import os\n",
    "code far to the right, by tabs": "x = 1;" + "\t" * 120 + "import os\n",
    "code far to the right behind a string": f"x = '{FAR}';{FAR}import os\n",
    "a pragma far to the right": f"x = 1{FAR}# pragma: no cover\n",
    "a line of its own far to the right": "x = [\n" + " " * 300 + "__import__('os'),\n]\n",
    "what does not parse": "def total(:\n    return 1\n",
    "what nests too deeply": "x = " + "(" * 300 + ")" * 300 + "\n",
    "an end that is missing": "x = (1,\n",
    "old and new words": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> agent\n",
}  # fmt: skip


def of_odd_source(found: list[Finding]) -> list[str]:
    return [f.severity for f in found if f.rule == "odd-source"]


@pytest.mark.parametrize("path", ["src/shop/pay.py", "tests/test_pay.py", "tests/conftest.py"])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_source_is_refused_in_a_new_file(text: str, path: str) -> None:
    Trick("new", {path: text}, "odd-source").check()


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_source_is_refused_where_the_file_was_plain(text: str) -> None:
    Trick("plain", {"src/pay.py": text}, "odd-source", before={"src/pay.py": "x = 1\n"}).check()


@pytest.mark.parametrize(
    "text", ["[pytest]\n# \u202e\n", "[pytest]\naddopts = -ra\0\n", "[pytest]\nx = a\u200bb\n"]
)
def test_settings_are_read_as_strictly(text: str) -> None:
    Trick("settings", {"pytest.ini": text}, "odd-source").check()


@pytest.mark.parametrize("goal", ["/etc/passwd", "../../x.py", "a/../../../x", "../.git/config"])
def test_a_link_that_leaves_the_tree_or_enters_gits_folder_is_refused(goal: str) -> None:
    assert of_odd_source(review([link("tests/link.py", goal)])) == ["block"]


@pytest.mark.parametrize("goal", ["../README.md", "data", "./a/b"])
def test_a_link_within_the_tree_passes(goal: str) -> None:
    assert review([link("tests/link", goal)]) == []


def link(path: str, goal: str) -> FileChange:
    return FileChange(path=path, before=None, after=goal, link=goal, mode="120000")


def test_an_added_submodule_is_refused() -> None:
    assert of_odd_source(review([FileChange(path="vendor/x", before=None, after=None, mode="160000")])) == [
        "block"
    ]


def test_syntax_of_a_newer_python_is_told_and_is_no_crash() -> None:
    newer = {
        (3, 12): "type Orders[T] = list[T]\n",
        (3, 14): "name = t'{x}'\n",
        (3, 99): "lazy import json\n",
    }
    for version, text in newer.items():
        if sys.version_info < version:
            trick = Trick("newer", {"src/pay.py": text}, "odd-source", "warn")
            trick.check()
            assert of_odd_source(trick.findings()) == ["warn"]
            Trick("newer", {"tests/conftest.py": text}, "odd-source", "block").check()


def test_what_never_parsed_is_told_only() -> None:
    before = {"src/old.py": "print 'a'\n"}
    found = Trick("old", {"src/old.py": "print 'b'\n"}, None, before=before).findings()
    assert of_odd_source(found) == ["note"]


HONEST = {
    "a coding that is the usual one": "# -*- coding: utf-8 -*-\nx = 'ä'\n",
    "a coding that is a part of it": "# coding: ascii\nx = 1\n",
    "words about coding": "x = 1\ny = 2\n# coding: the art of it\n",
    "a byte order mark at the beginning": "\ufeffx = 1\n",
    "other scripts": "# 日本語 العربية עברית\nx = 'наименование'\nимя = 1\n",
    "mathematics": "\u0394x = 1\n\u03bc_max = 2\n\u03c32 = 3\n",
    "emoji": "x = '\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f'\n",
    "Persian": "x = '\u06a9\u067e\u06cc\u200c\u0631\u0627\u06cc\u062a'\n",
    "escapes": "x = '\\u202e\\u200b\\x00'\n",
    "styled letters in a string": "x = '\U0001d41e\U0001d42f\U0001d41a\U0001d425'\n",
    "Windows' line ends": "x = 1\r\ny = 2\r\n",
    "a form feed between sections": "x = 1\n\f\ny = 2\n",
    "a form feed before a class": "x = 1\n\fclass A:\n    y = 2\n",
    "a wide table in a string": f"x = '''a{FAR}b'''\n",
    "a wide table in a comment": f"# a{FAR}b\nx = 1\n",
    "a deep indentation": "x = [\n" + " " * 90 + "1,\n]\n",
    "no text": "",
}  # fmt: skip


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST.keys())
def test_ordinary_source_passes(text: str) -> None:
    assert of_odd_source(Trick("honest", {"src/shop/pay.py": text}, None).findings()) == []


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_source_that_the_target_has_may_move(text: str) -> None:
    found = Trick("moves", {"src/a.py": None, "src/b.py": text}, None, before={"src/a.py": text}).findings()
    assert of_odd_source(found) == []


@pytest.mark.parametrize(
    "path", ["tests/data/broken.py", "tests/fixtures/a/py2.py", "tests/functional/s/syntax_error.py"]
)
def test_test_data_that_does_not_parse_is_told_only(path: str) -> None:
    found = Trick("data", {path: "def f(:\n"}, None).findings()
    assert of_odd_source(found) == ["note"]


def test_a_template_of_source_passes() -> None:
    path = "{{cookiecutter.name}}/main.py"
    assert of_odd_source(Trick("template", {path: "import {{ cookiecutter.name }}\n"}, None).findings()) == []
