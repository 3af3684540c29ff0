# Two commands on a fresh machine (python3 >= 3.11 with venv, and make):
#   make demo    set up .venv and plan the embedded demo home
#   make test    every check a contributor must pass
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_EXTRAS := forecast,live,plot
ALL_EXTRAS := forecast,live,plot,reference,test

.PHONY: demo test lint types unit bench results lock clean

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "need Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# A stamp per set of extras: pip runs again only when the pins or the project file change.
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(RUN_EXTRAS)]'
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(ALL_EXTRAS)]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	$(BIN)/darkstar demo --out demo-out

test: lint types unit

lint: $(VENV)/.all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.all
	$(BIN)/mypy

unit: $(VENV)/.all
	$(BIN)/pytest
	$(BIN)/pytest benchmarks --benchmark-disable -q

bench: $(VENV)/.all
	$(BIN)/python -m benchmarks.report

results: $(VENV)/.run
	$(BIN)/python -m runners.results

# Pins every version, for every Python we support. Needs uv: pip install uv
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-annotate --no-header -o constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
