# Every target makes its own .venv: Python 3.11 or newer is all a machine needs. `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
RUN_LOCK := .ci/requirements.lock
TEST_LOCK := .ci/requirements-test.lock
RUN_STAMP := $(VENV)/.run
TEST_STAMP := $(VENV)/.test
PYTEST_ARGS ?= -n auto --dist worksteal
DEMO_ARGS ?=

# The first of these that is there and new enough; PYTHON=/path/to/python overrides the search.
CANDIDATES := python3.13 python3.12 python3.11 python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# Hashes are checked against the lock; what comes as source is built with what the lock holds, so nothing escapes it.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
EDITABLE := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

.PHONY: help demo test lint format bench soak lock clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(RUN_STAMP) ## Run a simulated fleet on loopback; no network, no config. DEMO_ARGS="--help" shows its options.
	exec $(BIN)/emuwatch demo $(DEMO_ARGS)

test: lint ## Run all checks and the test suite. PYTEST_ARGS="-k breaker" narrows it down.
	$(BIN)/pytest $(PYTEST_ARGS)

lint: $(TEST_STAMP) ## Check format, style, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TEST_STAMP) ## Format the code and sort its imports.
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format .

bench: $(TEST_STAMP) ## Measure what must stay cheap (tests/bench/bench_*.py) and print the figures.
	for script in tests/bench/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

soak: $(TEST_STAMP) ## Kill simulated hosts 100 times and the service 200 times; count what is left behind, and what gets lost.
	EMUWATCH_SOAK=$(or $(ROUNDS),100) $(BIN)/pytest tests/e2e/test_soak.py tests/transports/test_winrm_soak.py
	EMUWATCH_SOAK=$(or $(ROUNDS),200) $(BIN)/pytest tests/e2e/test_notify_soak.py

lock: ## Resolve the locks anew; needs uv. Names, versions and hashes only.
	$(call compile,$(RUN_LOCK),--extra postgres)
	$(call compile,$(TEST_LOCK),--extra postgres --group test --constraint $(RUN_LOCK))

clean: ## Remove everything that was made here, .venv included.
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

define compile
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header pyproject.toml --group build $(2) --output-file $(1)
endef

# A change of the run lock starts over: what it no longer names must be gone.
$(RUN_STAMP): pyproject.toml $(RUN_LOCK)
	@python=""; \
	for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "emuwatch needs Python 3.11 or newer: tried $(or $(PYTHON),$(CANDIDATES)). Name one: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) ..."; \
	if ! "$$python" -m venv --clear $(VENV); then \
	  echo "$$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
	  rm -rf $(VENV); exit 1; \
	fi
	@$(INSTALL) --requirement $(RUN_LOCK)
	@$(EDITABLE)
	@touch $@

$(TEST_STAMP): $(RUN_STAMP) $(TEST_LOCK)
	@echo "Adding the tools of the tests ..."
	@$(INSTALL) --use-pep517 --no-build-isolation --requirement $(TEST_LOCK)
	@touch $@
