"""Values as YAML, on one line, so that they are read back as they were."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pytest_moa.config.documents import Plain
from pytest_moa.config.shown import number, truth

_BARE = re.compile(r"[A-Za-z0-9./][A-Za-z0-9._/@+-]*( [A-Za-z0-9._/@+-]+)*")
_WORDS_OF_YAML = {"null", "yes", "no", "on", "off", "y", "n"}
# What YAML 1.1 calls printable is less than what JSON leaves as it is.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def written(value: Any) -> str:
    """A default, an example or a user's own word; a text is quoted wherever YAML could read more into it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value if _is_bare(value) else quoted(value)
        case Mapping():
            return "{" + ", ".join(f"{written(name)}: {written(item)}" for name, item in value.items()) + "}"
        case tuple():
            return f"[{', '.join(written(item) for item in value)}]"
        case _:
            return str(value)


def quoted(text: str) -> str:
    whole = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", whole)


def _is_bare(text: str) -> bool:
    plain = Plain(text)
    ordinary = number(plain) is None and truth(plain) is None and text.lower() not in _WORDS_OF_YAML
    return bool(_BARE.fullmatch(text)) and ordinary and not text[0].isdigit()
