"""**Sees:** new modules where Python looks first, named like a standard module, a test tool or a dependency: whoever
imports that name, pytest and coverage among them, gets the branch's file instead.

**Catches,** for example, a new `coverage/__init__.py` in the repository's root:

```python
class Coverage:  # reports 100 % whatever ran
    ...
```

also `doctest.py` beside the tests (pytest puts that folder first on the path), `src/json.py`, `pytest_cov/`, a link or a
submodule of such a name, `sitecustomize` and `usercustomize` below a source root, `*.dist-info` and `*.egg-info` folders
and `.pth` files where imports look. Source roots are the repository's root, `src` and `lib`, the
`pythonpath` and packaging settings of target and branch, and the same below every folder that holds a project.

**Does not look at** modules inside of packages (`shop/json.py`), folders without `__init__.py` (the installed module wins
over them), modules that the target has at any root, the project's own package, folders beside tests where the settings
say `import-mode=importlib`, test data. Below a tests folder that is not known to hold tests it is a `warn`.

**Legal way out:** another name; or allow it on the target: `integrity.allow: [{rule: shadowed-module, path: src/json.py}]`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity.kit import Change, FileChange, Side, is_test_path
from pytest_moa.rules.integrity.sightings import TEST_FOLDERS

NAME = "shadowed-module"
DEFAULT: Severity = "block"

# What the tests' interpreter imports in every run: pytest, coverage, their parts, and what installs them.
_TOOLS = frozenset(
    """pytest _pytest pluggy coverage pytest_cov xdist execnet iniconfig packaging py pygments tomli typing_extensions
    hypothesis _hypothesis_pytestplugin _hypothesis_globals _hypothesis_ftz_detector pip setuptools pkg_resources
    _distutils_hack wheel distutils pytest_moa _virtualenv""".split()  # noqa: SIM905 - a list of words reads better so
)
_STANDARD = sys.stdlib_module_names - {"__main__", "this", "antigravity", "idlelib", "turtledemo"}
_AT_START = frozenset(["sitecustomize", "usercustomize"])
# Import names that are not the distribution's own, of widely used ones.
_IMPORTED_AS = {
    "pyyaml": ("yaml",),
    "pillow": ("PIL",),
    "scikit_learn": ("sklearn",),
    "beautifulsoup4": ("bs4",),
    "python_dateutil": ("dateutil",),
    "gitpython": ("git", "gitdb", "smmap"),
    "opencv_python": ("cv2",),
    "attrs": ("attr", "attrs"),
    "python_dotenv": ("dotenv",),
    "pyjwt": ("jwt",),
    "psycopg2_binary": ("psycopg2",),
    "djangorestframework": ("rest_framework",),
    "msgpack_python": ("msgpack",),
    "requests": ("requests", "urllib3", "certifi", "idna", "charset_normalizer"),
    "flask": ("flask", "werkzeug", "jinja2", "click", "itsdangerous", "markupsafe", "blinker"),
    "jinja2": ("jinja2", "markupsafe"),
    "pydantic": ("pydantic", "pydantic_core", "annotated_types"),
    "fastapi": ("fastapi", "starlette", "pydantic", "pydantic_core"),
    "httpx": ("httpx", "httpcore", "h11", "anyio", "sniffio"),
    "pandas": ("pandas", "numpy", "dateutil", "pytz", "tzdata"),
}
_ROOTS = ("", "src", "lib")
_DATA = re.compile(
    r"(^|/)[\w.-]*(data|fixtures?|resources?|samples?|cases|snapshots|examples?|inputs?|corpus|vendor|stubs)[\w.-]*(/|$)"
)
_REQUIREMENT_FILES = (
    "requirements.txt",
    "requirements.in",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/base.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "tests/requirements.txt",
)
_METADATA = (".dist-info", ".egg-info", ".egg-link")
_METADATA_TOLD = (
    "installed metadata at an import root registers plugins with pytest before anything is tested"
)
_METADATA_TOLD = (
    "installed metadata at an import root registers plugins with pytest before anything is tested"
)
_REMEDY = "Give the module another name: this one already belongs to something that the tests import."


def check(change: Change) -> Iterator[Finding]:
    """Findings over new modules, packages, links and installed metadata at places where imports look."""
    found: dict[str, Finding] = {}
    for file in change.files:
        if (brought := _module(file)) is not None:
            folder, name = brought
            if (told := _told(change, folder, name)) is not None:
                found.setdefault(f"{folder}/{name}", _finding(file, told[0], told[1]))
        elif (where := _metadata(file)) is not None and _at_root(change, where):
            found.setdefault(f"{where}/metadata", _finding(file, "block", _METADATA_TOLD))
    yield from found.values()


def _finding(file: FileChange, severity: FindingSeverity, message: str) -> Finding:
    return Finding(rule=NAME, severity=severity, path=file.path, line=None, message=message, remedy=_REMEDY)


def _module(file: FileChange) -> tuple[str, str] | None:
    """Folder and name of the top-level module that a file could be, None where it brings none."""
    if file.before is not None or (file.after is None and file.link is None and file.mode is None):
        return None
    pure = PurePosixPath(file.path)
    if file.link is not None or file.mode in ("120000", "160000"):
        name = pure.name.partition(".")[0]
    elif pure.name == "__init__.py" and len(pure.parts) > 1:
        pure, name = pure.parent, pure.parent.name
    elif re.fullmatch(r"[^.]+\.(py|pyc)|[^.]+(\.[\w-]+)?\.(so|pyd)", pure.name):
        name = pure.name.partition(".")[0]
    else:
        return None
    folder = str(pure.parent)
    return ("" if folder == "." else folder), name


def _metadata(file: FileChange) -> str | None:
    """The folder that would hold installed metadata or a `.pth` file, None where the file is none."""
    if file.after is None or file.before is not None:
        return None
    pure = PurePosixPath(file.path)
    for i, part in enumerate(pure.parts):
        if part.lower().endswith(_METADATA) or (i == len(pure.parts) - 1 and part.lower().endswith(".pth")):
            return "/".join(pure.parts[:i])
    return None


def _told(change: Change, folder: str, name: str) -> tuple[FindingSeverity, str] | None:
    if change.text(f"{folder}/__init__.py".lstrip("/"), "head") is not None:
        return None  # a part of a package
    what = _taken(change, name)
    if what is None:
        return None
    place = f"`{name}` at `{folder or '.'}`"
    if _at_root(change, folder):
        return "block", f"the module {place} hides {what} from whoever imports it"
    severity = _beside_tests(change, folder)
    if severity is None:
        return None
    return severity, f"the module {place} hides {what}: pytest puts the folders of tests first on the path"


def _taken(change: Change, name: str) -> str | None:
    """Whose name this is, None where it is free or the project's own."""
    if name in _AT_START:
        return "a module that Python imports by itself at each start"
    if name in _project_names(change, "base") or _target_has(change, name):
        return None
    if name in _STANDARD:
        return "the standard module of that name"
    if name in _TOOLS:
        return "a module of the test tools"
    if name in _dependencies(change) and name not in _project_names(change, "head"):
        return "a module of a dependency"
    return None


def _target_has(change: Change, name: str) -> bool:
    """Whether the target has a module of this name at an import root, wherever the branch moved it."""
    for root in _roots(change):
        for end in (".py", "/__init__.py"):
            if change.text(f"{root}/{name}{end}".lstrip("/"), "base") is not None:
                return True
    gone = [f for f in change.files if f.before is not None and f.after is None and not is_test_path(f.path)]
    moved = [_module(FileChange(path=f.path, before=None, after=f.before)) for f in gone]
    return any(
        m is not None and m[1] == name and change.text(f"{m[0]}/__init__.py".lstrip("/"), "base") is None
        for m in moved
    )


def _at_root(change: Change, folder: str) -> bool:
    """Whether imports look into a folder: the repository's own roots, and those of a project below it."""
    if folder in _roots(change):
        return True
    if is_test_path(f"{folder}/x.py") or _DATA.search(folder):
        return False
    project = folder.rpartition("/")[0] if folder.rpartition("/")[2] in _ROOTS else folder
    return any(
        change.text(f"{project}/{name}", "head") is not None
        for name in ("pyproject.toml", "setup.py", "setup.cfg")
    )


def _roots(change: Change) -> frozenset[str]:
    """The import roots of the repository's own project, as the target's settings say, and as the branch's do."""
    key = "shadowed roots"
    if key not in change.memo:
        change.memo[key] = frozenset([*_ROOTS, *_said_roots(change, "base"), *_said_roots(change, "head")])
    found: frozenset[str] = change.memo[key]
    return found


def _said_roots(change: Change, side: Side) -> Iterator[str]:
    yield from map(_clean, files.words(files.pytest_settings(change, "", side).settings.get("pythonpath")))
    doc = files.parsed_document(change, "pyproject.toml", side) or {}
    setuptools = files.table(doc, "tool", "setuptools") or {}
    for value in (files.table(setuptools, "package-dir") or {}).values():
        yield _clean(str(value))
    where = (files.table(setuptools, "packages", "find") or {}).get("where")
    yield from map(_clean, files.words(where))


def _clean(path: str) -> str:
    return path.strip().removeprefix("./").rstrip("/").removeprefix(".")


def _beside_tests(change: Change, folder: str) -> FindingSeverity | None:
    """How sure it is that pytest puts this folder on the path; None where it does not."""
    if not is_test_path(f"{folder}/x.py") or _DATA.search(folder) or _import_mode(change) != "prepend":
        return None
    holds_tests = (
        folder.rpartition("/")[2] in {*TEST_FOLDERS, "unit", "integration", "functional", "e2e"}
        or re.fullmatch(r"(.*/)?tests?/agent[\w-]+", folder)
        or change.text(f"{folder}/conftest.py", "head") is not None
        or any(_is_test_in(f, folder) for f in change.files)
    )
    return "block" if holds_tests else "warn"


def _is_test_in(file: FileChange, folder: str) -> bool:
    pure = PurePosixPath(file.path)
    return (
        str(pure.parent) == folder
        and file.after is not None
        and (pure.name.startswith("test_") or pure.stem.endswith("_test") or pure.name == "conftest.py")
    )


def _import_mode(change: Change) -> str:
    settings = files.pytest_settings(change, "", "base").settings
    words = files.arguments(settings.get("addopts"))
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--import-mode":
            return value if equals else " ".join(words[i + 1 : i + 2])
    return str(settings.get("import_mode") or "prepend")


def _project_names(change: Change, side: Side) -> frozenset[str]:
    """The project's own name as a module's."""
    key = ("shadowed names", side)
    if key not in change.memo:
        pyproject = files.parsed_document(change, "pyproject.toml", side) or {}
        cfg = files.parsed_document(change, "setup.cfg", side) or {}
        said = (
            (files.table(pyproject, "project") or {}).get("name"),
            (files.table(pyproject, "tool", "poetry") or {}).get("name"),
            (files.table(cfg, "metadata") or {}).get("name"),
            _setup_name(change, side),
        )
        change.memo[key] = frozenset(n for s in said if s for n in (_normal(str(s)), str(s)))
    found: frozenset[str] = change.memo[key]
    return found


def _setup_name(change: Change, side: Side) -> str | None:
    tree = change.tree("setup.py", side)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.keyword) and node.arg == "name" and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    return None


def _dependencies(change: Change) -> frozenset[str]:
    """Modules of the distributions that the target's packaging asks for."""
    key = "shadowed dependencies"
    if key not in change.memo:
        asked = {
            _normal(m.group()) for text in _asked(change) if (m := re.match(r"[A-Za-z0-9][\w.-]*", text))
        }
        modules = {m for name in asked for m in _IMPORTED_AS.get(name, (name,))}
        change.memo[key] = frozenset(modules) - {"python", "test", "tests"}
    found: frozenset[str] = change.memo[key]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower().strip()


def _asked(change: Change) -> Iterator[str]:
    """Requirements as written, from everything on the target that names some."""
    doc = files.parsed_document(change, "pyproject.toml", "base") or {}
    project = files.table(doc, "project") or {}
    yield from files.lines_of(project.get("dependencies"))
    yield from files.lines_of((files.table(doc, "build-system") or {}).get("requires"))
    groups = (files.table(project, "optional-dependencies"), files.table(doc, "dependency-groups"))
    for group in groups:
        for value in (group or {}).values():
            yield from files.lines_of(value)
    poetry = files.table(doc, "tool", "poetry") or {}
    yield from files.table(poetry, "dependencies") or {}
    yield from files.table(poetry, "dev-dependencies") or {}
    for group_name in files.table(poetry, "group") or {}:
        yield from files.table(poetry, "group", group_name, "dependencies") or {}
    yield from _asked_by_setup(change)
    for path in _REQUIREMENT_FILES:
        yield from (line for line in files.lines_of(change.text(path, "base")) if line[0] not in "#-")


def _asked_by_setup(change: Change) -> Iterator[str]:
    cfg = files.parsed_document(change, "setup.cfg", "base") or {}
    options = files.table(cfg, "options") or {}
    for key in ("install_requires", "tests_require", "setup_requires"):
        yield from files.lines_of(options.get(key))
    for value in (files.table(cfg, "options.extras_require") or {}).values():
        yield from files.lines_of(value)
    tree = change.tree("setup.py", "base")
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.keyword) and node.arg in {
            "install_requires",
            "tests_require",
            "extras_require",
        }:
            yield from (
                n.value
                for n in ast.walk(node.value)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            )
