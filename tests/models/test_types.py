"""The folders of the types of models are those that the runtimes search, and those that the page names."""

import json
import re
from pathlib import Path

import pytest

from generator import paths, yaml_loader
from generator.facts import runtimes
from generator.facts.model_types import MODEL_TYPES

ROOT = Path(__file__).resolve().parents[2]
PROFILES = paths.root() / "charts" / "sd-runtimes" / "profiles"
COMFYUI = yaml_loader.load(
    yaml_loader.load((PROFILES / "comfyui.yaml").read_text("utf-8"))["files"]["extra_model_paths.yaml"]
)["models"]
# For each type the name of its folders in ComfyUI.
IN_COMFYUI = {
    "checkpoint": "checkpoints",
    "diffusionModel": "diffusion_models",
    "textEncoder": "text_encoders",
    "clipVision": "clip_vision",
    "vae": "vae",
    "lora": "loras",
    "controlnet": "controlnet",
    "upscaler": "upscale_models",
    "embedding": "embeddings",
}


def test_the_schema_has_the_same_types() -> None:
    schema = json.loads((ROOT / "values-schema.json").read_text("utf-8"))
    entry = schema["properties"]["models"]["items"]["properties"]["type"]

    assert entry["enum"] == [*MODEL_TYPES] == [*IN_COMFYUI]
    assert all(f"{name} ({kind.folder}/)" in entry["description"] for name, kind in MODEL_TYPES.items())


@pytest.mark.parametrize("name", IN_COMFYUI)
def test_comfyui_searches_the_folder_of_a_type(name: str) -> None:
    assert MODEL_TYPES[name].folder in COMFYUI[IN_COMFYUI[name]].split()
    assert "comfyui" in MODEL_TYPES[name].readers


def test_sd_webui_has_the_folders_of_the_types_that_it_reads() -> None:
    folders = runtimes.model_folders(paths.root() / "charts")["sdwebui"]
    read = {kind.folder for kind in MODEL_TYPES.values() if "sdwebui" in kind.readers}

    assert read <= set(folders)


def test_the_page_names_every_type_with_its_folder() -> None:
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| `([\w-]+)/` \|", page, re.MULTILINE))

    assert rows == {name: kind.folder for name, kind in MODEL_TYPES.items()}
