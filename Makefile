# Each target sets up its own .venv and needs only python3 (3.11 or later), git, make and a package index.
# PYTHON=/path/to/python3 chooses the interpreter; pip's own settings hold.

PYTHON =
# Two workers; tests that share what is slow to make (xdist_group) go to one of them. -n 0 for a debugger.
PYTEST_ARGS = -n 2 --dist loadgroup
BIN = .venv/bin

# pip's warning about root is about the system's Python, not about .venv.
export PIP_ROOT_USER_ACTION = ignore
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check lint format types layers workflows clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    the main job on an example team of eight agents, in about a minute'
	@echo 'make test    the tests, without the slow tier'
	@echo 'make check   lint, format, types, layers, workflows'
	@echo 'make clean   remove what these made'

demo: .venv/.runtime
	@$(BIN)/python examples/team/demo.py

test: .venv/.dev
	$(BIN)/python -m pytest -m 'not slow' $(PYTEST_ARGS)

check: lint format types layers workflows

lint: .venv/.dev
	$(BIN)/ruff check .

format: .venv/.dev
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

layers: .venv/.dev
	$(BIN)/lint-imports

workflows: .venv/.dev
	@if [ -f tools/check-workflows.sh ]; then PATH="$(CURDIR)/$(BIN):$$PATH" sh tools/check-workflows.sh; fi

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: .venv/.made pyproject.toml
	@echo 'installing pytest-moa into .venv ...'
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.dev: .venv/.made pyproject.toml
	@echo 'installing pytest-moa and the tools of its developers into .venv ...'
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch .venv/.runtime $@

# An environment that somebody made here before is kept where its interpreter works and is new enough.
# Where ensurepip is missing (Debian without python3-venv), virtualenv makes it.
.venv/.made:
	@set -eu; \
	new_enough='import sys; raise SystemExit(sys.version_info < (3, 11))'; \
	if ! { $(BIN)/python -c "$$new_enough" && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
	  for candidate in '$(PYTHON)' python3 python3.13 python3.12 python3.11; do \
	    if [ -n "$$candidate" ] && "$$candidate" -c "$$new_enough" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	    if [ -n '$(PYTHON)' ]; then break; fi; \
	  done; \
	  if [ -z "$${found-}" ]; then \
	    echo '$(if $(PYTHON),$(PYTHON) is not a Python 3.11 or later,No Python 3.11 or later was found).' \
      'Install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1; \
	  fi; \
	  echo "making .venv with $$("$$found" --version) ..."; \
	  rm -rf .venv; \
	  if "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then "$$found" -m venv .venv; \
	  elif "$$found" -m virtualenv --version >/dev/null 2>&1; then "$$found" -m virtualenv --quiet .venv; \
	  elif "$$found" -m pip --version >/dev/null 2>&1; then \
	    tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	    "$$found" -m pip install --quiet --target "$$tools" virtualenv; \
	    PYTHONPATH="$$tools" "$$found" -m virtualenv --quiet .venv; \
	  else \
	    echo "$$found has neither venv nor pip. Install them (Debian: apt-get install python3-venv) and run make again." >&2; \
	    exit 1; \
	  fi; \
	fi
	@touch $@
