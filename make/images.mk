.PHONY: test-images base-image
# BASE=NAME: the base image, where the Dockerfile's own cannot be pulled; `make base-image` makes one.
# COMFYUI=DIR: also ComfyUI's image, from a checkout. SDWEBUI=DIR: also SD WebUI's, from a checkout that its own
# installer has set up, with one of CLIP in repositories/CLIP; SDWEBUI_BASE is its base image. INVOKEAI=1: also InvokeAI's.
# Each needs 40 GB on the disk.
# BUILD_FLAGS: more flags of `buildah build`, such as a volume with the certificates of a proxy.
BASE_NAME ?= localhost/sd-on-eks/base:python3.12
BASE_PYTHON ?= python3.12

test-images: setup .cache/ministack/made-from ## Build the images with buildah and run them with podman (COMFYUI=DIR SDWEBUI=DIR INVOKEAI=1 BASE=NAME SDWEBUI_BASE=NAME BUILD_FLAGS=; optional; not in CI)
	@for program in buildah podman; do command -v $$program > /dev/null || \
	  { echo "$$program is missing; on Debian: apt-get install buildah podman runc" >&2; exit 2; }; done
	@BASE="$(BASE)" SDWEBUI_BASE="$(SDWEBUI_BASE)" BUILD_FLAGS="$(BUILD_FLAGS)" \
	  $(if $(COMFYUI),COMFYUI="$(abspath $(COMFYUI))") $(if $(SDWEBUI),SDWEBUI="$(abspath $(SDWEBUI))") \
	  $(RUN)pytest -s tests/images/real_agent_image.py $(if $(COMFYUI),tests/images/real_comfyui_image.py) \
	  $(if $(SDWEBUI),tests/images/real_sdwebui_image.py) $(if $(INVOKEAI),tests/images/real_invokeai_image.py)

base-image: ## Make a base image without a registry: Debian by debootstrap, and a Python of this machine (BASE_NAME= BASE_PYTHON=)
	@tools/base_image.sh "$(BASE_NAME)" "$(BASE_PYTHON)"
