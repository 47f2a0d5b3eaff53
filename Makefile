# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DAYS ?= 31

.PHONY: help setup demo ui test slow lint format clean

help: ## what the commands are
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## the virtual environment with everything in it

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,postgres,dev]'
	@touch $(READY)

demo: $(READY) ## a month of real departures through the outcomes of definitions/ (DAYS=31)
	$(BIN)/opsintel demo --days $(DAYS)

ui: $(READY) ## the Dagster UI with its daemon, on what the demo left behind
	DAGSTER_HOME=$(CURDIR) OPSINTEL_ROOT=$(CURDIR) $(BIN)/dagster dev

test: $(READY) ## all tests but the long suites
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(READY) ## the long suites
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## ruff and mypy, strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## what runs have left behind: instance, ledger, store, inboxes
	rm -rf .opsintel inbox history storage logs schedules .telemetry .nux .logs_queue
