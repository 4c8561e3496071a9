"""What code in a branch writes, and where it reaches out of its own tree: git's folder, the machinery that judges it,
other processes, the interpreter's own folders, the CI runner's command files. Decides how grave; tells nobody.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_moa.model.results import FindingSeverity
from pytest_moa.rules.integrity.names import FUNCTIONS, UNKNOWN
from pytest_moa.rules.integrity.sightings import Page, Spot, chain

Told = tuple[FindingSeverity, str]

_WRITES = frozenset("write_text write_bytes unlink rename replace touch symlink_to hardlink_to".split())  # noqa: SIM905
_FILE_CALLS = re.compile(r"(shutil\.(copy\w*|move|rmtree)|os\.(remove|unlink|rename|replace|symlink|link))")


def write_place(call: ast.Call, spot: Spot) -> ast.expr | None:
    """The expression that says where a call writes; None where it writes nothing."""
    func = call.func
    if (
        isinstance(func, ast.Attribute)
        and func.attr in _WRITES
        and not (func.attr == "replace" and len(call.args) != 1)
    ):
        return func.value
    if isinstance(func, ast.Attribute) and func.attr == "open" and _writes_mode(call, 0, spot):
        return func.value
    names = spot.dotted(func)
    if names & {"open", "io.open", "builtins.open", "codecs.open"} and _writes_mode(call, 1, spot):
        return call.args[0] if call.args else None
    if any(_FILE_CALLS.fullmatch(n) for n in names) and call.args:
        return call.args[-1]
    return None


def _writes_mode(call: ast.Call, index: int, spot: Spot) -> bool:
    given = [k.value for k in call.keywords if k.arg == "mode"] or call.args[index : index + 1]
    mode = spot.constant(given[0]) if given else "r"
    return mode is UNKNOWN or (isinstance(mode, str) and bool(set(mode) & set("wax+")))


_TREE_FILE = re.compile(
    r".*\.(py|pyi|toml|ini|cfg|pth|pyc|so|coveragerc|coverage)|(src|tests?|lib)/.*|\.coverage.*"
)


def in_tree(place: ast.expr, spot: Spot) -> bool:
    """Whether a path is the tree's: made from `__file__`, the root, a module's file, or a relative literal of source."""
    parts = [place]
    for node in ast.walk(place):
        if isinstance(node, ast.Name):
            parts += spot.names.values(node.id, spot.function)[:4]
    nodes = [n for part in parts for n in ast.walk(part)]
    if any(isinstance(n, ast.Name) and re.search(r"tmp|temp", n.id) for n in nodes):
        return False
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute) and chain(node)[-1] in {
            "__file__",
            "rootdir",
            "rootpath",
            "__path__",
            "origin",
            "inipath",
        }:
            return True
        if isinstance(node, ast.Call) and any(
            n.startswith("inspect.get") or n in {"os.getcwd", "pathlib.Path.cwd"}
            for n in spot.dotted(node.func)
        ):
            return True
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _TREE_FILE.fullmatch(node.value)
        ):
            return True
    return False


def names_own_source(place: ast.expr, spot: Spot) -> bool:
    """Whether a path is made from a module's own file and names a Python file of the tree."""
    parts = list(_made_of(place, spot))
    from_file = any(isinstance(e, ast.Name | ast.Attribute) and chain(e)[-1] == "__file__" for e in parts)
    python = any(isinstance(e, ast.Constant) and str(e.value).endswith(".py") for e in parts)
    tests = any(isinstance(e, ast.Constant) and str(e.value).startswith(("test", "conftest")) for e in parts)
    return from_file and python and not tests


_UNASKED = ("module", "main", "hook", "autouse")
_GIT_FOLDER = re.compile(
    r"(.*/)?\.git/(hooks|config|refs|HEAD|packed-refs|info|objects|index|modules|worktrees)\b.*|(.*/)?\.git/?"
)
_ALTERNATES = re.compile(r"(.*/)?info/alternates|alternates")
_OTHER_PROCESS = re.compile(r"/proc(/?|/\*.*|/\[.*|/1/.*|/\0/(environ|mem|maps|cwd|root|fd|cmdline|exe)\b.*)")
_ANOTHERS = re.compile(r"/proc/\0/(environ|mem|cwd|root)\b.*")
_LOOKS_AROUND = re.compile(r"__file__|/proc|getppid|getcwd|Path\.cwd")
"""Words of a page that looks for where it runs; a test of git's own works in folders that it was given."""
_MOA_FOLDER = re.compile(r"(.*/)?moa-(\*|\?|\[|\0)[^/]*(/.*)?")
_MOA_NAME = re.compile(r"_moa_\w+|pytest_moa(\..*)?")
_RUNNER_FILE = re.compile(
    r"GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)|ACTIONS_(RUNTIME_TOKEN|ID_TOKEN_\w+)|RUNNER_TEMP"
)
_GIT_VARIABLE = re.compile(
    r"GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|EXEC_PATH|SSH_COMMAND)"
)
_INTERPRETER = re.compile(
    r"(site\.(getsitepackages|getusersitepackages|USER_SITE)|sysconfig\.get_paths?|distutils\.sysconfig\.get_python_lib"
    r"|sys\.(prefix|base_prefix|exec_prefix)|os\.__file__|pytest\.__file__|_pytest\.__file__|coverage\.__file__)"
)
_HOME = re.compile(
    r"(~|.*/)?(\.(gitconfig|bashrc|profile|bash_profile|zshrc|netrc|pypirc)|\.config/git/.*|.*site-packages.*|.*\.pth)"
)
_COMMANDS = re.compile(
    r"(subprocess\.\w+|os\.(system|popen|spawn\w*|posix_spawnp?)|asyncio\.create_subprocess_\w+|sh\.git.*)"
)
_WRITING = frozenset(
    """update-ref commit push checkout reset merge branch tag stash gc prune worktree replace notes symbolic-ref config
    remote fetch pull rebase hash-object update-index clean apply am rm mv add restore switch filter-branch
    filter-repo cherry-pick revert init read-tree write-tree commit-tree fast-import reflog submodule""".split()  # noqa: SIM905 - a list of words reads better so
)
_STEERING = re.compile(
    r"core\.(hookspath|fsmonitor|sshcommand|editor|pager|attributesfile|worktree|gitproxy)|alias\..*|include(if)?\..*"
    r"|url\..*|credential\..*|filter\..*|merge\..*|diff\..*|gpg\..*|safe\..*|uploadpack\..*|receive\..*|init\.templatedir",
    re.IGNORECASE,
)
_OUTWARD_NAMES = frozenset(
    "__file__ rootpath rootdir rootdirpath invocation_dir invocation_params getcwd cwd parents GITHUB_WORKSPACE".split()  # noqa: SIM905
)


def reaches(spot: Spot, page: Page) -> Told | None:
    """What a place reaches for that is none of its business, and how sure that is; None for everything else."""
    node = spot.node
    if isinstance(node, ast.Call):
        return _call(node, spot, page)
    if isinstance(node, ast.Assign) and _packed_path(node, spot):
        return _grade(spot, page), "code is run that no rule can read"
    if isinstance(node, ast.Constant | ast.BinOp | ast.JoinedStr):
        return _string(node, spot, page)
    return None


def _grade(spot: Spot, page: Page) -> FindingSeverity:
    """What runs unasked, or for several tests, blocks; a single test may have its reasons."""
    return "block" if spot.where in _UNASKED or page.role != "test" else "warn"


def _string(node: ast.expr, spot: Spot, page: Page) -> Told | None:  # noqa: PLR0911 - one case a kind of name
    if isinstance(spot.parent, ast.Expr | ast.BinOp | ast.JoinedStr):
        return None
    text = pattern(node, spot)
    if len(text) < 3:
        return None
    if (told := _looks_around(node, text, spot, page)) is not None:
        return told
    if _MOA_FOLDER.fullmatch(text) or text in ("_moa_recorder", "_moa_checkouts", "_moa_probe_server"):
        return "block", "code looks for what moa itself runs on"
    if _RUNNER_FILE.fullmatch(text) and _is_asked(spot):
        return _grade(spot, page), f"`{text}` belongs to the CI runner, which obeys what is written there"
    if _GIT_VARIABLE.fullmatch(text) and (spot.where in _UNASKED or _is_set_for_good(spot)):
        return _grade(spot, page), f"`{text}` turns git to another repository, for whatever runs next"
    if _GIT_FOLDER.fullmatch(text) and "/" in text.rstrip("/") and spot.where in _UNASKED:
        return "block", "git's own folder is reached for"
    return None


def _looks_around(node: ast.expr, text: str, spot: Spot, page: Page) -> Told | None:
    """Names of other processes' folders, and of the repository behind the tree."""
    own = any(isinstance(n, ast.Attribute | ast.Name) and chain(n)[-1] == "getpid" for n in ast.walk(node))
    if _ANOTHERS.fullmatch(text) and not own:
        return "block", "another process's folder or variables are reached for through `/proc`"
    if _OTHER_PROCESS.fullmatch(text) and not own:
        return _grade(spot, page), "other processes are looked at through `/proc`"
    if _ALTERNATES.fullmatch(text) and not _is_temporary(node, spot) and _LOOKS_AROUND.search(page.text):
        return "block", "the repository that the tree was taken from is looked for"
    return None


def _is_asked(spot: Spot) -> bool:
    """Whether a variable is read from the environment as it is, and not set by the code itself."""
    parent = spot.parent
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.ctx, ast.Load) and bool(
            spot.dotted(parent.value) & {"os.environ", "os.environb"}
        )
    return isinstance(parent, ast.Call) and bool(spot.dotted(parent.func) & {"os.getenv", "os.environ.get"})


def _is_set_for_good(spot: Spot) -> bool:
    """Whether a variable is set in the process itself, where nothing takes it back."""
    parent = spot.parent
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.ctx, ast.Store) and bool(spot.dotted(parent.value) & {"os.environ"})
    return isinstance(parent, ast.Call) and any(
        n.startswith(("os.environ.", "os.putenv")) for n in spot.dotted(parent.func)
    )


def pattern(expr: ast.expr | None, spot: Spot) -> str:  # noqa: PLR0911 - one case a kind of expression
    """A string as far as it can be read, with NUL for what cannot."""
    if expr is None:
        return ""
    value = spot.constant(expr)
    if isinstance(value, str):
        return value
    if isinstance(expr, ast.JoinedStr):
        return "".join(
            pattern(v.value if isinstance(v, ast.FormattedValue) else v, spot) or "\0" for v in expr.values
        )
    if isinstance(expr, ast.BinOp):
        sign = "/" if isinstance(expr.op, ast.Div) else ""
        return (pattern(expr.left, spot) or "\0") + sign + (pattern(expr.right, spot) or "\0")
    if isinstance(expr, ast.Call) and chain(expr.func)[-1] in {
        "Path",
        "PurePath",
        "join",
        "joinpath",
        "str",
        "fspath",
    }:
        start = (
            [expr.func.value]
            if isinstance(expr.func, ast.Attribute) and chain(expr.func)[-1] == "joinpath"
            else []
        )
        return "/".join(pattern(a, spot) or "\0" for a in (*start, *expr.args))
    if isinstance(expr, ast.Attribute | ast.Subscript) and chain(expr)[-1] in {"parent", "parents", "<item>"}:
        return "\0"
    return ""


def _call(call: ast.Call, spot: Spot, page: Page) -> Told | None:
    names = spot.dotted(call.func)
    if any(_COMMANDS.fullmatch(n) for n in names):
        return _command(call, spot)
    if names & {"git.Repo", "pygit2.Repository", "dulwich.repo.Repo"}:
        return _repository(call, spot, page)
    if (told := _unread(call, names, spot, page)) is not None:
        return told
    place = write_place(call, spot)
    return None if place is None else _written(place, spot)


_RUN = frozenset(["exec", "eval", "builtins.exec", "builtins.eval"])
_LOADERS = re.compile(
    r"runpy\.run_path|(.*\.)?(SourceFileLoader|SourcelessFileLoader|ExtensionFileLoader|spec_from_file_location|load_source)"
)
_PACKED = re.compile(r".*\.(zip|whl|egg|pyz)")
_PATHS = re.compile(r"sys\.path\.(insert|append|extend)|zipimport\..*|site\.addsitedir")


def is_packed_import(call: ast.Call, spot: Spot) -> bool:
    """Whether an archive is put where modules are imported from, however its name is put together."""
    if not any(_PATHS.fullmatch(n) for n in spot.dotted(call.func)):
        return False
    parts = (part for a in call.args for part in _made_of(a, spot))
    return any(
        isinstance(e, ast.Constant) and isinstance(e.value, str) and _PACKED.fullmatch(e.value) for e in parts
    )


def _unread(call: ast.Call, names: frozenset[str], spot: Spot, page: Page) -> Told | None:
    """Code that is run from where no rule reads it: packed, computed, or in a file that is no Python file."""
    told = "code is run that no rule can read"
    if names & _RUN and call.args and spot.constant(call.args[0]) is UNKNOWN:
        literals = [
            e.value
            for e in _made_of(call.args[0], spot)
            if isinstance(e, ast.Constant) and isinstance(e.value, str)
        ]
        if spot.where in _UNASKED and not any(text.endswith(".py") for text in literals):
            return ("block" if page.role != "test" else "warn"), told
    if any(_LOADERS.fullmatch(n) for n in names):
        paths = [text for a in call.args if (text := pattern(a, spot)) and re.search(r"\.\w+$", text)]
        if any(not path.endswith(".py") for path in paths):
            return _grade(spot, page), told
    return (_grade(spot, page), told) if is_packed_import(call, spot) else None


def _packed_path(node: ast.Assign, spot: Spot) -> bool:
    return any(
        isinstance(t, ast.Subscript) and "sys.path" in spot.dotted(t.value) for t in node.targets
    ) and any(
        isinstance(n, ast.Constant) and isinstance(n.value, str) and _PACKED.fullmatch(n.value)
        for n in ast.walk(node)
    )


def _written(place: ast.expr, spot: Spot) -> Told | None:
    text = pattern(place, spot)
    parts = [text, *(p for e in _made_of(place, spot) if (p := pattern(e, spot)))]
    names = {n for e in _made_of(place, spot) for n in spot.dotted(e)}
    temporary = _is_temporary(place, spot)
    at_home = not temporary and any(_HOME.fullmatch(p) for p in parts)
    # A path whose beginning nobody can read may be an environment that the test made.
    known = (
        spot.where in _UNASKED
        or bool(names & {"pathlib.Path.home", "os.path.expanduser"})
        or "~" in "".join(parts)
    )
    if any(_INTERPRETER.match(n) for n in names) or (at_home and known):
        return (
            "block",
            "files of the interpreter or of the user's home are written: later runs would use them",
        )
    if temporary or not any(_GIT_FOLDER.fullmatch(p) or _ALTERNATES.fullmatch(p) for p in parts):
        return None
    if _is_outward(place, spot) or spot.where in _UNASKED:
        return "block", "git's own folder is written"
    return ("warn", "git's own folder is written") if _is_bare(spot) else None


def _made_of(expr: ast.expr, spot: Spot) -> Iterator[ast.expr]:
    """All parts of an expression, and of what its names are bound to."""
    for node in ast.walk(expr):
        if isinstance(node, ast.expr):
            yield node
        if isinstance(node, ast.Name):
            for bound in spot.names.values(node.id, spot.function)[:4]:
                yield from (n for n in ast.walk(bound) if isinstance(n, ast.expr))


def _is_temporary(expr: ast.expr, spot: Spot) -> bool:
    return any(
        isinstance(e, ast.Name | ast.Attribute) and re.search(r"tmp|temp", chain(e)[-1], re.IGNORECASE)
        for e in _made_of(expr, spot)
    )


def _is_outward(expr: ast.expr | None, spot: Spot) -> bool:
    """Whether a path leads to the checkout itself, or above it."""
    if expr is None or _is_temporary(expr, spot):
        return False
    for e in _made_of(expr, spot):
        if isinstance(e, ast.Name | ast.Attribute) and chain(e)[-1] in _OUTWARD_NAMES:
            return True
        if isinstance(e, ast.Constant) and isinstance(e.value, str) and _leads_out(e.value):
            return True
    return False


def _leads_out(path: str) -> bool:
    absolute = path.startswith("/") and not path.startswith(("/tmp/", "/dev/", "/nonexist"))  # noqa: S108 - read, not used
    return absolute or ".." in path.split("/") or path in _OUTWARD_NAMES


def _is_bare(spot: Spot) -> bool:
    """Whether a function works where it was started: nothing in it leads into a folder of its own."""
    node = spot.function
    if not isinstance(node, FUNCTIONS):
        return True
    given = [
        a.arg
        for a in (*node.args.args, *node.args.kwonlyargs)
        if a.arg not in ("self", "monkeypatch", "capsys")
    ]
    words = {chain(n)[-1] for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)}
    return not given and not any(re.search(r"tmp|temp|chdir|isolated|cwd", w, re.IGNORECASE) for w in words)


def _command(call: ast.Call, spot: Spot) -> Told | None:
    words = _words(call, spot)
    start = next((i for i, w in enumerate(words[:8]) if w.rpartition("/")[2] == "git"), None)
    if start is None:
        return None
    where = _where(call, spot)
    outward = any(_is_outward(e, spot) for e in where)
    words = words[start + 1 :]
    while words and words[0].startswith("-"):
        option, _, value = words.pop(0).partition("=")
        if option in _PLACES and not value and words:
            value = words.pop(0)
        outward |= option != "-c" and _leads_out(value)
    if not words or words[0] not in _WRITING or _only_asks(words):
        return None
    if words[0] == "config" and (told := _configured(words)) is not None:
        return told
    return _told_of_git(words[0], spot, outward=outward, placed=bool(where))


_PLACES = frozenset(["-C", "-c", "--git-dir", "--work-tree", "--namespace"])


def _configured(words: list[str]) -> Told | None:
    """Settings of the user or the machine, where they make git run or fetch something else."""
    if {"--global", "--system"} & set(words) and any(_STEERING.fullmatch(w) for w in words):
        return "block", "git's settings are changed for whoever runs it next"
    return None


def _told_of_git(command: str, spot: Spot, *, outward: bool, placed: bool) -> Told | None:
    if outward:
        return "block", f"`git {command}` runs on a repository outside of the test's own folder"
    told = f"`git {command}` runs in the checkout that is being tested"
    if not placed and spot.where in _UNASKED:
        return "block", told
    return ("warn", told) if not placed and _is_bare(spot) else None


def _only_asks(words: list[str]) -> bool:
    """Whether a command that can write is used to ask."""
    rest = words[1:]
    if words[0] == "config":
        return (
            bool({"--get", "--get-all", "--list", "-l", "--get-regexp", "get", "list"} & set(rest))
            or len(rest) == 1
        )
    if words[0] in ("branch", "tag", "remote", "notes", "stash", "worktree", "submodule", "reflog"):
        asks = {
            "--list",
            "-l",
            "-v",
            "-vv",
            "-a",
            "-r",
            "--show-current",
            "--points-at",
            "--contains",
            "list",
            "show",
            "get-url",
            "status",
        }
        return not rest or bool(asks & set(rest))
    return words[0] == "hash-object" and "-w" not in rest


def _words(call: ast.Call, spot: Spot) -> list[str]:
    """The words of a command, NUL for those that cannot be read."""
    given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "args"), None)
    if isinstance(given, ast.Name):
        given = spot.names.only_value(given, spot.function) or given
    if isinstance(given, ast.BinOp) and isinstance(given.left, ast.List | ast.Tuple):
        given = given.left
    if isinstance(given, ast.List | ast.Tuple):
        parts = [e.value if isinstance(e, ast.Starred) else e for e in given.elts[:20]]
        words = [pattern(e, spot) or "\0" for e in parts]
    elif (
        given is not None
        and len(call.args) > 1
        and all(isinstance(spot.constant(a), str) for a in call.args[:2])
    ):
        words = [pattern(a, spot) or "\0" for a in call.args[:20]]
    else:
        words = re.split(r"\s+|&&|;|\|\|", pattern(given, spot))
    if len(words) > 2 and words[1] in ("-c", "-lc") and re.fullmatch(r"(.*/)?(ba|z|da)?sh", words[0]):
        words = re.split(r"\s+|&&|;|\|\|", words[2])
    return [w for w in words if w]


def _where(call: ast.Call, spot: Spot) -> list[ast.expr]:
    """The expressions that say in which folder a command runs."""
    found = [k.value for k in call.keywords if k.arg == "cwd"]
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Name):
        given = spot.names.only_value(given, spot.function) or given
    if isinstance(given, ast.List | ast.Tuple):
        for option, value in zip(given.elts, given.elts[1:], strict=False):
            if spot.constant(option) in ("-C", "--git-dir"):
                found.append(value)
    return found


def _repository(call: ast.Call, spot: Spot, page: Page) -> Told | None:
    searches = any(
        k.arg == "search_parent_directories" and spot.constant(k.value) is True for k in call.keywords
    )
    place = call.args[0] if call.args else None
    at_home = place is None and spot.where in _UNASKED
    if searches or at_home or _is_outward(place, spot) or spot.constant(place) == ".":
        return _grade(spot, page), "the repository that is being tested is opened by its own tests"
    return None
