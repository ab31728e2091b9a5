.PHONY: lock lock-images
LOCK := $(RUN)uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'
# hatchling and editables build the two packages of this folder without a download that no hash covers.
lock: setup ## Write requirements/*.lock and agent/requirements.lock: every package with its hash (UPGRADE=1: newest versions)
	$(PIP) 'uv>=0.5,<1'
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra local --extra test --extra tracing \
	  --output-file requirements/development.lock pyproject.toml agent/pyproject.toml
	$(LOCK) --constraint requirements/development.lock --output-file requirements/generator.lock pyproject.toml
	$(LOCK) --constraint requirements/development.lock --extra e2e --output-file requirements/e2e.lock pyproject.toml
	$(LOCK) --no-deps --output-file requirements/tools.lock requirements/tools.in
	$(RUN)uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --extra tracing \
	  --custom-compile-command 'make lock' --output-file agent/requirements.lock agent/pyproject.toml

# For the one platform of the images. SD WebUI's packages are those of its release's time: it does not name a version
# of each, and later ones have not been tried with it.
LOCK_IMAGE := $(RUN)uv pip compile --quiet --generate-hashes --no-annotate --python-platform x86_64-manylinux_2_28 \
  --custom-compile-command 'make lock-images'
lock-images: setup ## Write the locks of images/: every Python package of the runtimes with its hash
	$(PIP) 'uv>=0.5,<1'
	$(LOCK_IMAGE) --python-version 3.12 --output-file images/comfyui/requirements.lock images/comfyui/requirements.in
	$(LOCK_IMAGE) --python-version 3.12 --output-file images/invokeai/requirements.lock images/invokeai/requirements.in
	$(LOCK_IMAGE) --python-version 3.10 --no-deps --output-file images/sdwebui/build.lock images/sdwebui/build.in
	$(LOCK_IMAGE) --python-version 3.10 --exclude-newer 2025-07-01 \
	  --output-file images/sdwebui/requirements.lock images/sdwebui/requirements.in
