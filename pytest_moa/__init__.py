"""pytest-moa: gate, merge and report the work of many coding agents. Public names are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "MoaError": "pytest_moa.errors",
    "MasterOrchestrator": "pytest_moa.orchestrator",
}

__all__ = ["MasterOrchestrator", "MoaError", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
