.PHONY: test lint check
test: setup ## All tests: no AWS account, no Docker, no Go
	$(RUN)pytest tests --ignore=tests/e2e -n 4

lint: setup ## ruff, mypy, helm lint, tables and schemas that are made from code
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
