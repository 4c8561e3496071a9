#!/usr/bin/env bash
# Makes an environment for moa alone, from the action's own folder, and hands its interpreter on as `python`.
# Neither the work tree nor the caller's environment is read or changed: a checker that imports the branch's
# modules has lost. A fresh environment each time, since tests of an earlier step could have written to an old one.
set -euo pipefail

action=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
folder=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/moa-env-XXXXXXXX")
# The caller's settings for Python, pip and uv (in the environment or in the work tree) are not for this one.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_USER \
  PIP_PREFIX PIP_CONSTRAINT UV_PROJECT UV_PROJECT_ENVIRONMENT UV_SYSTEM_PYTHON UV_PYTHON UV_TARGET UV_CONSTRAINT
cd -- "$folder"

fitting_python() {
  local name
  for name in python3.13 python3.12 python3.11 python3 python; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
  for name in "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.1[1-9]*/*/bin/python3; do
    if [ -x "$name" ] && "$name" -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))'; then
      printf '%s\n' "$name"
      return
    fi
  done
}

python=$(fitting_python)
if uv --version >/dev/null 2>&1; then
  uv venv --quiet --no-project --python "${python:->=3.11}" env
  uv pip install --quiet --python env/bin/python --require-hashes -r "$action/action/requirements.txt"
  uv pip install --quiet --python env/bin/python --no-deps --no-build-isolation "$action"
elif [ -n "$python" ]; then
  "$python" -I -m venv env
  pip=(env/bin/python -I -m pip --quiet --disable-pip-version-check --no-input install)
  # The list is whole: with dependencies pip (23.2) would take `coverage[toml]` for a second, unpinned requirement.
  "${pip[@]}" --no-deps --require-hashes -r "$action/action/requirements.txt"
  "${pip[@]}" --no-deps --no-build-isolation "$action"
else
  echo "::error title=moa::There is neither uv nor a Python of version 3.11 or newer with its venv module. Add actions/setup-python before this action."
  exit 1
fi

# Compiled once here, so that nothing has to be written there later; a nudge against stray writes, no boundary.
env/bin/python -I -m compileall -q env/lib >/dev/null || true
find env/lib -type f -exec chmod a-w {} +
env/bin/python -I -c 'import pytest_moa'
printf 'python=%s\n' "$folder/env/bin/python" >>"$GITHUB_OUTPUT"
