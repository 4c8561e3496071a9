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
  # The job's own first: whoever judges coverage data has to be of the version that the tests ran on.
  for name in python3 python python3.13 python3.12 python3.11; do
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

# pip of the interpreter that was found, installing into the environment: putting pip in there first takes seconds.
install_with_pip() {
  local pip=("$python" -I -m pip)
  if "$python" -I -c 'import pip, sys; sys.exit(int(pip.__version__.split(".")[0]) < 23)' >/dev/null 2>&1; then
    "$python" -I -m venv --without-pip env
    pip+=(--python "$folder/env/bin/python")
  else
    "$python" -I -m venv env
    pip=(env/bin/python -I -m pip)
  fi
  # The list is whole: with dependencies pip (23.2) would take `coverage[toml]` for a second, unpinned requirement.
  "${pip[@]}" --quiet --disable-pip-version-check --no-input install --no-compile --no-deps --require-hashes \
    -r "$action/action/requirements.txt"
}

python=$(fitting_python)
if uv --version >/dev/null 2>&1; then
  uv venv --quiet --no-project --python "${python:->=3.11}" env
  uv pip install --quiet --python env/bin/python --require-hashes -r "$action/action/requirements.txt"
elif [ -n "$python" ]; then
  install_with_pip
else
  echo "::error title=moa::There is neither uv nor a Python of version 3.11 or newer with its venv module. Add actions/setup-python before this action."
  exit 1
fi

# The package as its wheel would have it; building one takes longer than all the rest.
packages=$(env/bin/python -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -R -- "$action/pytest_moa" "$packages/pytest_moa"
cp -R -- "$action/templates" "$packages/pytest_moa/templates"

# What every call imports is compiled once, here; the rest where it is imported first. Without write permission: a nudge
# against stray writes, no boundary.
env/bin/python -I -m compileall -q -j 0 -x '/(pygments|rich|_pytest|pytest|pytest_cov|markdown_it|tomlkit)/' \
  "$packages" >/dev/null || true
find env/lib -type f -exec chmod a-w {} +
env/bin/python -I -c 'import pytest_moa'
printf 'python=%s\n' "$folder/env/bin/python" >>"$GITHUB_OUTPUT"
