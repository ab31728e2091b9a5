"""The body of a request to SD WebUI, from a task. Pure."""

import copy
from collections.abc import Mapping
from typing import Any

from queue_agent.adapters.shared.bodies import FileText
from queue_agent.contract import FieldPath, InputImage, Task
from queue_agent.task.sdwebui import LEGACY_KEYS, MODEL_TASKS

ENDPOINTS = {
    "text-to-image": "txt2img",
    "image-to-image": "img2img",
    "extra-single-image": "extra-single-image",
    "extra-batch-images": "extra-batch-images",
    "extra-batch-image": "extra-batch-images",
}


def request_body(task: Task, images: Mapping[FieldPath, InputImage]) -> dict[str, Any]:
    """The request body, with fetched images in the place of their URLs, and v1alpha1 keys converted."""
    body: dict[str, Any] = copy.deepcopy(dict(task.content))
    for path, image in images.items():
        parent: Any = body
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = FileText(image.data)
    if task.tasktype in MODEL_TASKS:
        _convert_v1alpha1(body)
        # By default SD WebUI saves files of its own. Options that are not restored would stay for the tasks
        # of all other senders. Restoring costs nothing but, where a task sets `sd_vae`, its reload: the
        # checkpoint stays loaded until a request names another (process_images in modules/processing.py).
        body |= {
            "send_images": True,
            "save_images": False,
            "force_task_id": task.id,
            "override_settings_restore_afterwards": True,
        }
    return body


def batches(content: Mapping[str, Any]) -> int:
    """How many batches the task asks for; 1 where that cannot be read: SD WebUI refuses such a task."""
    try:
        return max(1, int(content.get("n_iter") or 1))
    except (TypeError, ValueError):
        return 1


def with_model(body: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The same with a model, which is loaded with the request and stays loaded until another is named."""
    settings = body.get("override_settings")
    chosen = {**(settings if isinstance(settings, Mapping) else {}), "sd_model_checkpoint": title}
    return {**body, "override_settings": chosen, "override_settings_restore_afterwards": True}


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
