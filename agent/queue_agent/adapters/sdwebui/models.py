"""Finds a model by name in the list of SD WebUI. Pure.

SD WebUI itself accepts any part of a title, and uses the current model for an unknown name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth")
EXACT = ("title", "model_name", "filename", "hash", "sha256")


def titles(listed: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """The titles of the models that the name matches; more than one when it is ambiguous."""
    exact = [str(item["title"]) for item in listed if name in (item.get(key) for key in EXACT)]
    return exact or [
        str(item["title"])
        for item in listed
        if any(same_model(name, str(item.get(key) or "")) for key in ("title", "filename"))
    ]


def named(content: Mapping[str, Any]) -> str | None:
    """The model that a task names: in `override_settings`, or where v1alpha1 has it."""
    scripts = content.get("alwayson_scripts")
    legacy = scripts.get("override_settings") if isinstance(scripts, Mapping) else None
    for settings in (content.get("override_settings"), legacy, scripts):
        if (
            isinstance(settings, Mapping)
            and isinstance(name := settings.get("sd_model_checkpoint"), str)
            and name
        ):
            return name
    return None


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same file: `a.safetensors [hash]`, a path, a name without extension."""
    (stem, extension), (other_stem, other_extension) = _parts(one), _parts(other)
    return stem == other_stem and (extension == other_extension or "" in (extension, other_extension))


def _parts(name: str) -> tuple[str, str]:
    base = name.split(" [", 1)[0].replace("\\", "/").rsplit("/", 1)[-1]
    extension = next((suffix for suffix in EXTENSIONS if base.endswith(suffix)), "")
    return base.removesuffix(extension), extension
