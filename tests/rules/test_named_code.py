"""Own code of an agent in another language: what its registry entry names, and its tests do not."""

from __future__ import annotations

import pytest

from pytest_moa.rules.named_code import named_code

TREE = (
    "web/src/a.js",
    "web/src/deep/b.ts",
    "web/src/a.test.js",
    "web/test/c.js",
    "webbing/d.js",
    "back/web/e.js",
)


@pytest.mark.parametrize(
    ("source", "tests", "prefix", "own"),
    [
        ((), (), "", []),
        (("web/src",), (), "", ["web/src/a.js", "web/src/a.test.js", "web/src/deep/b.ts"]),
        (("./web/src/",), ("web/src/*.test.js",), "", ["web/src/a.js", "web/src/deep/b.ts"]),
        (("web",), ("web/test", "web/src/deep"), "", ["web/src/a.js", "web/src/a.test.js"]),
        (("web/src/a.js",), (), "", ["web/src/a.js"]),
        (("*.ts",), (), "", ["web/src/deep/b.ts"]),
        (("web",), (), "back/", ["back/web/e.js"]),
        ((".",), (), "back/", ["back/web/e.js"]),
        (("gone",), (), "", []),
    ],
)
def test_files_that_source_names_and_tests_do_not(
    source: tuple[str, ...], tests: tuple[str, ...], prefix: str, own: list[str]
) -> None:
    assert list(named_code(source, tests, TREE, prefix)) == own
