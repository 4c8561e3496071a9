"""Where a policy comes from: a named file, the usual files of a folder or a commit, and the variables over it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pytest_moa.config.contradictions import contradictions
from pytest_moa.config.decode import decode_policy
from pytest_moa.config.documents import MOST_BYTES, Document, read_document
from pytest_moa.config.environment import overlay
from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import LoadedPolicy

Read = Callable[[str], bytes | None]

_FILES = ("config/moa_config.yaml", "moa.yaml", "pyproject.toml")
_REMEDY = (
    "Correct what is listed; docs/configuration.md and `python -m pytest_moa.config.schema` tell every key."
)
_MOST_SHOWN = 50
_ABSENT = {errno.ENOENT, errno.ENOTDIR}


def config_files() -> tuple[str, ...]:
    """The files that are looked for, first to last, relative to the root; the last one counts with `[tool.moa]`."""
    return _FILES


def load_from_disk(root: Path, *, file: Path | None = None, environ: Mapping[str, str]) -> LoadedPolicy:
    """The policy of the named file (else of MOA_CONFIG, else of the usual files under `root`), with the variables.

    `origin` is the file's path as text. Raises ConfigError for a named file that cannot be read, and with all
    problems at once for a policy that is impossible.
    """
    variable = environ.get("MOA_CONFIG", "").strip()
    if file is not None:
        return _loaded(_named_document(file, "the call"), str(file), environ)
    if variable:
        return _loaded(_named_document(Path(variable), "MOA_CONFIG"), variable, environ)
    return _look_up(lambda name: _read_if_there(root / name), lambda name: str(root / name), environ)


def load_from_reader(read: Read, *, origin: str, environ: Mapping[str, str]) -> LoadedPolicy:
    """The policy of the usual files in a commit, with the variables; `read` gives a file's bytes or None.

    `origin` names the commit; the policy's own is `origin:path`, as git writes it. MOA_CONFIG is not consulted:
    it is the operator's word about a file on disk.
    """
    return _look_up(read, lambda name: f"{origin}:{name}", environ)


def _look_up(read: Read, place: Callable[[str], str], environ: Mapping[str, str]) -> LoadedPolicy:
    for number, name in enumerate(_FILES):
        data = read(name)
        document = None if data is None else read_document(data, name)
        if document is not None:
            passed = tuple(_passed_over(read, name, _FILES[number + 1 :]))
            return _loaded(document, place(name), environ, passed)
    return _loaded(Document(None), None, environ)


def _passed_over(read: Read, taken: str, others: tuple[str, ...]) -> Iterator[str]:
    for name in others:
        with suppress(ConfigError):  # a file that is not read needs no reading
            data = read(name)
            if data is not None and (name != "pyproject.toml" or b"[tool.moa" in data):
                yield f"{name} is not read for moa's settings, since {taken} comes first."


def _named_document(path: Path, by: str) -> Document:
    data = _read(path, by)
    document = read_document(data, path.name)
    if document is None:
        raise ConfigError(
            f"{path} holds no config",
            reason=f"{by} names it, and it has no [tool.moa]",
            remedy="Add a [tool.moa] table, or name another file.",
        )
    return document


def _read_if_there(path: Path) -> bytes | None:
    try:
        return _bytes(path)
    except OSError as error:
        if error.errno in _ABSENT and not path.is_symlink():
            return None
        raise _unreadable(path, error, "it is one of the files that are looked for") from None


def _read(path: Path, by: str) -> bytes:
    try:
        return _bytes(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, f"{by} names it") from None


def _bytes(path: Path) -> bytes:
    """At most one byte more than a config may have: a device or a pipe can give bytes for ever."""
    with path.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _unreadable(path: Path, error: Exception, why: str) -> ConfigError:
    told = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return ConfigError(
        f"{path} cannot be read",
        reason=f"{told} ({why})",
        remedy="Name a readable file, or remove the name to use the usual ones: " + ", ".join(_FILES) + ".",
    )


def _loaded(
    document: Document, origin: str | None, environ: Mapping[str, str], warnings: tuple[str, ...] = ()
) -> LoadedPolicy:
    policy, wrong = decode_policy(document.data)
    problems = (*document.problems, *wrong, *contradictions(policy, document.data))
    overlaid = overlay(policy, environ)
    if problems or overlaid.problems:
        raise _impossible(origin, problems, overlaid.problems)
    return LoadedPolicy(policy=overlaid.policy, origin=origin, warnings=(*warnings, *overlaid.warnings))


def _impossible(origin: str | None, file: tuple[str, ...], variables: tuple[str, ...]) -> ConfigError:
    problems = (*file, *variables)
    places = [origin or "the config"] if file else []
    places += ["the environment"] if variables else []
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(
        f"{count} in {' and '.join(places)}", problems=problems, reason=_listed(problems), remedy=_REMEDY
    )


def _listed(problems: tuple[str, ...]) -> str:
    if len(problems) == 1:
        return problems[0]
    told = [f"\n  - {problem}" for problem in problems[:_MOST_SHOWN]]
    left = len(problems) - len(told)
    return "".join(told) + (f"\n  - and {left} more" if left else "")
