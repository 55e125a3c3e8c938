# Needs GNU make, a POSIX shell and CPython 3.11, 3.12 or 3.13.
#
# PYTHON=...       the Python to make the virtual environment with (default: the first that fits)
# VENV=...         where the virtual environment is (default: .venv)
# PYTEST_ARGS=...  more arguments for pytest (test, soak)
# BENCHMARK_ARGS=...  more arguments for each benchmark, such as "--rounds 5"
# BENCHMARK_VENV=...  the virtual environment of the benchmarks (default: .venv-benchmark)
# LOCK_ARGS=...    more arguments for uv (lock): --upgrade, --upgrade-package keras, ...

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCHMARK_VENV ?= .venv-benchmark
BENCHMARK_STAMP := $(VENV)/.installed-benchmark
PIP := "$(BIN)/python" -m pip --quiet --disable-pip-version-check --require-virtualenv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart test lint format lock soak benchmark run-benchmarks clean which-python

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# A candidate is run, not only looked for: a pyenv shim of a version that is not selected is found
# and fails, and Debian's python3 without python3-venv cannot make a virtual environment.
PYTHON_FITS := -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'
# What an interrupted `python -m venv --clear` leaves runs, but is the Python outside: pip would
# install into that.
VENV_FITS := -c 'import sys; sys.exit(sys.prefix == sys.base_prefix or not (3, 11) <= sys.version_info[:2] < (3, 14))'
PYTHON_VERSION := -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# Sets $python, or says what is missing and exits.
define FIND_PYTHON
if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; else set -- python3 python3.13 python3.12 python3.11; fi; \
python=; \
for candidate in "$$@"; do \
  if "$$candidate" $(PYTHON_FITS) >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "No usable Python among: $$*" >&2; \
  echo "tfft needs Python 3.11, 3.12 or 3.13 with venv (Debian, Ubuntu: the package python3-venv)." >&2; \
  echo "Name one with: make PYTHON=/path/to/python3 ..." >&2; \
  exit 1; \
fi
endef

which-python: ## print the Python that the virtual environment would be made with
	@$(FIND_PYTHON); echo "$$python"

# PYTHON=... of another version than the virtual environment's makes that anew.
ifdef PYTHON
ifneq ($(shell "$(PYTHON)" $(PYTHON_VERSION) 2>/dev/null),$(shell "$(BIN)/python" $(PYTHON_VERSION) 2>/dev/null))
ANEW := yes
.PHONY: $(STAMP)
endif
endif

# setuptools comes first and builds what has no wheel, so nothing that runs is unpinned. The stamp
# comes last: an install that was interrupted is taken up again.
$(STAMP): requirements.lock pyproject.toml
	@rm -f "$@"
	@if [ -n "$(ANEW)" ] || ! "$(BIN)/python" $(VENV_FITS) 2>/dev/null || ! $(PIP) --version >/dev/null 2>&1; then \
	  $(FIND_PYTHON); \
	  echo "Making $(VENV) with $$python ($$("$$python" --version))"; \
	  "$$python" -m venv --clear "$(VENV)"; \
	fi
	@echo "Installing requirements.lock into $(VENV) (3.4 GB; takes minutes)"
	@sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > "$(VENV)/setuptools.lock"
	@$(PIP) install --require-hashes --no-deps -r "$(VENV)/setuptools.lock"
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch "$@"

quickstart: $(STAMP) ## fine-tune and export a small model, ask it (an earlier run: runs/quickstart.old)
	@if [ -e runs/quickstart ]; then \
	  echo "Keeping the earlier runs/quickstart as runs/quickstart.old"; \
	  rm -rf runs/quickstart.old; mv runs/quickstart runs/quickstart.old; \
	fi
	"$(BIN)/python" -m tfft.fit --config configs/quickstart.yaml
	"$(BIN)/python" export/ask.py runs/quickstart/export/1 \
	  "The lorry drove past our bins again, they are still full" \
	  "my boiler has packed up and we have a newborn" \
	  "Since when do I pay for two adults? I live alone" \
	  "two street lamps in our road have gone out"

test: $(STAMP) ## run the tests (no network needed)
	"$(BIN)/python" -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

soak: $(STAMP) ## run the long tests on real data
	"$(BIN)/python" -m pytest -m soak $(PYTEST_ARGS)

# In an environment of its own, so that .venv stays exactly what the lock says.
benchmark: ## compare speed and memory with other libraries (tests/benchmarks/README.md)
	@$(MAKE) --no-print-directory VENV="$(BENCHMARK_VENV)" run-benchmarks

run-benchmarks: $(BENCHMARK_STAMP)
	@set -e; for script in tests/benchmarks/bench_*.py; do \
	  echo "== $$script"; "$(BIN)/python" "$$script" $(BENCHMARK_ARGS); \
	done

# The lock's pins, without its hashes, are the constraints: what they compare with adds packages and
# changes none. A torch that is there already, such as the CPU build, stays.
$(BENCHMARK_STAMP): $(STAMP)
	@echo "Installing the extra benchmark into $(VENV) (PyTorch; takes minutes)"
	@sed -e '/^ *--hash/d' -e 's/ *\\$$//' requirements.lock > "$(VENV)/constraints.txt"
	@$(PIP) install --no-build-isolation --constraint "$(VENV)/constraints.txt" --editable ".[benchmark]"
	@touch "$@"

lint: $(STAMP) ## check style and types
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

format: $(STAMP) ## rewrite the code in the project's style
	"$(BIN)/ruff" check --fix .
	"$(BIN)/ruff" format .

# For every supported Python and platform in one file, with one version of each package; what is
# pinned already stays unless pyproject.toml or LOCK_ARGS says otherwise.
lock: ## make requirements.lock anew from pyproject.toml (LOCK_ARGS=--upgrade for newer versions)
	@set -e; uv="$(BIN)/uv"; \
	if ! "$$uv" --version >/dev/null 2>&1; then \
	  $(FIND_PYTHON); \
	  tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	  "$$python" -m venv "$$tools"; \
	  "$$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	  uv=$$tools/bin/uv; \
	fi; \
	"$$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
	  --extra dev --group model $(LOCK_ARGS) --output-file requirements.lock pyproject.toml

clean: ## remove caches and build output (keeps the virtual environment and runs/)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find tfft tests export -name __pycache__ -type d -prune -exec rm -rf {} +
