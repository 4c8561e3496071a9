#!/bin/sh
# Checks action.yml and every workflow of this repository (CI, examples, and the template as `moa init` writes it)
# against GitHub's schemas, with zizmor, and with actionlint where it is installed or go can install it.
# MOA_REQUIRE_ACTIONLINT=1 makes a missing actionlint an error.
set -eu

cd -- "$(dirname -- "$0")/.."
bin=.venv/bin
made=$(mktemp -d "${TMPDIR:-/tmp}/moa-workflows-XXXXXX")
trap 'rm -rf -- "$made"' EXIT INT TERM

# zizmor and actionlint judge a workflow by where it lies.
mkdir -p "$made/.github/workflows"
"$bin/python" -I - "$made/.github/workflows" <<'PYTHON'
import sys
from pathlib import Path

from pytest_moa.render.templates import render

for name, more in (("init.yml", {}), ("init-install.yml", {"install": "pip install -e '.[test]'", "python": "3.13"})):
    text = render("workflow.yml.j2", target="develop", **more)
    Path(sys.argv[1], name).write_text(text, encoding="utf-8")
PYTHON
for workflow in .github/workflows/*.yml examples/workflows/*.yml; do
  [ -e "$workflow" ] || continue
  cp -- "$workflow" "$made/.github/workflows/$(printf '%s' "$workflow" | tr '/' '-' | sed 's/^\.*//')"
done

"$bin/check-jsonschema" --builtin-schema vendor.github-actions action.yml
"$bin/check-jsonschema" --builtin-schema vendor.github-workflows "$made"/.github/workflows/*.yml
"$bin/zizmor" --offline --persona auditor --quiet --no-progress --config tools/zizmor.yml action.yml "$made/.github/workflows"

actionlint=$(command -v actionlint || true)
if [ -z "$actionlint" ] && command -v go >/dev/null 2>&1; then
  actionlint=$(go env GOPATH)/bin/actionlint
  [ -x "$actionlint" ] || go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 || actionlint=
fi
if [ -n "$actionlint" ]; then
  "$actionlint" -no-color "$made"/.github/workflows/*.yml
elif [ "${MOA_REQUIRE_ACTIONLINT:-}" = 1 ]; then
  echo "check-workflows: actionlint is required and neither it nor go is here" >&2
  exit 1
else
  echo "check-workflows: actionlint is not here and was left out (go install github.com/rhysd/actionlint/cmd/actionlint@latest)" >&2
fi
