# `make quickstart` and `make test` work on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
LOWEST = .venv-lowest
QUICK = quickstart

.PHONY: quickstart test test-lowest test-all browser copy lint types docs clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

## Build small datasets from the embedded digits, train two methods, print the table.
quickstart: $(INSTALLED)
	$(BIN)/hsal-bench generate mnist-single mnist-multiset --source synthetic \
	    --train 16000 --valid 1000 --test 2000 --out $(QUICK)/data
	$(BIN)/hsal-bench preview $(QUICK)/data/synthetic-multiset.h5 -o $(QUICK)/examples.png
	$(BIN)/hsal-bench run --model hsal-rl,cross-entropy --preset quick --device cpu \
	    --fine-tune-updates 200 \
	    --dataset $(QUICK)/data/synthetic-multiset.h5 --datasets $(QUICK)/data --out $(QUICK)/runs

## The fast tests.
test: $(INSTALLED)
	$(BIN)/pytest -m "not slow" --numprocesses auto

## The fast tests with exactly the lowest versions that pyproject.toml allows, on Python 3.11. What
## these packages need themselves is as of a fixed day, so that no new release changes the result.
test-lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --constraint constraints.txt uv
	sed -n 's/^ *"\([a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST) --exclude-newer 2026-11-28 \
	    --constraint $(LOWEST)/constraints.txt --editable '.[dev]'
	$(LOWEST)/bin/pytest -m "not slow" --numprocesses auto

## All tests, including the slow ones on real input and on the built wheel.
test-all: $(INSTALLED)
	$(BIN)/pytest

## Install Chromium for the tests of the leaderboard's page; without a browser they are skipped.
browser: $(INSTALLED)
	$(BIN)/playwright install chromium

# import-linter and mypy cannot follow the mapping of folders to packages, so they check an installed
# copy. Building it leaves files here which, once outdated, could be taken for the installed package:
# remove them.
copy: $(INSTALLED)
	rm -rf .types build
	$(BIN)/pip install --quiet --no-deps --target .types .
	rm -rf build hsal_bench.egg-info

## Check the style, and the direction of imports between the rooms (pyproject.toml).
lint: copy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd .types && $(abspath $(BIN))/lint-imports --no-logo --no-cache ../pyproject.toml

## Check the types.
types: copy
	MYPYPATH=.types $(BIN)/mypy -p hsal_bench
	MYPYPATH=.types:benchmarks $(BIN)/mypy benchmarks/*.py

## Build the documentation into site/ and run its notebooks. Fails if a link leads nowhere, or if a
## page loads anything from the network.
docs: $(INSTALLED)
	PATH="$(abspath $(BIN)):$$PATH" mkdocs build --strict

## Remove everything that can be built again.
clean:
	rm -rf .types build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache $(QUICK)
