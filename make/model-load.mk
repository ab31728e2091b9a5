.PHONY: bench-model-cache bench-model-load test-model-reading
# A Python 3.10 or 3.11 with PyTorch and safetensors 0.8; boto3 and gguf are optional. FLAGS is passed on.
TORCH_PYTHON ?= python3
HAS_TORCH = $(TORCH_PYTHON) -c 'import torch, safetensors' || { echo "set TORCH_PYTHON to a Python with PyTorch and safetensors" >&2; exit 2; }

bench-model-load: ## Measure how fast models load, by the way they are read (TORCH_PYTHON=; MOUNT_S3= for Mountpoint; optional)
	@$(HAS_TORCH)
	MOUNT_S3="$(MOUNT_S3)" $(TORCH_PYTHON) -m bench.model_load $(FLAGS)

test-model-reading: setup ## Test sitecustomize.py with real PyTorch and the oldest and newest safetensors (TORCH_PYTHON=; optional; not in CI)
	@$(HAS_TORCH)
	TORCH_PYTHON="$(TORCH_PYTHON)" $(RUN)pytest tests/charts/real_safetensors.py

bench-model-cache: setup ## Measure reads through Mountpoint with its cache (MOUNT_S3=; optional)
	MOUNT_S3="$(MOUNT_S3)" $(RUN)python -m bench.model_cache $(FLAGS)
