"""Which variables a child sees: an allow list plus the policy's words. Reads nothing; never passes a secret by accident."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

# What interpreters, compilers, terminals and certificate stores need. Proxies may hold passwords: not among them.
ALLOWED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "CI",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PKG_CONFIG*",
    "CC",
    "CXX",
    "CPP",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "XDG_*",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "COMSPEC",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "NUMBER_OF_PROCESSORS",
    "PROGRAMFILES",
    "APPDATA",
    "LOCALAPPDATA",
    "USERPROFILE",
)
SETUP_ALLOWED = ("PIP_*", "UV_*")

# A glob like `*` never reaches these; only their whole name, written out by a person, does.
_ONLY_BY_NAME = re.compile(
    r"(GITHUB|ACTIONS|RUNNER|INPUT|AGENT|MOA)_|.*(TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|PRIVATE|APIKEY"
    r"|API_KEY|ACCESS_KEY|COOKIE|SESSION_BUS|DSN|NETRC|PROXY|_INDEX_URL|_INDEX|_PAT$|_KEY$)",
    re.IGNORECASE,
)
# git's variables point at the user's repository; these four are decided by the run, not by the caller.
_NEVER = re.compile(r"GIT_|(MOA_SLOT|MOA_CHILD|TMPDIR|TEMP|TMP|PYTHONPYCACHEPREFIX|PYTEST_CURRENT_TEST)$")


def child_environ(
    environ: Mapping[str, str], *, keep: Iterable[str], drop: Iterable[str], run_dir: Path, slot: int
) -> dict[str, str]:
    """The variables of a child that runs tests: allowed ones, `keep` minus `drop`, and what the run itself sets."""
    kept = _select(environ, ALLOWED, tuple(keep), tuple(drop))
    temporary = str(run_dir / "tmp")
    return kept | {
        "TMPDIR": temporary,
        "MOA_SLOT": str(slot),
        "MOA_CHILD": "1",
    }


def setup_environ(environ: Mapping[str, str], *, keep: Iterable[str], drop: Iterable[str]) -> dict[str, str]:
    """The variables of commands that make an environment: as a child's, and those of pip and uv."""
    return _select(environ, (*ALLOWED, *SETUP_ALLOWED), tuple(keep), tuple(drop)) | {"MOA_CHILD": "1"}


def _select(
    environ: Mapping[str, str], allowed: tuple[str, ...], keep: tuple[str, ...], drop: tuple[str, ...]
) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not _NEVER.match(name)
        and not _matches(name, drop)
        and (name in keep or (not _ONLY_BY_NAME.match(name) and _matches(name, (*allowed, *keep))))
    }


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
