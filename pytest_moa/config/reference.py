"""The tables of docs/configuration.md; `python -m pytest_moa.config.reference FILE` renews them between markers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_moa.config.environment import VARIABLES
from pytest_moa.config.shape import Flag, Key, Listing, Pairs, Table, policy_shape, words
from pytest_moa.config.written import written

BEGIN = "<!-- keys: made by `python -m pytest_moa.config.reference`, not by hand -->"
END = "<!-- end of keys -->"


def renewed(page: str) -> str:
    """The page with its tables made anew; what stands outside of the markers stays as it is."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def reference() -> str:
    """A heading and a table of keys for each section, in Markdown."""
    return "\n".join(_section(policy_shape().keys, ""))


def _section(keys: tuple[Key, ...], path: str) -> Iterator[str]:
    plain = [key for key in keys if not isinstance(_inner(key), Table)]
    if plain:
        yield from _table(plain, path)
    for key in keys:
        table = _inner(key)
        if isinstance(table, Table):
            place = f"{path}{key.name}"
            many = isinstance(key.kind, Listing)
            yield f"### `{place}`\n\n{key.told}{_shape_note(key) if many else ''}\n"
            yield from _section(table.keys, f"{place}[]." if many else f"{place}.")


def _inner(key: Key) -> object:
    return key.kind.item if isinstance(key.kind, Listing) else key.kind


def _shape_note(key: Key) -> str:
    mapping = isinstance(key.kind, Listing) and key.kind.by_id
    return " A list of mappings" + (", or a mapping from ids to them." if mapping else ".")


def _table(keys: list[Key], path: str) -> Iterator[str]:
    yield "| key | allowed | default | what it says |\n| --- | --- | --- | --- |"
    variables = {f"{section}.{name}": variable for variable, (section, name) in VARIABLES.items()}
    for key in keys:
        variable = variables.get(path + key.name)
        told = f"{key.told} Variable: `{variable}`." if variable else key.told
        cells = (f"`{path}{key.name}`", _allowed(key), _default(key), told)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _allowed(key: Key) -> str:
    if isinstance(key.kind, Listing) and key.example is not None:
        return f"{words(key.kind)}, as `{written(key.example)}`"
    if isinstance(key.kind, Pairs):
        return f"{words(key.kind)}, as `{written(key.example)}`"
    return f"`{words(key.kind).replace(' or ', '` or `')}`" if isinstance(key.kind, Flag) else words(key.kind)


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return "" if key.default is None else f"`{written(key.default)}`"


def main(arguments: list[str]) -> None:
    (file,) = arguments
    page = Path(file)
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
