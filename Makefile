# The workshop. `make run` and `make test` need nothing but Python; what they install stays in .venv and tests/world.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 3
SECONDS ?= 600
ARGS ?=
GO ?= $(or $(shell command -v go),/usr/local/go/bin/go)
CENTRIFUGO ?= v6.9.1

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
NODE_MODULES := tests/world/node_modules
SCHEMATHESIS := build/schemathesis
PEERS := build/peers

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test test-core test-shell test-world test-integration-real soak check format coverage bench bench-peers bench-faults docs lock clean services

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
	@echo "Variables: PYTHON=$(PYTHON) HOST=$(HOST) PORT=$(PORT) WORKERS=$(WORKERS) (test processes), ARGS=... (for pytest, benchmarks)"

run: .venv/.base ## start the demo on http://127.0.0.1:8000; Ctrl-C ends it
	@exec $(BIN)/tidings serve --demo --host $(HOST) --port $(PORT)

test: .venv/.dev services $(SCHEMATHESIS)/.made ## install what the tests need, and run them all
	@$(PYTEST) $(ARGS)

test-core: .venv/.dev ## only the tests without loop and network: seconds
	@$(PYTEST) -m core $(ARGS)

test-shell: .venv/.dev ## only the tests in one process, over memory or a socket pair
	@$(PYTEST) -m shell $(ARGS)

test-integration-real: .venv/.dev services ## only the tests at level 3 and above, with the services that they start
	@$(BIN)/tidings test --level integration --markers L3 --no-coverage --test-dir tests -- --numprocesses $(WORKERS) $(ARGS)

soak: .venv/.dev services ## two nodes and 200 clients under faults for ten minutes; SECONDS=... for another time
	@TIDINGS_SOAK_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/soak $(ARGS)

test-world: .venv/.dev services $(SCHEMATHESIS)/.made ## only the tests with separate processes, browsers and foreign clients
	@$(PYTEST) -m world $(ARGS)

check: .venv/.dev ## format, lint, types, and the ladder of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/.dev ## put the code in order
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

coverage: .venv/.dev services ## run all tests and show what they leave out (htmlcov/index.html)
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

bench: .venv/.dev ## measure, and print ratios
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: .venv/.dev $(PEERS)/.made ## the same fan-out by other servers, which it installs into build/peers
	@$(BIN)/python -m benchmarks peers $(ARGS)

bench-faults: .venv/.dev $(PEERS)/.made services ## kill Redis under load, for the peers and for Tidings, and count what is lost
	@$(BIN)/python -m benchmarks.faults $(ARGS)

docs: .venv/.dev ## check the links, paths and code blocks of README.md and docs/
	@$(BIN)/python docs/check.py

lock: ## choose the newest versions anew: constraints.txt and tests/world/package-lock.json
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade pip
	build/lock/bin/python -m pip install --quiet --editable '.[redis,nats,otel,testing]' --group dev
	echo '# Exact versions of all that `make test` installs. Written by `make lock`.' > constraints.txt
	build/lock/bin/python -m pip freeze --all --exclude-editable --exclude setuptools >> constraints.txt
	build/lock/bin/python -m pip install --quiet --constraint constraints.txt --target build/lock/schemathesis schemathesis
	echo '# Exact versions of schemathesis and what is its own alone. Written by `make lock`.' > tests/world/schemathesis.txt
	build/lock/bin/python -m pip freeze --path build/lock/schemathesis | grep -vxFf constraints.txt >> tests/world/schemathesis.txt
	rm -rf build/lock tests/world/package-lock.json
	cd tests/world && npm install --package-lock-only --no-audit --no-fund --loglevel error

clean: ## remove everything that the other targets made
	rm -rf .venv $(NODE_MODULES) build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks docs examples -name __pycache__ -type d -exec rm -rf {} +

# What the targets above stand on. The stamps make a second run instant.

.venv/.made:
	@.ci/venv $(PYTHON)
	@touch $@

.venv/.base: pyproject.toml constraints.txt | .venv/.made
	@echo "Installing Tidings into .venv"
	@$(PIP) --editable .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/.made
	@echo "Installing Tidings and what its tests need into .venv"
	@$(PIP) pip
	@$(PIP) --editable '.[redis,nats,otel,testing]' --group dev
	@touch .venv/.base $@

# In a folder of its own: as a plugin of pytest it would be loaded by each of the many that the tests start.
$(SCHEMATHESIS)/.made: tests/world/schemathesis.txt constraints.txt | .venv/.dev
	@echo "Installing schemathesis into $(SCHEMATHESIS)"
	@rm -rf $(SCHEMATHESIS)
	@$(PIP) --target $(SCHEMATHESIS) --requirement $<
	@touch $@

# Others' libraries, for `make bench-faults` and `make bench-peers` alone. Go builds Centrifugo, where there is one.
$(PEERS)/.made: benchmarks/faults/requirements.txt benchmarks/peers/requirements.txt
	@echo "Installing the peers into $(PEERS)"
	@rm -rf $(PEERS)
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet $(^:%=--requirement %)
	@if command -v $(GO) > /dev/null; then \
		echo "Building Centrifugo $(CENTRIFUGO)"; \
		GOBIN=$(CURDIR)/$(PEERS)/bin $(GO) install github.com/centrifugal/centrifugo/v6@$(CENTRIFUGO) \
			|| echo "Centrifugo could not be built, and is left out."; \
	else echo "There is no Go toolchain ($(GO)): Centrifugo is left out."; fi
	@touch $@

services:
	@.ci/packages nodejs npm chromium redis-server postgresql nats-server iproute2 nginx haproxy caddy prometheus systemd
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory $(NODE_MODULES)/.package-lock.json; fi

$(NODE_MODULES)/.package-lock.json: tests/world/package.json tests/world/package-lock.json
	@echo "Installing the JavaScript clients into $(NODE_MODULES)"
	@cd tests/world && npm ci --no-audit --no-fund --loglevel error
	@touch $@
