# `make help` prints the commands; each sets up what it needs from the lock file.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test players stores chaos search weight quick check bench binary binary-test lock clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

setup: .venv/ready ## make .venv from the lock file, with .venv/bin/taskengine in it

.venv/ready: requirements.lock pyproject.toml
	@echo "making .venv from the lock file, which takes a minute or two"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run real jobs on embedded servers (ARGS="--exit", ARGS="--film FILE")
	$(BIN)/taskengine demo $(ARGS)

serve: setup ## run the engine (ARGS="--bind 0.0.0.0:8080")
	$(BIN)/taskengine serve $(ARGS)

check: setup ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check ## every check and every test (ARGS="-k name" picks some)
	-@tests/players/install
	-@tests/storage/install
	$(BIN)/pytest --numprocesses 2 --dist loadgroup $(ARGS)

chaos: setup ## ten minutes of kills, stops and restarts (ARGS="--minutes 2 --json FILE", ARGS=capture)
	$(BIN)/python -m tests.chaos $(ARGS)

weight: setup ## the heaviest work of a client beside another one's (ARGS="--small")
	$(BIN)/python -m tests.weight $(ARGS)

search: setup ## random courses of events (ARGS="--minutes 20 --seed 7" repeats one), and requests; all pairs
	$(BIN)/python -m tests.search $(ARGS)
	INTERLEAVING=all $(BIN)/pytest --quiet --numprocesses 2 --dist loadgroup \
	  tests/interleaving/test_pairs.py
	EXAMPLES=100 $(BIN)/pytest --quiet --numprocesses 2 --timeout 3600 tests/api/test_schemathesis.py

QUICK := tests/runtime tests/actors tests/workflows tests/jobs tests/callbacks \
  tests/contract/test_memory.py $(wildcard tests/test_*.py)

players: ## install what the tests of players need: Chromium (as root), hls.js and others
	tests/players/install

stores: setup ## install what the tests of object storages need: Node.js (as root), Azurite
	tests/storage/install

quick: setup ## the tests that need no database, in seconds
	$(BIN)/pytest --quiet --numprocesses 2 --dist loadgroup -p no:schemathesis $(QUICK) $(ARGS)

bench: setup ## measure, beside peers (ARGS="--quick --json FILE", ARGS=scale, ARGS=soak)
	$(BIN)/taskengine bench $(ARGS)

binary: setup ## one program file, for hosts without Python: dist/taskengine (ARGS="--output FILE")
	$(BIN)/python -m deploy.binary.build $(ARGS)

binary-test: binary ## run that file where there is no Python
	$(BIN)/pytest --quiet -p no:schemathesis deploy/binary

lock: ## resolve the dependencies anew, with hashes (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --upgrade --quiet -o requirements.lock
	uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --quiet -c requirements.lock -o requirements-run.lock

clean: ## remove what make has made; var, with databases and films, stays
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
