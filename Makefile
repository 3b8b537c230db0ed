# Every target does its own set-up: a machine with make and Python 3.11 or newer is all it takes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run demo test check format shots docs bench wheel clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
ifdef UV
	$(UV) venv --quiet --allow-existing --python '>=3.11' $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable . --group dev
else
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "quarterdeck needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
endif
	@touch $(READY)

run: $(READY) ## Open the console
	@$(BIN)/quarterdeck $(ARGS)

demo: $(READY) ## Open the console on a pretend fleet
	@$(BIN)/quarterdeck --demo $(ARGS)

test: $(READY) ## Run the tests, those on real servers included where the servers are installed
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(READY) ## Format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: $(READY) ## Bring the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

shots: $(READY) ## Draw every screen into shots/, and those of the README into docs/ (needs rsvg-convert)
	$(BIN)/python -m tests.shots

docs: $(READY) ## Write the CLI reference and the key sheet from the catalog
	$(BIN)/python -m app.cli.reference > docs/cli.md
	$(BIN)/python -m app.cli.reference --keys > docs/keys.md

bench: $(READY) ## Measure what the README states (takes half an hour, of which the soak ten minutes)
	@missed=; for script in $$(grep -l '^def main' benchmarks/*.py); do \
	  echo "== $$script"; $(BIN)/python $$script || missed="$$missed $$script"; echo; done; \
	if [ -n "$$missed" ]; then echo "a bound was missed by:$$missed"; exit 1; fi

wheel: $(READY) ## Build the wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what was made
	rm -rf $(VENV) dist shots .ruff_cache .pytest_cache .import_linter_cache
