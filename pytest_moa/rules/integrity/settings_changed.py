"""**Sees:** changes of settings that decide which tests run, what they may do and what coverage counts. Settings are
compared parsed and in the order of files in which pytest and coverage look for them, so a new `pytest.ini` that takes
precedence over `pyproject.toml` is a change of everything that it hides.

**Catches,** for example, in `pyproject.toml`:

```diff
 [tool.pytest.ini_options]
-addopts = "-ra --cov=shop"
+addopts = "-ra --cov=shop --deselect tests/test_pay.py::test_refund"
 [tool.coverage.run]
+omit = ["src/shop/pay.py"]
```

also `python_files`, `testpaths`, `norecursedirs`, `pythonpath`, `usefixtures`, `xfail_strict`, `fail_under`,
`exclude_lines`, `branch`, `plugins` and their like; the same through `config.option` in a conftest; moa's own config;
a workflow that runs moa; `.gitattributes` that rewrite files; `sitecustomize.py`, `*.pth`, `*.dist-info`, committed
byte code, extension modules and coverage data.

**Does not look at** what only adds (a marker, a further test path, another tool's section), what only tightens (a
higher `fail_under`, a stricter warning filter), comments, order and format. Other keys of the test tools are a `warn`,
packaging, requirements and other workflows a `note`.

**Legal way out:** land the setting in a change of its own that a person reviews, or allow it on the target:
`integrity.allow: [{rule: settings-changed, path: pyproject.toml, content: <blob id>}]`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import yaml

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.model.settings import COVERAGE_FILES, PYTEST_FILES
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity import sightings
from pytest_moa.rules.integrity.kit import Change, FileChange, Side
from pytest_moa.rules.integrity.settings_files import Effective, Settings
from pytest_moa.rules.integrity.settings_keys import Graded, coverage_grades, pytest_grades

NAME = "settings-changed"
DEFAULT: Severity = "block"

_REMEDY = "Take the change of this setting out of the branch, or have a person allow it on the target."
_LAND_ALONE = "Take it out of the branch, or have a person land it in a change of its own."


def check(change: Change) -> list[Finding]:
    """Findings over every changed file that a test tool, moa or git reads as a setting, each once."""
    return list(dict.fromkeys(_findings(change)))


def _findings(change: Change) -> Iterator[Finding]:
    yield from _pytest(change)
    yield from _coverage(change)
    for file in change.files:
        yield from _broken(change, file)
        yield from _other_settings(change, file)
        yield from _by_name(file)
    yield from sightings.fresh(change, NAME, _in_code)


Grades = Callable[[Settings, Settings], Iterator[Graded]]


def _pytest(change: Change) -> Iterator[Finding]:
    for folder in _folders_with(change, PYTEST_FILES):
        before = files.pytest_settings(change, folder, "base")
        after = files.pytest_settings(change, folder, "head")
        yield from _compared(change, "pytest", folder, (before, after), pytest_grades)
    yield from _hidden(change, PYTEST_FILES, files.pytest_section, "pytest", pytest_grades)


def _coverage(change: Change) -> Iterator[Finding]:
    for folder in _folders_with(change, COVERAGE_FILES):
        before = files.coverage_settings(change, folder, "base")
        after = files.coverage_settings(change, folder, "head")
        yield from _compared(change, "coverage", folder, (before, after), coverage_grades)
    yield from _hidden(change, COVERAGE_FILES, files.coverage_section, "coverage", coverage_grades)


def _folders_with(change: Change, names: tuple[str, ...]) -> list[str]:
    return sorted(
        {
            "" if str(parent := PurePosixPath(f.path).parent) == "." else str(parent)
            for f in change.files
            if PurePosixPath(f.path).name in names
        }
    )


def _compared(
    change: Change, tool: str, folder: str, held: tuple[Effective, Effective], grades: Grades
) -> Iterator[Finding]:
    """Findings for one folder: the settings that held there, against those that hold now."""
    before, after = held
    path = after.path or before.path
    if path is None:
        return
    text = change.text(path, "head")
    moved = before.path is not None and after.path is not None and before.path != after.path
    hides = f"; `{after.path}` now decides instead of `{before.path}`" if moved else ""
    own = _is_new_project(change, folder)
    for key, grade, told in grades(before.settings, after.settings):
        first = key in _SOURCES and not files.words(before.settings.get(key))
        mild = own or (first and _is_whole(change, folder, files.words(after.settings.get(key))))
        yield Finding(
            rule=NAME,
            severity="warn" if mild and grade == "block" else grade,
            path=_blamed(change, path, before.path),
            line=files.key_line(text, key, after.settings.get(key)),
            message=f"{tool}: {told}{hides}",
            remedy=_REMEDY,
        )


_SOURCES = frozenset(["run:source", "run:source_pkgs", "run:source_dirs"])


def _is_whole(change: Change, folder: str, sources: tuple[str, ...]) -> bool:
    """Whether a first list of sources names what the target's project is: its folder, or a package at its root."""
    inside = f"{folder}/" if folder else ""
    packaging = ("pyproject.toml", "setup.py", "setup.cfg")
    # A project that begins with this branch has no package yet that could be left out.
    side: Side = "base" if any(change.text(inside + p, "base") for p in packaging) else "head"
    return any(
        source.strip("./") in {"", "src", "lib"}
        or change.text(f"{inside}{root}{source.strip('./').replace('.', '/')}/__init__.py", side) is not None
        for source in sources
        for root in ("", "src/", "lib/")
        if not sightings.TEST_FOLDERS.intersection(re.split(r"[./]", source))
    )


def _blamed(change: Change, path: str, fallback: str | None) -> str:
    """The changed file of the two, since a finding at an untouched file could not be acted upon."""
    changed = {f.path for f in change.files}
    return fallback if path not in changed and fallback in changed and fallback is not None else path


def _hidden(
    change: Change,
    names: tuple[str, ...],
    section: Callable[[str, files.Document], Settings | None],
    tool: str,
    grades: Grades,
) -> Iterator[Finding]:
    """Files that another one hides from this version of the tool: an older version reads them."""
    for file in change.files:
        if PurePosixPath(file.path).name not in names:
            continue
        docs = [files.parsed_document(change, file.path, side) for side in ("base", "head")]
        old, new = (None if doc is None else section(file.path, doc) for doc in docs)
        if old is None or new is None:
            continue
        for key, grade, told in grades(old, new):
            line = files.key_line(file.after, key, new.get(key))
            message = f"{tool}: {told}"
            yield Finding(
                rule=NAME, severity=grade, path=file.path, line=line, message=message, remedy=_REMEDY
            )


def _is_new_project(change: Change, folder: str) -> bool:
    """Whether a folder is a project of its own that the branch brought (an example, a template, a workspace member)."""
    if not folder or sightings.TEST_FOLDERS.intersection(folder.split("/")):
        return False
    inside = [f for f in change.files if f.path.startswith(folder + "/")]
    packaged = any(
        f.path in {f"{folder}/{name}" for name in ("pyproject.toml", "setup.py", "setup.cfg")} for f in inside
    )
    known = (
        *PYTEST_FILES,
        *COVERAGE_FILES,
        "setup.py",
        "conftest.py",
        "__init__.py",
        "README.md",
    )
    return (
        packaged
        and all(f.before is None for f in inside)
        and not any(change.text(f"{folder}/{name}", "base") for name in known)
    )


def _broken(change: Change, file: FileChange) -> Iterator[Finding]:
    name = PurePosixPath(file.path).name
    if name not in {*PYTEST_FILES, *COVERAGE_FILES} or file.after is None:
        return
    if files.parsed_document(change, file.path, "head") is None and (
        file.before is None or files.parsed_document(change, file.path, "base") is not None
    ):
        yield Finding(
            rule=NAME,
            severity="block",
            path=file.path,
            line=None,
            message="this settings file does not parse, so nobody can say what it sets",
            remedy="Mend its syntax.",
        )


_MOA_CONFIGS = re.compile(r"(.*/)?(config/moa_config\.ya?ml|moa\.ya?ml)")
_RUNS_MOA = re.compile(r"moa-action|pytest[_-]moa|(?<![\w./-])moa +[a-z-]+|--moa\b|MOA_[A-Z]+")
_CI = re.compile(
    r"\.github/(workflows|actions)/.+|action\.ya?ml|\.gitlab-ci\.yml|\.travis\.yml|azure-pipelines\.yml|Jenkinsfile"
    r"|\.circleci/.+|\.ci/.+|noxfile\.py|tox\.toml|appveyor\.yml|\.pre-commit-config\.yaml|Makefile|justfile"
)
_PACKAGING = re.compile(
    r"(.*/)?(setup\.py|requirements[^/]*\.(txt|in)|requirements/[^/]+\.(txt|in)|constraints[^/]*\.txt|uv\.lock"
    r"|poetry\.lock|pdm\.lock|Pipfile(\.lock)?|environment\.ya?ml|MANIFEST\.in)"
)


def _other_settings(change: Change, file: FileChange) -> Iterator[Finding]:
    path = file.path
    if _MOA_CONFIGS.fullmatch(path):
        if not _same_yaml(file.before, file.after):
            yield _finding("block", path, "moa's own config changed: thresholds and rules come from it", file)
    elif path.endswith("pyproject.toml"):
        yield from _pyproject(change, file)
    elif PurePosixPath(path).name == ".gitattributes":
        yield from _gitattributes(file)
    elif _CI.fullmatch(path):
        yield from _workflow(file)
    elif _PACKAGING.fullmatch(path) and file.before != file.after:
        yield _finding("note", path, "what is installed for the tests may change with this file", file)
    if path in {"tox.ini", "setup.cfg"} and _rest_changed(change, file):
        yield _finding("note", path, "sections that CI or packaging read changed", file)


def _pyproject(change: Change, file: FileChange) -> Iterator[Finding]:
    base, head = (files.parsed_document(change, file.path, side) or {} for side in ("base", "head"))
    if files.table(base, "tool", "moa") != files.table(head, "tool", "moa"):
        line = files.key_line(file.after, "[tool.moa")
        yield Finding(
            rule=NAME,
            severity="block",
            path=file.path,
            line=line,
            message="moa's own config changed in `[tool.moa]`: thresholds and rules come from it",
            remedy=_LAND_ALONE,
        )
    if any(base.get(key) != head.get(key) for key in ("project", "build-system", "dependency-groups")):
        yield _finding("note", file.path, "packaging or dependencies changed", file)


def _rest_changed(change: Change, file: FileChange) -> bool:
    base, head = (files.parsed_document(change, file.path, side) or {} for side in ("base", "head"))
    return any(
        base.get(name) != head.get(name)
        for name in {*base, *head}
        if name.startswith(("testenv", "tox", "options", "metadata", "gh-actions"))
    )


def _workflow(file: FileChange) -> Iterator[Finding]:
    if _same_yaml(file.before, file.after) and file.before is not None:
        return
    if any(_RUNS_MOA.search(text or "") for text in (file.before, file.after)) and file.path.startswith(
        ".github/"
    ):
        yield _finding("block", file.path, "a workflow that runs moa changed", file)
    else:
        yield _finding("note", file.path, "CI settings changed", file)


def _finding(severity: FindingSeverity, path: str, message: str, file: FileChange) -> Finding:
    return Finding(
        rule=NAME,
        severity=severity,
        path=path,
        line=_first_difference(file),
        message=message,
        remedy=_LAND_ALONE
        if severity == "block"
        else "Nothing to do where this is meant; a person may want to know.",
    )


def _first_difference(file: FileChange) -> int | None:
    if file.before is None or file.after is None:
        return None
    old, new = file.before.splitlines(), file.after.splitlines()
    return next((n for n, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b), None) or (
        min(len(old), len(new)) + 1 if len(new) > len(old) else None
    )


def _same_yaml(before: str | None, after: str | None) -> bool:
    """Whether two YAML texts say the same. Compared by their events: aliases are not expanded, so no bomb goes off."""
    if before is None or after is None:
        return before == after
    events = [_events(text) for text in (before, after)]
    return events[0] is not None and events[0] == events[1]


def _events(text: str) -> list[tuple[object, ...]] | None:
    try:
        return [
            (
                type(e).__name__,
                getattr(e, "value", None),
                getattr(e, "tag", None),
                getattr(e, "anchor", None),
                getattr(e, "implicit", None),
            )
            for e in yaml.parse(text, Loader=yaml.SafeLoader)
        ]
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


_REWRITES = re.compile(r"(filter|merge|working-tree-encoding|ident|export-subst|export-ignore)\b")


def _gitattributes(file: FileChange) -> Iterator[Finding]:
    old, new = (
        Counter(
            " ".join(line.split())
            for line in (text or "").splitlines()
            if line.strip() and line.strip()[0] != "#"
        )
        for text in (file.before, file.after)
    )
    for line in sorted((old - new) | (new - old)):
        words = line.split()[1:]
        if any(_REWRITES.match(word.lstrip("-!")) for word in words):
            yield _finding(
                "block", file.path, f"`{line}` changes what git checks out, merges or archives", file
            )
        elif any(word.lstrip("-!").startswith(("diff", "binary", "linguist-generated")) for word in words):
            yield _finding("note", file.path, f"`{line}` changes what reviewers see", file)


_DATA = frozenset(
    """data fixtures testdata test_data resources assets samples packages examples example docs doc cases _vendor
    vendor projects templates snapshots cassettes""".split()  # noqa: SIM905
)


def _by_name(file: FileChange) -> Iterator[Finding]:
    if file.after is None or file.before == file.after:
        return
    found = _named(file)
    if found is None:
        return
    severity, why = found
    # Wheels and trees for installers' tests are data; nothing is imported from there.
    data = _DATA.intersection(PurePosixPath(file.path).parts[:-1]) and "pytest11" not in file.after
    yield Finding(
        rule=NAME,
        severity="note" if data else severity,
        path=file.path,
        line=None,
        message=why,
        remedy="Remove the file from the branch; if it is needed, have a person allow it on the target.",
    )


def _named(file: FileChange) -> tuple[FindingSeverity, str] | None:  # noqa: PLR0911 - one return a kind of file
    pure = PurePosixPath(file.path)
    name, parts = pure.name.lower(), pure.parts
    if pure.stem in {"sitecustomize", "usercustomize"} or parts[0] in {"sitecustomize", "usercustomize"}:
        return "block", "Python imports this module by itself at each start, before the tests"
    if name.endswith(".pth"):
        return "block", "Python runs `.pth` files at each start"
    if any(p.lower().endswith((".dist-info", ".egg-info", ".egg-link")) for p in parts):
        return "block", "installed metadata in the tree can register plugins with pytest"
    if name.endswith((".pyc", ".pyo", ".pyd")) or "__pycache__" in parts:
        return "block", "byte code that no one can read would be run instead of the source"
    if re.search(r"\.(so|dylib|dll)(\.\d+)*$", name):
        return "block", "a compiled module would be imported and cannot be reviewed or measured"
    if re.fullmatch(r"\.coverage(?!rc)([.-].*)?", name):
        return "block", "coverage data are made by the run, not brought by a branch"
    if ".pytest_cache" in parts:
        return "block", "pytest's cache decides with `--lf` and `--sw` which tests run"
    return None


_CONFIG_PARTS = frozenset(
    ["option", "inicfg", "_inicache", "known_args_namespace", "args", "invocation_params"]
)
_DECIDING_OPTIONS = frozenset(
    """keyword markexpr deselect ignore ignore_glob maxfail collectonly cov_fail_under no_cov cov_source cov_config
    lf failedfirst stepwise pyargs file_or_dir runxfail strict continue_on_collection_errors setuponly setupplan
    no_cov_on_fail importmode noconftest plugins""".split()  # noqa: SIM905
)


def _in_code(page: sightings.Page) -> Iterator[sightings.Sighting]:
    """Settings set by a conftest, a plugin or a test: `config.option.x = …`, `config.addinivalue_line("usefixtures", …)`."""
    if page.role not in ("conftest", "test", "helper"):
        return
    grade: FindingSeverity = "warn" if page.role == "test" else "block"
    for spot in page.spots:
        node = spot.node
        told: str | None = None
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            found = (_config_write(t, spot) for t in sightings.targets(node))
            told = next((t for t in found if t is not None), None)
        elif isinstance(node, ast.Call):
            told = _config_call(node, spot)
        if told is not None:
            yield sightings.Sighting(
                key=f"{told}|{page.group}",
                line=spot.line,
                severity=grade,
                message=f"{told}: pytest's settings are changed from code",
                remedy="Keep pytest's settings in the settings file, and leave them to the target.",
            )


def _config_write(target: ast.expr, spot: sightings.Spot) -> str | None:
    words = sightings.chain(target)
    for name in (words, *(n.split(".") for n in sorted(spot.dotted(target)))):
        for i, word in enumerate(name):
            if (
                word in _CONFIG_PARTS
                and i > 0
                and (name[i - 1].endswith("config") or name[i - 1] == "<call>")
            ):
                return f"`{'.'.join(words)}` is set"
    return None


def _config_call(call: ast.Call, spot: sightings.Spot) -> str | None:
    name = sightings.chain(call.func)
    args = [spot.constant(a) for a in call.args[:3]]
    if name[-1:] == ["addinivalue_line"] and args and args[0] not in ("markers", "filterwarnings"):
        return f"`addinivalue_line({args[0] if isinstance(args[0], str) else '…'!r})` adds to a setting"
    if name[-1:] in (["setattr"], ["__setattr__"], ["setitem"]) and call.args:
        owner = sightings.chain(call.args[0])
        if owner and owner[-1] in _CONFIG_PARTS - {"args"} and any(w.endswith("config") for w in owner[:-1]):
            return f"`{'.'.join(owner)}` is set"
    if name[-1:] == ["set_defaults"] and any(k.arg in _DECIDING_OPTIONS for k in call.keywords):
        return "`parser.set_defaults` changes pytest's own options"
    if name[-1:] in (["clear"], ["append"], ["extend"], ["remove"], ["insert"], ["update"], ["pop"]):
        owner = name[:-1]
        if any(w in _CONFIG_PARTS for w in owner[1:]) and any(w.endswith("config") for w in owner):
            return f"`{'.'.join(owner)}` is edited"
    return None
