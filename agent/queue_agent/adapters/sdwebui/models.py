"""Finds a model by name in the list of SD WebUI. Pure.

SD WebUI itself accepts any part of a title, and uses the current model for an unknown name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from queue_agent.task.sdwebui import same_model

EXACT = ("title", "model_name", "filename", "hash", "sha256")


def titles(listed: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """The titles of the models that the name matches; more than one when it is ambiguous."""
    exact = [str(item["title"]) for item in listed if name in (item.get(key) for key in EXACT)]
    return exact or [
        str(item["title"])
        for item in listed
        if any(same_model(name, str(item.get(key) or "")) for key in ("title", "filename"))
    ]
