"""Where the source went that the target's tests import: modules and names that moved, were renamed, or are gone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from pytest_moa.rules.integrity.names import FUNCTIONS, walk
from pytest_moa.rules.integrity.pairing import likeness, words
from pytest_moa.rules.old_tests.trees import Trees

MOVED = 0.5
"""Share of equal lines that makes a new file the old one under another name."""

RENAMED = 0.75
"""Share of equal words that makes a new function of another name the old one. A wrong guess lets nothing through: the
old tests are run against it.
"""

KEPT = 0.4
"""The same for one that kept its name and is in another module now."""

_SMALL = 3
_DEFINITIONS = (*FUNCTIONS, ast.ClassDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """What imports of the old tests become: a module's new name, or for names of a module `module:name`.

    None stands for what is gone altogether: using it fails, importing it does not, so that a file's other tests run.
    """

    modules: Mapping[str, str | None] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.modules or self.names)


def redirects(trees: Trees, spoken: frozenset[str]) -> Redirects:
    """The redirects that the old tests need; `spoken` are the words of their texts."""
    moves = _Moves(trees)
    modules = {
        name: target for name, target in moves.modules.items() if spoken.issuperset(name.split(".")[-1:])
    }
    names = {
        module: wanted
        for module, missing in moves.names.items()
        if (wanted := {name: target for name, target in missing.items() if name in spoken})
    }
    return Redirects(modules=dict(sorted(modules.items())), names=dict(sorted(names.items())))


class _Moves:
    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        base, head = trees.source("base"), trees.source("head")
        self.gone = [p for p in base if p not in trees.head]
        self.new = [p for p in head if p not in trees.base]
        self.changed = [p for p in head if p in trees.base and trees.base[p] != trees.head[p]]
        self._names: dict[str, dict[str, ast.stmt]] = {}

    @cached_property
    def there(self) -> Mapping[str, str]:
        """The candidate's modules by dotted name."""
        return {self.trees.name(path, "head"): path for path in self.trees.source("head")}

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Old path to new path of source files that moved."""
        pairs = dict(self._alike())
        folders = Counter(
            (str(PurePosixPath(old).parent), str(PurePosixPath(new).parent)) for old, new in pairs.items()
        )
        free = set(self.new).difference(pairs.values())
        for old in self.gone:
            if old in pairs:
                continue
            for (before, after), _ in folders.most_common():
                there = (PurePosixPath(after) / PurePosixPath(old).name).as_posix()
                if str(PurePosixPath(old).parent) == before and there in free:
                    pairs[old] = there
                    free.discard(there)
                    break
        return pairs

    def _alike(self) -> Iterator[tuple[str, str]]:
        lines = {p: Counter(self.trees.text(p, "base").split("\n")) for p in self.gone}
        fresh = {p: Counter(self.trees.text(p, "head").split("\n")) for p in self.new}
        ranked = sorted(
            (
                (share, old.rpartition("/")[2] == new.rpartition("/")[2], old, new)
                for old, mine in lines.items()
                if mine.total() >= _SMALL
                for new, theirs in fresh.items()
                if (share := _share(mine, theirs)) >= MOVED
            ),
            reverse=True,
        )
        taken: set[str] = set()
        for _, _, old, new in ranked:
            if not {old, new} & taken:
                taken |= {old, new}
                yield old, new

    @cached_property
    def modules(self) -> Mapping[str, str | None]:
        """Modules that the candidate has no more, to where they went."""
        found: dict[str, str | None] = {}
        for old in self.gone:
            name = self.trees.name(old, "base")
            if name not in self.there and not any(m.startswith(name + ".") for m in self.there):
                new = self.files.get(old)
                found[name] = None if new is None else self.trees.name(new, "head")
        return found

    @cached_property
    def names(self) -> Mapping[str, Mapping[str, str | None]]:
        """Top-level names that a module lost, by the name of the module as it is imported now."""
        found: dict[str, dict[str, str | None]] = {}
        touched = [p for p in self.changed if p in self.trees.base] + self.gone
        for old in touched:
            name = self.trees.name(old, "base")
            now = self.modules.get(name, name)
            new = None if now is None else self.there.get(now)
            if now is None:
                # The whole module is gone; its functions may live on elsewhere.
                missing = {n: self._target(n, d, None) for n, d in self._of(old, "base").items()}
                if any(missing.values()):
                    found[name] = missing
            elif new is not None:
                kept = self._of(new, "head")
                missing = {
                    n: self._target(n, d, new) for n, d in self._of(old, "base").items() if n not in kept
                }
                if missing:
                    found[now] = missing
        return found

    def _target(self, name: str, node: ast.stmt, home: str | None) -> str | None:
        if isinstance(node, ast.ImportFrom | ast.Import):
            return self._imported(name, node, home)
        mine = words([node])
        best: tuple[float, str] | None = None
        for path in (*self.changed, *self.new):
            for other, there in self._of(path, "head").items():
                if type(there) is not type(node) or self._was_there(path, other):
                    continue
                share = likeness(mine, words([there])) if isinstance(node, _DEFINITIONS) else 1.0
                least = KEPT if other == name else RENAMED if isinstance(node, _DEFINITIONS) else 2.0
                ranked = (share + (other == name), f"{self.trees.name(path, 'head')}:{other}")
                if share >= least and (best is None or ranked > best):
                    best = ranked
        return None if best is None else best[1]

    def _was_there(self, path: str, name: str) -> bool:
        return path in self.trees.base and name in self._of(path, "base")

    def _imported(self, name: str, node: ast.ImportFrom | ast.Import, home: str | None) -> str | None:
        """What a module no longer passes on: where it got it from, as that is now."""
        if isinstance(node, ast.Import) or home is None:
            return None
        original = next((a.name for a in node.names if (a.asname or a.name) == name), name)
        package = self.trees.name(home, "head").split(".")
        if not home.endswith("/__init__.py"):
            package = package[:-1]
        parts = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*parts, *filter(None, [node.module])])
        module = self.modules.get(module) or module
        if f"{module}.{original}" in self.there:
            return f"{module}.{original}:"
        if module not in self.there:
            return None
        elsewhere = self.names_of_definitions.get(original)
        held = self._of(self.there[module], "head")
        return f"{module}:{original}" if original in held else elsewhere

    @cached_property
    def names_of_definitions(self) -> Mapping[str, str]:
        """Definitions of the files that changed or came, by their name, where it is there only once."""
        found: dict[str, list[str]] = {}
        for path in (*self.changed, *self.new):
            for name, node in self._of(path, "head").items():
                if isinstance(node, _DEFINITIONS):
                    found.setdefault(name, []).append(f"{self.trees.name(path, 'head')}:{name}")
        return {name: places[0] for name, places in found.items() if len(places) == 1}

    def _of(self, path: str, side: str) -> dict[str, ast.stmt]:
        """What a module binds at its top level, by name; the last binding counts."""
        key = f"{side}:{path}"
        if key not in self._names:
            tree = self.trees.tree(path, "base" if side == "base" else "head")
            self._names[key] = dict(_bindings(tree)) if tree is not None else {}
        return self._names[key]


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in walk(tree.body, into_scopes=False):
        if isinstance(node, _DEFINITIONS):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((a.asname or a.name.partition(".")[0], node) for a in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        yield part.id, node


def _share(a: Counter[str], b: Counter[str]) -> float:
    """Share of equal lines; a file may have grown or shrunk in its move."""
    common = (a & b).total()
    return 2 * common / (a.total() + b.total())


def words_in(texts: Iterable[str]) -> frozenset[str]:
    """Every word that could be a name."""
    return frozenset(word for text in texts for word in re.findall(r"[^\W\d]\w*", text))
