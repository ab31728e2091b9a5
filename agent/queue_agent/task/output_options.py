"""How a task wants its pictures, from `metadata.output` and as text for the process that makes them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from queue_agent.contract import OutputOptions, PictureOptions
from queue_agent.task.output_rules import DEFAULT_QUALITY, THUMBNAIL_FORMAT


def output_options(value: Mapping[str, Any]) -> OutputOptions:
    """The options in a value without errors."""
    thumbnail = value.get("thumbnail")
    return OutputOptions(
        _picture_options(value, ""),
        None if thumbnail is None else _picture_options(thumbnail, THUMBNAIL_FORMAT),
    )


def options_text(options: OutputOptions) -> str:
    """The options as text for another process."""
    return json.dumps(asdict(options))


def options_of_text(text: str) -> OutputOptions:
    """The options in a text of `options_text`."""
    value = json.loads(text)
    thumbnail = value["thumbnail"] and PictureOptions(**value["thumbnail"])
    return OutputOptions(PictureOptions(**value["picture"]), thumbnail)


def _picture_options(value: Mapping[str, Any], default: str) -> PictureOptions:
    return PictureOptions(
        str(value.get("format", default)),
        int(value.get("quality", DEFAULT_QUALITY)),
        int(value.get("maxSize", 0)),
    )
