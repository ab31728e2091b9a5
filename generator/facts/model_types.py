"""The types of model files: the folder of the bucket for each, and the runtimes that read it there.

A runtime mounts the bucket as its models folder. Sources, read on 2026-11-26: modules/paths_internal.py
and modules/cmd_args.py of SD WebUI v1.10.1 (its embeddings folder is not below models/),
`extra_model_paths.yaml` in charts/sd-runtimes/profiles/comfyui.yaml, and the folder
invokeai/backend/model_manager/configs of InvokeAI v6.14.2, which looks at every file of every folder (text
encoders only as folders in the format of diffusers).
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Files that Python reads with pickle, which runs code that is in them.
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
SAFETENSORS = ".safetensors"
# The ends of the names of files that a runtime reads, or reads next to a model: those, quantized models,
# and the settings of a checkpoint. Sources: supported_pt_extensions in folder_paths.py of ComfyUI,
# modules/sd_models_config.py of SD WebUI.
READ = (*PICKLED, SAFETENSORS, ".sft", ".pt2", ".pkl", ".gguf", ".yaml", ".yml", ".json")
# Everything in the bucket is mounted for a container of the user's.
CUSTOM = "custom"


@dataclass(frozen=True)
class ModelType:
    """A type of model files: its folder in the bucket, the runtime types that read it, its name in a text."""

    folder: str
    readers: tuple[str, ...]
    words: str


_ALL = ("sdwebui", "comfyui", "invokeai")
MODEL_TYPES: Mapping[str, ModelType] = {
    "checkpoint": ModelType("Stable-diffusion", _ALL, "checkpoint"),
    "diffusionModel": ModelType("diffusion_models", ("comfyui", "invokeai"), "diffusion model"),
    "textEncoder": ModelType("text_encoders", ("comfyui",), "text encoder"),
    "clipVision": ModelType("clip_vision", ("comfyui",), "image encoder"),
    "vae": ModelType("VAE", _ALL, "VAE"),
    "lora": ModelType("Lora", _ALL, "LoRA"),
    "controlnet": ModelType("ControlNet", _ALL, "ControlNet"),
    "upscaler": ModelType("ESRGAN", _ALL, "upscaler"),
    "embedding": ModelType("embeddings", ("comfyui", "invokeai"), "embedding"),
}


def reads(runtime_type: str, model_type: str) -> bool:
    """Whether a type of runtime reads files of a type from its folder."""
    return runtime_type in (CUSTOM, *MODEL_TYPES[model_type].readers)
