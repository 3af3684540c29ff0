# Two commands on a fresh machine (python3 >= 3.11 with venv, and make):
#   make demo    set up .venv and plan the embedded demo home
#   make test    every check a contributor must pass
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Home Assistant, for tests against the real one, needs Python 3.11 and packages of its own.
HA_VENV := .venv-ha
HA_PYTHON ?= $(firstword $(foreach p,python3.11 $(PYTHON),$(shell $(p) -c \
	'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $(p))))
# stable-baselines3 and torch.
RL_VENV := .venv-rl
RUN_EXTRAS := forecast,live,mariadb,plot,replay,rl
ALL_EXTRAS := cluster,forecast,live,mariadb,parquet,plot,reference,replay,rl,test

PARTS := unit-commands unit-planner unit-house unit-replay unit-facts

.PHONY: demo test lint types unit $(PARTS) bench results rl-check lock clean

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

$(HA_VENV)/.ready: tests/peers/ha-constraints.txt
	@test -n '$(HA_PYTHON)' || { echo 'no Python 3.11 for Home Assistant: make HA_PYTHON=/path/to/python3.11' >&2; exit 1; }
	$(HA_PYTHON) -m venv --clear $(HA_VENV)
	$(HA_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

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
	@$(MAKE) --no-print-directory $(HA_VENV)/.ready || \
		echo 'WARNING: Home Assistant was not built (why: above), tests against the real one skip' >&2
	$(MAKE) --no-print-directory -j2 --output-sync=target $(PARTS)
	$(BIN)/pytest benchmarks --benchmark-disable -q

# All tests in parts, two at a time, the long ones first; a test holds that they are all.
unit-commands:
	$(BIN)/pytest tests/runners
unit-planner:
	$(BIN)/pytest tests/mpc tests/forecast
unit-house:
	$(BIN)/pytest tests/live tests/peers tests/docs
unit-replay:
	$(BIN)/pytest tests/sim tests/rlenv
unit-facts:
	$(BIN)/pytest tests/telemetry tests/test_docs.py tests/test_floors.py

bench: $(VENV)/.all
	$(BIN)/python -m benchmarks.report

results: $(VENV)/.all
	$(BIN)/python -m runners.results
	$(BIN)/python -m runners.results_forecast
	$(BIN)/python -m benchmarks.results_episodes

# stable-baselines3's own check, its adapter and PPO: torch is too large for `make test`.
$(RL_VENV)/.ready: pyproject.toml constraints.txt examples/rl-constraints.txt
	$(PYTHON) -m venv --clear $(RL_VENV)
	$(RL_VENV)/bin/pip install --quiet --disable-pip-version-check -r examples/rl-constraints.txt
	$(RL_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[rl,forecast,plot]'
	@touch $@

rl-check: $(RL_VENV)/.ready
	$(RL_VENV)/bin/python -m examples.check_sb3
	$(RL_VENV)/bin/python -m examples.ppo

# Pins every version, for every Python we support. Needs uv: pip install uv
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-annotate --no-header -o constraints.txt

clean:
	rm -rf $(VENV) $(HA_VENV) $(RL_VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
