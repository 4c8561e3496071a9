"""**Sees:** ways to look covered without being run by a test: code that coverage does not see, a tracer that is turned
off or replaced, coverage data that are written by hand, and exclusions that are added or hidden.

**Catches,** for example, in `src/shop/pay.py`:

```python
TYPE_CHECKING = True
if TYPE_CHECKING:  # coverage leaves this block out, and it runs
    def refund(order): ...
```

also code run from literal strings, data files, `marshal` or code objects; `compile` under another file's name; source
kept under `tests/` (or named like a test) and imported by source; `sys.settrace`, `sys.setprofile`, `sys.monitoring`,
`threading.settrace`, `f_trace`; coverage's API, its plugins, its environment variables and `.coverage` files in code or
tests; `...` and pragmas that coverage's expressions find inside strings or other statements. A plain added
`# pragma: no cover` or `no branch`, or a comment that the target's own exclusions name, is a `warn`: its lines count as
own lines that no test covers.

**Does not look at** `exec` and `eval` of what a caller gives, stubs (`...`) and imports under `TYPE_CHECKING`, text about
pragmas in docstrings, tests that compile snippets of their own. Settings are `settings-changed`'s.

**Legal way out:** test the lines, or have a person exclude them in the target's settings; or allow this on the target:
`integrity.allow: [{rule: coverage-evaded, path: src/shop/pay.py, content: <blob id>}]`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import PurePosixPath

from pytest_moa.model.policy import Severity
from pytest_moa.model.results import Finding, FindingSeverity
from pytest_moa.rules.integrity import settings_files as files
from pytest_moa.rules.integrity.kit import Change, parsed
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN
from pytest_moa.rules.integrity.reaching import is_packed_import
from pytest_moa.rules.integrity.sightings import (
    TEST_FOLDERS,
    Page,
    Ref,
    Sighting,
    Spot,
    chain,
    fresh,
    role,
    targets,
)

NAME = "coverage-evaded"
DEFAULT: Severity = "block"

Told = tuple[FindingSeverity, str]

# https://coverage.readthedocs.io/en/latest/excluding.html, as coverage 7 has them.
_PRAGMAS = (
    r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)",
    r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(branch|BRANCH)",
)
_STUB = re.compile(r"^\s*(((async )?def .*?)?[\])]+(\s*->.*?)?:\s*)?\.\.\.\s*(#|$)", re.MULTILINE)

_TRACING = re.compile(
    r"(sys\.(settrace|setprofile|_settraceallthreads|_setprofileallthreads|call_tracing|monitoring(\..*)?)"
    r"|threading\.(settrace|setprofile)(_all_threads)?|threading\._trace_hook|_thread\._set_sentinel_trace)"
)
_FRAME_SWITCHES = frozenset(["f_trace", "f_trace_lines", "f_trace_opcodes"])
_COVERAGE_API = re.compile(
    r"(coverage|pytest_cov)\..*\b(Coverage|CoverageData|CoveragePlugin|FileTracer|FileReporter|Collector|PyTracer"
    r"|CTracer|SysMonitor|CovPlugin|CovController|current|coverage_init|start|stop|erase|exclude|set_option|pause"
    r"|resume|combine|save|add_lines|add_arcs|touch_file)\b.*"
    r"|(coverage|pytest_cov)\.(sqldata|collector|control|config|plugin|pytracer|tracer|sysmon|data|python|parser|engine"
    r"|results|report\w*|files|inorout|numbits|phystokens|bytecode|env|misc|multiproc|regions|embed|disposition)\b.*"
)
_ENVIRONMENT = re.compile(
    r"COVERAGE_(PROCESS_START|PROCESS_CONFIG|CORE|FILE|RCFILE|DEBUG\w*)|COV_CORE_\w+"
    r"|PYTEST_(ADDOPTS|PLUGINS|DISABLE_PLUGIN_AUTOLOAD)|PYTHON(PATH|STARTUP|BREAKPOINT|PROFILEIMPORTTIME)|MOA_\w+"
)
_DATA_FILE = re.compile(r"(.*/)?\.coverage(\.[^/]*)?")
_RUN = frozenset(["exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile"])
_READERS = frozenset(
    """read read_text read_bytes read_binary get_data get_source open_text open_binary readlines joinpath loads load
    b64decode b85decode a85decode b32decode decompress decode unhexlify fromhex""".split()  # noqa: SIM905 - a list of words reads better so
)
_DISGUISES = frozenset(["marshal", "zlib", "base64", "bz2", "lzma", "binascii", "gzip", "codecs"])
_OWN_PLACE = frozenset(["__file__", "__path__", "__package__", "__name__", "__spec__", "__loader__"])

_REMEDY = "Write it as ordinary source and test it; what really cannot be tested is excluded by a person, in the target's settings."


def check(change: Change) -> Iterator[Finding]:
    """Findings over the Python files of a change."""
    return fresh(change, NAME, partial(_see, change, _exclusions(change)))


def _see(change: Change, exclusions: tuple[str, ...], page: Page) -> Iterator[Sighting]:
    if page.role == "tool":
        return
    for spot in page.spots:
        if (told := _in_code(spot, page, change)) is not None:
            yield _sighting(told, spot.line, page)
    for ref in page.refs:
        if (told := _mention(ref, page)) is not None:
            yield _sighting(told, ref.spot.line, page)
    if page.group == "source":
        yield from _hidden_lines(page, exclusions)


def _sighting(told: Told, line: int, page: Page, key: str = "") -> Sighting:
    severity, message = told
    return Sighting(
        key=f"{message}|{page.group}|{key}", line=line, severity=severity, message=message, remedy=_REMEDY
    )


def _exclusions(change: Change) -> tuple[str, ...]:
    """Coverage's exclusions on the target that can be a comment, besides its own pragmas."""
    settings = files.coverage_settings(change, "", "base").settings
    keys = ("exclude_lines", "exclude_also", "partial_branches", "partial_also")
    return tuple(
        p for key in keys for p in files.lines_of(settings.get(f"report:{key}")) if _can_be_comment(p)
    )


def _can_be_comment(pattern: str) -> bool:
    return pattern not in _PRAGMAS and bool(re.search(r"#|pragma|no.?cov|no.?cover", pattern, re.IGNORECASE))


_OBJECTS = frozenset({"gc.get_objects", "gc.get_referrers"})
_TRACERS = re.compile(r"Collector|Tracer|CoverageData|coverage")


def _mention(ref: Ref, page: Page) -> Told | None:  # noqa: PLR0911 - one case a kind of name
    for name in sorted(ref.names):
        if _TRACING.fullmatch(name):
            return "block", f"`{name}` takes the tracer away from coverage"
        if name in ("sys.gettrace", "sys.getprofile") and page.group == "source" and not ref.imported:
            return "warn", f"`{name}` asks whether coverage is looking"
        if _COVERAGE_API.fullmatch(name):
            return "block", f"`{name}` reaches into coverage while it measures"
        if name in _OBJECTS and page.group == "tests" and _TRACERS.search(page.text):
            return "block", f"`{name}` looks for the tracer among all objects"
        if name in ("coverage", "pytest_cov") and ref.imported:
            return "warn", f"`{name}` is imported by code that it measures"
        if name in ("coverage.process_startup", "coverage.exceptions"):
            return "warn", f"`{name}` is used by code that it measures"
        if name == "types.CodeType" and _is_called(ref):
            return "block", "a code object is built by hand, so coverage cannot tell where it comes from"
    return None


def _is_called(ref: Ref) -> bool:
    call = ref.spot.parent
    return isinstance(call, ast.Call) and call.func is ref.spot.node


def _in_code(spot: Spot, page: Page, change: Change) -> Told | None:  # noqa: PLR0911 - one case a kind of place
    node = spot.node
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return _assigned(node, spot)
    if isinstance(node, ast.Call):
        return _called(node, spot, page, change)
    if isinstance(node, ast.Constant | ast.BinOp | ast.JoinedStr):
        text = _text(node, spot)
        return _string(text, spot, page) if text is not None else None
    if page.group == "tests":
        return None
    if isinstance(node, ast.If) and _asks_type_checking(node.test):
        return _under_type_checking(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _import(node, spot, page, change)
    if isinstance(node, ast.arg) and node.arg == "TYPE_CHECKING":
        return "block", "`TYPE_CHECKING` is a parameter: coverage leaves its block out, and it runs"
    if (
        isinstance(node, ast.NamedExpr | ast.For)
        and isinstance(node.target, ast.Name)
        and node.target.id == "TYPE_CHECKING"
    ):
        return "block", "`TYPE_CHECKING` is bound: coverage leaves its block out, and it runs"
    return None


def _assigned(node: ast.Assign | ast.AnnAssign | ast.AugAssign, spot: Spot) -> Told | None:
    for target in targets(node):
        words = chain(target)
        if words[-1] == "TYPE_CHECKING" and node.value is not None and not _is_false(node.value, spot):
            return "block", "`TYPE_CHECKING` is set: coverage leaves its block out, and it runs"
        if words == ["typing"]:
            return (
                "block",
                "`typing` is bound to something else: coverage leaves `if typing.TYPE_CHECKING` out",
            )
        if words[-1] == "__code__" and len(words) > 1:
            return "block", "a function's code is replaced, so coverage cannot tell what runs"
        if words[-1] in _FRAME_SWITCHES and len(words) > 1:
            return "block", f"`{words[-1]}` turns tracing off"
    return None


def _is_false(value: ast.expr, spot: Spot) -> bool:
    folded = spot.constant(value)
    names = spot.dotted(value)
    return (folded is not UNKNOWN and not folded) or bool(
        names & {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}
    )


def _asks_type_checking(test: ast.expr) -> bool:
    return chain(test) in (["TYPE_CHECKING"], ["typing", "TYPE_CHECKING"])


def _under_type_checking(node: ast.If) -> Told | None:
    for statement in node.body:
        if (what := _runs(statement)) is not None:
            return "block", f"{what} stands under `if TYPE_CHECKING`, which coverage leaves out"
    return None


def _runs(statement: ast.stmt) -> str | None:
    """What makes a statement more than typing; None for imports, aliases, stubs and protocols."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return None if all(_is_stub(s) for s in statement.body) else f"the function `{statement.name}`"
        case ast.ClassDef(body=body):
            return next((what for s in body if (what := _runs(s)) is not None), None)
        case ast.If(body=body, orelse=orelse) | ast.Try(body=body, orelse=orelse):
            handlers = [s for h in getattr(statement, "handlers", []) for s in h.body]
            return next((what for s in (*body, *orelse, *handlers) if (what := _runs(s)) is not None), None)
        case ast.For() | ast.While() | ast.With() | ast.Match() | ast.AsyncFor() | ast.AsyncWith():
            return "code that runs"
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield()):
            return "a call"
    return None


def _is_stub(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Raise):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _import(node: ast.Import | ast.ImportFrom, spot: Spot, page: Page, change: Change) -> Told | None:
    for alias in node.names:
        bound = alias.asname or alias.name
        honest = ("typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING")
        if (
            bound == "TYPE_CHECKING"
            and isinstance(node, ast.ImportFrom)
            and f"{node.module}.{alias.name}" not in honest
        ):
            return (
                "block",
                "`TYPE_CHECKING` comes from elsewhere: coverage leaves its block out, and it may run",
            )
        if alias.asname == "typing" and alias.name != "typing_extensions":
            return "block", "`typing` is something else here: coverage leaves `if typing.TYPE_CHECKING` out"
    if page.role != "source":
        return None
    modules = (
        [spot.names.absolute(node)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
    )
    if isinstance(node, ast.ImportFrom):
        modules += [
            f"{modules[0]}.{a.name}"
            for a in node.names
            if _is_test_file(f"{modules[0]}.{a.name}", page, change)
        ]
    for module in modules:
        if _is_test_module(module, page, change):
            return (
                "block",
                f"source imports `{module}`, which lies among the tests, where coverage does not count it",
            )
    return None


def _is_test_module(module: str, page: Page, change: Change) -> bool:
    parts = module.split(".")
    if parts[0] in {"test", "unittest", "doctest"} and not _is_test_file(module, page, change):
        return False
    return (
        parts[-1] == "conftest"
        or bool({*TEST_FOLDERS, "conftest"}.intersection(parts))
        or _is_test_file(module, page, change)
    )


def _is_test_file(module: str, page: Page, change: Change) -> bool:
    """Whether a dotted name is a file of the tree that coverage and pytest take for a test."""
    relative = module.replace(".", "/")
    folder = str(PurePosixPath(page.path).parent)
    ends = (".py", "/__init__.py")
    near = {f"{p}{relative}{end}" for p in ("", "src/", f"{folder}/") for end in ends}
    if any(_is_of_tests(place) and change.text(place, "head") is not None for place in near):
        return True
    if relative.split("/")[0] in sys.stdlib_module_names:
        return False
    # pytest puts the folders of tests on the import path: a bare name may lie there, and nowhere in the source.
    beside = {str(PurePosixPath(f.path).parent) for f in change.files if _is_of_tests(f.path)}
    tests = {f"{p}/{relative}{end}" for p in (*beside, "tests", "test") for end in ends}
    return any(_is_of_tests(p) and change.text(p, "head") is not None for p in tests) and not any(
        change.text(place, "head") is not None for place in near
    )


def _is_of_tests(path: str) -> bool:
    return role(path) in ("test", "helper", "conftest")


def _called(call: ast.Call, spot: Spot, page: Page, change: Change) -> Told | None:  # noqa: PLR0911 - one case a kind of call
    names = spot.dotted(call.func)
    last = chain(call.func)[-1]
    if names & _RUN:
        return _run(call, names, spot, page, change)
    if last in {"setattr", "__setattr__"} and len(call.args) >= 2:
        return _set(call, spot)
    if last == "replace" and any((k.arg or "").startswith("co_") for k in call.keywords):
        return "block", "a code object is given another file or line, so coverage counts the wrong ones"
    if page.group == "tests":
        return None
    if names & {"runpy.run_path", "runpy.run_module"} and call.args and _is_own(call.args[:1], spot, page):
        return "block", "own code is run by `runpy`, outside of what coverage counts as source"
    if any(
        n.endswith(("SourceFileLoader", "spec_from_file_location", "SourcelessFileLoader")) for n in names
    ):
        return _loaded(call)
    if (found := _on_import_path(call, spot)) is not None:
        return found
    if names & {"importlib.import_module", "__import__", "builtins.__import__"} and call.args:
        module = spot.constant(call.args[0])
        if isinstance(module, str) and _is_test_module(module.lstrip("."), page, change):
            return (
                "block",
                f"source imports `{module}`, which lies among the tests, where coverage does not count it",
            )
    return None


def _on_import_path(call: ast.Call, spot: Spot) -> Told | None:
    if (
        chain(call.func)[-1] in {"insert", "append", "extend"}
        and any(n.startswith("sys.path.") for n in spot.dotted(call.func))
        and any(_names_tests(n) for a in call.args for n in ast.walk(a))
    ):
        return "block", "source puts the tests on the import path"
    if is_packed_import(call, spot):
        return "block", "source puts an archive on the import path, whose code coverage does not count"
    return None


def _names_tests(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and bool(TEST_FOLDERS.intersection(re.split(r"[/\\]", node.value)))
    )


def _set(call: ast.Call, spot: Spot) -> Told | None:
    attr = spot.constant(call.args[1])
    if attr == "TYPE_CHECKING" and len(call.args) > 2 and not _is_false(call.args[2], spot):
        return "block", "`TYPE_CHECKING` is set: coverage leaves its block out, and it runs"
    if attr == "__code__":
        return "block", "a function's code is replaced, so coverage cannot tell what runs"
    return ("block", f"`{attr}` turns tracing off") if attr in _FRAME_SWITCHES else None


def _loaded(call: ast.Call) -> Told | None:
    for arg in (*call.args[1:], *(k.value for k in call.keywords)):
        for node in ast.walk(arg):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and (
                _names_tests(node) or re.fullmatch(r".*\.(txt|dat|data|bin|pyc|md|json|tmpl|inc)", value)
            ):
                return (
                    "block",
                    f"own code is loaded from `{value[:60]}`, which coverage does not count as source",
                )
    return None


def _run(call: ast.Call, names: frozenset[str], spot: Spot, page: Page, change: Change) -> Told | None:
    if not call.args:
        return None
    if page.group == "tests":
        return _forged(call, names, spot, change)
    if (
        any(n.endswith("compile") for n in names)
        and isinstance(spot.parent, ast.Call)
        and spot.dotted(spot.parent.func) & _RUN
    ):
        return None  # told at the call around it
    reached = _sources(call.args[0], spot, page)
    literal = next((v for e in reached if isinstance(v := spot.constant(e), str) and _is_code(v)), None)
    if literal is not None:
        grade: FindingSeverity = "block" if _is_substantial(literal) else "warn"
        return grade, "own code is run from a literal string, where coverage does not see it"
    if _is_own(reached, spot, page):
        return "block", "own code is run from a data file or packed bytes, where coverage does not see it"
    return None


def _is_code(text: str) -> bool:
    return parsed(text.strip()) is not None and not re.fullmatch(r"[\w./\\\s-]*", text)


def _is_substantial(text: str) -> bool:
    tree = parsed(text.strip())
    if tree is None:
        return False
    blocks = (
        *FUNCTIONS,
        ast.ClassDef,
        ast.For,
        ast.While,
        ast.If,
        ast.With,
        ast.Try,
        ast.Lambda,
        ast.ListComp,
        ast.GeneratorExp,
    )
    return len(tree.body) > 1 or any(isinstance(n, blocks) for n in ast.walk(tree))


def _sources(expr: ast.expr, spot: Spot, page: Page, depth: int = 5) -> list[ast.expr]:
    """An expression and what it is made from: arguments, receivers, and what its names are bound to."""
    if depth <= 0:
        return [expr]
    inner: list[ast.expr] = []
    match expr:
        case ast.Call(func=func, args=args):
            inner = [*args[:3], *([func.value] if isinstance(func, ast.Attribute) else [])]
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
            inner = [value]
        case ast.BinOp(left=left, right=right):
            inner = [left, right]
        case ast.Name(id=name):
            inner = [*spot.names.values(name, spot.function)[:4], *page.opened(name)[:4]]
        case ast.IfExp(body=a, orelse=b):
            inner = [a, b]
    return [expr, *(e for i in inner for e in _sources(i, spot, page, depth - 1))]


def _is_own(exprs: list[ast.expr], spot: Spot, page: Page) -> bool:
    """Whether code comes from the project's own data: read at a literal or own place, or unpacked from literals."""
    reached = [e for expr in exprs[:40] for e in _sources(expr, spot, page)][:400]
    reads = any(
        isinstance(e, ast.Call) and chain(e.func)[-1] in {*_READERS, "open", "run_path", "run_module"}
        for e in reached
    )
    packed = any(
        isinstance(e, ast.Call) and any(n.partition(".")[0] in _DISGUISES for n in spot.dotted(e.func))
        for e in reached
    )
    literal = any(isinstance(e, ast.Constant) and _is_material(e.value) for e in reached)
    own = any(isinstance(e, ast.Name) and e.id in _OWN_PLACE for e in reached)
    return (reads or packed or (exprs[0] is reached[0] and isinstance(exprs[0], ast.Constant))) and (
        literal or own
    )


_MODES = frozenset("exec eval single utf-8 utf8 ascii latin-1 strict ignore replace".split())  # noqa: SIM905


def _is_material(value: object) -> bool:
    """Whether a literal can be a place or packed code, and is no mode or encoding."""
    return isinstance(value, str | bytes) and len(value) > 3 and str(value).lower() not in _MODES


def _forged(call: ast.Call, names: frozenset[str], spot: Spot, change: Change) -> Told | None:
    """A test that compiles something under a source file's name, and so marks lines as run that never ran."""
    if not any(n.endswith("compile") for n in names):
        return None
    given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "filename")]
    for filename in given:
        text = spot.constant(filename)
        if (
            isinstance(text, str)
            and text.endswith(".py")
            and ("/" in text or change.text(text, "head") is not None)
        ):
            return (
                "block",
                f"code is compiled under the name of `{text}`, so coverage counts lines that never ran",
            )
        for node in ast.walk(filename):
            if isinstance(node, ast.Attribute) and node.attr in {"__file__", "co_filename", "origin"}:
                return (
                    "block",
                    "code is compiled under a source file's name, so coverage counts lines that never ran",
                )
            if isinstance(node, ast.Call) and any(
                n.startswith("inspect.get") for n in spot.dotted(node.func)
            ):
                return (
                    "block",
                    "code is compiled under a source file's name, so coverage counts lines that never ran",
                )
    return None


def _text(node: ast.Constant | ast.BinOp | ast.JoinedStr, spot: Spot) -> str | None:
    """A string as it is used: put together where it is not written whole."""
    if isinstance(spot.parent, ast.Expr | ast.Compare | ast.BinOp | ast.JoinedStr):
        return None
    value = node.value if isinstance(node, ast.Constant) else spot.constant(node)
    return value if isinstance(value, str) else None


def _string(text: str, spot: Spot, page: Page) -> Told | None:
    """Coverage's data files and the variables that steer it, where code names them to use them."""
    if _DATA_FILE.fullmatch(text):
        listed = isinstance(spot.parent, ast.List | ast.Tuple | ast.Set)
        grade: FindingSeverity = "block" if page.group == "tests" and not listed else "warn"
        return grade, f"`{text}` is coverage's own data"
    if not _ENVIRONMENT.fullmatch(text) or not _is_set(spot):
        return None
    if page.group == "tests" and spot.where in ("test", "nested"):
        return None
    if text.startswith("PYTHON") and (page.group == "source" or spot.where == "fixture"):
        return None  # for a process that it starts
    return "block", f"the variable `{text}` steers the test tools"


def _is_set(spot: Spot) -> bool:
    """Whether a variable is written: as a key that is assigned, in a dict, or given to `setenv` and its like."""
    parent = spot.parent
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.ctx, ast.Store)
    if isinstance(parent, ast.Call):
        return chain(parent.func)[-1] in {
            "setenv",
            "putenv",
            "setdefault",
            "update",
            "setitem",
            "__setitem__",
        }
    return isinstance(parent, ast.Dict)


def _hidden_lines(page: Page, exclusions: tuple[str, ...]) -> Iterator[Sighting]:
    """Lines that coverage's expressions leave out: by a comment, or hidden where no reader looks for one."""
    text = page.text
    found = [
        (text.count("\n", 0, m.start()) + 1, text.count("\n", 0, m.end()) + 1, m.start())
        for pattern in (*_PRAGMAS, *exclusions)
        for m in _compiled(pattern).finditer(text)
    ]
    if found:
        comments = _comments(text)
        for first, last, start in sorted(set(found)):
            if _is_comment(text, first, last, start, comments):
                line = " ".join(text.splitlines()[first - 1].split())
                yield _sighting(
                    ("warn", "a comment takes lines out of what coverage counts"), first, page, line
                )
            elif not _stands_alone(page, first, last):
                yield _sighting(
                    ("block", "an exclusion is hidden in a string or between statements"), first, page
                )
    if "..." in text:
        yield from _stray_stubs(page)


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error:
        return re.compile(r"(?!)")


def _comments(text: str) -> dict[int, int]:
    """Line to the column where its comment begins."""
    found: dict[int, int] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.start[1]
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return found
    return found


def _is_comment(text: str, first: int, last: int, start: int, comments: dict[int, int]) -> bool:
    column = start - (text.rfind("\n", 0, start) + 1)
    return first == last and first in comments and column >= comments[first]


def _stands_alone(page: Page, first: int, last: int) -> bool:
    """Whether the lines belong to a string that is a statement of its own (a docstring), which hides nothing."""
    around = [s for s in page.spots if isinstance(s.node, ast.stmt) and _own_lines(s.node, first, last)]
    return all(isinstance(s.node, ast.Expr) and isinstance(s.node.value, ast.Constant) for s in around)


def _own_lines(node: ast.stmt, first: int, last: int) -> bool:
    """Whether a statement itself, without the body of a compound one, touches the lines."""
    body = getattr(node, "body", None)
    start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    end = node.end_lineno or node.lineno
    if isinstance(body, list) and body:
        end = max(node.lineno, getattr(body[0], "lineno", node.lineno + 1) - 1)
    return start <= last and first <= end


def _stray_stubs(page: Page) -> Iterator[Sighting]:
    """`...` at the end of a line that is no stub: coverage leaves out the whole statement or function around it."""
    lines = {page.text.count("\n", 0, m.end()) + 1 for m in _STUB.finditer(page.text)}
    for spot in page.spots:
        node = spot.node
        if (
            not isinstance(node, ast.Constant)
            or node.value is not Ellipsis
            or isinstance(spot.parent, ast.Expr)
        ):
            continue
        if node.lineno in lines:
            yield _sighting(
                ("block", "a lone `...` inside a statement makes coverage leave it out"), node.lineno, page
            )
    for spot in page.spots:
        if (
            isinstance(spot.node, ast.Constant | ast.JoinedStr)
            and not isinstance(spot.parent, ast.Expr)
            and _spans(spot, lines)
            and _heads_a_block(page, spot.line)
        ):
            yield _sighting(
                ("block", "a lone `...` in a string makes coverage leave out the block"), spot.line, page
            )


def _spans(spot: Spot, lines: set[int]) -> bool:
    """Whether a string goes over several lines, one of them among `lines`."""
    end = getattr(spot.node, "end_lineno", None) or spot.line
    is_text = isinstance(spot.node, ast.JoinedStr) or isinstance(getattr(spot.node, "value", None), str)
    return is_text and end > spot.line and not lines.isdisjoint(range(spot.line, end + 1))


def _heads_a_block(page: Page, line: int) -> bool:
    """Whether a line belongs to the head of a compound statement or its decorators."""
    return any(
        isinstance(getattr(s.node, "body", None), list)
        and isinstance(s.node, ast.stmt)
        and _own_lines(s.node, line, line)
        for s in page.spots
    )
