"""Reads the content of SD WebUI's tasks, as far as both the HTTP API and the agent need it. Pure.

The API's function holds a copy: nothing but the standard library.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.task.url_rules import URL_START, is_url

MODEL_TASKS = ("text-to-image", "image-to-image")
# Keys of v1alpha1 in `alwayson_scripts` that are not scripts.
LEGACY_KEYS = (
    "task",
    "sd_model_checkpoint",
    "id_task",
    "save_dir",
    "uid",
    "override_settings",
    "image_link",
)
CHECKPOINT_EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth")
_Path = tuple[str | int, ...]


def image_paths(content: Mapping[str, Any]) -> list[_Path]:
    """`init_images`, `mask`, `image`, `imageList`, v1alpha1's `image_link`, and URLs in scripts' arguments.

    Scripts take images in many places: ControlNet's units as text, objects, lists and pairs, ReActor in a
    list of plain arguments. They fetch no addresses, so any URL there is an image for the agent to fetch.
    """
    paths: list[_Path] = [(key,) for key in ("mask", "image") if isinstance(content.get(key), str)]
    if isinstance(images := content.get("init_images"), list):
        paths += [("init_images", n) for n, value in enumerate(images) if isinstance(value, str)]
    if isinstance(batch := content.get("imageList"), list):
        paths += [("imageList", n, "data") for n, item in enumerate(batch) if _has_text(item, "data")]
    scripts = content.get("alwayson_scripts")
    if isinstance(scripts, Mapping):
        paths += [("alwayson_scripts", "image_link")] if _has_text(scripts, "image_link") else []
        for name, script in scripts.items():
            if name not in LEGACY_KEYS:
                paths += _url_paths(script, ("alwayson_scripts", name))
    return paths + list(_url_paths(content.get("script_args"), ("script_args",)))


def named_model(content: Mapping[str, Any]) -> str | None:
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
    (stem, extension), (other_stem, other_extension) = _name_parts(one), _name_parts(other)
    return stem == other_stem and (extension == other_extension or "" in (extension, other_extension))


def _name_parts(name: str) -> tuple[str, str]:
    base = name.split(" [", 1)[0].replace("\\", "/").rsplit("/", 1)[-1]
    extension = next((suffix for suffix in CHECKPOINT_EXTENSIONS if base.endswith(suffix)), "")
    return base.removesuffix(extension), extension


def _url_paths(value: Any, path: _Path) -> Iterator[_Path]:
    """The path of each URL in these arguments.

    Under a key for images a URL may have spaces; elsewhere such a text may as well be a prompt.
    """
    if isinstance(value, str) and (is_url(value) or (URL_START.match(value) and _is_for_images(path))):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _url_paths(item, (*path, key))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _url_paths(item, (*path, n))


def _is_for_images(path: _Path) -> bool:
    """Whether the last key of the path is for images: `image`, `input_image`, `mask_image`, `mask` …"""
    key = next((key for key in reversed(path) if isinstance(key, str)), "").lower()
    return "image" in key or "mask" in key


def _has_text(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get(key), str)
