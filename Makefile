.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench networks networks-for-tests flower flower-for-tests gas coverage-contracts constraints clean

BIN := .venv/bin
STAMP := .venv/.installed
# The system's uv where there is one, else one of the checkout's own.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# Tests of one network, and those of one file, share a worker, which makes once what they need.
# Two of the four mostly wait for the blocks of networks.
PYTEST_ARGS ?= -n 4 --dist loadgroup --no-loadscope-reorder
NETWORKS := .networks/bin/geth .networks/bin/polygon-edge
BENCH ?= aggregation inference training memory demo ledger

help:
	@echo "make setup   install everything into .venv (about 6 GB)"
	@echo "make demo    breast cancer data at ten hospitals, four of them poisoned: clean, undefended, defended"
	@echo "make test    run the tests; PYTEST_ARGS chooses some: make test PYTEST_ARGS=tests/crypto"
	@echo "make networks  build geth and polygon-edge for the tests of networks (needs Go, two to four minutes)"
	@echo "make lint    ruff and mypy"
	@echo "make bench   run every benchmark; BENCH chooses: make bench BENCH=aggregation"
	@echo "make flower  an environment with Flower beside this one, for: mithridate bench federation"
	@echo "make gas     measure the contracts' gas anew, and write it to the record and docs/contracts.md"
	@echo "make coverage-contracts   tell which lines and branches of the contracts the tests run"
	@echo "make constraints   pin the newest versions that fit pyproject.toml"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt | $(UV)
	@test -x $(BIN)/python || $(UV) venv --python 3.11 --python-preference system .venv
	@echo "Installing Mithridate and what it needs: about 6 GB, some minutes on a first run"
	$(UV) pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

.uv/bin/uv:
	@echo "There is no uv on the PATH: installing it into .uv"
	@python3 -m venv .uv
	.uv/bin/pip install --progress-bar on uv

demo: $(STAMP)
	$(BIN)/mithridate demo

test: $(STAMP) networks-for-tests flower-for-tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

networks: $(NETWORKS)

.networks/bin/geth: tools/networks/build $(wildcard tools/networks/geth/*)
	@tools/networks/build geth github.com/ethereum/go-ethereum/cmd/geth -ldflags=-checklinkname=0

.networks/bin/polygon-edge: tools/networks/build $(wildcard tools/networks/polygon-edge/*)
	@tools/networks/build polygon-edge github.com/0xPolygon/polygon-edge

# Without them the tests of networks are skipped and say so; continuous integration (CI=true) must have them.
networks-for-tests:
	@$(MAKE) --no-print-directory networks || test "$(CI)" != true

# Nobody but continuous integration needs it for the tests; elsewhere the one that runs Flower's code is skipped.
flower-for-tests:
	@test "$(CI)" != true || $(MAKE) --no-print-directory flower

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	@set -e; for name in $(BENCH); do $(BIN)/mithridate bench $$name; done

# Flower's pins on protobuf and typer exclude ours, so it has an environment of its own, which also finds our packages.
flower: $(STAMP) | $(UV)
	@test -x .venv-flower/bin/python || $(UV) venv --python 3.11 --python-preference system .venv-flower
	$(UV) pip install --python .venv-flower/bin/python --constraint tools/flower/constraints.txt flwr numpy
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
		$$(.venv-flower/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/mithridate.pth

gas: $(STAMP)
	MITHRIDATE_RECORD_GAS=1 $(BIN)/python -m pytest tests/ledger/contracts/test_contract_gas.py

coverage-contracts: $(STAMP)
	PYTHONPATH=tests/ledger/contracts $(BIN)/python -m pytest -p contract_coverage tests/ledger/contracts \
		tests/ledger/test_contract_rules.py tests/ledger/test_rounds.py tests/ledger/test_suspension.py tests/ledger/test_full_roster.py

constraints: | $(UV)
	$(UV) pip compile --quiet --upgrade --all-extras --python-version 3.11 --no-header --no-annotate \
		--output-file constraints.txt pyproject.toml

clean:
	rm -rf .venv .venv-flower .uv .networks build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
