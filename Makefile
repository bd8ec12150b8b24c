# DAG: everything starts here. `make` alone explains itself.

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
PACKAGES := libs/common libs/client services/gateway services/pusher services/monitor deploy/standalone deploy/sandbox
SOURCES := libs services deploy tests

.DEFAULT_GOAL := help
.PHONY: help demo up test faults sabotage check bench clean

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready ## See one deployment from CI job to running chart, and one that fails; ends by itself
	@$(BIN)/python -m dag_sandbox demo

up: .venv/ready ## Run DAG and a sandbox on this machine until Ctrl-C; prints curl commands to try
	@$(BIN)/python -m dag_sandbox up

test: .venv/ready ## Run every test; brings its own Postgres and RabbitMQ where none runs
	@$(BIN)/pytest -n $${DAG_TEST_WORKERS:-3} --dist worksteal $(ARGS)

faults: .venv/ready ## Run the fault suite: make faults SEEDS=1-20 DEPLOYMENTS=300
	@DAG_FAULT_SEEDS=$(or $(SEEDS),1-3) DAG_FAULT_DEPLOYMENTS=$(or $(DEPLOYMENTS),300) \
		$(BIN)/pytest -q tests/acceptance/test_fault_suite.py $(ARGS)

sabotage: .venv/ready ## Take out the lines that guarantees rest on, one by one, and see a test go red for each
	@$(BIN)/python tests/sabotage.py $(ARGS)

check: .venv/ready ## Lint, formatting, types and the import rules
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy $(foreach package,$(PACKAGES),$(package)/src)
	@$(BIN)/lint-imports

bench: .venv/ready ## Print what each step costs, as tables
	@$(BIN)/python -m pytest -q -s -p no:cacheprovider tests/bench $(ARGS)

clean: ## Remove what the other targets made
	rm -rf .venv .dag .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: constraints.txt tests/requirements.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@echo "Setting up .venv (once, about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DAG needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "Python cannot make a virtual environment: install its venv module (Debian: python3-venv)"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation \
		-r tests/requirements.txt $(addprefix -e ,$(PACKAGES))
	@touch $@
