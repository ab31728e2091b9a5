"""The body of a request to SD WebUI, from a task. Pure."""

import base64
import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.contract import FieldPath, InputImage, Task

ENDPOINTS = {
    "text-to-image": "txt2img",
    "image-to-image": "img2img",
    "extra-single-image": "extra-single-image",
    "extra-batch-images": "extra-batch-images",
    "extra-batch-image": "extra-batch-images",
}
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


def image_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`init_images`, `mask`, `image`, `imageList`, v1alpha1's `image_link` and ControlNet's units."""
    paths: list[FieldPath] = [(key,) for key in ("mask", "image") if isinstance(content.get(key), str)]
    if isinstance(images := content.get("init_images"), list):
        paths += [("init_images", n) for n, value in enumerate(images) if isinstance(value, str)]
    if isinstance(batch := content.get("imageList"), list):
        paths += [("imageList", n, "data") for n, item in enumerate(batch) if _has_text(item, "data")]
    scripts = content.get("alwayson_scripts")
    if isinstance(scripts, Mapping):
        paths += [("alwayson_scripts", "image_link")] if _has_text(scripts, "image_link") else []
        paths += _controlnet(scripts)
    return paths


def request_body(task: Task, images: Mapping[FieldPath, InputImage]) -> dict[str, Any]:
    """The request body, with fetched images as base64 and v1alpha1 keys converted."""
    body: dict[str, Any] = copy.deepcopy(dict(task.content))
    for path, image in images.items():
        parent: Any = body
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = base64.b64encode(image.data).decode()
    if task.tasktype in MODEL_TASKS:
        _convert_v1alpha1(body)
        # By default SD WebUI saves files of its own.
        body |= {"send_images": True, "save_images": False, "force_task_id": task.id}
    return body


def with_model(body: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The same with a model that is loaded with the request and stays loaded."""
    settings = body.get("override_settings")
    chosen = {**(settings if isinstance(settings, Mapping) else {}), "sd_model_checkpoint": title}
    return {**body, "override_settings": chosen, "override_settings_restore_afterwards": False}


def _convert_v1alpha1(body: dict[str, Any]) -> None:
    """Move the settings and the image of v1alpha1 out of `alwayson_scripts`."""
    scripts = body.get("alwayson_scripts")
    if not isinstance(scripts, dict):
        body.pop("alwayson_scripts", None)
        return
    settings, own = scripts.get("override_settings"), body.get("override_settings")
    if isinstance(settings, Mapping):
        body["override_settings"] = {**settings, **(own if isinstance(own, Mapping) else {})}
    if isinstance(link := scripts.get("image_link"), str) and not body.get("init_images"):
        body["init_images"] = [link]
    body["alwayson_scripts"] = {key: value for key, value in scripts.items() if key not in LEGACY_KEYS}


def _controlnet(scripts: Mapping[str, Any]) -> Iterator[FieldPath]:
    """The images of ControlNet units: `alwayson_scripts.controlnet.args[n].image`."""
    for name, script in scripts.items():
        args = script.get("args") if isinstance(script, Mapping) else None
        if name.lower() != "controlnet" or not isinstance(args, list):
            continue
        for n, unit in enumerate(args):
            for key in ("image", "input_image", "mask"):
                if _has_text(unit, key):
                    yield ("alwayson_scripts", name, "args", n, key)


def _has_text(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get(key), str)
