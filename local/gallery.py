"""One HTML file that shows every picture of a run and how long each stage of its task took."""

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.progress import TaskOutcome
from local.summary import Summary

THUMBNAIL = (480, 480)
QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """One picture in the page: an embedded thumbnail and a link to the file."""

    outcome: TaskOutcome
    link: str
    # "2 of 3" if its task made several pictures, each with its own seed.
    position: str
    thumbnail: str
    width: int
    height: int


def write(page: Path, outcomes: Sequence[TaskOutcome], summary: Summary, origin: str) -> None:
    """Write the page; `origin` is a sentence on the config and the date."""
    pictures = [picture(outcome, path, page.parent) for outcome in outcomes for path in outcome.pictures]
    failed = [outcome for outcome in outcomes if not outcome.succeeded]
    page.write_text(render(pictures, failed, summary, origin), "utf-8")


def picture(outcome: TaskOutcome, path: Path, folder: Path) -> Picture:
    """One picture with its thumbnail; its link is relative to `folder`."""
    from PIL import Image  # noqa: PLC0415 (slow to import; a page without pictures needs none)

    with Image.open(path) as image:
        width, height = image.size
        small = image.convert("RGB")
        small.thumbnail(THUMBNAIL)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    thumbnail = f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
    count = len(outcome.pictures)
    position = f"{outcome.pictures.index(path) + 1} of {count}" if count > 1 else ""
    return Picture(outcome, os.path.relpath(path, folder), position, thumbnail, width, height)


def render(pictures: Sequence[Picture], failed: Sequence[TaskOutcome], summary: Summary, origin: str) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 (slow to import)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    runtimes = list(dict.fromkeys(picture.outcome.planned.runtime for picture in pictures))
    variables = {"pictures": pictures, "failed": failed, "summary": summary, "origin": origin}
    return environment.get_template("gallery.html.j2").render(variables, runtimes=runtimes)


def seconds(value: float | None) -> str:
    """A duration for people: milliseconds below one second, else seconds."""
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 0.995 else f"{value:.1f} s"
