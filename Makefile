# Everything a contributor needs: `make test` on a machine with Python 3.11+, venv, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than there are cores: many tests wait for processes.
WORKERS := $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
STAMP := $(VENV)/.installed
SAID := $(CURDIR)/$(VENV)/said
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
PROMETHEUS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/arc-fleet/prometheus
APISERVER := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/arc-fleet/real-apiserver
# Takes a folder to work in and the file to make: about eleven minutes of processor time, once.
APISERVER_BUILD ?= ../shared/tools/real-apiserver/build

.PHONY: help demo test check lint types contracts unit docs lock benchmark simulate test-clients test-prometheus test-real clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Install, and roll a plan out over a simulated Azure
	@$(BIN)/fleet sim demo

test: check unit ## Install, then lint, types, contracts and every test

check: lint types contracts docs ## What needs no run

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP) ## Generated pages are what the code says
	$(BIN)/python docs/generate.py --check

unit: $(STAMP) ## Every test, and then everything that simulated servers said meanwhile
	@rm -rf $(SAID)
	@$(BIN)/python -m tests.rig.node
	EXCHANGES=$(SAID) $(BIN)/pytest -n $(WORKERS) --dist worksteal
	EXCHANGES=$(SAID) $(BIN)/pytest tests/afterwards

$(CLIENTS_STAMP): tests/clients/requirements.txt tests/clients/extensions.txt
	$(PYTHON) -m venv --clear $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	$(CLIENTS)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d $(CLIENTS)/wheels -r tests/clients/extensions.txt
	@touch $@

test-clients: $(STAMP) $(CLIENTS_STAMP) ## Clients nobody here wrote, the Azure CLI (780 MB) among them
	@rm -rf $(SAID)-clients
	EXCHANGES=$(SAID)-clients $(BIN)/pytest -n auto --dist loadfile tests/clients tests/conformance/test_strangers_clients.py tests/conformance/test_command_line_calls.py
	EXCHANGES=$(SAID)-clients $(BIN)/pytest tests/afterwards -k nothing_was_said

# Debian's package, taken apart: nothing is installed, and no service begins. Kept outside of this folder.
$(PROMETHEUS)/usr/bin/prometheus:
	@mkdir -p $(PROMETHEUS)
	@cd $(PROMETHEUS) && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } \
		&& dpkg -x prometheus_*.deb . && rm prometheus_*.deb || echo "Prometheus cannot be had here: its tests will be skipped"

test-prometheus: $(STAMP) $(PROMETHEUS)/usr/bin/prometheus ## A real Prometheus (120 MB), over series made by hand
	PROMETHEUS_BIN=$(PROMETHEUS)/usr/bin $(BIN)/pytest tests/prometheus

# Built outside of this folder, and what that took is thrown away. Nothing is installed twice.
$(APISERVER)/kube-apiserver:
	@mkdir -p $(APISERVER)/work
	@test -x $(APISERVER_BUILD) && nice -n 15 $(APISERVER_BUILD) $(APISERVER)/work $@ > $(APISERVER)/build.log 2>&1 && rm -rf $(APISERVER)/work \
		|| echo "A kube-apiserver cannot be built here (see $(APISERVER)/build.log): its tests will be skipped"

test-real: $(STAMP) $(APISERVER)/kube-apiserver ## A real kube-apiserver and etcd (built once, 11 minutes): what is done inside clusters
	KUBE_APISERVER_BIN=$(APISERVER) $(BIN)/pytest tests/real

simulate: TIMES ?= 20
simulate: $(STAMP) ## Kill runs after every append: SEEDS=10000 of them, or one with SCENARIO and SEED, and thousands of random histories and plans
	SIMULATION_SEEDS=$(SEEDS) SIMULATION_SCENARIO=$(SCENARIO) SIMULATION_SEED=$(SEED) $(BIN)/pytest -n auto --dist worksteal -q tests/simulation/test_kill_after_every_append.py -k kill_after_any_append --timeout 3600
	SIMULATION_TIMES=$(TIMES) $(BIN)/pytest -n auto --dist worksteal -q tests/property/test_core_history_laws.py tests/property/test_core_planner_laws.py --timeout 3600

benchmark: $(STAMP) ## Print the table of docs/limits.md, measured here
	$(BIN)/python benchmarks/spine.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/wire.py
	$(BIN)/python benchmarks/makespan.py
	$(BIN)/python benchmarks/windows.py
	$(BIN)/python benchmarks/insides.py

lock: $(STAMP) ## Resolve the dependencies anew
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --extra sim --group dev pyproject.toml -o requirements-dev.txt

clean: ## Remove what was installed and cached
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
