"""The body of a request to SD WebUI, from a task. Pure."""

import base64
import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.contract import InputImage, Path, Task

ENDPOINTS = {
    "text-to-image": "txt2img",
    "image-to-image": "img2img",
    "extra-single-image": "extra-single-image",
    "extra-batch-images": "extra-batch-images",
    "extra-batch-image": "extra-batch-images",
}
MODEL_TASKS = ("text-to-image", "image-to-image")
# Keys of v1alpha1 in `alwayson_scripts` that are no scripts.
LEGACY_KEYS = (
    "task",
    "sd_model_checkpoint",
    "id_task",
    "save_dir",
    "uid",
    "override_settings",
    "image_link",
)


def image_fields(content: Mapping[str, Any]) -> list[Path]:
    """`init_images`, `mask`, `image`, `imageList`, v1alpha1's `image_link` and ControlNet's units."""
    paths: list[Path] = [(key,) for key in ("mask", "image") if isinstance(content.get(key), str)]
    if isinstance(images := content.get("init_images"), list):
        paths += [("init_images", n) for n, value in enumerate(images) if isinstance(value, str)]
    if isinstance(batch := content.get("imageList"), list):
        paths += [("imageList", n, "data") for n, item in enumerate(batch) if _holds(item, "data")]
    scripts = content.get("alwayson_scripts")
    if isinstance(scripts, Mapping):
        paths += [("alwayson_scripts", "image_link")] if _holds(scripts, "image_link") else []
        paths += _controlnet(scripts)
    return paths


def body(task: Task, images: Mapping[Path, InputImage]) -> dict[str, Any]:
    """What to post: fetched images in their places, old-style keys where SD WebUI looks for them."""
    made: dict[str, Any] = copy.deepcopy(dict(task.content))
    for path, image in images.items():
        place: Any = made
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = base64.b64encode(image.data).decode()
    if task.tasktype in MODEL_TASKS:
        _modernise(made)
        # SD WebUI answers pictures only when asked to, and keeps files of its own otherwise.
        made |= {"send_images": True, "save_images": False, "force_task_id": task.id}
    return made


def with_model(made: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The same with a checkpoint that is loaded with the request and stays: one lock, no file written."""
    settings = made.get("override_settings")
    chosen = {**(settings if isinstance(settings, Mapping) else {}), "sd_model_checkpoint": title}
    return {**made, "override_settings": chosen, "override_settings_restore_afterwards": False}


def _modernise(made: dict[str, Any]) -> None:
    scripts = made.get("alwayson_scripts")
    if not isinstance(scripts, dict):
        made.pop("alwayson_scripts", None)
        return
    settings, own = scripts.get("override_settings"), made.get("override_settings")
    if isinstance(settings, Mapping):
        made["override_settings"] = {**settings, **(own if isinstance(own, Mapping) else {})}
    if isinstance(link := scripts.get("image_link"), str) and not made.get("init_images"):
        made["init_images"] = [link]
    made["alwayson_scripts"] = {key: value for key, value in scripts.items() if key not in LEGACY_KEYS}


def _controlnet(scripts: Mapping[str, Any]) -> Iterator[Path]:
    """Where ControlNet's units hold an image: `alwayson_scripts.controlnet.args[n].image`."""
    for name, script in scripts.items():
        args = script.get("args") if isinstance(script, Mapping) else None
        if name.lower() != "controlnet" or not isinstance(args, list):
            continue
        for n, unit in enumerate(args):
            for key in ("image", "input_image", "mask"):
                if _holds(unit, key):
                    yield ("alwayson_scripts", name, "args", n, key)


def _holds(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get(key), str)
