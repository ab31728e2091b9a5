.PHONY: test-sdwebui
# A checkout of SD WebUI or Forge that its own installer has set up, and the Python of its environment:
# WEBUI=DIR [WEBUI_PYTHON=DIR/venv/bin/python].
WEBUI_PYTHON ?= $(WEBUI)/venv/bin/python

test-sdwebui: setup ## Test adapter, profile and agent with a real SD WebUI or Forge on this machine's CPU (WEBUI=DIR; optional; not in CI)
	@test -f "$(WEBUI)/webui.py" || { echo "set WEBUI to a checkout of SD WebUI or Forge" >&2; exit 2; }
	@test -x "$(WEBUI_PYTHON)" || { echo "set WEBUI_PYTHON to the Python of its environment" >&2; exit 2; }
	WEBUI="$(abspath $(WEBUI))" WEBUI_PYTHON="$(abspath $(WEBUI_PYTHON))" $(RUN)pytest tests/local/real_sdwebui.py
