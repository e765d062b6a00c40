# Every target does its own set-up. All that must be there is Python 3.11 or newer with pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := $(BIN)/uv
CODE   := *.py agent benchmarks cli evals memory prompts scenes testing tools training tests examples

# Small models are fastest on few threads, and tests run side by side.
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE  ?= 1
export YOLO_OFFLINE    := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format eval bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv and install the locked packages into it

$(READY): requirements.lock pyproject.toml
	@echo "Installing the locked packages into $(VENV) (about 7 GB; some minutes on a slow line)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Saccade needs Python 3.11 or newer; set PYTHON=... for make")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes --requirements requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

demo: setup ## watch a conversation about real PNG files, every step shown
	@$(BIN)/python examples/demo.py

test: setup ## run the test suite (two workers)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup ## ruff and basedpyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

format: setup ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

eval: setup ## how good: the agent's suite over held-out cases (slow)
	@$(BIN)/saccade eval --suite agent

bench: setup ## how fast: ratios measured side by side (slow)
	@$(BIN)/python -m saccade.benchmarks

lock: ## resolve pyproject.toml anew into requirements.lock (hashes, no index named)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		--extra dev pyproject.toml --output-file requirements.lock

clean: ## remove .venv and what the tools leave behind
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
