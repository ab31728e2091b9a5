"""Put the burst scenario's picture, and the numbers under it, into docs/: `make docs`."""

import json
import re
import shutil
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "build" / "e2e"
DOCS = PICTURES.parents[1] / "docs"
NUMBERS = """\
| tasks | time to picture, p50 | p95 | most pods | most GPU nodes | GPU node seconds | of them at work |
|---|---|---|---|---|---|---|
| {tasks} | {p50:.0f} s | {p95:.0f} s | {pods} | {nodes} | {node_seconds:.0f} | {busy_share:.0%} |
"""


def fill(command: str, text: str) -> None:
    """Replace what `command` wrote into docs/scaling.md before. Raises ValueError without a place for it."""
    page = DOCS / "scaling.md"
    block = re.compile(f"(?<=<!-- made by `{command}` -->\n).*?(?=<!-- end -->)", re.DOTALL)
    written, places = block.subn(lambda _: text, page.read_text("utf-8"))
    if places != 1:
        raise ValueError(f"{page} has {places} places for `{command}`")
    page.write_text(written, "utf-8")


def main() -> None:
    """Copy what the scenario wrote, and fill the page."""
    for suffix in ("svg", "png"):
        shutil.copyfile(PICTURES / f"burst.{suffix}", DOCS / "images" / f"burst.{suffix}")
    fill("make docs", NUMBERS.format(**json.loads((PICTURES / "burst.json").read_text())))


if __name__ == "__main__":
    main()
