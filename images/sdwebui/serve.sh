#!/bin/bash
# Starts SD WebUI as the chart's profile asks (charts/sd-runtimes/profiles/sdwebui.yaml):
#   API_ONLY=true          no user interface
#   CONFIG_FILE            copied to config.json, since POST /sdapi/v1/options rewrites that file
#   SD_MODEL_CHECKPOINT    the checkpoint to load at start, a file in models/Stable-diffusion
#   DYNAMIC_SD_MODEL=true  none is loaded at start: each task names its own
#   EXTRA_CMD_ARG          more arguments: shell words, quoted where they need it
set -euo pipefail
cd "$(dirname "$0")"

arguments=(--skip-prepare-environment --api --listen --port 8080 --no-hashing --no-download-sd-model)
if [[ "${API_ONLY:-}" == true ]]; then
  arguments+=(--nowebui)
fi
if [[ -n "${CONFIG_FILE:-}" ]]; then
  cp "$CONFIG_FILE" config.json
fi
if [[ -n "${SD_MODEL_CHECKPOINT:-}" && "${DYNAMIC_SD_MODEL:-}" != true ]]; then
  arguments+=(--ckpt "$PWD/models/Stable-diffusion/$SD_MODEL_CHECKPOINT")
fi
# What the program would fetch from Hugging Face's hub at each start, for the hub's cache: a volume of the pod.
if [[ -d huggingface && -n "${TRANSFORMERS_CACHE:-}" ]]; then
  mkdir -p "$TRANSFORMERS_CACHE"
  cp -R huggingface/. "$TRANSFORMERS_CACHE"
fi
eval "extra=(${EXTRA_CMD_ARG:-})"

# exec: SIGTERM must reach the server.
exec python launch.py "${arguments[@]}" "${extra[@]}"
