"""Bytes to a policy: files, variables, the JSON Schema. Loaded on first use; knows neither pytest nor git."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_moa.config.example import commented_example
    from pytest_moa.config.load import config_files, load_from_disk, load_from_reader
    from pytest_moa.config.schema import json_schema

_PUBLIC = {
    "commented_example": "example",
    "config_files": "load",
    "json_schema": "schema",
    "load_from_disk": "load",
    "load_from_reader": "load",
}

__all__ = ["commented_example", "config_files", "json_schema", "load_from_disk", "load_from_reader"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
