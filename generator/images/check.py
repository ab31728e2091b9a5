"""Compares the list of images with the images that manifests name."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from generator import yaml_loader
from generator.facts import image_reference
from generator.facts.image_reference import ImageReference

# Images of containers that a controller starts are named in an environment variable of the controller.
IMAGE_VARIABLES = frozenset({"MOUNTPOINT_IMAGE"})


def unlisted(manifests: str, listed: Iterable[str]) -> list[str]:
    """Images of the manifests that the list lacks. Where a name has a tag, its digest is not compared."""
    listed_images = {_without_redundant_digest(name) for name in listed}
    images = {image for document in yaml_loader.load_all(manifests) for image in _images(document)}
    return sorted(image for image in images if _without_redundant_digest(image) not in listed_images)


def _without_redundant_digest(name: str) -> ImageReference:
    image = image_reference.parse(name)
    return replace(image, digest="") if image.tag else image


def _images(node: Any) -> Iterator[str]:
    """The image of every container, at any depth of a document."""
    if isinstance(node, dict):
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for container in node.get(key) or ():
                if isinstance(container, dict) and isinstance(container.get("image"), str):
                    yield container["image"]
                    yield from _images_in_variables(container)
        for value in node.values():
            yield from _images(value)
    elif isinstance(node, list):
        for item in node:
            yield from _images(item)


def _images_in_variables(container: dict[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if variable.get("name") in IMAGE_VARIABLES and variable.get("value"):
            yield str(variable["value"])
