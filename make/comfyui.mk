.PHONY: test-comfyui comfyui-nodes
# A checkout of ComfyUI, and a Python with its requirements: COMFYUI=DIR [COMFYUI_PYTHON=DIR/.venv/bin/python].
COMFYUI_PYTHON ?= $(COMFYUI)/.venv/bin/python
COMFYUI_ENV = COMFYUI="$(abspath $(COMFYUI))" COMFYUI_PYTHON="$(abspath $(COMFYUI_PYTHON))"

test-comfyui: setup ## Test adapter, profile and agent with a real ComfyUI on this machine's CPU (COMFYUI=DIR; optional; not in CI)
	@test -f "$(COMFYUI)/main.py" || { echo "set COMFYUI to a checkout of ComfyUI" >&2; exit 2; }
	@test -x "$(COMFYUI_PYTHON)" || { echo "set COMFYUI_PYTHON to a Python with its requirements.txt and PyTorch" >&2; exit 2; }
	$(COMFYUI_ENV) $(RUN)pytest tests/local/real_comfyui.py

comfyui-nodes: setup ## Write local/runtimes/comfyui/nodes.json: the inputs and outputs of ComfyUI's nodes (COMFYUI=DIR)
	$(COMFYUI_ENV) $(RUN)python -m tests.local.comfyui_nodes
