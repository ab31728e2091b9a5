# Every target installs what it needs. `make help` lists the targets; those that are not here are in make/, by topic.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
# Without --no-compile, pip compiles every module of every package before the first command can run.
PIP := $(VENV)/bin/pip install --no-compile --quiet --disable-pip-version-check
# Every package comes by its hash: `make lock` writes them.
PACKAGES := pyproject.toml agent/pyproject.toml requirements/development.lock
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/.cache/bin:$(PATH)
CONFIG ?= config.yaml

include $(wildcard make/*.mk)

# What is installed once is made by the targets in INSTALLED. Two runs of make may need it at the same time: each
# calls make again under a lock, and the second then finds the files there.
ifdef LOCKED
$(VENV)/.done: $(PACKAGES)
	@echo "setting up $(VENV) (first time: about a minute)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: set PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes --no-deps -r requirements/development.lock
	@$(PIP) --no-deps --no-build-isolation -e . -e ./agent
	@touch $@

.cache/.tools: tools/fetch_tools.py requirements/tools.lock $(VENV)/.done
	@$(RUN)python tools/fetch_tools.py
	@touch $@
else
INSTALLED = $(VENV)/.done .cache/.tools .cache/ministack/made-from
$(VENV)/.done: $(PACKAGES)
.cache/.tools: tools/fetch_tools.py requirements/tools.lock $(VENV)/.done
.cache/ministack/made-from: local/ministack.txt $(VENV)/.done
$(INSTALLED):
	@mkdir -p .cache
	@flock .cache/.lock $(MAKE) --silent --no-print-directory LOCKED=1 $@
endif

.PHONY: demo test test-thorough lint
demo: setup .cache/ministack/made-from ## Run the whole path of a task on this machine, without AWS, GPU or Docker; ends with pictures
	@$(RUN)python -m local demo --config "$(DEMO_CONFIG)"

test: setup ## Run the tests that need no cluster (no AWS account, Docker or Go), but for the thorough ones
	$(RUN)pytest tests --ignore=tests/e2e -n 3 -m 'not thorough'

test-thorough: setup ## Run the tests that make test leaves out: long ones, and those that try many values
	$(RUN)pytest tests --ignore=tests/e2e -n 6 -m thorough

lint: setup ## Run ruff, mypy and helm lint; check that generated tables and schemas are up to date
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

.PHONY: setup hooks help clean
setup: $(VENV)/.done .cache/.tools ## Install the virtual environment, helm and kubectl, all inside this folder

hooks: setup ## Install git hooks: make lint before a commit, make test before a push
	$(RUN)pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(RUN)pre-commit install

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

clean: ## Delete everything that was built or downloaded
	rm -rf $(VENV) .cache build
