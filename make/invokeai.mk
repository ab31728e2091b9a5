.PHONY: test-invokeai invokeai-shapes invokeai-nodes
# The version of the image.
INVOKEAI_VERSION = $(shell sed -n 's/^invokeai==//p' images/invokeai/requirements.in)

.cache/invokeai/bin/invokeai-web:
	@echo "installing InvokeAI $(INVOKEAI_VERSION) in .cache/invokeai (first time: minutes, and about 7 GB)" >&2
	@$(PYTHON) -m venv .cache/invokeai
	@.cache/invokeai/bin/pip install --quiet --disable-pip-version-check invokeai==$(INVOKEAI_VERSION)

test-invokeai: setup .cache/invokeai/bin/invokeai-web ## Test the InvokeAI adapter and the agent with a real InvokeAI on this machine's CPU (optional; not in CI)
	$(RUN)pytest tests/local/real_invokeai.py tests/local/real_invokeai_content.py

invokeai-shapes: setup .cache/invokeai/bin/invokeai-web ## Write tests/local/invokeai.json: the part of InvokeAI's OpenAPI document that the adapter uses
	$(RUN)python -m tests.local.invokeai_shapes

invokeai-nodes: setup .cache/invokeai/bin/invokeai-web ## Write local/runtimes/invokeai/nodes.json: the fields and outputs of InvokeAI's nodes
	$(RUN)python -m tests.local.invokeai_nodes
