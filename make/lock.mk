.PHONY: lock
LOCK := $(RUN)uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'
# hatchling and editables build the two packages of this folder without a download that no hash covers.
lock: setup ## Write requirements/*.lock and agent/requirements.lock: every package with its hash (UPGRADE=1: newest versions)
	$(RUN)pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra local --extra test --extra tracing \
	  --output-file requirements/development.lock pyproject.toml agent/pyproject.toml
	$(LOCK) --constraint requirements/development.lock --output-file requirements/generator.lock pyproject.toml
	$(LOCK) --constraint requirements/development.lock --extra e2e --output-file requirements/e2e.lock pyproject.toml
	$(LOCK) --no-deps --output-file requirements/tools.lock requirements/tools.in
	$(RUN)uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --extra tracing \
	  --custom-compile-command 'make lock' --output-file agent/requirements.lock agent/pyproject.toml
