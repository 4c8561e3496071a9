"""Cuts GitHub's OpenAPI description down to the operations that pytest-moa uses, for the tests of its client.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python tools/cut-github-openapi.py package/generated/api.github.com.json tests/github/openapi.json

Prose, examples and extensions are left out; schemas and parameters stay as they are published. Both projects
(github/rest-api-description and octokit/openapi, which repackages it) are under the MIT licence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = frozenset(
    {
        "actions/get-github-actions-default-workflow-permissions-repository",
        "checks/list-for-ref",
        "issues/create-comment",
        "issues/delete-comment",
        "issues/list-comments",
        "issues/update-comment",
        "pulls/list",
        "pulls/list-reviews",
        "repos/create-commit-status",
        "repos/get",
        "repos/get-branch-protection",
        "repos/get-branch-rules",
        "repos/get-repo-ruleset",
        "repos/list-commit-statuses-for-ref",
        "users/get-authenticated",
    }
)
_PROSE = ("description", "example", "examples", "externalDocs", "summary", "tags", "title")


def main(source: Path, made: Path) -> None:
    whole = json.loads(source.read_bytes())
    paths = _paths(whole["paths"])
    found = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    if found != OPERATIONS:
        raise SystemExit(f"not in {source}: {', '.join(sorted(OPERATIONS - found))}")
    cut = {
        "openapi": whole["openapi"],
        "info": {key: whole["info"][key] for key in ("title", "version", "license")},
        "paths": paths,
        "components": _components(whole["components"], paths),
    }
    made.write_text(json.dumps(cut, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _paths(paths: dict[str, Any]) -> dict[str, Any]:
    cut = {
        path: {method: _bare(one) for method, one in methods.items() if one["operationId"] in OPERATIONS}
        for path, methods in paths.items()
    }
    return {path: methods for path, methods in cut.items() if methods}


def _bare(value: Any, *, names: bool = False) -> Any:
    """Without prose. `names` says that the keys are names of things, which may be called `description`, too."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _bare(one, names=key in {"properties", "headers"} and not names)
        for key, one in value.items()
        if names or not (key in _PROSE or key.startswith("x-"))
    }


def _components(components: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    """All that the paths refer to, directly or by way of others."""
    kept: dict[str, dict[str, Any]] = {}
    waiting = list(_references(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in kept.setdefault(kind, {}):
            kept[kind][name] = _bare(components[kind][name])
            waiting.extend(_references(kept[kind][name]))
    return kept


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for one in value.values() for found in _references(one)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
