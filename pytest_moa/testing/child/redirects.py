"""Leads imports of modules and names that the candidate moved to where they are now, for tests of an older version.

Works on Python 3.8 with the standard library alone.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from typing import Any


def install(order: dict[str, Any]) -> None:
    """`order["redirects"]`: `modules` (old name to new, None: gone) and `names` (module to names to `module:name`)."""
    given = order.get("redirects") or {}
    if given.get("modules") or given.get("names"):
        sys.meta_path.insert(0, Finder(given.get("modules") or {}, given.get("names") or {}))


class Finder(importlib.abc.MetaPathFinder):
    """Asked before the others; what the candidate has under the old name wins."""

    def __init__(self, modules: dict[str, Any], names: dict[str, dict[str, Any]]) -> None:
        self.modules = modules
        self.names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        concerned = fullname in self.modules or fullname in self.names
        above = any(name.startswith(fullname + ".") for name in self.modules)
        if not concerned and not above:
            return None
        spec = self.found_by_others(fullname, path, target)
        if spec is not None:
            if spec.loader is not None and fullname in self.names:
                spec.loader = Completing(spec.loader, self.names[fullname])
            return spec
        new = self.modules.get(fullname)
        if new is not None:
            return importlib.machinery.ModuleSpec(fullname, Alias(new))
        # A package so that modules below it, which may have moved elsewhere, are looked for at all.
        return importlib.machinery.ModuleSpec(
            fullname, Empty(fullname, self.names.get(fullname, {})), is_package=True
        )

    def found_by_others(self, fullname: str, path: Any, target: Any) -> Any:
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(fullname, path, target)
            if spec is not None:
                # A folder without a module in it is left where the module moved away.
                return None if spec.loader is None and fullname in self.modules else spec
        return None


class Alias(importlib.abc.Loader):
    """The old name stands for the very same module object, so that a patch of either is seen through both."""

    def __init__(self, new: str) -> None:
        self.new = new
        self.spec: Any = None
        self.loader: Any = None

    def create_module(self, spec: Any) -> Any:  # noqa: ARG002 - the loader's protocol
        module = importlib.import_module(self.new)
        self.spec, self.loader = module.__spec__, getattr(module, "__loader__", None)
        return module

    def exec_module(self, module: Any) -> None:
        # importlib has just written the old name's facts into it.
        module.__spec__, module.__loader__ = self.spec, self.loader


class Empty(importlib.abc.Loader):
    """A module that is gone: importing it works, using what was in it does not."""

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        self.name = name
        self.names = names

    def create_module(self, spec: Any) -> Any:  # noqa: ARG002 - the loader's protocol
        return types.ModuleType(self.name, "gone from the candidate")

    def exec_module(self, module: Any) -> None:
        def lookup(name: str) -> Any:
            # pytest and importlib ask modules for these.
            if name.startswith("__") or name in {"pytest_plugins", "pytestmark", "setUpModule"}:
                raise AttributeError(name)
            return found(self.name, name, self.names.get(name))

        module.__getattr__ = lookup


class Completing(importlib.abc.Loader):
    """Loads a module and gives it the names that it lost."""

    def __init__(self, inner: Any, names: dict[str, Any]) -> None:
        self.inner = inner
        self.names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def create_module(self, spec: Any) -> Any:
        return self.inner.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self.inner.exec_module(module)
        complete(module, self.names)


def complete(module: Any, names: dict[str, Any]) -> None:
    """Names that the module has not are looked up where they went, when somebody asks for them."""
    inner = vars(module).get("__getattr__")

    def lookup(name: str) -> Any:
        if inner is not None:
            try:
                return inner(name)
            except AttributeError:
                if name not in names:
                    raise
        if name in names:
            return found(module.__name__, name, names[name])
        raise AttributeError("module %r has no attribute %r" % (module.__name__, name))  # noqa: UP031 - as Python says it

    module.__getattr__ = lookup


def found(module: str, name: str, target: Any) -> Any:
    """What `module:name` is now (`module:` is the module itself); something that fails when used where it is gone."""
    if target:
        place, _, attribute = target.partition(":")
        try:
            now = importlib.import_module(place)
            return getattr(now, attribute) if attribute else now
        except (ImportError, AttributeError):
            pass
    return gone(module, name)


class GoneFromTheBranch(type):
    """The type of what is gone. Whatever a test does with it fails with its name; naming it does not."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - anything may be given
        raise AttributeError(cls.told)

    def __getattr__(cls, name: str) -> Any:
        # `told` itself is a plain attribute; these are asked of every value that pytest or mock looks at.
        if name.startswith("_") or name in {"pytestmark", "pytest_plugins"}:
            raise AttributeError(name)
        raise AttributeError(cls.told)


def gone(module: str, name: str) -> Any:
    """An exception class, since `pytest.raises` and `except` take nothing else; pytest collects no tests of it."""
    told = "%s has no %r any more" % (module, name)  # noqa: UP031 - the same on every version
    return GoneFromTheBranch(name, (Exception,), {"told": told, "__test__": False, "__module__": module})
