# Two commands on a fresh machine: `make quickstart` and `make test`. Both need Python 3.11+ and make.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
QUICK = quickstart

.PHONY: quickstart test test-all browser copy lint types clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

## Build small data sets from the embedded digits, train both methods, print the table.
quickstart: $(INSTALLED)
	$(BIN)/hsal-bench generate mnist-single mnist-multiset --source synthetic \
	    --train 16000 --valid 1000 --test 2000 --out $(QUICK)/data
	$(BIN)/hsal-bench preview $(QUICK)/data/synthetic-multiset.h5 -o $(QUICK)/examples.png
	$(BIN)/hsal-bench run --model hsal-rl,cross-entropy --preset quick --device cpu \
	    --fine-tune-updates 200 \
	    --dataset $(QUICK)/data/synthetic-multiset.h5 --datasets $(QUICK)/data --out $(QUICK)/runs

## The tests that take seconds.
test: $(INSTALLED)
	$(BIN)/pytest -m "not slow" --numprocesses auto

## All tests, those on real input and the built wheel included.
test-all: $(INSTALLED)
	$(BIN)/pytest

## A browser for the tests of the leaderboard's page, where there is none; they are skipped without.
browser: $(INSTALLED)
	$(BIN)/playwright install chromium

# import-linter and mypy cannot follow the mapping of folders to packages: they check an installed
# copy. What building it leaves here would, seen from this folder, pass for the installed package
# once it is outdated.
copy: $(INSTALLED)
	rm -rf .types build
	$(BIN)/pip install --quiet --no-deps --target .types .
	rm -rf build hsal_bench.egg-info

## Style, and the direction of imports between the rooms (pyproject.toml).
lint: copy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd .types && $(abspath $(BIN))/lint-imports --no-logo --no-cache ../pyproject.toml

types: copy
	MYPYPATH=.types $(BIN)/mypy -p hsal_bench

clean:
	rm -rf .types build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache $(QUICK)
