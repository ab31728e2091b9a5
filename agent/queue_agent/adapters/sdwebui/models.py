"""Which checkpoint a name means, among those that SD WebUI lists. Pure.

SD WebUI itself takes any part of a title, and the current model for a name it does not know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth")
EXACT = ("title", "model_name", "filename", "hash", "sha256")


def titles(listed: Sequence[Mapping[str, Any]], wanted: str) -> list[str]:
    """The titles of the checkpoints that the name means; more than one when it is not clear."""
    exact = [str(item["title"]) for item in listed if wanted in (item.get(key) for key in EXACT)]
    return exact or [
        str(item["title"])
        for item in listed
        if any(same_model(wanted, str(item.get(key) or "")) for key in ("title", "filename"))
    ]


def named(content: Mapping[str, Any]) -> str | None:
    """The checkpoint that a task names: in `override_settings`, or where v1alpha1 put it."""
    scripts = content.get("alwayson_scripts")
    old = scripts.get("override_settings") if isinstance(scripts, Mapping) else None
    for place in (content.get("override_settings"), old, scripts):
        if isinstance(place, Mapping) and isinstance(name := place.get("sd_model_checkpoint"), str) and name:
            return name
    return None


def same_model(one: str, other: str) -> bool:
    """Whether two names mean one file: a title `a.safetensors [hash]`, a path, a name without its ending."""
    (stem, ending), (other_stem, other_ending) = _parts(one), _parts(other)
    return stem == other_stem and (ending == other_ending or "" in (ending, other_ending))


def _parts(name: str) -> tuple[str, str]:
    base = name.split(" [", 1)[0].replace("\\", "/").rsplit("/", 1)[-1]
    ending = next((each for each in EXTENSIONS if base.endswith(each)), "")
    return base.removesuffix(ending), ending
