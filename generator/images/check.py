"""Whether the list of images holds every image that manifests name."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

# Containers that are started by a controller name their image in an environment variable.
IMAGE_VARIABLES = frozenset({"MOUNTPOINT_IMAGE"})


def unlisted(manifests: str, listed: Iterable[str]) -> list[str]:
    """Images of the manifests that the list lacks. A digest beside a tag says the same as the tag."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    known = {_plain(name) for name in listed}
    found = {image for document in yaml.load_all(manifests, loader) for image in _images(document)}
    return sorted(image for image in found if _plain(image) not in known)


def _plain(name: str) -> str:
    tagged, _, digest = name.partition("@")
    return tagged if ":" in tagged.rpartition("/")[2] else f"{tagged}@{digest}"


def _images(node: Any) -> Iterator[str]:
    """Every container's image, wherever in a document it stands."""
    if isinstance(node, dict):
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for container in node.get(key) or ():
                if isinstance(container, dict) and isinstance(container.get("image"), str):
                    yield container["image"]
                    yield from _named_by_variables(container)
        for value in node.values():
            yield from _images(value)
    elif isinstance(node, list):
        for item in node:
            yield from _images(item)


def _named_by_variables(container: dict[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if variable.get("name") in IMAGE_VARIABLES and variable.get("value"):
            yield str(variable["value"])
