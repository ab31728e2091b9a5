"""One HTML file that shows every picture of a run with where its time went."""

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.progress import Outcome
from local.summary import Summary

THUMBNAIL = (480, 480)
QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """One picture in the page: a small copy inside it, a link to the file beside it."""

    outcome: Outcome
    link: str
    # "2 of 3" when its task made several, each with a seed of its own.
    place: str
    thumbnail: str
    width: int
    height: int


def write(page: Path, outcomes: Sequence[Outcome], summary: Summary, made: str) -> None:
    """Write the page; `made` says when and from which config."""
    shown = [picture(each, path, page.parent) for each in outcomes for path in each.pictures]
    failed = [each for each in outcomes if not each.good]
    page.write_text(render(shown, failed, summary, made), "utf-8")


def picture(outcome: Outcome, path: Path, beside: Path) -> Picture:
    """One picture, with its thumbnail."""
    from PIL import Image  # noqa: PLC0415 (slow to import; a page without pictures needs none)

    with Image.open(path) as image:
        width, height = image.size
        small = image.convert("RGB")
        small.thumbnail(THUMBNAIL)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    thumbnail = f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
    count = len(outcome.pictures)
    place = f"{outcome.pictures.index(path) + 1} of {count}" if count > 1 else ""
    return Picture(outcome, os.path.relpath(path, beside), place, thumbnail, width, height)


def render(pictures: Sequence[Picture], failed: Sequence[Outcome], summary: Summary, made: str) -> str:
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
    runtimes = list(dict.fromkeys(each.outcome.planned.runtime for each in pictures))
    known = {"pictures": pictures, "failed": failed, "summary": summary}
    return environment.get_template("gallery.html.j2").render(known, runtimes=runtimes, made=made)


def seconds(value: float | None) -> str:
    """A time as people read it."""
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 0.995 else f"{value:.1f} s"
