"""**Sees:** code in the tests that reaches into pytest, the import system or the source while the tests run: hooks
that touch collection, outcomes or the exit status, plugins, fixtures that run without being asked for, patches of test
tools, and conftests that write source files. In a conftest, a plugin or a helper of tests it blocks, in a test module it
warns.

**Catches,** for example, in `tests/conftest.py`:

```python
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
```

also hooks brought by assignment, import, star import, a class or `specname`; `pytest_plugins`, `pytest11` entry points,
`pluginmanager.register`; `session.exitstatus = 0`; autouse fixtures and `usefixtures` that patch; assignments to
`_pytest.*`, `unittest`, `coverage`, `builtins` and `sys.modules`, also through `setattr`, `monkeypatch` and `mock.patch`;
`sys.meta_path`, `gc.get_objects`; files of the tree written by a conftest; the subject's functions replaced for good;
code that no rule can read (packed, computed, in a text file or an archive); git commands that write, `.git`, `/proc`, the
interpreter's folders, the CI runner's command files and moa's own; all behind aliases and `getattr`.

**Does not look at** ordinary fixtures, `pytest_addoption`, a `pytest_configure` that adds markers, report headers,
`monkeypatch` of other modules in a fixture that tests ask for, `sys.path`, hooks in a project that is itself a pytest
plugin, git in a folder of a test's own, questions to git. A new autouse fixture that patches nothing is a `note` in a test module and a `warn` in a conftest; so are a
`pytest_collection_modifyitems` that only gives marks, and `pytest_plugins` that name files of fixtures beside the tests.

**Legal way out:** fixtures that tests ask for by name; hooks land in a change of their own that a person reviews, or are
allowed on the target: `integrity.allow: [{rule: hooks-added, path: tests/conftest.py, content: <blob id>}]`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity.kit import Change
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN
from pytest_moa.rules.integrity.reaching import in_tree, names_own_source, reaches, write_place
from pytest_moa.rules.integrity.sightings import Page, Ref, Sighting, Spot, chain, fresh, page, targets

NAME = "hooks-added"
DEFAULT: Severity = "block"

Told = tuple[FindingSeverity, str]

# Hooks by what they can change: https://docs.pytest.org/en/stable/reference/reference.html#hooks
_HARMLESS = frozenset(
    """pytest_addoption pytest_addhooks pytest_report_header pytest_report_collectionfinish pytest_assertrepr_compare
    pytest_report_to_serializable pytest_fixture_post_finalizer pytest_markeval_namespace pytest_make_parametrize_id
    pytest_enter_pdb pytest_leave_pdb pytest_html_report_title pytest_html_results_summary pytest_itemcollected_hidden
    pytest_plugins pytest_asyncio_event_loop_factories pytest_collectstart""".split()  # noqa: SIM905 - a list of words reads better so
)
_DECIDING = re.compile(
    r"pytest_(runtest_\w+|pyfunc_call|collection\w*|collect_\w+|pycollect_\w+|make_collect_report|collectreport"
    r"|itemcollected|deselected|ignore_collect|sessionfinish|cmdline_\w+|load_initial_conftests|runtestloop"
    r"|exception_interact|internalerror|keyboard_interrupt|report_teststatus|report_from_serializable|fixture_setup"
    r"|plugin_registered|plugin_unregistered|xdist_\w+|testnodedown|testnodeready|handlecrashitem)"
)
_QUIET = re.compile(
    r"pytest_(configure|unconfigure|sessionstart|terminal_summary|generate_tests|warning_recorded)"
)

_TOUCHED = frozenset(
    """exitstatus testsfailed testscollected shouldstop shouldfail force_result force_exception wasxfail _result
    _excinfo excinfo items deselected stats _collectfile _initialpaths pytestmark runtest obj callspec _obj
    _fixtureinfo outcome longrepr own_markers""".split()  # noqa: SIM905
)
_TOOLS = (
    "_pytest",
    "pytest",
    "pluggy",
    "unittest",
    "xdist",
    "coverage",
    "pytest_cov",
    "pytest_moa",
    "hypothesis",
    "_hypothesis_pytestplugin",
)
_RUNTIME = (
    "builtins",
    "importlib",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "__builtins__",
    "_imp",
)
_IMPORTS = frozenset(
    """sys.meta_path sys.path_hooks sys.path_importer_cache sys.addaudithook site.addsitedir site.addpackage
    gc.get_objects gc.get_referrers""".split()  # noqa: SIM905
)
_MUTATORS = frozenset(
    [
        "append",
        "insert",
        "extend",
        "remove",
        "clear",
        "pop",
        "update",
        "setdefault",
        "__setitem__",
        "__delitem__",
        "sort",
        "reverse",
    ]
)
_PLUGINS = frozenset(
    [
        "register",
        "unregister",
        "set_blocked",
        "import_plugin",
        "consider_module",
        "consider_env",
        "consider_pluginarg",
        "consider_conftest",
        "add_hookcall_monitoring",
        "add_hookspecs",
        "subset_hook_caller",
        "load_setuptools_entrypoints",
    ]
)
_REMEDY = "Use a fixture that tests ask for by name; a hook has to land in a change of its own, or be allowed by a person."


def check(change: Change) -> Iterator[Finding]:
    """Findings over conftests, tests, their helpers, source files that hold hooks, and packaging's entry points."""
    yield from fresh(change, NAME, partial(_see, change))
    yield from _entry_points(change)


def _see(change: Change, page_: Page) -> Iterator[Sighting]:
    if page_.group == "source":
        yield from _source_hooks(change, page_)
        yield from _source_patches(page_)
        return
    # Moa's own tests look for what moa runs on.
    elsewhere = change.text("pytest_moa/__init__.py", "base") is None
    for spot in page_.spots:
        for told in (*_hook(spot, page_, change), *_fixture(spot, page_), *_statement(spot, page_)):
            yield _sighting(told, spot, page_)
        if elsewhere and (reached := reaches(spot, page_)) is not None:
            yield _sighting(reached, spot, page_)
    for ref in page_.refs:
        if not ref.imported and (found := _import_machinery(ref)) is not None:
            yield _sighting((_grade(page_, ref.spot), _import_told(found)), ref.spot, page_)


def _sighting(told: Told, spot: Spot, page_: Page) -> Sighting:
    severity, message = told
    body = ast.dump(spot.node) if isinstance(spot.node, FUNCTIONS) and severity == "block" else ""
    return Sighting(
        key=f"{message}|{page_.role}|{body}",
        line=spot.line,
        severity=severity,
        message=message,
        remedy=_REMEDY,
    )


def _grade(page_: Page, spot: Spot) -> FindingSeverity:
    """In a test module only what runs at import or unasked for reaches other tests."""
    return "warn" if page_.role == "test" or spot.where in ("test", "nested") else "block"


def _import_machinery(ref: Ref) -> str | None:
    return next((i for n in sorted(ref.names) for i in _IMPORTS if n == i or n.startswith(f"{i}.")), None)


def _import_told(name: str) -> str:
    if name.startswith("gc."):
        return f"`{name}` finds objects of pytest's to change them"
    return f"`{name}` changes what an import finds"


def _hook(  # noqa: C901 - one case a kind of statement
    spot: Spot, page_: Page, change: Change
) -> Iterator[Told]:
    """Hooks by every way to bring one: a definition, a binding, an import, a string that names one."""
    node = spot.node
    if _answers_for_all(spot, page_):
        yield "block", "`__getattr__` answers for every hook that pytest looks for"
    if isinstance(node, FUNCTIONS):
        for name in _hook_names(node, spot):
            if (told := _hook_told(name, node, spot, page_)) is not None:
                yield told
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in targets(node):
            key = target.id if isinstance(target, ast.Name) else _text(target, spot)
            yield from _bound(key, node.value, spot, page_, change)
    elif isinstance(node, ast.Call):
        yield from _given(node, spot, page_, change)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from _imported(node, spot, page_, change)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DECIDING.fullmatch(node.value):
        in_use = spot.where == "module" and not isinstance(spot.parent, ast.Expr)
        # Text in a test's body is data that it looks for.
        if in_use:
            yield _grade(page_, spot), f"the hook `{node.value}` is named in a string"


def _answers_for_all(spot: Spot, page_: Page) -> bool:
    node = spot.node
    at_top = isinstance(node, FUNCTIONS) and isinstance(spot.parent, ast.Module)
    return at_top and getattr(node, "name", "") == "__getattr__" and page_.role == "conftest"


def _text(target: ast.expr, spot: Spot) -> str:
    """The key of `vars()["pytest_" + "runtest_call"]`; empty for anything else."""
    key = spot.constant(target.slice) if isinstance(target, ast.Subscript) else ""
    return key if isinstance(key, str) else ""


def _given(call: ast.Call, spot: Spot, page_: Page, change: Change) -> Iterator[Told]:
    """Hooks handed to a call that makes or changes a namespace: `locals().update(pytest_…=f)`, `type("P", (), …)`."""
    owner = chain(call.func)
    if owner[0] == "pytest_plugins" and len(owner) == 2 and owner[1] in _MUTATORS and call.args:
        yield from _bound("pytest_plugins", call.args[-1], spot, page_, change)
    words = [k.arg for k in call.keywords if k.arg is not None]
    words += [
        w
        for a in call.args
        if isinstance(a, ast.BinOp | ast.JoinedStr | ast.Call) and isinstance(w := spot.constant(a), str)
    ]
    for word in words:
        if _DECIDING.fullmatch(word):
            yield _grade(page_, spot), f"the hook `{word}` is brought by a call"


def _hook_names(node: ast.FunctionDef | ast.AsyncFunctionDef, spot: Spot) -> set[str]:
    found = {node.name} if node.name.startswith("pytest_") else set()
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and any(
            n.endswith("hookimpl") for n in spot.dotted(decorator.func)
        ):
            for keyword in decorator.keywords:
                if keyword.arg == "specname":
                    name = spot.constant(keyword.value)
                    found.add(name if isinstance(name, str) else "pytest_runtest_…")
    return found


def _hook_told(name: str, node: ast.AST, spot: Spot, page_: Page) -> Told | None:
    if name in _HARMLESS:
        return None
    told = f"the hook `{name}` can change which tests run or what is said of them"
    if name == "pytest_collection_modifyitems" and _marks_only(node, spot):
        return "warn", f"the hook `{name}` marks tests"
    if _DECIDING.match(name):
        return _grade(page_, spot), told
    if _QUIET.fullmatch(name):
        return None if _adds_only(node) else ("warn", f"the hook `{name}` runs with every test run")
    return "warn", f"the hook `{name}` runs with every test run"


_MARKING = frozenset(
    """add_marker getoption getini get_closest_marker iter_markers startswith endswith isinstance any all str Path lower
    relative_to is_relative_to as_posix split enumerate getattr hasattr""".split()  # noqa: SIM905
)
_TELLING = re.compile(r"(pytest\.mark\.)?(?!(skip|skipif|xfail|usefixtures|parametrize|filterwarnings)$)\w+")


def _marks_only(node: ast.AST, spot: Spot) -> bool:
    """Whether a hook does nothing to the tests but to give them marks by which people select them."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Delete | ast.Global | ast.Nonlocal | ast.Try | ast.Import | ast.ImportFrom):
            return False
        if isinstance(inner, ast.Assign | ast.AugAssign | ast.AnnAssign) and not all(
            isinstance(t, ast.Name) and t.id != "items" for t in targets(inner)
        ):
            return False
        if isinstance(inner, ast.Call) and not _is_marking(inner, node, spot):
            return False
    return True


def _is_marking(call: ast.Call, hook: ast.AST, spot: Spot) -> bool:
    words = chain(call.func)
    if words[-1] != "add_marker":
        marks = any(n.startswith("pytest.mark.") for n in spot.names.dotted(call.func, hook))
        return words[-1] in _MARKING or marks or _is_decorator(call, hook)
    if len(call.args) != 1:
        return False
    given = call.args[0].func if isinstance(call.args[0], ast.Call) else call.args[0]
    text = spot.names.constant(given, hook)
    names = {text} if isinstance(text, str) else spot.names.dotted(given, hook)
    return bool(names) and all(_TELLING.fullmatch(n) and (isinstance(text, str) or "." in n) for n in names)


def _is_decorator(call: ast.Call, hook: ast.AST) -> bool:
    return call in getattr(hook, "decorator_list", [])


def _adds_only(node: ast.AST) -> bool:
    """Whether a hook's body only registers markers, prints, or sets variables of its own: other calls are weighed elsewhere."""
    allowed = {
        "addinivalue_line",
        "getoption",
        "getini",
        "write_line",
        "write",
        "write_sep",
        "section",
        "print",
        "line",
        "parametrize",
        "format",
        "join",
    }
    return all(chain(n.func)[-1] in allowed for n in ast.walk(node) if isinstance(n, ast.Call))


def _bound(name: str, value: ast.expr | None, spot: Spot, page_: Page, change: Change) -> Iterator[Told]:
    if spot.where not in ("module", "main"):
        return
    if name == "pytest_plugins":
        named = spot.constant(value)
        shown = (
            named
            if isinstance(named, str)
            else ", ".join(map(str, named))
            if isinstance(named, tuple)
            else "…"
        )
        # pytest's own helper plugin is how plugins are tested.
        if shown not in ("pytester", "_pytest.pytester", ""):
            mild = (
                page_.role == "conftest"
                and named is not UNKNOWN
                and all(_is_read(m, change) for m in shown.split(", "))
            )
            yield ("warn" if mild else _grade(page_, spot)), f"`pytest_plugins` loads `{shown}`"
    elif _DECIDING.fullmatch(name):
        yield _grade(page_, spot), f"the hook `{name}` is bound by an assignment"
    elif name == "pytestmark" and page_.role != "test":
        yield "warn", "`pytestmark` has no effect here, except on what is imported from it"


def _is_read(module: str, change: Change) -> bool:
    """Whether a plugin is a file of helpers beside the tests that brings no hook: this rule reads it as it reads a conftest."""
    place = module.replace(".", "/") + ".py"
    there = page(change, place, "head")
    return (
        there is not None
        and there.group == "tests"
        and not _hooks_in(there)
        and "pytest_plugins" not in there.text
    )


def _hooks_in(page_: Page) -> bool:
    names = [n for s in page_.spots if isinstance(s.node, FUNCTIONS) for n in _hook_names(s.node, s)]
    return any(_DECIDING.fullmatch(n) for n in names)


def _imported(node: ast.Import | ast.ImportFrom, spot: Spot, page_: Page, change: Change) -> Iterator[Told]:
    if not isinstance(node, ast.ImportFrom):
        return
    for alias in node.names:
        name = alias.asname or alias.name
        if _DECIDING.fullmatch(name):
            yield _grade(page_, spot), f"the hook `{name}` is imported"
        elif name == "pytest_plugins":
            yield _grade(page_, spot), "`pytest_plugins` is imported"
        elif name == "*" and page_.role == "conftest":
            for hook in _starred(spot.names.absolute(node), page_, change):
                yield "block", f"the hook `{hook}` is imported with `*`"


def _starred(module: str, page_: Page, change: Change) -> list[str]:
    """Deciding hooks that a star import from a file of the tree brings."""
    relative = module.replace(".", "/")
    folder = str(PurePosixPath(page_.path).parent)
    places = [
        f"{p}{end}"
        for p in (relative, f"{folder}/{relative}", f"src/{relative}")
        for end in (".py", "/__init__.py")
    ]
    for place in places:
        there = page(change, place, "head")
        if there is not None:
            return sorted(
                {n.name for n in there.tree.body if isinstance(n, FUNCTIONS) and _DECIDING.fullmatch(n.name)}
            )
    return []


def _fixture(spot: Spot, page_: Page) -> Iterator[Told]:
    node = spot.node
    if not isinstance(node, FUNCTIONS) or spot.where not in ("module", "main"):
        return
    if not _is_autouse(node, spot):
        return
    if (why := _patches(node, spot)) is not None:
        yield _grade(page_, spot), f"the autouse fixture `{node.name}` {why}, for every test"
    elif page_.role == "conftest":
        yield "warn", f"the autouse fixture `{node.name}` runs around every test"
    else:
        yield "note", f"the autouse fixture `{node.name}` runs around every test of this file"


def _is_autouse(node: ast.FunctionDef | ast.AsyncFunctionDef, spot: Spot) -> bool:
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        for keyword in decorator.keywords:
            if keyword.arg == "autouse" and spot.constant(keyword.value) is not False:
                return True
            if keyword.arg is None and any(n.endswith("fixture") for n in spot.dotted(decorator.func)):
                return True
    return False


def _patches(node: ast.AST, spot: Spot) -> str | None:
    """What makes an unasked-for fixture more than preparation; None for one that only prepares."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            name = chain(inner.func)
            if name[-1] in {"add_marker", "applymarker"}:
                return "marks tests"
            if name[-1] in {"setattr", "object", "patch", "multiple"} and _patches_code(inner, name, spot):
                return "patches code"
        elif isinstance(inner, ast.Assign) and _replaces_code(inner, node, spot):
            return "replaces code"
        elif isinstance(inner, ast.Try) and inner.handlers and _yields(inner.body):
            return "swallows what tests raise"
        elif (
            isinstance(inner, ast.Attribute)
            and inner.attr in _OF_A_TEST
            and chain(inner)[:2] == ["request", "node"]
        ):
            return "reaches into the running test"
    return None


_OF_A_TEST = frozenset(["obj", "runtest", "_obj", "ihook", "funcargs", "callspec", "session", "own_markers"])


def _yields(body: list[ast.stmt]) -> bool:
    return any(isinstance(n, ast.Yield) for statement in body for n in ast.walk(statement))


def _patches_code(call: ast.Call, name: list[str], spot: Spot) -> bool:
    """Patches of settings and of the outside world prepare a test; patches of anything else change what it tests."""
    if name[-1] == "setattr" and name[0] not in ("monkeypatch", "mp", "setattr", "mocker", "patch"):
        return False
    if not call.args:
        return False
    first = spot.constant(call.args[0])
    root = first if isinstance(first, str) else min(spot.dotted(call.args[0]), default="")
    if root.partition(".")[0] in _OUTSIDE or not root:
        return False
    given = call.args[1:] if isinstance(first, str) else call.args[2:]
    named = first if isinstance(first, str) else spot.constant(call.args[1]) if len(call.args) > 1 else ""
    is_setting = isinstance(named, str) and named.rpartition(".")[2].isupper()
    return not is_setting and not (name[-1] == "setattr" and given and _is_data(given[0]))


def _is_data(value: ast.expr) -> bool:
    """Whether a value can only be data: a literal, or something made from a temporary folder."""
    if isinstance(value, ast.Constant | ast.Dict | ast.List | ast.Set | ast.Tuple | ast.JoinedStr):
        return not any(isinstance(n, ast.Lambda | ast.Call) for n in ast.walk(value))
    names = [n.id for n in ast.walk(value) if isinstance(n, ast.Name)]
    return any(re.match(r"tmp_?path|tmpdir|tmp_path_factory", name) for name in names) and not any(
        isinstance(n, ast.Lambda) for n in ast.walk(value)
    )


def _replaces_code(node: ast.Assign, fixture: ast.AST, spot: Spot) -> bool:
    """Whether an imported module's or class's attribute is bound to a function."""
    is_code = isinstance(node.value, ast.Lambda) or any(
        n.rpartition(".")[2] in {"Mock", "MagicMock", "AsyncMock", "partial"}
        for n in spot.names.dotted(node.value.func if isinstance(node.value, ast.Call) else None, fixture)
    )
    if isinstance(node.value, ast.Name):
        functions = {n.name for n in ast.walk(spot.names.tree) if isinstance(n, FUNCTIONS)}
        is_code = node.value.id in functions
    return is_code and any(
        isinstance(target, ast.Attribute)
        and spot.names.is_imported(chain(target)[0], fixture)
        and chain(target)[0] not in _OUTSIDE
        for target in targets(node)
    )


_OUTSIDE = frozenset(
    """os sys time datetime socket random tempfile pathlib subprocess shutil logging locale getpass platform webbrowser
    requests httpx urllib urllib3 smtplib uuid secrets signal threading asyncio warnings""".split()  # noqa: SIM905
)


def _statement(spot: Spot, page_: Page) -> Iterator[Told]:
    node = spot.node
    if spot.where in ("module", "hook") and _patches_at_once(node, spot):
        yield _grade(page_, spot), "code is replaced for every test that follows"
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        for target in targets(node):
            if (told := _written(target, node, spot, page_)) is not None:
                yield told
    elif isinstance(node, ast.Call):
        told = (
            _patch_call(node, spot, page_)
            or _plugin_call(node, spot, page_)
            or _file_write(node, spot, page_)
        )
        if told is not None:
            yield told


def _patches_at_once(node: ast.AST, spot: Spot) -> bool:
    """Whether a place that nobody asks for puts other code into an imported module or class, for good."""
    if isinstance(node, ast.Assign):
        return _replaces_code(node, spot.function or spot.names.tree, spot)
    if not isinstance(node, ast.Call) or not node.args:
        return False
    words = chain(node.func)
    if (
        words[-1] == "start"
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
    ):
        return False  # told at the call that it starts
    if words == ["setattr"] and len(node.args) > 2:
        value = node.args[2]
        return spot.names.is_imported(chain(node.args[0])[0]) and isinstance(value, ast.Lambda | ast.Name)
    starts = isinstance(spot.parent, ast.Attribute) and spot.parent.attr == "start"
    in_patch = words[-1] in {"patch", "object", "multiple"} and starts
    by_hand = words[-1] == "setattr" and any(
        "MonkeyPatch" in ".".join(chain(v)) for v in spot.names.values(words[0], spot.function)
    )
    return (in_patch or by_hand) and _patches_code(node, ["patch", "setattr"], spot)


def _written(  # noqa: PLR0911 - one return a kind of place
    target: ast.expr, node: ast.AST, spot: Spot, page_: Page
) -> Told | None:
    """An assignment to an attribute or item of pytest's, the import system's or a report."""
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return None
    for name in sorted(spot.dotted(target) | spot.dotted(target.value)):
        if name == "sys.modules" or (
            name.startswith("sys.modules.") and not isinstance(target, ast.Attribute)
        ):
            return _module_written(target, node, spot, page_)
        if (owner := _tool(name, attribute=isinstance(target, ast.Attribute))) is not None:
            return "block", f"`{owner}` is patched"
        if name in {"sys.meta_path", "sys.path_hooks"}:
            return _grade(page_, spot), _import_told(name)
    if isinstance(target, ast.Attribute) and _is_touched(target, spot):
        return "block", f"`{'.'.join(chain(target))}` is written"
    if {"f_locals", "f_globals"} & set(chain(target)):
        return _grade(page_, spot), "names of a caller are written through its frame"
    if (
        isinstance(target, ast.Subscript)
        and chain(target)[-2:-1] in (["items"], ["stats"])
        and spot.where == "hook"
    ):
        return "block", f"`{'.'.join(chain(target)[:-1])}` is edited"
    return None


_SESSION = frozenset("testsfailed testscollected exitstatus shouldfail shouldstop wasxfail _excinfo".split())  # noqa: SIM905


def _is_touched(target: ast.Attribute, spot: Spot) -> bool:
    """Whether an attribute is one by which pytest keeps its outcomes: some are named so nowhere else."""
    if target.attr not in (_TOUCHED if spot.where in ("hook", "autouse", "fixture") else _SESSION):
        return False
    words = chain(target)
    return words[-2] not in ("self", "cls", "args", "kwargs", "mock")


def _module_written(target: ast.expr, node: ast.AST, spot: Spot, page_: Page) -> Told | None:
    if isinstance(node, ast.Delete):
        return None
    key = spot.constant(target.slice) if isinstance(target, ast.Subscript) else UNKNOWN
    if isinstance(key, str) and key.partition(".")[0] in _TOOLS:
        return "block", f"`sys.modules[{key!r}]` is replaced"
    if spot.where in ("test", "nested", "function", "fixture"):
        return None
    return _grade(page_, spot), "`sys.modules` is written, so imports find something else"


def _tool(name: str, *, attribute: bool = True) -> str | None:
    """The name where it belongs to a test tool or to Python's own machinery, and is not just a module of it bound anew."""
    root, _, rest = name.partition(".")
    return name if root in (*_TOOLS, *_RUNTIME) and (rest or not attribute) else None


def _patch_call(call: ast.Call, spot: Spot, page_: Page) -> Told | None:  # noqa: PLR0911 - one return a kind of patch
    """`setattr`, `monkeypatch.setattr`, `mock.patch`, and edits of lists and dicts that belong to the machinery."""
    words = chain(call.func)
    last = words[-1]
    if last in _MUTATORS:
        return _mutated(call, words, spot, page_)
    if (
        last
        not in {
            "setattr",
            "delattr",
            "__setattr__",
            "object",
            "patch",
            "setitem",
            "dict",
            "multiple",
            "delitem",
        }
        or not call.args
    ):
        return None
    name = _patched_name(call, spot)
    if name is None:
        return None
    scoped = words[0] != "setattr" and spot.where in ("test", "nested", "fixture", "function")
    if name.startswith("sys.modules"):
        key = name.removeprefix("sys.modules").lstrip(".")
        if key.partition(".")[0] in _TOOLS:
            return "block", f"`sys.modules[{key!r}]` is replaced"
        return (
            None
            if scoped or last == "delitem"
            else (_grade(page_, spot), "`sys.modules` is written, so imports find something else")
        )
    root = name.partition(".")[0]
    if root in _RUNTIME and scoped:
        # A test that fakes `input`, `open` or a missing import puts it back at its end.
        return None if not name.startswith("builtins.Assertion") else ("block", f"`{name}` is patched")
    return ("block", f"`{name}` is patched") if root in (*_TOOLS, *_RUNTIME) else None


def _patched_name(call: ast.Call, spot: Spot) -> str | None:
    first, second = call.args[0], call.args[1] if len(call.args) > 1 else None
    text = spot.constant(first)
    if isinstance(text, str):
        return text
    attr = spot.constant(second)
    for name in sorted(spot.dotted(first)):
        if name.partition(".")[0] in (*_TOOLS, *_RUNTIME) or name == "sys.modules":
            return f"{name}.{attr}" if isinstance(attr, str) else name
    return None


def _mutated(call: ast.Call, words: list[str], spot: Spot, page_: Page) -> Told | None:
    func = call.func
    owners = spot.dotted(func.value) if isinstance(func, ast.Attribute) else frozenset()
    if "sys.modules" in owners and words[-1] in {"update", "setdefault", "__setitem__"}:
        return _grade(page_, spot), "`sys.modules` is written, so imports find something else"
    if any(o.startswith(("_pytest.", "pluggy.", "coverage.", "builtins.", "pytest_cov.")) for o in owners):
        return "block", f"`{min(owners)}` is edited"
    if spot.where == "hook" and len(words) > 1 and words[-2] in {"items", "stats", "deselected"}:
        return "block", f"`{'.'.join(words[:-1])}` is edited"
    return None


def _plugin_call(call: ast.Call, spot: Spot, page_: Page) -> Told | None:
    words = chain(call.func)
    if "pluginmanager" not in words and "hook" not in words[1:-1] and not _is_manager(call.func, spot):
        return None
    if words[-1] in _PLUGINS:
        return _grade(page_, spot), f"`{words[-1]}` changes pytest's plugins"
    if words[-1] in {"get_plugin", "getplugin"}:
        name = spot.constant(call.args[0]) if call.args else UNKNOWN
        if name not in ("terminalreporter", "html", "xdist", "dsession", "capturemanager", "pytester"):
            return _grade(page_, spot), "a plugin of pytest's is fetched to be used or changed"
    if words[-1] == "getattr" or words[-1].startswith("pytest_"):
        return _grade(page_, spot), f"`{words[-1]}` of pytest's own hooks is called"
    return None


def _is_manager(func: ast.expr, spot: Spot) -> bool:
    if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name | ast.Call):
        return False
    bound = (
        spot.names.values(func.value.id, spot.function) if isinstance(func.value, ast.Name) else [func.value]
    )
    for value in bound[:4]:
        if chain(value)[-1] == "pluginmanager":
            return True
        if (
            isinstance(value, ast.Call)
            and len(value.args) > 1
            and spot.constant(value.args[1]) == "pluginmanager"
        ):
            return True
    return False


def _file_write(call: ast.Call, spot: Spot, page_: Page) -> Told | None:
    """A conftest (or a test module as it is imported) that writes into the tree instead of a temporary folder; and
    anything in the tests that writes a Python file beside or above itself.
    """
    written = write_place(call, spot)
    if written is not None and in_tree(written, spot) and names_own_source(written, spot):
        return "block", "source files of the tree are written while the tests run"
    if spot.where in ("test", "nested") or (page_.role != "conftest" and spot.where == "function"):
        return None
    place = write_place(call, spot)
    if place is None or not in_tree(place, spot):
        return None
    return _grade(page_, spot), "files of the tree are written while the tests run"


def _source_hooks(change: Change, page_: Page) -> Iterator[Sighting]:
    """Hooks in source: a plugin's own work where the target registers one, else news."""
    if page_.role == "tool":
        return
    hooks = [s for s in page_.spots if isinstance(s.node, FUNCTIONS) and _DECIDING.fullmatch(s.node.name)]
    if not hooks or _is_plugin_project(change):
        return
    for spot in hooks:
        yield _sighting(
            ("warn", f"the hook `{getattr(spot.node, 'name', '')}` stands in source, outside of a plugin"),
            spot,
            page_,
        )


def _source_patches(page_: Page) -> Iterator[Sighting]:
    """Source that replaces parts of the test tools as it is used or imported."""
    for spot in page_.spots:
        if isinstance(spot.node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for target in targets(spot.node):
                if isinstance(target, ast.Attribute | ast.Subscript):
                    yield from _source_patch(target, spot, page_)
        elif (
            isinstance(spot.node, ast.Call)
            and chain(spot.node.func)[-1] in {"setattr", "__setattr__"}
            and spot.node.args
        ):
            name = _patched_name(spot.node, spot)
            if name is not None and name.partition(".")[0] in {*_TOOLS, "builtins"}:
                yield _sighting(("block", f"source patches `{name}`"), spot, page_)


def _source_patch(target: ast.Attribute | ast.Subscript, spot: Spot, page_: Page) -> Iterator[Sighting]:
    for name in sorted(spot.dotted(target)):
        root = name.partition(".")[0]
        replaced = isinstance(target, ast.Subscript) and "sys.modules" in spot.dotted(target.value)
        if root in _TOOLS and (replaced or "." in name):
            yield _sighting(("block", f"source patches `{name}`"), spot, page_)
        elif root == "builtins" and not name.endswith("._"):
            yield _sighting(("warn", f"source patches `{name}`"), spot, page_)


def _is_plugin_project(change: Change) -> bool:
    return any(
        "pytest11" in (change.text(name, "base") or "")
        for name in ("pyproject.toml", "setup.cfg", "setup.py")
    )


def _entry_points(change: Change) -> Iterator[Finding]:
    """Packaging that registers a plugin with pytest or coverage's own groups of entry points."""
    for file in change.files:
        name = PurePosixPath(file.path).name
        if name not in ("pyproject.toml", "setup.cfg", "setup.py", "entry_points.txt") or file.after is None:
            continue
        gained = _registered(change, file.path, "head") - _registered(change, file.path, "base")
        for entry in sorted(gained):
            yield Finding(
                rule=NAME,
                severity="block",
                path=file.path,
                line=files.key_line(file.after, entry.partition("=")[0].strip()),
                message=f"the entry point `{entry}` registers a plugin that pytest loads by itself",
                remedy=_REMEDY,
            )


def _registered(change: Change, path: str, side: str) -> Counter[str]:
    text = change.text(path, "base" if side == "base" else "head") or ""
    if "pytest11" not in text:
        return Counter()
    if path.endswith(".py"):
        return Counter(re.findall(r"""["']([\w.-]+\s*=\s*[\w.:]+)["']""", text.partition("pytest11")[2]))
    doc = files.parsed_document(change, path, "base" if side == "base" else "head") or {}
    if path.endswith(".toml"):
        places = (("project", "entry-points", "pytest11"), ("tool", "poetry", "plugins", "pytest11"))
        return Counter(f"{k} = {v}" for keys in places for k, v in (files.table(doc, *keys) or {}).items())
    plain = files.table(doc, "pytest11") or {}
    listed = files.lines_of((files.table(doc, "options.entry_points") or {}).get("pytest11"))
    return Counter([*listed, *(f"{k} = {v}" for k, v in plain.items())])
