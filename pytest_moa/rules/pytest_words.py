"""Further words for pytest that a caller gives: those that would make its run another one are refused. Pure.

What counts is what `settings-changed` says of the same words in a branch's `addopts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.rules.integrity.settings_keys import added_arguments

_OURS = "--moa"
_LOADS_CODE = ("--pdbcls", "--plugins")


def refusals(words: Sequence[str]) -> list[str]:
    """Why words cannot be taken, one sentence a word: they load plugins, choose tests, or switch something off."""
    found = []
    for name, value, grade in added_arguments(words):
        shown = " ".join(part for part in (name, value) if part)[:120]
        if not name:
            found.append(f"`{shown}` is no option: which tests run is for the policy to say")
        elif name == "-p":
            if grade == "block":
                found.append(f"`{shown}` loads a plugin or switches one off")
        elif name.startswith((_OURS, *_LOADS_CODE)):
            found.append(f"`{shown}` is moa's own business, or runs code from elsewhere")
        elif grade == "block":
            found.append(f"`{shown}` leaves tests out, or changes what counts as passed")
    return found
