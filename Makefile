# Every target sets up what it needs. `make help` lists them; those that are not here are in make/, by part.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/.cache/bin:$(PATH)
CONFIG ?= config.yaml

include $(wildcard make/*.mk)

$(VENV)/.done: pyproject.toml agent/pyproject.toml
	@echo "setting up $(VENV) (first time: about a minute)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: set PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@$(RUN)pip install --quiet --disable-pip-version-check -e '.[local,test]' -e './agent[tracing]'
	@touch $@

.cache/.tools: tools/fetch_tools.py $(VENV)/.done
	@mkdir -p .cache
	@$(RUN)python tools/fetch_tools.py
	@touch $@

.PHONY: demo test lint
demo: setup .cache/ministack/made-from ## The path of a task on this machine, without AWS, GPU or Docker: ends with pictures
	@$(RUN)python -m local demo --config $(DEMO_CONFIG)

test: setup ## All tests: no AWS account, no Docker, no Go
	$(RUN)pytest tests --ignore=tests/e2e -n 4

lint: setup ## ruff, mypy, helm lint, tables and schemas that are made from code
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

.PHONY: setup help clean
setup: $(VENV)/.done .cache/.tools ## Virtual environment, helm and kubectl, all inside this folder

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

clean: ## Remove what was built and downloaded
	rm -rf $(VENV) .cache build
