# What one does with xuankuan 选款. `make help` prints the lines that begin with a verb and carry two hashes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

VENV := .venv
PYTHON := $(VENV)/bin/python
XUANKUAN := $(VENV)/bin/xuankuan
# What is tried, in this order: versions for which everything is known to install come before whatever `python3` is.
PYTHONS := python3.13 python3.12 python3.11 python3 python3.14 python
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
SIZE ?= --quick
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install client demo serve work migrate test test-miniprogram chromium lint bench lock clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## make .venv and install into it all that the lock names

# A demo that ends by itself is watched by nobody who plays, so it does not wait for the client to be built.
demo: install $(if $(findstring --once,$(ARGS)),,client)  ## everything on this machine, played by simulated shoppers (ARGS=--once ends with the verdict)
	@$(XUANKUAN) demo $(ARGS)

client: install  ## the players' client for the web, where Node is there (or can be had) to build it
	@if [ -f miniprogram/package.json ] && node=$$($(PYTHON) -m tools.ensure_node); then \
	    PATH="$$node:$$PATH" && export PATH && $(MAKE) miniprogram/dist/build/h5/index.html || \
	    echo "The game at /play/ could not be built; everything else runs without it." >&2; \
	fi

miniprogram/dist/build/h5/index.html: miniprogram/node_modules/.installed $(shell find miniprogram/src -type f 2>/dev/null)
	cd miniprogram && npm run build:h5 </dev/null

serve: install  ## the API processes (ARGS="--port 8080 --processes 2")
	@$(XUANKUAN) serve $(ARGS)

work: install  ## the background worker
	@$(XUANKUAN) work $(ARGS)

migrate: install  ## bring the database's schema up to date; with name="orders have a carrier" begin a new migration
	@if [ -n "$(name)" ]; then $(PYTHON) -m tools.new_migration $(name); else $(XUANKUAN) migrate $(ARGS); fi

test: install chromium test-miniprogram  ## all tests, with real PostgreSQL, Valkey and Chromium (ARGS="-k ledger" for some)
	$(PYTHON) -m pytest $(ARGS)

test-miniprogram: install  ## types, tests and builds of the mini-program
	@if [ -f miniprogram/package.json ]; then \
	    node=$$($(PYTHON) -m tools.ensure_node) && PATH="$$node:$$PATH" && export PATH && \
	    $(MAKE) miniprogram/node_modules/.installed && \
	    cd miniprogram && npm run check </dev/null; \
	fi

# `npm ci` refuses a lock without addresses that also names no optional packages of other platforms; `install` keeps to it.
miniprogram/node_modules/.installed: miniprogram/package.json miniprogram/package-lock.json
	cd miniprogram && npm install --no-save --legacy-peer-deps --no-audit --no-fund </dev/null
	@touch $@

chromium: install
	@$(PYTHON) -m tools.ensure_chromium

lint: install  ## style, types, and the arrows between the rooms
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports

# A benchmark is a file in bench/ that knows the option --quick; the others there are parts and makers of tables.
bench: install  ## every benchmark at its small size, one after another (SIZE= for the full sizes)
	@for script in $$(grep -l -e '--quick' bench/*.py); do \
	    name=$$(basename $$script .py); \
	    echo "== bench/$$name.py $(SIZE)"; \
	    $(PYTHON) -m bench.$$name $(SIZE) || exit 1; \
	done

lock: install  ## write requirements.lock from pyproject.toml (ARGS=--upgrade for newer versions of everything)
	@$(PYTHON) -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip install --quiet uv
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --quiet $(ARGS) --output-file requirements.lock

clean:  ## take away what these verbs made, .venv too; data and reports stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	rm -rf miniprogram/node_modules miniprogram/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps: the lock decides what is installed, pyproject.toml only where our own package's command points to.
$(INSTALLED): pyproject.toml $(LOCKED)
	@$(PYTHON) -m pip install --quiet --no-input --no-deps --no-build-isolation --editable .
	@touch $@

$(LOCKED): requirements.lock
	@for candidate in $(PYTHONS); do \
	    if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (4, 0))' 2>/dev/null; then \
	        python=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then echo "xuankuan needs Python 3.11 or newer: install it, then try again." >&2; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv, which this machine's Python lacks (once) ..."; \
	    { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } </dev/null >/dev/null; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "This machine's Python cannot make a venv: install the package python3-venv, then try again." >&2; exit 1; \
	fi; \
	$(PYTHON) -c 'import pip' 2>/dev/null || $$python -m venv --clear $(VENV)
	@echo "Installing what requirements.lock names into $(VENV) (once; a minute or two) ..."
	@quiet=$$([ -t 1 ] || echo --quiet); $(PYTHON) -m pip install $$quiet --no-input --no-compile --require-hashes -r requirements.lock
	@touch $@
